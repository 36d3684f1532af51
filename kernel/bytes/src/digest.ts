import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'

type OneShotHash = (algorithm: string, data: Uint8Array, encoding: 'buffer') => Uint8Array

// Node's one-shot hash is about ten times faster than a JavaScript one; browsers do not have it.
const nodeHash = (
  globalThis as { process?: { getBuiltinModule?: (id: string) => { hash?: OneShotHash } | undefined } }
).process?.getBuiltinModule?.('node:crypto')?.hash

/** @returns 32 bytes. FIPS 180-4. */
export function sha256(data: Uint8Array): Uint8Array {
  if (nodeHash === undefined) return nobleSha256(data)
  const digest = nodeHash('sha256', data, 'buffer')
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength)
}

/** @returns 32 bytes. Keccak with the original padding, as Ethereum uses it. */
export function keccak256(data: Uint8Array): Uint8Array {
  return keccak_256(data)
}

const hmacBlockBytes = 64

/**
 * HMAC-SHA-256 (RFC 2104) with the padded key prepared once: a keyed hash for callers that make very many.
 * @returns a function from a message to 32 bytes. */
export function hmacSha256(key: Uint8Array): (message: Uint8Array) => Uint8Array {
  const block = new Uint8Array(hmacBlockBytes)
  block.set(key.length > hmacBlockBytes ? sha256(key) : key)
  const inner = block.map((byte) => byte ^ 0x36)
  const outer = new Uint8Array(hmacBlockBytes + 32)
  outer.set(block.map((byte) => byte ^ 0x5c))
  return (message) => {
    const padded = new Uint8Array(hmacBlockBytes + message.length)
    padded.set(inner)
    padded.set(message, hmacBlockBytes)
    const last = outer.slice()
    last.set(sha256(padded), hmacBlockBytes)
    return sha256(last)
  }
}
