import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { encodeBase64, encodeHex, encodeUtf8, type Hex } from './hex.ts'

type OneShotHash = (
  algorithm: string,
  data: Uint8Array | string,
  encoding: 'latin1' | 'hex' | 'base64',
) => string

// Node's one-shot hash is about ten times faster than a JavaScript one; browsers do not have it.
const nodeHash = (
  globalThis as { process?: { getBuiltinModule?: (id: string) => { hash?: OneShotHash } | undefined } }
).process?.getBuiltinModule?.('node:crypto')?.hash

/**
 * FIPS 180-4. A string is taken as UTF-8.
 * @returns 32 bytes. */
export function sha256(data: Uint8Array | string): Uint8Array {
  if (nodeHash === undefined) return nobleSha256(typeof data === 'string' ? encodeUtf8(data) : data)
  // As one character for each byte: bytes that Node hands out lie outside of the heap, which costs twice the hash.
  const characters = nodeHash('sha256', data, 'latin1')
  const digest = new Uint8Array(32)
  for (let i = 0; i < 32; i++) digest[i] = characters.charCodeAt(i)
  return digest
}

/** The same as 0x-hexadecimal. */
export function sha256Hex(data: Uint8Array | string): Hex {
  return nodeHash === undefined ? encodeHex(sha256(data)) : `0x${nodeHash('sha256', data, 'hex')}`
}

/** The same as base64. */
export function sha256Base64(data: Uint8Array | string): string {
  return nodeHash === undefined ? encodeBase64(sha256(data)) : nodeHash('sha256', data, 'base64')
}

/** @returns 32 bytes. Keccak with the original padding, as Ethereum uses it. */
export function keccak256(data: Uint8Array): Uint8Array {
  return keccak_256(data)
}

const hmacBlockBytes = 64
const hmacScratchBytes = 4096

/**
 * HMAC-SHA-256 (RFC 2104) with the padded key prepared once: a keyed hash for callers that make very many.
 * @returns a function from a message to 32 bytes. */
export function hmacSha256(key: Uint8Array): (message: Uint8Array) => Uint8Array {
  const block = new Uint8Array(hmacBlockBytes)
  block.set(key.length > hmacBlockBytes ? sha256(key) : key)
  const inner = block.map((byte) => byte ^ 0x36)
  const outer = new Uint8Array(hmacBlockBytes + 32)
  outer.set(block.map((byte) => byte ^ 0x5c))
  // Reused, and never handed out: what does not fit the heap's small arrays costs more than the hash.
  let padded = new Uint8Array(hmacScratchBytes)
  padded.set(inner)
  return (message) => {
    const bytes = hmacBlockBytes + message.length
    if (bytes > padded.length) {
      padded = new Uint8Array(2 * bytes)
      padded.set(inner)
    }
    padded.set(message, hmacBlockBytes)
    outer.set(sha256(padded.subarray(0, bytes)), hmacBlockBytes)
    return sha256(outer)
  }
}
