import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { credentialId } from '../credential.ts'
import { audienceOf } from '../receipt.ts'
import type { CredentialAlgorithm, SignedRequest } from '../request.ts'
import { addSignature, prepareRequest, type RequestSigner } from '../request-signature.ts'

/** Fixed keys: nothing in these tests depends on which they are. */
const secrets = {
  p256: new Uint8Array(32).fill(0x11),
  ed25519: new Uint8Array(32).fill(0x22),
  secp256k1: new Uint8Array(32).fill(0x33),
} as const satisfies Record<CredentialAlgorithm, Uint8Array>

export interface TestKey {
  readonly algorithm: CredentialAlgorithm
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
  readonly id: string
  readonly sign: (base: Uint8Array) => Uint8Array
}

export function testKey(algorithm: CredentialAlgorithm, secret: Uint8Array = secrets[algorithm]): TestKey {
  const made = (publicKey: Uint8Array, sign: TestKey['sign']): TestKey => ({
    algorithm,
    secret,
    publicKey,
    id: credentialId(algorithm, publicKey),
    sign,
  })
  if (algorithm === 'ed25519') {
    return made(ed25519.getPublicKey(secret), (base) => ed25519.sign(base, secret))
  }
  const curve = algorithm === 'p256' ? p256 : secp256k1
  return made(curve.getPublicKey(secret, true), (base) => curve.sign(base, secret, { lowS: false }))
}

export const testAudience = audienceOf(new Uint8Array(32).fill(7))
export const testCreated = 1_795_000_000

export function testRequest(change: Partial<Parameters<typeof prepareRequest>[0]> = {}): SignedRequest {
  return prepareRequest({
    method: 'POST',
    path: '/v1/wallets/wal_0123456789abcdef01234567/sign-message',
    body: '{"message":"hello"}',
    audience: testAudience,
    requestId: 'request-0001',
    ...change,
  })
}

export function testSigner(key: TestKey, change: Partial<RequestSigner> = {}): RequestSigner {
  return {
    credential: key,
    created: testCreated,
    expires: testCreated + 300,
    nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
    sign: key.sign,
    ...change,
  }
}

export async function signedRequest(
  key: TestKey,
  change: Partial<Parameters<typeof prepareRequest>[0]> = {},
): Promise<SignedRequest> {
  return addSignature(testRequest(change), testSigner(key))
}

/** Code of the error that `act` throws; fails the test where it throws anything but a CountersignError. */
export function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return codeOfError(error)
  }
  return 'none'
}

export function codeOfError(error: unknown): string {
  if (error instanceof Error && error.name === 'CountersignError' && 'code' in error)
    return String(error.code)
  throw error
}
