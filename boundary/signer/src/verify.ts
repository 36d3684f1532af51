import { createPublicKey, type KeyObject, verify as verifyWithNode } from 'node:crypto'
import { concatBytes, decodeHex, encodeHex, type Hex, sha256 } from '@countersign/bytes'
import { isHighS, recoveryIdOf, secp256k1, verifyEd25519 } from '@countersign/keys'
import type { CredentialAlgorithm } from '@countersign/wire'
import { schnorr } from '@noble/curves/secp256k1.js'

/** A credential's signature over a request's signature base. */
export interface RequestCheck {
  readonly algorithm: CredentialAlgorithm
  readonly publicKey: Hex
  readonly base: Uint8Array
  /** r||s or R||S, 64 bytes. */
  readonly signature: Uint8Array
}

export function isRequestSigned({ algorithm, publicKey, base, signature }: RequestCheck): boolean {
  if (algorithm === 'secp256k1') return secp256k1.verify(sha256(base), lowS(signature), decodeHex(publicKey))
  const key = keyOf(algorithm, publicKey)
  return algorithm === 'ed25519'
    ? verifyWithNode(null, base, key, signature)
    : verifyWithNode('sha256', base, key, derSignature(signature))
}

/** What a key backend has just made, before it leaves. */
export interface MadeSignature {
  /** `bip340`: Schnorr on secp256k1, for Taproot; its public key has 32 bytes. */
  readonly algorithm: 'secp256k1' | 'ed25519' | 'bip340'
  readonly publicKey: Hex
  /** secp256k1 and bip340: 32-byte digest. Ed25519: the message. */
  readonly payload: Uint8Array
  readonly bytes: Uint8Array
  /** The backend's hint, which says only what to try first. */
  readonly recovery: 0 | 1 | undefined
}

/**
 * For secp256k1 by recovering the key from the signature, which also tells the recovery id that the wire format needs.
 * @returns the recovery id (0 for the others, which have none), or undefined where the signature is not this key's. */
export function recoveryOf({
  algorithm,
  publicKey,
  payload,
  bytes,
  recovery,
}: MadeSignature): 0 | 1 | undefined {
  const key = decodeHex(publicKey)
  if (bytes.length !== 64) return undefined
  if (algorithm === 'ed25519') return verifyEd25519(payload, bytes, key) ? 0 : undefined
  if (payload.length !== 32) return undefined
  if (algorithm === 'bip340') return schnorr.verify(bytes, payload, key) ? 0 : undefined
  return recoveryIdOf(key, payload, bytes, recovery)
}

const orderN = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** OpenSSL makes both forms of s; libsecp256k1 takes the lower only. A request is bound by its nonce, not by s. */
function lowS(signature: Uint8Array): Uint8Array {
  if (!isHighS(signature)) return signature
  const s = BigInt(encodeHex(signature.subarray(32)))
  if (s >= orderN) return signature
  const low = decodeHex(`0x${(orderN - s).toString(16).padStart(64, '0')}`)
  return concatBytes(signature.subarray(0, 32), low)
}

/**
 * r||s as ASN.1 DER (RFC 3279 section 2.2.3). Node takes r||s too, but its own conversion costs half as much again
 * as the verification.
 */
function derSignature(signature: Uint8Array): Uint8Array {
  const r = derInteger(signature.subarray(0, 32))
  const s = derInteger(signature.subarray(32))
  return concatBytes(Uint8Array.of(0x30, r.length + s.length), r, s)
}

function derInteger(bytes: Uint8Array): Uint8Array {
  let first = 0
  while (first < 31 && bytes[first] === 0) first++
  const rest = bytes.subarray(first)
  const pad = (rest[0] as number) >= 0x80 ? [0] : []
  return concatBytes(Uint8Array.of(0x02, rest.length + pad.length, ...pad), rest)
}

const keysMax = 10_000
const keys = new Map<string, KeyObject>()

function keyOf(algorithm: 'p256' | 'ed25519', publicKey: Hex): KeyObject {
  const known = keys.get(publicKey)
  if (known !== undefined) return known
  if (keys.size >= keysMax) keys.clear()
  const spki = Buffer.concat([decodeHex(spkiPrefixes[algorithm]), decodeHex(publicKey)])
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  keys.set(publicKey, key)
  return key
}

/** SubjectPublicKeyInfo prefixes: RFC 8410 section 4, and RFC 5480 with a compressed point. */
const spkiPrefixes = {
  ed25519: '0x302a300506032b6570032100',
  p256: '0x3039301306072a8648ce3d020106082a8648ce3d030107032200',
} as const
