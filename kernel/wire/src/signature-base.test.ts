import { createHmac, createPublicKey, verify as verifyWithNode } from 'node:crypto'
import { decodeBase64, decodeBase64Url, decodeUtf8 } from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import { describe, expect, it } from 'vitest'
import rfc9421 from '../vectors/rfc9421-appendix-b.json' with { type: 'json' }
import { compressPublicKey } from './credential.ts'
import {
  component,
  encodeSignatureInputs,
  type HttpMessage,
  parseSignatureInputs,
  signatureBase,
  splitPath,
} from './signature-base.ts'
import { codeOf } from './testing/signed-request.ts'
import { verifySignature } from './verify-signature.ts'

const messages: Record<string, HttpMessage> = rfc9421.messages
const { keys } = rfc9421

function baseOf({ label, message, signatureInput }: (typeof rfc9421.cases)[number]): Uint8Array {
  const input = parseSignatureInputs(`${label}=${signatureInput}`).get(label)!
  return signatureBase(messages[message]!, input)
}

function vector(section: string) {
  return rfc9421.cases.find((one) => one.section === section)!
}

describe('RFC 9421 appendix B', () => {
  it.each(rfc9421.cases)('$section: the signature base', (one) => {
    expect(decodeUtf8(baseOf(one))).toBe(one.base.join('\n'))
  })

  it.each(rfc9421.cases)(
    '$section: Signature-Input is serialised as it stands',
    ({ label, signatureInput }) => {
      const text = `${label}=${signatureInput}`
      expect(encodeSignatureInputs(parseSignatureInputs(text))).toBe(text)
    },
  )

  it.each(['B.2.1', 'B.2.2', 'B.2.3'])('%s: the RSA-PSS signature verifies over our base', (section) => {
    const one = vector(section)
    const key = createPublicKey({ key: keys['test-key-rsa-pss'], format: 'jwk' })
    const options = { key, padding: 6, saltLength: 64 }
    expect(verifyWithNode('sha512', baseOf(one), options, decodeBase64(one.signature))).toBe(true)
  })

  it('B.2.4: the ECDSA signature verifies, and no longer once a bit of it is changed', () => {
    const one = vector('B.2.4')
    const { x, y } = keys['test-key-ecc-p256']
    const point = new Uint8Array([4, ...decodeBase64Url(x), ...decodeBase64Url(y)])
    const key = { algorithm: 'p256', publicKey: compressPublicKey('p256', point) } as const
    const signature = decodeBase64(one.signature)
    expect(verifySignature(key, baseOf(one), signature)).toBe(true)
    signature[63]! ^= 1
    expect(verifySignature(key, baseOf(one), signature)).toBe(false)
  })

  it('B.2.5: the HMAC over our base', () => {
    const one = vector('B.2.5')
    const mac = createHmac('sha256', decodeBase64(keys['test-shared-secret']))
      .update(baseOf(one))
      .digest('base64')
    expect(mac).toBe(one.signature)
  })

  it.each(['B.2.6', 'B.4'])('%s: the Ed25519 signature, byte for byte', (section) => {
    const one = vector(section)
    const { d, x } = keys['test-key-ed25519']
    const signature = ed25519.sign(baseOf(one), decodeBase64Url(d))
    expect(signature).toEqual(decodeBase64(one.signature))
    const key = { algorithm: 'ed25519', publicKey: decodeBase64Url(x) } as const
    expect(verifySignature(key, baseOf(one), signature)).toBe(true)
  })

  it('B.4: a changed method, authority or order of the header’s values changes the base', () => {
    const one = vector('B.4')
    const before = decodeUtf8(baseOf(one))
    const input = parseSignatureInputs(`a=${one.signatureInput}`).get('a')!
    const message = messages[one.message]!
    for (const changed of [
      { ...message, method: 'POST' },
      { ...message, authority: 'example.com' },
      { ...message, headers: { ...message.headers, accept: ['*/*', 'application/json'] } },
    ]) {
      expect(decodeUtf8(signatureBase(changed, input))).not.toBe(before)
    }
  })
})

describe('components', () => {
  const message: HttpMessage = {
    method: 'GET',
    scheme: 'https',
    authority: 'example.com',
    path: '/a?b=c&d=e%20f&d2=%21&q=x&q=y&empty',
    headers: { plain: '  a b ', list: [' a ', 'b'], forged: 'a\n"@method": POST', latin: 'é' },
  }
  const valueIn = (name: string, params = {}) =>
    decodeUtf8(signatureBase(message, { components: [component(name, params)], params: new Map() }))
      .split('\n')[0]!
      .replace(/^.*?: /, '')

  it('derives what section 2.2 names', () => {
    expect(valueIn('@target-uri')).toBe(`https://example.com${message.path}`)
    expect(valueIn('@request-target')).toBe(message.path)
    expect(valueIn('@scheme')).toBe('https')
    expect(valueIn('@path')).toBe('/a')
    expect(valueIn('@query-param', { name: 'd' })).toBe('e%20f')
    expect(valueIn('@query-param', { name: 'd2' })).toBe('%21')
    expect(valueIn('@query-param', { name: 'empty' })).toBe('')
    expect(splitPath('')).toEqual({ path: '/', query: '?' })
    expect(splitPath('?a')).toEqual({ path: '/', query: '?a' })
    expect(splitPath('/a?b?c')).toEqual({ path: '/a', query: '?b?c' })
  })

  it('trims and joins header lines', () => {
    expect(valueIn('plain')).toBe('a b')
    expect(valueIn('list')).toBe('a, b')
  })

  it.each<[string, string, Record<string, string | boolean>]>([
    ['a header that is not there', 'absent', {}],
    ['a name that every object has', 'constructor', {}],
    ['a value with a line feed, which would forge a line', 'forged', {}],
    ['a value outside of ASCII', 'latin', {}],
    ['an unknown derived component', '@unknown', {}],
    ['the status of a request', '@status', {}],
    ['a query parameter that stands twice', '@query-param', { name: 'q' }],
    ['a query parameter that is not there', '@query-param', { name: 'nope' }],
    ['a query parameter without a name', '@query-param', {}],
    ['the parameter req', '@method', { req: true }],
    ['the parameter sf', 'plain', { sf: true }],
    ['the parameter bs', 'plain', { bs: true }],
    ['the parameter key', 'plain', { key: 'a' }],
    ['the parameter tr', 'plain', { tr: true }],
  ])('refuses %s', (_, name, params) => {
    expect(codeOf(() => valueIn(name, params))).toBe('WIRE_SIGNATURE_MALFORMED')
  })

  it('refuses a component that is covered twice, also with a parameter beside', () => {
    const twice = { components: [component('plain'), component('plain')], params: new Map() }
    expect(codeOf(() => signatureBase(message, twice))).toBe('WIRE_SIGNATURE_MALFORMED')
  })

  it('refuses component names in upper case and names that are no strings', () => {
    for (const text of ['a=("Date")', 'a=(date)', 'a=(1)', 'a=:AAAA:', 'a']) {
      expect(codeOf(() => parseSignatureInputs(text))).toBe('WIRE_SIGNATURE_MALFORMED')
    }
  })
})
