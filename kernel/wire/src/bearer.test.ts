import { encodeHex, encodeUtf8, sha256 } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  apiKeyForm,
  apiKeyHash,
  apiKeyOf,
  bearerOperations,
  checkBearerMay,
  decodeApiKeyHash,
  encodeApiKey,
  isApiKeyOf,
  isBearerRequest,
  parseBearerRequest,
} from './bearer.ts'
import { credentialId } from './credential.ts'
import type { SignedRequest } from './request.ts'
import { parseRequestSignatures } from './request-signature.ts'
import { routes } from './routes.ts'
import { codeOf, signedRequest, testAudience, testKey } from './testing/signed-request.ts'

const secret = new Uint8Array(32).fill(0x77)
const apiKey = encodeApiKey(secret)

function request(change: Partial<SignedRequest> = {}, headers: Record<string, string> = {}): SignedRequest {
  return {
    method: 'POST',
    path: '/v1/wallets/wal_0123456789abcdef01234567/sign-message',
    body: '{"message":"hello"}',
    headers: { 'x-api-key': apiKey, 'idempotency-key': 'request-0001', ...headers },
    ...change,
  }
}

describe('an API key', () => {
  it('is csk_ and 43 characters, and its hash is that of this text', () => {
    expect(apiKey).toMatch(apiKeyForm)
    expect(encodeHex(apiKeyHash(apiKey))).toBe(encodeHex(sha256(encodeUtf8(apiKey))))
    expect(() => encodeApiKey(new Uint8Array(31))).toThrow(RangeError)
  })

  it('has one form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const key = encodeApiKey(bytes)
        expect(key).toMatch(apiKeyForm)
        // The last character holds two bits that are always zero.
        const last = key.charCodeAt(key.length - 1)
        expect(`${key.slice(0, -1)}${String.fromCharCode(last + 1)}`).not.toMatch(apiKeyForm)
      }),
    )
  })

  it('fits the credential with its hash, and no other', () => {
    const publicKey = encodeHex(apiKeyHash(apiKey))
    expect(isApiKeyOf({ algorithm: 'bearer', publicKey }, apiKeyHash(apiKey))).toBe(true)
    expect(isApiKeyOf({ algorithm: 'ed25519', publicKey }, apiKeyHash(apiKey))).toBe(false)
    expect(isApiKeyOf({ algorithm: 'bearer', publicKey }, apiKeyHash(`${apiKey}x`))).toBe(false)
    expect(isApiKeyOf({ algorithm: 'bearer', publicKey: '0x00' }, apiKeyHash(apiKey))).toBe(false)
  })

  it.each([
    '0x',
    `0x${'00'.repeat(32)}`,
    `0x${'11'.repeat(31)}`,
    encodeHex(sha256(new Uint8Array())),
  ] as const)('has no hash %s', (hash) => {
    expect(codeOf(() => decodeApiKeyHash(hash))).toBe('WIRE_API_KEY_INVALID')
  })
})

