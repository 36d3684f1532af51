import { createPublicKey, verify as verifyWithNode } from 'node:crypto'
import { decodeUtf8, encodeBase64, encodeBase64Url } from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { checkContentDigest, contentDigest } from './content-digest.ts'
import {
  type CredentialAlgorithm,
  credentialAlgorithms,
  isPasskeyAlgorithm,
  type SignedRequest,
  type SigningAlgorithm,
} from './request.ts'
import {
  addSignature,
  checkAudience,
  checkFreshness,
  parseRequestSignatures,
  prepareRequest,
  requestDigest,
  signatureBaseFor,
  signaturesMax,
} from './request-signature.ts'
import {
  codeOf,
  codeOfError,
  signedRequest,
  testAudience,
  testCreated,
  testKey,
  testRequest,
  testSigner,
} from './testing/signed-request.ts'
import { verifySignature } from './verify-signature.ts'

const key = testKey('ed25519')

function withHeaders(request: SignedRequest, change: Record<string, string | undefined>): SignedRequest {
  const headers = Object.entries({ ...request.headers, ...change }).filter((entry) => entry[1] !== undefined)
  return { ...request, headers: Object.fromEntries(headers) as Record<string, string> }
}

/** These tests sign with plain keys only. */
function keyOf(algorithm: SigningAlgorithm, publicKeyOf: (algorithm: CredentialAlgorithm) => Uint8Array) {
  if (isPasskeyAlgorithm(algorithm)) throw new Error('a passkey has signed')
  return { algorithm, publicKey: publicKeyOf(algorithm) }
}

function verifies(
  request: SignedRequest,
  publicKeyOf: (algorithm: CredentialAlgorithm) => Uint8Array,
): boolean {
  return parseRequestSignatures(request).signatures.every(({ algorithm, base, signature }) =>
    verifySignature(keyOf(algorithm, publicKeyOf), base, signature),
  )
}

describe('a signed request', () => {
  it('has exactly the base of the profile', async () => {
    const request = testRequest({ path: '/v1/wallets?limit=2', method: 'GET', body: '' })
    expect(decodeUtf8(signatureBaseFor(request, testSigner(key)))).toBe(
      [
        '"@method": GET',
        '"@path": /v1/wallets',
        '"@query": ?limit=2',
        '"content-digest": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:',
        `"countersign-audience": ${testAudience}`,
        '"idempotency-key": request-0001',
        `"@signature-params": ("@method" "@path" "@query" "content-digest" "countersign-audience" "idempotency-key");created=${testCreated};expires=${testCreated + 300};nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid="${key.id}";alg="ed25519";tag="countersign-v1"`,
      ].join('\n'),
    )
  })

  it.each(credentialAlgorithms)('verifies with %s', async (algorithm) => {
    const own = testKey(algorithm)
    const request = await signedRequest(own)
    const { audience, requestId, digest, signatures } = parseRequestSignatures(request)
    expect({ audience, requestId }).toEqual({ audience: testAudience, requestId: 'request-0001' })
    expect(digest).toBe(requestDigest(request))
    expect(signatures).toHaveLength(1)
    const [one] = signatures
    expect(one).toMatchObject({
      label: 'sig1',
      credentialId: own.id,
      algorithm,
      created: testCreated,
      expires: testCreated + 300,
      nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
    })
    expect(one!.base).toEqual(signatureBaseFor(request, testSigner(own)))
    expect(verifies(request, () => own.publicKey)).toBe(true)
    expect(verifies(request, () => testKey(algorithm, new Uint8Array(32).fill(9)).publicKey)).toBe(false)
  })

  it('carries the signatures of a quorum, each over its own parameters, in any order', async () => {
    const own = Object.fromEntries(credentialAlgorithms.map((algorithm) => [algorithm, testKey(algorithm)]))
    let request = testRequest()
    for (const [i, algorithm] of credentialAlgorithms.entries()) {
      const nonce = encodeBase64Url(new Uint8Array(16 + i))
      request = await addSignature(request, testSigner(own[algorithm]!, { created: testCreated + i, nonce }))
    }
    const { signatures } = parseRequestSignatures(request)
    expect(signatures.map(({ label }) => label)).toEqual(['sig1', 'sig2', 'sig3'])
    expect(verifies(request, (algorithm) => own[algorithm]!.publicKey)).toBe(true)
    expect(requestDigest(request)).toBe(requestDigest(testRequest()))
  })

  it('takes the next free label where one was taken out', async () => {
    const one = await signedRequest(key)
    const moved = withHeaders(one, {
      signature: one.headers.signature!.replace('sig1', 'sig2'),
      'signature-input': one.headers['signature-input']!.replace('sig1', 'sig2'),
    })
    const two = await addSignature(moved, testSigner(testKey('p256')))
    expect(parseRequestSignatures(two).signatures.map(({ label }) => label)).toEqual(['sig2', 'sig3'])
  })

  it(`takes ${signaturesMax} signatures and no more`, async () => {
    const keyOf = (i: number) => testKey('ed25519', new Uint8Array(32).fill(100 + i))
    let request = testRequest()
    for (let i = 0; i < signaturesMax; i++) request = await addSignature(request, testSigner(keyOf(i)))
    expect(parseRequestSignatures(request).signatures).toHaveLength(signaturesMax)
    const ninth = await addSignature(request, testSigner(keyOf(8))).catch(codeOfError)
    expect(ninth).toBe('WIRE_SIGNATURE_MALFORMED')
  })

  it('binds method, path, body, audience and request id in its digest, and nothing else', async () => {
    const digests = [
      testRequest(),
      testRequest({ method: 'PUT' }),
      testRequest({ path: '/v1/wallets' }),
      testRequest({ path: '/v1/wallets?a=b' }),
      testRequest({ body: '{}' }),
      testRequest({ audience: `sgn_${'0'.repeat(32)}` }),
      testRequest({ requestId: 'request-0002' }),
    ].map(requestDigest)
    expect(new Set(digests).size).toBe(digests.length)
    expect(requestDigest(await signedRequest(key))).toBe(digests[0])
  })
})

