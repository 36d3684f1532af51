import { encodeBase64Url } from '@countersign/bytes'
import {
  addSignature,
  isSignedByMany,
  matchRoute,
  ordinaryLifetimeS,
  prepareRequest,
  type SignedRequest,
} from '@countersign/wire'
import type { Call } from './calls.ts'
import { sdkError } from './catalogue.ts'
import type { CredentialSigner } from './credential-key.ts'

const nonceBytes = 16

export interface RequestToSign {
  readonly call: Call<unknown>
  readonly audience: string
  readonly requestId: string
  readonly signers: readonly CredentialSigner[]
  readonly lifetimeS?: number
  readonly nowMs: number
}

/** The request with one signature per signer, each under its own label and nonce. */
export async function signRequest(input: RequestToSign): Promise<SignedRequest> {
  const { call, audience, requestId, signers, lifetimeS = ordinaryLifetimeS, nowMs } = input
  let request = prepareRequest({
    method: call.method,
    path: call.path,
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    audience,
    requestId,
  })
  for (const signer of signers) request = await cosignRequest(request, signer, { lifetimeS, nowMs })
  return request
}

/**
 * Adds one more credential's signature to a request of the admin quorum that others may have signed already.
 * @throws {CountersignError} SDK_INPUT_INVALID for any other request: each signature on it would be a request of its
 *   own in the hands of whoever forwards it */
export async function cosignRequest(
  request: SignedRequest,
  signer: CredentialSigner,
  { lifetimeS = ordinaryLifetimeS, nowMs = Date.now() }: { lifetimeS?: number; nowMs?: number } = {},
): Promise<SignedRequest> {
  const isSigned = request.headers.signature !== undefined
  if (isSigned && !isSignedByMany(matchRoute(request.method, request.path).route)) {
    throw sdkError(
      'SDK_INPUT_INVALID',
      'A request that is neither a quorum’s nor a rotation takes the signature of one credential.',
    )
  }
  const created = Math.floor(nowMs / 1000)
  return addSignature(request, {
    credential: signer,
    created,
    expires: created + lifetimeS,
    nonce: encodeBase64Url(crypto.getRandomValues(new Uint8Array(nonceBytes))),
    sign: signer.sign,
  })
}

/** 32 hexadecimal digits of randomness. */
export function newRequestId(): string {
  return crypto.randomUUID().replaceAll('-', '')
}
