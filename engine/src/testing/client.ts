import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { encodeHex } from '@countersign/bytes'
import {
  addSignature,
  type CredentialAlgorithm,
  compressPublicKey,
  credentialId,
  prepareRequest,
  type RequestSigner,
  type SignedRequest,
} from '@countersign/wire'

/** A credential with its private key, as a caller has it. */
export interface TestCredential {
  readonly id: string
  readonly algorithm: CredentialAlgorithm
  readonly publicKey: `0x${string}`
  readonly sign: (base: Uint8Array) => Uint8Array
}

export interface TestAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every form
  readonly body: any
}

export interface CallOptions {
  readonly requestId?: string
  readonly nonce?: string
  readonly created?: number
}

export function makeCredential(algorithm: 'ed25519' | 'p256' = 'ed25519'): TestCredential {
  const { publicKey, privateKey } =
    algorithm === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  const x = Buffer.from(jwk.x as string, 'base64url')
  const bytes =
    algorithm === 'ed25519'
      ? x
      : compressPublicKey('p256', Buffer.concat([Buffer.of(4), x, Buffer.from(jwk.y as string, 'base64url')]))
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return {
    id: credentialId(algorithm, bytes),
    algorithm,
    publicKey: encodeHex(bytes),
    sign: (base) =>
      algorithm === 'ed25519'
        ? sign(null, base, key)
        : sign('sha256', base, { key, dsaEncoding: 'ieee-p1363' }),
  }
}

export async function signRequest(
  credential: TestCredential,
  audience: string,
  call: { readonly method: SignedRequest['method']; readonly path: string; readonly body?: unknown },
  {
    requestId = randomBytes(12).toString('hex'),
    nonce = randomBytes(18).toString('base64url'),
    created = nowS(),
  }: CallOptions = {},
): Promise<SignedRequest> {
  const { body, method, path } = call
  const request = prepareRequest({
    method,
    path,
    audience,
    requestId,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const signer: RequestSigner = { credential, created, expires: created + 120, nonce, sign: credential.sign }
  return addSignature(request, signer)
}

export async function sendRequest(
  url: string,
  { method, path, headers, body }: SignedRequest,
): Promise<TestAnswer> {
  const response = await fetch(`${url}${path}`, { method, headers, ...(body === '' ? {} : { body }) })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

export function nowS(): number {
  return Math.floor(Date.now() / 1_000)
}
