import { randomBytes } from 'node:crypto'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import type { KeyBackend, SchnorrSigner } from './backend.ts'
import { keysError } from './catalogue.ts'
import { checkDigest, checkSecretKey } from './secp256k1-interface.ts'

/** Whether a backend can sign for Taproot. */
export function isSchnorrSigner(backend: KeyBackend): backend is KeyBackend & SchnorrSigner {
  return typeof (backend as Partial<SchnorrSigner>).signTaproot === 'function'
}

/**
 * BIP-340 by the key that a Taproot key path without scripts asks for: the secret key, negated where its point has an
 * odd y, plus the tweak (BIP-341, taproot_tweak_seckey; BIP-86). The nonce is drawn as BIP-340 says, with fresh
 * auxiliary randomness.
 * @param digest 32 bytes. @returns 64 bytes.
 * @throws {CountersignError} KEYS_PAYLOAD_INVALID, KEYS_SECRET_KEY_INVALID */
export function signTaproot(digest: Uint8Array, secretKey: Uint8Array): Uint8Array {
  checkDigest(digest)
  checkSecretKey(secretKey)
  const { Fn } = secp256k1.Point
  const point = secp256k1.getPublicKey(secretKey, true)
  const scalar = Fn.fromBytes(secretKey)
  const even = point[0] === 2 ? scalar : Fn.neg(scalar)
  const tweaked = Fn.add(even, taprootTweak(point.subarray(1)))
  // One key in 2^256.
  if (tweaked === 0n) throw keysError('KEYS_SECRET_KEY_INVALID', 'The key has no Taproot form.')
  const bytes = Fn.toBytes(tweaked)
  try {
    return schnorr.sign(digest, bytes, new Uint8Array(randomBytes(32)))
  } finally {
    bytes.fill(0)
  }
}

/** @param internalKey 32 bytes. @returns the tweak of a key path without scripts (BIP-341, BIP-86). */
export function taprootTweak(internalKey: Uint8Array): bigint {
  const { Fn } = secp256k1.Point
  const hash = schnorr.utils.taggedHash('TapTweak', internalKey)
  const tweak = BigInt(`0x${Buffer.from(hash).toString('hex')}`)
  if (tweak >= Fn.ORDER) throw keysError('KEYS_SECRET_KEY_INVALID', 'The key has no Taproot form.')
  return tweak
}
