import { concatBytes, decodeHex, encodeHex, encodeUtf8, type Hex, sha256 } from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { wireError } from './catalogue.ts'
import type { CredentialAlgorithm, CredentialKind } from './request.ts'

export const credentialIdForm = /^cred_[0-9a-f]{32}$/

/** @param publicKey As `parsePublicKey` gives it: one key has one encoding, so one id. Of an API key its hash. */
export function credentialId(algorithm: CredentialKind, publicKey: Uint8Array): string {
  const digest = sha256(concatBytes(encodeUtf8(`${algorithm}\0`), publicKey))
  return `cred_${encodeHex(digest.subarray(0, 16)).slice(2)}`
}

/**
 * Takes a compressed point (33 bytes) for p256 and secp256k1, 32 bytes for ed25519, as bytes or 0x-hexadecimal.
 * Refuses what is not on the curve, the identity, and Ed25519 keys with a part of small order, for which
 * signatures exist that verify over any message.
 * @throws {CountersignError} WIRE_PUBLIC_KEY_INVALID */
export function parsePublicKey(algorithm: CredentialAlgorithm, publicKey: Hex | Uint8Array): Uint8Array {
  const bytes = keyBytes(publicKey)
  const bytesWanted = algorithm === 'ed25519' ? 32 : 33
  if (bytes.length !== bytesWanted) {
    throw wireError(
      'WIRE_PUBLIC_KEY_INVALID',
      `The ${algorithm} public key has ${bytes.length} bytes where ${bytesWanted} are needed.`,
    )
  }
  if (!isUsable(algorithm, bytes)) {
    throw wireError('WIRE_PUBLIC_KEY_INVALID', `The public key is not a usable point of ${algorithm}.`)
  }
  return bytes
}

/**
 * WebCrypto and many libraries export ECDSA keys uncompressed (65 bytes).
 * @returns the compressed form, checked by `parsePublicKey`.
 * @throws {CountersignError} WIRE_PUBLIC_KEY_INVALID */
export function compressPublicKey(algorithm: 'p256' | 'secp256k1', publicKey: Uint8Array): Uint8Array {
  try {
    const curve = algorithm === 'p256' ? p256 : secp256k1
    return parsePublicKey(algorithm, curve.Point.fromBytes(publicKey).toBytes(true))
  } catch (cause) {
    throw wireError('WIRE_PUBLIC_KEY_INVALID', `The public key is not a point of ${algorithm}.`, { cause })
  }
}

function keyBytes(publicKey: Hex | Uint8Array): Uint8Array {
  if (publicKey instanceof Uint8Array) return publicKey
  try {
    return decodeHex(publicKey, 'publicKey')
  } catch (cause) {
    throw wireError('WIRE_PUBLIC_KEY_INVALID', 'The public key is not 0x-prefixed hexadecimal.', { cause })
  }
}

function isUsable(algorithm: CredentialAlgorithm, bytes: Uint8Array): boolean {
  try {
    if (algorithm === 'ed25519') {
      const point = ed25519.Point.fromBytes(bytes, false)
      return !point.isSmallOrder() && point.isTorsionFree()
    }
    const point = (algorithm === 'p256' ? p256 : secp256k1).Point.fromBytes(bytes)
    point.assertValidity()
    return true
  } catch {
    return false
  }
}
