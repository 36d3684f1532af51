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
import type { Effect, PersonalMessage } from './effect.ts'
import type { Intent } from './intent.ts'

export const messageBytesMax = 65_536

/** As callers send it: text, or bytes as Hex. A string that looks like Hex is text all the same. */
export type MessageInput = string | { readonly raw: Hex }

/**
 * EIP-191 version 0x45 (personal_sign). What is hashed starts with 0x19, which starts no RLP list, is no transaction
 * type, and its second byte sets it apart from typed data (0x01): the signature can be none of these. A message of
 * 32 bytes is a `raw-digest` as well.
 * @throws {CountersignError} INTENT_MESSAGE_INVALID, INTENT_TOO_LARGE */
export function personalMessageIntent(message: MessageInput | Uint8Array): Intent {
  const bytes = messageBytes(message)
  if (bytes.length > messageBytesMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `The message has ${bytes.length} bytes; ${messageBytesMax} are allowed.`,
    )
  }
  const preimage = preimageOf(bytes)
  const effects: Effect[] = [messageEffect(bytes)]
  // Smart accounts take personal_sign over a hash for consent to what was hashed (a user operation, a Safe transaction).
  if (bytes.length === 32) effects.push({ kind: 'raw-digest', digest: encodeHex(bytes) })
  return {
    operation: 'sign-message',
    chain: undefined,
    effects,
    toSign: keccak256(preimage),
    payloadDigest: encodeHex(sha256(preimage)),
  }
}

export function messageEffect(bytes: Uint8Array): PersonalMessage {
  const messageHash = encodeHex(keccak256(preimageOf(bytes)))
  return { kind: 'message', text: textOf(bytes), messageBytes: bytes.length, messageHash }
}

function preimageOf(bytes: Uint8Array): Uint8Array {
  return concatBytes(encodeUtf8(`\x19Ethereum Signed Message:\n${bytes.length}`), bytes)
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
