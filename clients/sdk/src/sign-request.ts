import { encodeBase64Url } from '@countersign/bytes'
import { addSignature, ordinaryLifetimeS, prepareRequest, type SignedRequest } from '@countersign/wire'
import type { Call } from './calls.ts'
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

/** Adds one more credential's signature to a request that others may have signed already. */
export function cosignRequest(
  request: SignedRequest,
  signer: CredentialSigner,
  { lifetimeS = ordinaryLifetimeS, nowMs = Date.now() }: { lifetimeS?: number; nowMs?: number } = {},
): Promise<SignedRequest> {
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
