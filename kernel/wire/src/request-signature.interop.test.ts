import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { decodeHex, encodeHex } from '@countersign/bytes'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { httpbis } from 'http-message-signatures'
import { describe, expect, it } from 'vitest'
import {
  type CredentialAlgorithm,
  credentialAlgorithms,
  type SignedRequest,
  signatureAlgorithmNames,
} from './request.ts'
import { addSignature, parseRequestSignatures, signatureTag, signedComponents } from './request-signature.ts'
import { codeOf, testKey, testRequest, testSigner } from './testing/signed-request.ts'
import { verifySignature } from './verify-signature.ts'

/** An independent RFC 9421 implementation (http-message-signatures 1.0.6) with OpenSSL's keys, in both directions. */

const curveNames = { p256: 'P-256', secp256k1: 'secp256k1' } as const

function nodeKey(algorithm: CredentialAlgorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  const { secret, publicKey } = testKey(algorithm)
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
  const jwk =
    algorithm === 'ed25519'
      ? { kty: 'OKP', crv: 'Ed25519', d: text(secret), x: text(publicKey) }
      : { kty: 'EC', crv: curveNames[algorithm], d: text(secret), ...coordinates(algorithm, publicKey) }
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

function coordinates(algorithm: 'p256' | 'secp256k1', publicKey: Uint8Array) {
  const point = (algorithm === 'p256' ? p256 : secp256k1).Point.fromBytes(publicKey).toBytes(false)
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
  return { x: text(point.slice(1, 33)), y: text(point.slice(33)) }
}

function signWith(algorithm: CredentialAlgorithm, data: Uint8Array): Buffer {
  const { privateKey } = nodeKey(algorithm)
  if (algorithm === 'ed25519') return sign(null, data, privateKey)
  return sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
}

function verifyWith(algorithm: CredentialAlgorithm, data: Uint8Array, signature: Uint8Array): boolean {
  const { publicKey } = nodeKey(algorithm)
  if (algorithm === 'ed25519') return verify(null, data, publicKey, signature)
  return verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)
}

const foreign = ({ method, path, headers }: SignedRequest) => ({
  method,
  url: `https://engine.example${path}`,
  headers: { ...headers },
})

const fields = signedComponents.map(({ name }) => name)
const nowS = () => Math.floor(Date.now() / 1000)
const paths = ['/v1/wallets', '/v1/wallets?limit=2&userIdentifier=a%40b.example']

describe.each(credentialAlgorithms)('%s', (algorithm) => {
  const own = testKey(algorithm)
  const name = signatureAlgorithmNames[algorithm]

  it.each(paths)(
    'the other one accepts what we sign, and refuses it once it is changed (%s)',
    async (path) => {
      const created = nowS()
      const request = await addSignature(
        testRequest({ path }),
        testSigner(own, { created, expires: created + 300, nonce: randomBytes(16).toString('base64url') }),
      )
      const check = (message: ReturnType<typeof foreign>) =>
        httpbis.verifyMessage(
          {
            keyLookup: async ({ keyid }) =>
              keyid === own.id
                ? {
                    id: own.id,
                    algs: [name],
                    verify: async (data, signature) => verifyWith(algorithm, data, signature),
                  }
                : null,
            requiredFields: fields,
            requiredParams: ['created', 'expires', 'nonce', 'keyid', 'alg', 'tag'],
            all: true,
          },
          message,
        )
      expect(await check(foreign(request))).toBe(true)
      expect(await check({ ...foreign(request), method: 'PUT' })).toBe(false)
      expect(await check({ ...foreign(request), url: `https://engine.example${path}x` })).toBe(false)
      const headers = { ...request.headers, 'idempotency-key': 'request-0002' }
      expect(await check({ ...foreign(request), headers })).toBe(false)
    },
  )

  it.each(paths)('we accept what the other one signs (%s)', async (path) => {
    const request = testRequest({ path })
    const created = nowS()
    const message = await httpbis.signMessage(
      {
        key: { id: own.id, alg: name, sign: async (data) => signWith(algorithm, data) },
        name: 'sig1',
        fields,
        params: ['created', 'expires', 'nonce', 'keyid', 'alg', 'tag'],
        paramValues: {
          created: new Date(created * 1000),
          expires: new Date((created + 300) * 1000),
          nonce: randomBytes(32).toString('base64url'),
          tag: signatureTag,
        },
      },
      foreign(request),
    )
    const { Signature: signature, 'Signature-Input': input } = message.headers as Record<string, string>
    const received: SignedRequest = {
      ...request,
      headers: { ...request.headers, signature: signature!, 'signature-input': input! },
    }
    const [parsed] = parseRequestSignatures(received).signatures
    expect(parsed).toMatchObject({ credentialId: own.id, algorithm, created, expires: created + 300 })
    const key = { algorithm, publicKey: decodeHex(encodeHex(own.publicKey)) }
    expect(verifySignature(key, parsed!.base, parsed!.signature)).toBe(true)

    const moved = { ...received, path: `${path}x` }
    const [other] = parseRequestSignatures(moved).signatures
    expect(verifySignature(key, other!.base, other!.signature)).toBe(false)
  })

  it('we refuse the default form of the other one, which leaves out what the profile needs', async () => {
    const message = await httpbis.signMessage(
      {
        key: { id: own.id, alg: name, sign: async (data) => signWith(algorithm, data) },
        name: 'sig1',
        fields,
      },
      foreign(testRequest()),
    )
    const { Signature: signature, 'Signature-Input': input } = message.headers as Record<string, string>
    const headers = { ...testRequest().headers, signature: signature!, 'signature-input': input! }
    expect(codeOf(() => parseRequestSignatures({ ...testRequest(), headers }))).toBe(
      'WIRE_SIGNATURE_MALFORMED',
    )
  })
})
