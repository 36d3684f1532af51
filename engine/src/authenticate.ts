import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { decodeHex, type Hex } from '@countersign/bytes'
import {
  type Credential,
  type CredentialAlgorithm,
  checkActive,
  checkAudience,
  checkFreshness,
  checkPasskeySignature,
  checkSignatureCount,
  isApiKeyOf,
  isBearerRequest,
  isPasskeyAlgorithm,
  ordinaryLifetimeS,
  parseBearerRequest,
  parseRequestSignatures,
  type SignedRequest,
  subjectOf,
  verifySignature,
  wireError,
} from '@countersign/wire'
import { engineError } from './catalogue.ts'
import type { SignerClient } from './signer-client.ts'

/** Who asks. Good for sparing chain and directory; what is signed, the signer decides over the same request. */
export interface Caller {
  /** Of the first signature, or of the API key. */
  readonly credential: Credential
  /** Whom it stands for: requests are idempotent under this id, whatever keys it has had. */
  readonly subject: string
  readonly requestId: string
  /** The same for every signature over one request. */
  readonly digest: Hex
  readonly nonces: readonly UsedNonce[]
}

export interface UsedNonce {
  readonly key: string
  readonly expiresS: number
}

/** @throws {CountersignError} WIRE_* */
export async function authenticate(request: SignedRequest, signer: SignerClient): Promise<Caller> {
  if (isBearerRequest(request)) return authenticateBearer(request, signer)
  const parsed = parseRequestSignatures(request)
  // Nothing that the engine answers by itself is a quorum's.
  checkSignatureCount({ auth: 'credential' }, parsed)
  checkAudience(parsed.audience, await signer.audience())
  const nowMs = Date.now()
  const nowS = Math.floor(nowMs / 1_000)
  const credentials: Credential[] = []
  for (const signature of parsed.signatures) {
    checkFreshness(signature, { nowS, maxLifetimeS: ordinaryLifetimeS })
    const credential = await signer.credential(signature.credentialId)
    if (credential === undefined || credential.algorithm !== signature.algorithm) {
      throw wireError(
        'WIRE_UNKNOWN_CREDENTIAL',
        `The signer knows no credential ${signature.credentialId} with this algorithm.`,
      )
    }
    checkActive(credential, nowMs)
    if (!(await isSignedBy(credential, signature.base, signature.signature))) {
      throw wireError(
        'WIRE_BAD_SIGNATURE',
        `The signature of ${credential.id} does not verify over this request.`,
      )
    }
    credentials.push(credential)
  }
  const [credential] = credentials
  if (credential === undefined) throw new Error('bug: a request without signatures was parsed')
  return {
    credential,
    subject: subjectOf(credential),
    requestId: parsed.requestId,
    digest: parsed.digest,
    nonces: parsed.signatures.map(({ credentialId, nonce, expires }) => ({
      key: `${credentialId}/${nonce}`,
      expiresS: expires,
    })),
  }
}

/** The key is the proof, and it passes through here as it is: see SECURITY.md for what that means. */
async function authenticateBearer(request: SignedRequest, signer: SignerClient): Promise<Caller> {
  const { credentialId, hash, requestId, digest } = parseBearerRequest(request)
  const credential = await signer.credential(credentialId)
  if (credential === undefined || !isApiKeyOf(credential, hash)) {
    throw wireError('WIRE_UNKNOWN_CREDENTIAL', 'The API key of this request is not known to the signer.')
  }
  checkActive(credential, Date.now())
  return { credential, subject: subjectOf(credential), requestId, digest, nonces: [] }
}

export function mayRead(credential: Credential): boolean {
  return credential.role === 'admin' || credential.powers.includes('read')
}

/** @throws {CountersignError} WIRE_NOT_PERMITTED */
export function checkMayRead(credential: Credential): void {
  if (mayRead(credential)) return
  throw wireError(
    'WIRE_NOT_PERMITTED',
    `The credential ${credential.id} has neither the power read nor the role admin.`,
  )
}

/** Nonces of requests that this process answered by itself. What reaches the signer is checked there, durably. */
export interface NonceMemory {
  /** @throws {CountersignError} WIRE_NONCE_REPLAYED, ENGINE_BUSY */
  take(nonces: readonly UsedNonce[]): void
}

const noncesMax = 200_000

export function openNonceMemory(nowMs: () => number = Date.now): NonceMemory {
  const expiresOf = new Map<string, number>()
  return {
    take(nonces) {
      const nowS = nowMs() / 1_000
      if (expiresOf.size + nonces.length > noncesMax) {
        for (const [key, expiresS] of expiresOf) if (expiresS < nowS) expiresOf.delete(key)
        // Forgetting a nonce that could still be used would open a replay.
        if (expiresOf.size + nonces.length > noncesMax)
          throw engineError('ENGINE_BUSY', 'Too many reads in a short time.')
      }
      for (const { key } of nonces) {
        if (expiresOf.has(key))
          throw wireError('WIRE_NONCE_REPLAYED', 'This nonce was used before by the same credential.')
      }
      for (const { key, expiresS } of nonces) expiresOf.set(key, expiresS)
    },
  }
}

const keysMax = 10_000
const keys = new Map<string, KeyObject>()

/** The counter of a passkey is the signer's to compare. */
function isSignedBy(
  { algorithm, publicKey, passkey }: Credential,
  base: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> | boolean {
  if (algorithm === 'bearer') return false
  if (!isPasskeyAlgorithm(algorithm)) return isSignedByKey({ algorithm, publicKey }, base, signature)
  if (passkey === undefined) return false
  const checked = checkPasskeySignature(signature, { algorithm, base, passkey })
  return isSignedByKey({ algorithm: checked.algorithm, publicKey }, checked.base, checked.signature)
}

/** node:crypto on libuv's threads where it knows the curve in this form; kernel/wire otherwise. */
function isSignedByKey(
  { algorithm, publicKey }: { readonly algorithm: CredentialAlgorithm; readonly publicKey: Hex },
  base: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> | boolean {
  if (algorithm === 'secp256k1')
    return verifySignature({ algorithm, publicKey: decodeHex(publicKey) }, base, signature)
  const key = keyOf(algorithm, publicKey)
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, isValid: boolean) =>
      error === null ? resolve(isValid) : reject(error)
    if (algorithm === 'ed25519') verify(null, base, key, signature, done)
    else verify('sha256', base, { key, dsaEncoding: 'ieee-p1363' }, signature, done)
  })
}

/** SubjectPublicKeyInfo up to the key: RFC 8410 section 4, and RFC 5480 with a compressed point. */
const spkiPrefixes = {
  ed25519: '302a300506032b6570032100',
  p256: '3039301306072a8648ce3d020106082a8648ce3d030107032200',
} as const

function keyOf(algorithm: keyof typeof spkiPrefixes, publicKey: Hex): KeyObject {
  const known = keys.get(publicKey)
  if (known !== undefined) return known
  if (keys.size >= keysMax) keys.clear()
  const der = Buffer.from(`${spkiPrefixes[algorithm]}${publicKey.slice(2)}`, 'hex')
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  keys.set(publicKey, key)
  return key
}
