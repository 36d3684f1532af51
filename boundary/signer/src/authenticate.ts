import { createPublicKey, type KeyObject, verify as verifyWithNode } from 'node:crypto'
import { concatBytes, decodeHex, encodeHex, type Hex, sha256 } from '@countersign/bytes'
import { secp256k1 } from '@countersign/keys'
import {
  type Attribution,
  type Credential,
  type CredentialAlgorithm,
  checkAudience,
  checkFreshness,
  ordinaryLifetimeS,
  parseRequestSignatures,
  type SignedRequest,
  wireError,
} from '@countersign/wire'
import type { NonceMemory } from './nonce-memory.ts'

/** Who asks, proven. */
export interface Caller {
  /** In the order of their signatures; all different. */
  readonly credentials: readonly Credential[]
  /** The first signer: requests are idempotent under its id. */
  readonly primary: Credential
  readonly requestId: string
  /** SHA-256 over method, path, body digest, audience and request id. */
  readonly digest: Hex
  /** In the order of `credentials`; the same nonce never counts twice. */
  readonly nonces: readonly string[]
  readonly attribution: Attribution
}

export interface AuthenticationContext {
  readonly audience: string
  readonly nonces: NonceMemory
  credential(id: string): Promise<Credential | undefined>
  nowMs(): number
}

/**
 * Step 1 of the main path: every signature on the request is checked, and one that does not hold refuses all.
 * @throws {CountersignError} WIRE_* */
export async function authenticate(
  request: SignedRequest,
  context: AuthenticationContext,
  maxLifetimeS: number,
): Promise<Caller> {
  const { parsed, credentials, nowS } = await prove(request, context, maxLifetimeS)
  // Only now: an unproven request must not be able to use up somebody's nonce.
  for (const signature of parsed.signatures)
    context.nonces.take(signature.credentialId, signature.nonce, signature.expires, nowS)
  const [primary] = credentials
  if (primary === undefined) throw new Error('bug: a request without signatures was parsed')
  return {
    credentials,
    primary,
    requestId: parsed.requestId,
    digest: parsed.digest,
    nonces: parsed.signatures.map(({ nonce }) => nonce),
    attribution: primary.attribution,
  }
}

/**
 * The same without taking the nonces: for what must not be done for just anybody, before the request is worked on.
 * @throws {CountersignError} WIRE_* */
export async function prove(request: SignedRequest, context: AuthenticationContext, maxLifetimeS: number) {
  const parsed = parseRequestSignatures(request)
  checkAudience(parsed.audience, context.audience)
  const nowS = Math.floor(context.nowMs() / 1000)
  const credentials: Credential[] = []
  for (const signature of parsed.signatures) {
    checkFreshness(signature, { nowS, maxLifetimeS })
    const credential = await context.credential(signature.credentialId)
    if (credential === undefined || credential.algorithm !== signature.algorithm) {
      throw wireError(
        'WIRE_UNKNOWN_CREDENTIAL',
        `No credential ${signature.credentialId} with this algorithm is known here.`,
      )
    }
    if (credential.status !== 'active') {
      throw wireError('WIRE_CREDENTIAL_REVOKED', `The credential ${credential.id} was revoked.`)
    }
    // A day is for members of a quorum: each nonce is remembered for as long as its signature lives.
    if (credential.role !== 'admin')
      checkFreshness(signature, { nowS, maxLifetimeS: Math.min(maxLifetimeS, ordinaryLifetimeS) })
    credentials.push(credential)
  }
  const valid = await Promise.all(
    parsed.signatures.map((signature, i) =>
      isSignedBy(credentials[i] as Credential, signature.base, signature.signature),
    ),
  )
  const bad = valid.indexOf(false)
  if (bad !== -1) {
    throw wireError(
      'WIRE_BAD_SIGNATURE',
      `The signature of ${credentials[bad]?.id} does not verify over this request.`,
    )
  }
  return { parsed, credentials, nowS }
}

const keysMax = 10_000
const keys = new Map<string, KeyObject>()

const orderN = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** OpenSSL makes both forms of s; libsecp256k1 takes the lower only. A request is bound by its nonce, not by s. */
function lowS(signature: Uint8Array): Uint8Array {
  const s = BigInt(encodeHex(signature.subarray(32)))
  if (s <= orderN >> 1n || s >= orderN) return signature
  const low = decodeHex(`0x${(orderN - s).toString(16).padStart(64, '0')}`)
  return concatBytes(signature.subarray(0, 32), low)
}

/** P-256 and Ed25519 on libuv's threads, so that one core can sign while another verifies. */
function isSignedBy(
  credential: Credential,
  base: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> | boolean {
  if (credential.algorithm === 'secp256k1') {
    return secp256k1.verify(sha256(base), lowS(signature), decodeHex(credential.publicKey))
  }
  const key = keyOf(credential)
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, isValid: boolean) =>
      error === null ? resolve(isValid) : reject(error)
    if (credential.algorithm === 'ed25519') verifyWithNode(null, base, key, signature, done)
    else verifyWithNode('sha256', base, key, derSignature(signature), done)
  })
}

/**
 * r||s as ASN.1 DER (RFC 3279 section 2.2.3). Node takes r||s too, but then converts it on the calling thread under
 * the key's lock: 30 to 80 microseconds that the main thread of the signer does not have.
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

function keyOf({ algorithm, publicKey }: Credential): KeyObject {
  const known = keys.get(publicKey)
  if (known !== undefined) return known
  if (keys.size >= keysMax) keys.clear()
  const key = createPublicKey({ key: spki(algorithm, decodeHex(publicKey)), format: 'der', type: 'spki' })
  keys.set(publicKey, key)
  return key
}

/** SubjectPublicKeyInfo prefixes: RFC 8410 section 4, and RFC 5480 with a compressed point. */
const spkiPrefixes = {
  ed25519: '0x302a300506032b6570032100',
  p256: '0x3039301306072a8648ce3d020106082a8648ce3d030107032200',
} as const

function spki(algorithm: CredentialAlgorithm, publicKey: Uint8Array): Buffer {
  if (algorithm === 'secp256k1') throw new Error('bug: secp256k1 is verified elsewhere')
  return Buffer.concat([decodeHex(spkiPrefixes[algorithm]), publicKey])
}
