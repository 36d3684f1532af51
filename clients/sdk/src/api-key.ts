import { encodeHex, type Hex } from '@countersign/bytes'
import {
  apiKeyForm,
  apiKeyHash,
  apiKeySecretBytes,
  credentialId,
  encodeApiKey,
  type SignedRequest,
} from '@countersign/wire'
import type { Call } from './calls.ts'
import { sdkError } from './catalogue.ts'

/** A new API key. An admin quorum adds its hash: `credentials.create({ ...key.credential, role: 'agent', name })`. */
export interface NewApiKey {
  /** `csk_…`: the secret itself. Show it once and keep it nowhere; it cannot be found out again. */
  readonly apiKey: string
  /** Of the credential. */
  readonly id: string
  readonly credential: { readonly algorithm: 'bearer'; readonly publicKey: Hex }
}

/** Made here, not by the signer: so nobody but who makes it has seen it. */
export function createApiKey(): NewApiKey {
  const apiKey = encodeApiKey(crypto.getRandomValues(new Uint8Array(apiKeySecretBytes)))
  const hash = apiKeyHash(apiKey)
  return {
    apiKey,
    id: credentialId('bearer', hash),
    credential: { algorithm: 'bearer', publicKey: encodeHex(hash) },
  }
}

/** A request by an API key: nothing of it is signed, so whoever carries it can change it.
 * @throws {CountersignError} SDK_INPUT_INVALID for a change, which an API key is never enough for */
export function bearerRequest(
  call: Call<unknown>,
  asked: { readonly apiKey: string; readonly audience: string | undefined; readonly requestId: string },
): SignedRequest {
  const { apiKey, audience, requestId } = asked
  if (call.admin) {
    throw sdkError('SDK_INPUT_INVALID', 'An API key is not enough for this: it needs a signature.', {
      fix: 'Use a client with a credential that signs.',
    })
  }
  return {
    method: call.method,
    path: call.path,
    headers: {
      'x-api-key': apiKey,
      'idempotency-key': requestId,
      ...(audience === undefined ? {} : { 'countersign-audience': audience }),
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: call.body === undefined ? '' : JSON.stringify(call.body),
  }
}

/**
 * The key is in every request, so it goes over TLS, or nowhere further than this machine.
 * @throws {CountersignError} SDK_INPUT_INVALID */
export function checkApiKey(apiKey: string, url: URL): void {
  if (!apiKeyForm.test(apiKey)) {
    throw sdkError('SDK_INPUT_INVALID', 'The option apiKey is not csk_ and 43 characters.')
  }
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (url.protocol !== 'https:' && !isHere) {
    throw sdkError(
      'SDK_INPUT_INVALID',
      'An API key is sent over https only, unless to this machine itself.',
      {
        fix: 'Put TLS before the engine and give the https url.',
      },
    )
  }
}