describe('apiKeyOf', () => {
  it('reads either header', () => {
    expect(apiKeyOf({ 'x-api-key': apiKey })).toBe(apiKey)
    expect(apiKeyOf({ authorization: `Bearer ${apiKey}` })).toBe(apiKey)
    expect(apiKeyOf({ authorization: `bearer  ${apiKey}` })).toBe(apiKey)
    expect(apiKeyOf({ 'x-api-key': apiKey, authorization: `Bearer ${apiKey}` })).toBe(apiKey)
  })
  it('is silent about what is none of ours', () => {
    expect(apiKeyOf({})).toBeUndefined()
    expect(apiKeyOf({ authorization: 'Basic YTpi' })).toBeUndefined()
    expect(apiKeyOf({ authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' })).toBeUndefined()
  })
  it('refuses two', () => {
    const other = encodeApiKey(new Uint8Array(32))
    expect(codeOf(() => apiKeyOf({ 'x-api-key': apiKey, authorization: `Bearer ${other}` }))).toBe(
      'WIRE_API_KEY_INVALID',
    )
    expect(codeOf(() => apiKeyOf({ 'x-api-key': [apiKey, apiKey] }))).toBe('WIRE_API_KEY_INVALID')
  })
})

describe('parseBearerRequest', () => {
  it('gives id, hash and a digest that does not hold the key', () => {
    const parsed = parseBearerRequest(request())
    expect(parsed.credentialId).toBe(credentialId('bearer', apiKeyHash(apiKey)))
    expect(parsed.audience).toBeUndefined()
    const other = parseBearerRequest(request({}, { 'x-api-key': encodeApiKey(new Uint8Array(32)) }))
    expect(other.digest).toBe(parsed.digest)
    expect(parseBearerRequest(request({ body: '{}' })).digest).not.toBe(parsed.digest)
    expect(parseBearerRequest(request({}, { 'countersign-audience': testAudience })).audience).toBe(
      testAudience,
    )
  })

  it.each<[string, SignedRequest, string]>([
    ['no key', request({ headers: { 'idempotency-key': 'request-0001' } }), 'WIRE_API_KEY_INVALID'],
    ['a short key', request({}, { 'x-api-key': apiKey.slice(0, -1) }), 'WIRE_API_KEY_INVALID'],
    ['a long key', request({}, { 'x-api-key': `${apiKey}A` }), 'WIRE_API_KEY_INVALID'],
    ['another prefix', request({}, { 'x-api-key': apiKey.replace('csk_', 'sk__') }), 'WIRE_API_KEY_INVALID'],
    ['a key in quotes', request({}, { 'x-api-key': `"${apiKey}"` }), 'WIRE_API_KEY_INVALID'],
    ['a signature beside it', request({}, { signature: 'sig1=:AA==:' }), 'WIRE_INVALID_REQUEST'],
    ['a signature input beside it', request({}, { 'signature-input': 'sig1=()' }), 'WIRE_INVALID_REQUEST'],
    ['no request id', request({ headers: { 'x-api-key': apiKey } }), 'WIRE_INVALID_REQUEST'],
    ['a bad request id', request({}, { 'idempotency-key': 'a b' }), 'WIRE_INVALID_REQUEST'],
    ['a header that does not travel', request({}, { cookie: 'a' }), 'WIRE_INVALID_REQUEST'],
    ['no audience of ours', request({}, { 'countersign-audience': 'x' }), 'WIRE_INVALID_REQUEST'],
    ['a path that is none', request({ path: 'v1' }), 'WIRE_INVALID_REQUEST'],
    ['a body with GET', request({ method: 'GET' }), 'WIRE_INVALID_BODY'],
    ['a lone surrogate', request({ body: '"\ud800"' }), 'WIRE_INVALID_BODY'],
  ])('refuses %s', (_what, one, code) => {
    expect(codeOf(() => parseBearerRequest(one))).toBe(code)
  })

  it('no refusal repeats any of the key', () => {
    const cut = apiKey.slice(4, 30)
    for (const bad of [`${apiKey}A`, apiKey.slice(1), `${apiKey} ${apiKey}`]) {
      try {
        parseBearerRequest(request({}, { 'x-api-key': bad, signature: bad }))
        throw new Error('it was taken')
      } catch (error) {
        expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(cut)
      }
    }
  })

  it('a signed request that carries a key too is refused as either', async () => {
    const signed = await signedRequest(testKey('p256'))
    const both = { ...signed, headers: { ...signed.headers, 'x-api-key': apiKey } }
    expect(isBearerRequest(both)).toBe(true)
    expect(codeOf(() => parseBearerRequest(both))).toBe('WIRE_INVALID_REQUEST')
    expect(codeOf(() => parseRequestSignatures(both))).toBe('WIRE_INVALID_REQUEST')
    expect(isBearerRequest(signed)).toBe(false)
  })
})

describe('what an API key is enough for', () => {
  it('is no route of the quorum, and none that changes who may do what', () => {
    for (const { operation, auth } of routes) {
      if (auth === 'quorum' || auth === 'rotation')
        expect(codeOf(() => checkBearerMay(operation))).toBe('WIRE_BEARER_NOT_ENOUGH')
      if (bearerOperations.has(operation)) expect(auth).toBe('credential')
    }
    expect(codeOf(() => checkBearerMay('approveRequest' as never))).toBe('WIRE_BEARER_NOT_ENOUGH')
  })

  it('is exactly this', () => {
    const kept = routes
      .filter(({ operation }) => bearerOperations.has(operation))
      .map(({ operation }) => operation)
    expect(kept.length).toBe(bearerOperations.size)
    const changing = kept.filter(
      (one) => !one.startsWith('get') && !one.startsWith('list') && !one.startsWith('sign'),
    )
    expect(changing).toEqual(['createWallet', 'sendTransaction'])
  })
})
