import { sha256 } from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import { schnorr, secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { bip340Hash } from './bip340-hash.ts'
import { concatBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import type { Group } from './group.ts'
import { ed25519Scalars, secp256k1Scalars } from './scalar-field.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'
import { type SuiteId, suites } from './suites.ts'

export type FrostSuiteId = 2 | 3 | 4

/** What RFC 9591, section 6, asks of a ciphersuite beyond its group. */
export interface FrostSuite {
  readonly id: FrostSuiteId
  readonly curve: Group['name']
  /** BIP-340: keys and nonces are known by x alone, and stand for their point of even y. */
  readonly isXOnly: boolean
  readonly signatureBytes: 64 | 65
  /** H1: binding factors. */
  hashBinding(input: Uint8Array): bigint
  /** H3: nonces. */
  hashNonce(input: Uint8Array): bigint
  /** H4. */
  hashMessage(message: Uint8Array): Uint8Array
  /** H5. */
  hashCommitments(list: Uint8Array): Uint8Array
  /** H2: the verifier's challenge, over points as the group encodes them. */
  challenge(nonce: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint
  /** A point as this suite's verifiers know it: x alone on suite 4. */
  encodeKey(point: Uint8Array): Uint8Array
  /** What an ordinary verifier of such signatures says; false for anything malformed. */
  verify(signed: SignedMessage): boolean
}

export interface SignedMessage {
  /** As `encodeKey` has it. */
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

const text = (ascii: string) => new TextEncoder().encode(ascii)

/** RFC 9591, section 6.1: FROST(Ed25519, SHA-512). */
const ed25519Suite: FrostSuite = {
  id: suites['frost-ed25519'],
  curve: 'ed25519',
  isXOnly: false,
  signatureBytes: 64,
  hashBinding: (input) => sha512Scalar(ed25519Tags.rho, input),
  hashNonce: (input) => sha512Scalar(ed25519Tags.nonce, input),
  hashMessage: (message) => sha512(concatBytes(ed25519Tags.message, message)),
  hashCommitments: (list) => sha512(concatBytes(ed25519Tags.commitments, list)),
  // H2 has no tag of its own: it is RFC 8032's challenge.
  challenge: (nonce, publicKey, message) => sha512Scalar(nonce, publicKey, message),
  encodeKey: (point) => point,
  // RFC 8032, section 5.1.7, with canonical encodings only. Nonce and key are in the prime-order subgroup (every point
  // was decoded by RFC 9591's rules), so verifiers with and without the cofactor say the same.
  verify: ({ publicKey, message, signature }) =>
    isTrue(() => ed25519.verify(signature, message, publicKey, { zip215: false })),
}

const ed25519Tags = {
  rho: text('FROST-ED25519-SHA512-v1rho'),
  nonce: text('FROST-ED25519-SHA512-v1nonce'),
  message: text('FROST-ED25519-SHA512-v1msg'),
  commitments: text('FROST-ED25519-SHA512-v1com'),
}

/** SHA-512, little endian, modulo the order: 512 bits over an order of 252, so no bias to speak of. */
function sha512Scalar(...parts: readonly Uint8Array[]): bigint {
  const input = concatBytes(...parts)
  const digest = sha512(input)
  input.fill(0)
  const k = ed25519Scalars.reduce(digest.toReversed())
  digest.fill(0)
  return k
}

/** RFC 9591, section 6.5, hash_to_field: expand_message_xmd of RFC 9380 with SHA-256 to 48 bytes. */
const fieldHash = (domain: string) => (input: Uint8Array) =>
  secp256k1_hasher.hashToScalar(input, { DST: domain })

function secp256k1Hashes(context: string) {
  const [message, commitments] = [text(`${context}msg`), text(`${context}com`)]
  return {
    hashBinding: fieldHash(`${context}rho`),
    hashNonce: fieldHash(`${context}nonce`),
    hashMessage: (bytes: Uint8Array) => sha256(concatBytes(message, bytes)),
    hashCommitments: (list: Uint8Array) => sha256(concatBytes(commitments, list)),
  }
}

const secp256k1Challenge = fieldHash('FROST-secp256k1-SHA256-v1chal')

/** RFC 9591, section 6.5: FROST(secp256k1, SHA-256). */
const secp256k1Suite: FrostSuite = {
  id: suites['frost-secp256k1'],
  curve: 'secp256k1',
  isXOnly: false,
  signatureBytes: 65,
  ...secp256k1Hashes('FROST-secp256k1-SHA256-v1'),
  challenge: (nonce, publicKey, message) => secp256k1Challenge(concatBytes(nonce, publicKey, message)),
  encodeKey: (point) => point,
  verify: ({ publicKey, message, signature }) =>
    isTrue(() => {
      const group = nobleSecp256k1Group
      const encodedNonce = signature.subarray(0, 33)
      const [nonce, key] = [group.decode(encodedNonce), group.decode(publicKey)]
      const z = group.scalars.decode(signature.subarray(33))
      const c = secp256k1Challenge(concatBytes(encodedNonce, publicKey, message))
      const right = group.add(nonce, group.multiplyPublic(key, c))
      return group.equals(group.multiplyPublic(group.generator, z), right)
    }),
}

/** FROST for BIP-340, with the hashes of frost-secp256k1-tr, so that others' signers and verifiers understand it. */
const bip340Suite: FrostSuite = {
  id: suites['frost-secp256k1-bip340'],
  curve: 'secp256k1',
  isXOnly: true,
  signatureBytes: 64,
  ...secp256k1Hashes('FROST-secp256k1-SHA256-TR-v1'),
  challenge: (nonce, publicKey, message) =>
    secp256k1Scalars.reduce(
      bip340Hash('BIP0340/challenge', nonce.subarray(1), publicKey.subarray(1), message),
    ),
  encodeKey: (point) => point.subarray(1),
  verify: ({ publicKey, message, signature }) => isTrue(() => schnorr.verify(signature, message, publicKey)),
}

const frostSuites: Readonly<Record<FrostSuiteId, FrostSuite>> = {
  2: ed25519Suite,
  3: secp256k1Suite,
  4: bip340Suite,
}

/** @throws {CountersignError} MPC_INPUT_INVALID for a suite that signs otherwise. */
export function frostSuiteOf(suite: SuiteId): FrostSuite {
  if (suite === 2 || suite === 3 || suite === 4) return frostSuites[suite]
  throw mpcError('MPC_INPUT_INVALID', `A key of suite ${suite} does not sign with FROST.`)
}

/** The ordinary verifier of a suite's signatures: RFC 8032, RFC 9591 appendix B, BIP-340. */
export function isFrostSignatureValid(suite: FrostSuiteId, signed: SignedMessage): boolean {
  const { verify, signatureBytes } = frostSuiteOf(suite)
  return signed.signature.length === signatureBytes && verify(signed)
}

/** A verifier that throws has refused. */
function isTrue(verify: () => boolean): boolean {
  try {
    return verify()
  } catch {
    return false
  }
}