describe('refusals of parseRequestSignatures', () => {
  const input = (change: (text: string) => string) => async () => {
    const request = await signedRequest(key)
    return withHeaders(request, { 'signature-input': change(request.headers['signature-input']!) })
  }
  const header = (change: Record<string, string | undefined>) => async () =>
    withHeaders(await signedRequest(key), change)
  const request = (change: Record<string, unknown>) => async () =>
    ({ ...(await signedRequest(key)), ...change }) as SignedRequest

  const malformed: [string, () => Promise<SignedRequest>][] = [
    ['a missing component', input((text) => text.replace(' "@query"', ''))],
    ['no components', input((text) => text.replace(/\(.*\)/, '()'))],
    [
      'an extra component',
      input((text) => text.replace('"idempotency-key"', '"idempotency-key" "content-type"')),
    ],
    ['components in another order', input((text) => text.replace('"@method" "@path"', '"@path" "@method"'))],
    ['a component twice', input((text) => text.replace('"@query"', '"@path"'))],
    ['a component with a parameter', input((text) => text.replace('"@path"', '"@path";req'))],
    ['a component in upper case', input((text) => text.replace('"content-digest"', '"Content-Digest"'))],
    ['another tag', input((text) => text.replace('countersign-v1', 'countersign-v2'))],
    ['a tag in upper case', input((text) => text.replace('countersign-v1', 'Countersign-v1'))],
    ['no tag', input((text) => text.replace(/;tag=".*?"/, ''))],
    ['a tag that is a token', input((text) => text.replace('"countersign-v1"', 'countersign-v1'))],
    ['an unknown parameter', input((text) => `${text};extra=1`)],
    ['a parameter twice', input((text) => `${text};tag="countersign-v1"`)],
    ['no created', input((text) => text.replace(/;created=\d+/, ''))],
    ['no created, another parameter instead', input((text) => text.replace('created', 'createt'))],
    ['created as a string', input((text) => text.replace(/created=(\d+)/, 'created="$1"'))],
    ['a negative created', input((text) => text.replace('created=', 'created=-'))],
    ['a huge created', input((text) => text.replace(/created=\d+/, 'created=999999999999999'))],
    ['no expires', input((text) => text.replace(/;expires=\d+/, ''))],
    ['no nonce', input((text) => text.replace(/;nonce=".*?"/, ''))],
    ['a nonce of 15 bytes', input((text) => text.replace(/nonce="A*"/, `nonce="${'A'.repeat(20)}"`))],
    ['a nonce of 33 bytes', input((text) => text.replace(/nonce="A*"/, `nonce="${'A'.repeat(44)}"`))],
    [
      'a nonce of no number of bytes',
      input((text) => text.replace(/nonce="A*"/, `nonce="${'A'.repeat(25)}"`)),
    ],
    ['a nonce with spare bits', input((text) => text.replace(/nonce="A*"/, `nonce="${'A'.repeat(21)}B"`))],
    ['a nonce in base64', input((text) => text.replace(/nonce="A*"/, `nonce="${'A'.repeat(21)}+A"`))],
    ['a padded nonce', input((text) => text.replace(/nonce="A*"/, `nonce="${'A'.repeat(22)}=="`))],
    ['no keyid', input((text) => text.replace(/;keyid=".*?"/, ''))],
    ['a keyid in upper case', input((text) => text.replace('cred_', 'CRED_'))],
    ['a keyid that is no credential id', input((text) => text.replace(/cred_\w+/, 'alice'))],
    ['an unknown alg', input((text) => text.replace('alg="ed25519"', 'alg="rsa-pss-sha512"'))],
    ['an alg in upper case', input((text) => text.replace('alg="ed25519"', 'alg="Ed25519"'))],
    ['no alg', input((text) => text.replace(/;alg=".*?"/, ''))],
    ['white space that is not canonical', input((text) => text.replace('" "', '"  "'))],
    ['white space before', input((text) => ` ${text}`)],
    ['leading zeros', input((text) => text.replace('created=', 'created=0'))],
    ['an escape that is not needed', input((text) => text.replace('"countersign-v1"', '"countersign\\-v1"'))],
    [
      'a label that the profile does not have',
      header({ signature: 'sig9=:AAAA:', 'signature-input': 'sig9=()' }),
    ],
    ['another label in Signature', header({ signature: `sig2=:${encodeBase64(new Uint8Array(64))}:` })],
    ['a signature of 63 bytes', header({ signature: `sig1=:${encodeBase64(new Uint8Array(63))}:` })],
    ['a signature of 65 bytes', header({ signature: `sig1=:${encodeBase64(new Uint8Array(65))}:` })],
    ['an empty signature', header({ signature: 'sig1=::' })],
    [
      'white space before the signature',
      header({ signature: ` sig1=:${encodeBase64(new Uint8Array(64))}:` }),
    ],
    ['white space after the signature', header({ signature: `sig1=:${encodeBase64(new Uint8Array(64))}: ` })],
    ['a signature with a parameter', header({ signature: `sig1=:${encodeBase64(new Uint8Array(64))}:;a` })],
    ['a signature that is a string', header({ signature: 'sig1="AAAA"' })],
    ['an oversize Signature-Input', input((text) => `${text}, sig2=("${'a'.repeat(5000)}")`)],
    ['an oversize Signature', header({ signature: `sig1=:${'A'.repeat(5000)}:` })],
    [
      'a ninth label',
      input((text) => `${text}, ${[...'abcdefgh'].map((label) => `${label}=()`).join(', ')}`),
    ],
  ]
  it.each(malformed)('%s', async (_, made) => {
    const changed = await made()
    expect(codeOf(() => parseRequestSignatures(changed))).toBe('WIRE_SIGNATURE_MALFORMED')
  })

  const others: [string, string, () => Promise<SignedRequest>][] = [
    ['no Signature', 'WIRE_SIGNATURE_MISSING', header({ signature: undefined })],
    ['no Signature-Input', 'WIRE_SIGNATURE_MISSING', header({ 'signature-input': undefined })],
    ['empty signature headers', 'WIRE_SIGNATURE_MISSING', header({ signature: '', 'signature-input': '' })],
    ['another body', 'WIRE_DIGEST_MISMATCH', request({ body: '{"message":"hullo"}' })],
    ['no digest', 'WIRE_DIGEST_MISMATCH', header({ 'content-digest': undefined })],
    ['a digest of another algorithm', 'WIRE_DIGEST_MISMATCH', header({ 'content-digest': 'sha-512=:AA==:' })],
    [
      'a digest beside a second one',
      'WIRE_DIGEST_MISMATCH',
      header({ 'content-digest': `${contentDigest('{"message":"hello"}')}, sha-512=:AA==:` }),
    ],
    [
      'a digest that stands twice',
      'WIRE_DIGEST_MISMATCH',
      async () => {
        const one = await signedRequest(key)
        const digest = one.headers['content-digest']!
        return withHeaders(one, { 'content-digest': `${digest}, ${digest}` })
      },
    ],
    ['no audience', 'WIRE_INVALID_REQUEST', header({ 'countersign-audience': undefined })],
    ['a malformed audience', 'WIRE_INVALID_REQUEST', header({ 'countersign-audience': 'sgn_1' })],
    [
      'an audience that stands twice',
      'WIRE_INVALID_REQUEST',
      header({ 'countersign-audience': `${testAudience}, ${testAudience}` }),
    ],
    ['no request id', 'WIRE_INVALID_REQUEST', header({ 'idempotency-key': undefined })],
    ['a short request id', 'WIRE_INVALID_REQUEST', header({ 'idempotency-key': 'short-1' })],
    ['a long request id', 'WIRE_INVALID_REQUEST', header({ 'idempotency-key': 'a'.repeat(65) })],
    ['a request id with a space', 'WIRE_INVALID_REQUEST', header({ 'idempotency-key': 'request 0001' })],
    ['a header that does not travel', 'WIRE_INVALID_REQUEST', header({ authorization: 'Bearer x' })],
    ['a header under two cases', 'WIRE_INVALID_REQUEST', header({ 'Content-Digest': 'x' })],
    ['another content type', 'WIRE_INVALID_REQUEST', header({ 'content-type': 'text/plain' })],
    ['a header of several lines', 'WIRE_INVALID_REQUEST', header({ 'idempotency-key': ['a'] as never })],
    ['another method', 'WIRE_INVALID_REQUEST', request({ method: 'PATCH' })],
    ['a method in lower case', 'WIRE_INVALID_REQUEST', request({ method: 'post' })],
    ['a path without a slash', 'WIRE_INVALID_REQUEST', request({ path: 'v1/wallets' })],
    ['a path with a space', 'WIRE_INVALID_REQUEST', request({ path: '/v1/wal lets' })],
    ['a path with a line feed', 'WIRE_INVALID_REQUEST', request({ path: '/v1\n"@query": ?' })],
    ['a path with a fragment', 'WIRE_INVALID_REQUEST', request({ path: '/v1/wallets#a' })],
    ['a path outside of ASCII', 'WIRE_INVALID_REQUEST', request({ path: '/v1/é' })],
    ['a bare question mark', 'WIRE_INVALID_REQUEST', request({ path: '/v1/wallets?' })],
    ['a path that is too long', 'WIRE_INVALID_REQUEST', request({ path: `/${'a'.repeat(2048)}` })],
    ['a GET with a body', 'WIRE_INVALID_BODY', request({ method: 'GET' })],
    ['a body with a lone surrogate', 'WIRE_INVALID_BODY', request({ body: '"\ud800"' })],
    ['a body that is too large', 'WIRE_BODY_TOO_LARGE', request({ body: 'a'.repeat(1_000_001) })],
    ['no body', 'WIRE_INVALID_BODY', request({ body: undefined })],
    ['no headers', 'WIRE_INVALID_REQUEST', request({ headers: null })],
  ]
  it.each(others)('%s', async (_, code, made) => {
    const changed = await made()
    expect(codeOf(() => parseRequestSignatures(changed))).toBe(code)
  })

  it('two signatures of one credential', async () => {
    const twice = await addSignature(await signedRequest(key), testSigner(key, { nonce: 'B'.repeat(24) }))
    expect(codeOf(() => parseRequestSignatures(twice))).toBe('WIRE_SIGNATURE_MALFORMED')
  })

  it('signatures under each other’s label do not verify', async () => {
    const other = testKey('ed25519', new Uint8Array(32).fill(5))
    const two = await addSignature(await signedRequest(key), testSigner(other))
    const [, a, b] = /^sig1=(.*), sig2=(.*)$/.exec(two.headers.signature!)!
    const swapped = parseRequestSignatures(withHeaders(two, { signature: `sig1=${b}, sig2=${a}` }))
    const keys = new Map([key, other].map(({ id, publicKey }) => [id, publicKey]))
    for (const { credentialId, algorithm, base, signature } of swapped.signatures) {
      const verifying = keyOf(algorithm, () => keys.get(credentialId)!)
      expect(verifySignature(verifying, base, signature)).toBe(false)
    }
  })

  it('a signature moved to another request does not verify', async () => {
    const { signature, 'signature-input': signatureInput } = (await signedRequest(key)).headers
    for (const change of [
      { method: 'PUT' },
      { path: '/v1/wallets/wal_0123456789abcdef01234568/sign-message' },
      { path: '/v1/wallets/wal_0123456789abcdef01234567/sign-message?a=b' },
      { body: '{"message":"hullo"}' },
      { audience: `sgn_${'0'.repeat(32)}` },
      { requestId: 'request-0002' },
    ] as const) {
      const moved = withHeaders(testRequest(change), { signature, 'signature-input': signatureInput })
      expect(verifies(moved, () => key.publicKey)).toBe(false)
    }
  })
})

