/**
 * API keys: whoever sees one has it. A request with one is not signed, so nothing binds the key to what is asked, and
 * whoever carries the traffic, the engine first of all, can ask for anything that the key may.
 */
import {
  decodeHex,
  encodeBase64Url,
  encodeUtf8,
  type Hex,
  isEqual,
  isEqualConstantTime,
  sha256,
} from '@countersign/bytes'
import { wireError } from './catalogue.ts'
import { credentialId } from './credential.ts'
import type { Credential, SignedRequest } from './request.ts'
import {
  checkAudienceForm,
  checkRequestIdForm,
  checkRequestLine,
  requestDigest,
} from './request-signature.ts'
import type { ApiOperation } from './routes.ts'

export const apiKeyPrefix = 'csk_'
export const apiKeySecretBytes = 32
/** base64url of 32 bytes in its one form. */
export const apiKeyForm = /^csk_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/** Requests that an API key may make in a minute where its credential does not say. */
export const apiKeyRateDefault = 600
export const apiKeyRateMax = 60_000

/**
 * What an API key can ask for at all; a route that is not here is refused, also one that is added later. Nothing that
 * changes who may do what: no policy, credential, approval, grant or freeze.
 */
export const bearerOperations: ReadonlySet<ApiOperation> = new Set<ApiOperation>([
  'createWallet',
  'getWallet',
  'listWallets',
  'signMessage',
  'signTypedData',
  'signTransaction',
  'signAuthorization',
  'signUserOperation',
  'signRaw',
  'sendTransaction',
  'getTransaction',
  'listTransactions',
  'getReceipt',
  'getCheckpoint',
  'getInclusionProof',
  'getConsistencyProof',
  'getCustody',
])

/** @param secret 32 random bytes.
 * @throws {RangeError} for another length, which is a bug of the caller. */
export function encodeApiKey(secret: Uint8Array): string {
  if (secret.length !== apiKeySecretBytes)
    throw new RangeError(`an API key has ${apiKeySecretBytes} random bytes`)
  return apiKeyPrefix + encodeBase64Url(secret)
}

/**
 * SHA-256 of the key's text: all that the signer keeps. 256 random bits cannot be guessed, so a slow hash would only
 * cost time. It takes the place of the public key in the credential.
 */
export function apiKeyHash(apiKey: string): Uint8Array {
  return sha256(encodeUtf8(apiKey))
}

/** @throws {CountersignError} WIRE_API_KEY_INVALID */
export function decodeApiKeyHash(hash: Hex): Uint8Array {
  const bytes = decodeHex(hash, 'publicKey')
  // Somebody who sends the hash of nothing, or no hash at all, would have made a key that everybody knows.
  if (bytes.length === 32 && !isEqual(bytes, apiKeyHash('')) && bytes.some((byte) => byte !== 0)) return bytes
  throw wireError('WIRE_API_KEY_INVALID', 'The hash of the API key is not the SHA-256 of a key.')
}

export interface BearerRequest {
  readonly credentialId: string
  /** `apiKeyHash` of the key in the request. */
  readonly hash: Uint8Array
  readonly requestId: string
  /** `requestDigest` of the request: without the key. */
  readonly digest: Hex
  /** Where the caller names the signer that it means. */
  readonly audience: string | undefined
}

/** Signed requests never carry a key: one that has both is refused, whichever way it is read. */
export function isBearerRequest({ headers }: SignedRequest): boolean {
  return typeof headers === 'object' && headers !== null && headers['x-api-key'] !== undefined
}

/**
 * No message of an error repeats any part of the key.
 * @throws {CountersignError} WIRE_API_KEY_INVALID, WIRE_INVALID_REQUEST, WIRE_INVALID_BODY, WIRE_BODY_TOO_LARGE */
export function parseBearerRequest(request: SignedRequest): BearerRequest {
  checkRequestLine(request)
  const { headers } = request
  for (const name of ['signature', 'signature-input', 'content-digest']) {
    if (headers[name] !== undefined)
      throw wireError('WIRE_INVALID_REQUEST', `A request with an API key has no ${name}.`)
  }
  const apiKey = headers['x-api-key']
  if (apiKey === undefined || !apiKeyForm.test(apiKey)) {
    throw wireError('WIRE_API_KEY_INVALID', 'The API key is not csk_ and 43 characters of base64url.')
  }
  const requestId = checkRequestIdForm(headers['idempotency-key'])
  const stated = headers['countersign-audience']
  const audience = stated === undefined ? undefined : checkAudienceForm(stated)
  const hash = apiKeyHash(apiKey)
  return {
    credentialId: credentialId('bearer', hash),
    hash,
    requestId,
    digest: requestDigest(request),
    audience,
  }
}

/** In a time that does not depend on the key. */
export function isApiKeyOf(
  credential: Pick<Credential, 'algorithm' | 'publicKey'>,
  hash: Uint8Array,
): boolean {
  return (
    credential.algorithm === 'bearer' &&
    isEqualConstantTime(decodeHex(credential.publicKey, 'publicKey'), hash)
  )
}

/** @throws {CountersignError} WIRE_BEARER_NOT_ENOUGH */
export function checkBearerMay(operation: ApiOperation): void {
  if (bearerOperations.has(operation)) return
  throw wireError(
    'WIRE_BEARER_NOT_ENOUGH',
    `An API key is not enough for ${operation}: it needs a signature.`,
  )
}

/**
 * Reads the key out of the two headers that callers write it into.
 * @returns undefined where neither stands there.
 * @throws {CountersignError} WIRE_API_KEY_INVALID where both do, or one more than once */
export function apiKeyOf(headers: {
  readonly 'x-api-key'?: string | readonly string[] | undefined
  readonly authorization?: string | readonly string[] | undefined
}): string | undefined {
  const { 'x-api-key': plain, authorization } = headers
  const bearer =
    typeof authorization === 'string' ? /^Bearer +(csk_\S*)$/i.exec(authorization)?.[1] : undefined
  if (plain === undefined) return bearer
  if (typeof plain !== 'string' || (bearer !== undefined && bearer !== plain)) {
    throw wireError('WIRE_API_KEY_INVALID', 'The request carries two API keys.')
  }
  return plain
}
