import { encodeHex, sha256 } from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import type { Intent } from './intent.ts'

export const rawMessageBytesMax = 131_072

/**
 * 32 bytes for a secp256k1 key. They may be the digest of anything: a transaction, typed data, a permit.
 * @throws {CountersignError} INTENT_DIGEST_INVALID */
export function rawDigestIntent(digest: Uint8Array): Intent {
  if (digest.length !== 32) {
    throw intentError('INTENT_DIGEST_INVALID', `The digest has ${digest.length} bytes, not 32.`)
  }
  // A copy: what is signed must not change with the caller's buffer. (slice() of Node's Buffer would be a view.)
  const toSign = new Uint8Array(digest)
  return {
    operation: 'sign-raw',
    chain: undefined,
    effects: [{ kind: 'raw-digest', digest: encodeHex(toSign) }],
    toSign,
    payloadDigest: encodeHex(sha256(toSign)),
  }
}

/**
 * Bytes for an Ed25519 key, which signs the message itself. `messageHash` is their SHA-256.
 * @throws {CountersignError} INTENT_DIGEST_INVALID, INTENT_TOO_LARGE */
export function rawMessageIntent(message: Uint8Array): Intent {
  if (message.length === 0) throw intentError('INTENT_DIGEST_INVALID', 'The message to sign is empty.')
  if (message.length > rawMessageBytesMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `The message has ${message.length} bytes; ${rawMessageBytesMax} are allowed.`,
    )
  }
  const toSign = new Uint8Array(message)
  const messageHash = encodeHex(sha256(toSign))
  return {
    operation: 'sign-raw',
    chain: undefined,
    effects: [{ kind: 'raw-message', messageHash, messageBytes: toSign.length }],
    toSign,
    payloadDigest: messageHash,
  }
}