describe('refusals of prepareRequest and addSignature', () => {
  it('prepares nothing that would be refused on arrival', () => {
    expect(codeOf(() => testRequest({ requestId: 'short' }))).toBe('WIRE_INVALID_REQUEST')
    expect(codeOf(() => testRequest({ audience: 'me' }))).toBe('WIRE_INVALID_REQUEST')
    expect(codeOf(() => testRequest({ path: '/a b' }))).toBe('WIRE_INVALID_REQUEST')
    expect(codeOf(() => testRequest({ method: 'GET', body: '{}' }))).toBe('WIRE_INVALID_BODY')
    expect(
      prepareRequest({ method: 'GET', path: '/v1/x', audience: testAudience, requestId: 'a'.repeat(8) }).body,
    ).toBe('')
  })

  it.each([
    ['a nonce that is too short', { nonce: 'AAAA' }],
    ['a time with a fraction', { created: 1.5 }],
    ['a time in milliseconds', { expires: 1_795_000_000_000 }],
    ['a credential id of another form', { credential: { id: 'alice', algorithm: 'p256' as const } }],
    ['a DER signature', { sign: () => new Uint8Array(70) }],
  ])('signs nothing with %s', async (_, change) => {
    const code = await addSignature(testRequest(), testSigner(key, change)).catch(codeOfError)
    expect(code).toBe('WIRE_SIGNATURE_MALFORMED')
  })
})

