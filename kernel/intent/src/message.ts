import {
  concatBytes,
  decodeHex,
  decodeUtf8,
  encodeHex,
  encodeUtf8,
  type Hex,
  isHex,
  keccak256,
  sha256,
} from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import type { Intent } from './intent.ts'

export const messageBytesMax = 65_536

/** As callers send it: text, or bytes as Hex. A string that looks like Hex is text all the same. */
export type MessageInput = string | { readonly raw: Hex }

/**
 * EIP-191 version 0x45 (personal_sign). What is hashed starts with 0x19, which starts no RLP list, is no transaction
 * type, and its second byte sets it apart from typed data (0x01): the signature can be none of these.
 * @throws {CountersignError} INTENT_MESSAGE_INVALID, INTENT_TOO_LARGE */
export function personalMessageIntent(message: MessageInput | Uint8Array): Intent {
  const bytes = messageBytes(message)
  if (bytes.length > messageBytesMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `The message has ${bytes.length} bytes; ${messageBytesMax} are allowed.`,
    )
  }
  const preimage = concatBytes(encodeUtf8(`\x19Ethereum Signed Message:\n${bytes.length}`), bytes)
  const toSign = keccak256(preimage)
  return {
    operation: 'sign-message',
    chain: undefined,
    effects: [
      { kind: 'message', text: textOf(bytes), messageBytes: bytes.length, messageHash: encodeHex(toSign) },
    ],
    toSign,
    payloadDigest: encodeHex(sha256(preimage)),
  }
}

function messageBytes(message: unknown): Uint8Array {
  if (message instanceof Uint8Array) return message
  if (typeof message === 'string') {
    // A lone surrogate has no UTF-8 form; an encoder would silently sign something else.
    if (!message.isWellFormed()) throw invalid('its text has a lone surrogate')
    return encodeUtf8(message)
  }
  if (typeof message !== 'object' || message === null) throw invalid('it is neither text nor {raw}')
  const { raw, ...rest } = message as { raw?: unknown }
  if (!isHex(raw) || Object.keys(rest).length > 0) throw invalid('it is neither text nor {raw: 0x…}')
  return decodeHex(raw)
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decodeUtf8(bytes)
  } catch {
    return undefined
  }
}

function invalid(what: string) {
  return intentError('INTENT_MESSAGE_INVALID', `The message cannot be signed: ${what}.`)
}
