import { encodeHex, sha256 } from '@countersign/bytes'
import { intentError } from '../catalogue.ts'
import type { Intent } from '../intent.ts'
import { messageBytesMax } from '../message.ts'
import { rawMessageIntent } from '../raw.ts'
import { textOf } from './instruction-data.ts'
import { couldBeSolanaMessage } from './solana-message.ts'

/**
 * sign-message for a wallet of Solana: UTF-8 text, signed as it is, as wallets of Solana do. An Ed25519 key has one
 * kind of signature: over bytes that are a transaction's message it is that transaction's. So nothing that could be
 * one is signed here, and no bytes that are not text.
 * @throws {CountersignError} INTENT_MESSAGE_INVALID, INTENT_MESSAGE_IS_TRANSACTION, INTENT_TOO_LARGE */
export function solanaTextIntent(message: Uint8Array): Intent {
  if (message.length > messageBytesMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `The message has ${message.length} bytes; ${messageBytesMax} are allowed.`,
    )
  }
  const toSign = new Uint8Array(message)
  checkNoTransaction(toSign)
  const text = textOf(toSign)
  if (text === undefined || text.length === 0) {
    throw intentError(
      'INTENT_MESSAGE_INVALID',
      'The message is empty or not UTF-8; a wallet of Solana signs text.',
      { fix: 'Send text; other bytes can go to sign-raw if a policy permits raw messages.' },
    )
  }
  const messageHash = encodeHex(sha256(toSign))
  return {
    operation: 'sign-message',
    chain: undefined,
    effects: [{ kind: 'message', text, messageBytes: toSign.length, messageHash }],
    toSign,
    payloadDigest: messageHash,
  }
}

/**
 * sign-raw for a wallet of Solana. A rule that permits raw messages permits whatever is not decoded here; what is
 * decoded here must go the way on which its effects are seen, rule or not.
 * @throws {CountersignError} INTENT_MESSAGE_IS_TRANSACTION and those of `rawMessageIntent` */
export function solanaRawIntent(message: Uint8Array): Intent {
  const intent = rawMessageIntent(message)
  checkNoTransaction(intent.toSign)
  return intent
}

function checkNoTransaction(bytes: Uint8Array): void {
  if (!couldBeSolanaMessage(bytes)) return
  throw intentError(
    'INTENT_MESSAGE_IS_TRANSACTION',
    'The bytes are or could be the message of a Solana transaction; they are not signed as anything else.',
  )
}