describe('freshness', () => {
  const check = (created: number, expires: number, nowS = 1000, maxLifetimeS = 300) =>
    codeOf(() => checkFreshness({ created, expires }, { nowS, maxLifetimeS }))

  it.each<[string, number, number, string]>([
    ['created now', 1000, 1300, 'none'],
    ['created 30 s from now', 1030, 1330, 'none'],
    ['created 31 s from now', 1031, 1331, 'WIRE_FROM_THE_FUTURE'],
    ['expires now', 700, 1000, 'none'],
    ['expired a second ago', 699, 999, 'WIRE_STALE'],
    ['valid for 300 s', 800, 1100, 'none'],
    ['valid for 301 s', 800, 1101, 'WIRE_LIFETIME_TOO_LONG'],
    ['valid for no time', 1000, 1000, 'none'],
    ['ends before it starts', 1001, 1000, 'WIRE_LIFETIME_TOO_LONG'],
  ])('%s', (_, created, expires, code) => expect(check(created, expires)).toBe(code))
})

describe('audience and digest', () => {
  it('names both signers', () => {
    expect(codeOf(() => checkAudience(testAudience, testAudience))).toBe('none')
    expect(codeOf(() => checkAudience(testAudience, 'sgn_other'))).toBe('WIRE_WRONG_AUDIENCE')
  })

  it('RFC 9530: the digests of its examples', () => {
    expect(contentDigest('{"hello": "world"}\n')).toBe(
      'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:',
    )
    expect(contentDigest('')).toBe('sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:')
    expect(contentDigest(new Uint8Array([0xff]))).not.toBe(contentDigest('\u00ff'))
    expect(codeOf(() => checkContentDigest(contentDigest('a'), 'a'))).toBe('none')
    expect(codeOf(() => checkContentDigest(contentDigest('a'), 'b'))).toBe('WIRE_DIGEST_MISMATCH')
    expect(codeOf(() => checkContentDigest(contentDigest('a').toLowerCase(), 'a'))).toBe(
      'WIRE_DIGEST_MISMATCH',
    )
  })
})

