import type { Hex } from '@countersign/bytes'
import {
  type Attribution,
  type Credential,
  checkActive,
  checkAudience,
  checkFreshness,
  checkSignatureCount,
  isBearerRequest,
  maxLifetimeS,
  ordinaryLifetimeS,
  parseRequestSignatures,
  type Route,
  type SignedRequest,
  wireError,
} from '@countersign/wire'
import { proveBearer } from './bearer.ts'
import type { NonceMemory } from './nonce-memory.ts'
import { type PasskeyUse, signatureCheck } from './passkey.ts'
import type { TokenBuckets } from './token-bucket.ts'
import { verifyRequest } from './verifier.ts'

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
  /** Of those of them that are passkeys. */
  readonly passkeyUses: readonly PasskeyUse[]
}

export interface AuthenticationContext {
  readonly audience: string
  readonly nonces: NonceMemory
  readonly rates: TokenBuckets
  /** Compares the counters of passkeys with the last ones, and keeps them, durably.
   * @throws {CountersignError} WIRE_PASSKEY_CLONED */
  countUses(uses: readonly PasskeyUse[]): Promise<void>
  credential(id: string): Promise<Credential | undefined>
  nowMs(): number
}

/**
 * Step 1 of the main path: every signature on the request is checked, and one that does not hold refuses all.
 * @throws {CountersignError} WIRE_* */
export async function authenticate(request: SignedRequest, context: AuthenticationContext): Promise<Caller> {
  const { caller, takeNonces } = await prove(request, context, 'credential')
  // Only now: an unproven request must not be able to use up somebody's nonce.
  takeNonces()
  if (caller.passkeyUses.length > 0) await context.countUses(caller.passkeyUses)
  return caller
}

export interface Proven {
  readonly caller: Caller
  /** Once, before anything is done for the caller.
   * @throws {CountersignError} WIRE_NONCE_REPLAYED, SIGNER_BUSY */
  takeNonces(): void
}

/**
 * The same without taking the nonces: for what must not be done for just anybody before the request is worked on,
 * and for quorums, whose members' nonces only a request that all have signed may use up.
 * @throws {CountersignError} WIRE_* */
export async function prove(
  request: SignedRequest,
  context: AuthenticationContext,
  auth: Route['auth'],
): Promise<Proven> {
  if (isBearerRequest(request)) return proveBearer(request, context)
  const { parsed, credentials, passkeyUses } = await proveSignatures(request, context, auth)
  const [primary] = credentials
  if (primary === undefined) throw new Error('bug: a request without signatures was parsed')
  const caller = {
    credentials,
    primary,
    requestId: parsed.requestId,
    digest: parsed.digest,
    nonces: parsed.signatures.map(({ nonce }) => nonce),
    attribution: primary.attribution,
    passkeyUses,
  }
  return {
    caller,
    takeNonces() {
      const nowS = Math.floor(context.nowMs() / 1000)
      for (const { credentialId, nonce, expires } of parsed.signatures)
        context.nonces.take(credentialId, nonce, expires, nowS)
    },
  }
}

async function proveSignatures(request: SignedRequest, context: AuthenticationContext, auth: Route['auth']) {
  const parsed = parseRequestSignatures(request)
  checkSignatureCount({ auth }, parsed)
  const lifetimeS = maxLifetimeS({ auth })
  checkAudience(parsed.audience, context.audience)
  const nowMs = context.nowMs()
  const nowS = Math.floor(nowMs / 1000)
  const credentials: Credential[] = []
  for (const signature of parsed.signatures) {
    checkFreshness(signature, { nowS, maxLifetimeS: lifetimeS })
    const credential = await context.credential(signature.credentialId)
    if (credential === undefined || credential.algorithm !== signature.algorithm) {
      throw wireError(
        'WIRE_UNKNOWN_CREDENTIAL',
        `No credential ${signature.credentialId} with this algorithm is known here.`,
      )
    }
    checkActive(credential, nowMs)
    // A day is for members of a quorum: each nonce is remembered for as long as its signature lives.
    if (credential.role !== 'admin')
      checkFreshness(signature, { nowS, maxLifetimeS: Math.min(lifetimeS, ordinaryLifetimeS) })
    credentials.push(credential)
  }
  const checks = parsed.signatures.map((signature, i) => {
    const credential = credentials[i]
    if (credential === undefined) throw new Error('bug: a signature without its credential')
    return signatureCheck(credential, signature)
  })
  const valid = await Promise.all(checks.map(({ check }) => verifyRequest(check)))
  // Nothing but a plain yes counts.
  const bad = valid.findIndex((isValid) => isValid !== true)
  if (bad !== -1) {
    throw wireError(
      'WIRE_BAD_SIGNATURE',
      `The signature of ${credentials[bad]?.id} does not verify over this request.`,
    )
  }
  return { parsed, credentials, passkeyUses: checks.flatMap(({ use }) => use ?? []) }
}
