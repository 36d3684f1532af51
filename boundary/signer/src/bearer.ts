import { randomBytes } from 'node:crypto'
import {
  apiKeyRateDefault,
  checkActive,
  checkAudience,
  checkBearerMay,
  isApiKeyOf,
  matchRoute,
  parseBearerRequest,
  type SignedRequest,
  wireError,
} from '@countersign/wire'
import type { AuthenticationContext, Proven } from './authenticate.ts'

const nonceBytes = 16

/**
 * Proves a caller by its API key. Nothing in such a request says that it is asked for the first time: the engine,
 * which sees the key, can send it again with another request id, and that is why policy must grant to `bearer` by name.
 * @throws {CountersignError} WIRE_* */
export async function proveBearer(request: SignedRequest, context: AuthenticationContext): Promise<Proven> {
  const { credentialId, hash, requestId, digest, audience } = parseBearerRequest(request)
  checkBearerMay(matchRoute(request.method, request.path).route.operation)
  if (audience !== undefined) checkAudience(audience, context.audience)
  const credential = await context.credential(credentialId)
  if (credential === undefined || !isApiKeyOf(credential, hash)) {
    throw wireError('WIRE_UNKNOWN_CREDENTIAL', 'The API key of this request is not known here.')
  }
  const nowMs = context.nowMs()
  checkActive(credential, nowMs)
  const perMinute = credential.ratePerMinute ?? apiKeyRateDefault
  const retryAfterS = context.rates.take(credential.id, { perMinute }, nowMs)
  if (retryAfterS > 0) {
    throw wireError(
      'WIRE_RATE_LIMITED',
      `The API key ${credential.id} may make ${perMinute} requests a minute.`,
      {
        details: { retryAfterS },
      },
    )
  }
  const caller = {
    credentials: [credential],
    primary: credential,
    requestId,
    digest,
    // Never the same twice: the same request id again is a retry, which a signature's nonce would tell from a replay.
    nonces: [randomBytes(nonceBytes).toString('base64url')],
    attribution: credential.attribution,
    passkeyUses: [],
  }
  return { caller, takeNonces() {} }
}