describe('verifySignature', () => {
  const base = new TextEncoder().encode('a signature base')
  const zero = new Uint8Array(32)

  it.each(credentialAlgorithms)('%s: refuses what is no signature', (algorithm) => {
    const own = testKey(algorithm)
    const check = (signature: Uint8Array, publicKey = own.publicKey) =>
      verifySignature({ algorithm, publicKey }, base, signature)
    const good = own.sign(base)
    expect(check(good)).toBe(true)
    for (let at = 0; at < 64; at++) {
      const bad = good.slice()
      bad[at]! ^= 1
      expect(check(bad)).toBe(false)
    }
    for (const bytes of [0, 63, 65, 70, 128]) expect(check(new Uint8Array(bytes).fill(1))).toBe(false)
    expect(check(new Uint8Array(64))).toBe(false)
    expect(check(new Uint8Array(64).fill(255))).toBe(false)
    expect(check(new Uint8Array([...good.slice(0, 32), ...zero]))).toBe(false)
    expect(check(new Uint8Array([...zero, ...good.slice(32)]))).toBe(false)
    for (const bytes of [0, 31, 32, 33, 65]) expect(check(good, new Uint8Array(bytes))).toBe(false)
  })

  it.each([
    ['p256', p256],
    ['secp256k1', secp256k1],
  ] as const)('%s: takes either s, but none that is not below the order', (algorithm, curve) => {
    const own = testKey(algorithm)
    const order = curve.Point.CURVE().n
    const { r, s } = curve.Signature.fromBytes(curve.sign(base, own.secret))
    const bytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
    const check = (signature: Uint8Array) =>
      verifySignature({ algorithm, publicKey: own.publicKey }, base, signature)
    expect(check(Buffer.concat([bytes(r), bytes(s)]))).toBe(true)
    expect(check(Buffer.concat([bytes(r), bytes(order - s)]))).toBe(true)
    expect(check(Buffer.concat([bytes(r), bytes(order)]))).toBe(false)
    expect(check(Buffer.concat([bytes(r), bytes(0n)]))).toBe(false)
    expect(check(curve.sign(base, own.secret, { format: 'der' }))).toBe(false)
  })

  it('ed25519: is strict where ZIP 215 is not', () => {
    // A key of small order with R of small order and S = 0 verifies over any message by ZIP 215.
    const identity = new Uint8Array([1, ...new Uint8Array(31)])
    const forged = new Uint8Array([...identity, ...zero])
    expect(ed25519.verify(forged, base, identity, { zip215: true })).toBe(true)
    expect(verifySignature({ algorithm: 'ed25519', publicKey: identity }, base, forged)).toBe(false)
    // S + L is the same number modulo the order.
    const own = testKey('ed25519')
    const good = own.sign(base)
    const s = BigInt(`0x${Buffer.from(good.slice(32)).reverse().toString('hex')}`) + ed25519.Point.CURVE().n
    const high = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
    const malleable = new Uint8Array([...good.slice(0, 32), ...high])
    expect(verifySignature({ algorithm: 'ed25519', publicKey: own.publicKey }, base, malleable)).toBe(false)
  })

  it('agrees with OpenSSL', () => {
    const own = testKey('p256')
    const point = p256.Point.fromBytes(own.publicKey).toBytes(false)
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      x: Buffer.from(point.slice(1, 33)).toString('base64url'),
      y: Buffer.from(point.slice(33)).toString('base64url'),
    }
    const options = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const
    expect(verifyWithNode('sha256', base, options, own.sign(base))).toBe(true)
  })
})
