import { encodeBase64Url, encodeHex } from '@countersign/bytes'
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

/**
 * A UUIDv7 (RFC 9562 section 5.7) without its hyphens: 74 random bits after the time. Ids of one time stand side by
 * side in the signer's index, which a random one would write to anywhere.
 */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const view = new DataView(bytes.buffer)
  const nowMs = Date.now()
  view.setUint32(0, Math.floor(nowMs / 2 ** 16))
  view.setUint16(4, nowMs % 2 ** 16)
  view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f))
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f))
  return encodeHex(bytes).slice(2)
}
