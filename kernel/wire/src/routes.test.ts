import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ordinaryLifetimeS, quorumLifetimeS } from './request-signature.ts'
import { checkSignatureCount, matchRoute, maxLifetimeS, routes } from './routes.ts'
import { codeOf, codeOfError } from './testing/signed-request.ts'

/** Said again on purpose: what a route allows hangs on it. */
const isByMany = (auth: string) => ['quorum', 'rotation', 'owner'].includes(auth)
/** Witnesses prove themselves; that a fact was taken is a signed statement, as facts are too many for the journal. */
const withoutReceipt: ReadonlySet<string> = new Set(['addCosignatures', 'addFact'])
const example = (pattern: string) => pattern.replace(/\{(\w+)\}/g, 'id_of-$1.1')

describe('matchRoute', () => {
  it.each(routes)('$method $pattern', (route) => {
    const { route: found, params, query } = matchRoute(route.method, example(route.pattern))
    expect(found).toBe(route)
    expect(query).toEqual({})
    expect(Object.keys(params)).toEqual([...route.pattern.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
    for (const [name, value] of Object.entries(params)) expect(value).toBe(`id_of-${name}.1`)
  })

  it('reads the query', () => {
    const { query } = matchRoute('GET', '/v1/wallets?userIdentifier=a%2Bb%40c.example&limit=5&cursor=x+y')
    expect(query).toEqual({ userIdentifier: 'a+b@c.example', limit: '5', cursor: 'x y' })
  })

  it.each([
    '/',
    '',
    '/v1',
    '/v1/',
    '/v1/wallets/',
    '//v1/wallets',
    '/v1//wallets',
    '/V1/wallets',
    '/v1/wallets/a/b',
    '/v1/Wallets',
    '/v1/wallets/..',
    '/v1/wallets/.',
    '/v1/wallets/%2e%2e',
    '/v1/wallets/a%2Fpolicy',
    '/v1/wallets/a;b',
    '/v1/%77allets',
    `/v1/wallets/${'a'.repeat(129)}`,
    '/v2/wallets',
    'v1/wallets',
  ])('finds nothing at %s', (path) => expect(codeOf(() => matchRoute('GET', path))).toBe('WIRE_NOT_FOUND'))

  it('names the methods of a path', () => {
    expect(codeOf(() => matchRoute('PUT', '/v1/wallets'))).toBe('WIRE_METHOD_NOT_ALLOWED')
    expect(codeOf(() => matchRoute('get', '/v1/wallets'))).toBe('WIRE_METHOD_NOT_ALLOWED')
    try {
      matchRoute('DELETE', '/v1/wallets')
    } catch (error) {
      expect((error as { details: unknown }).details).toEqual({ allowed: ['POST', 'GET'] })
    }
  })

  it.each(['?', '?a', '?a=1&a=2', '?=1', '?a=%', '?a=%ff', '?a=1&', '?__proto__=1', `?${'a=1&'.repeat(17)}`])(
    'refuses the query %s',
    (query) => expect(codeOf(() => matchRoute('GET', `/v1/wallets${query}`))).toBe('WIRE_INVALID_REQUEST'),
  )

  it('throws nothing but CountersignError', () => {
    const piece = fc.oneof(
      fc.constantFrom('/v1', '/wallets', '/policies', '/', '?', '&', '=', '%', '..'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.string(), fc.array(piece, { maxLength: 8 }), (method, parts) => {
        for (const name of [method, 'GET']) {
          try {
            matchRoute(name, parts.join(''))
          } catch (error) {
            codeOfError(error)
          }
        }
      }),
    )
  })
})

describe('the table', () => {
  it('has no two routes for one request, and no operation twice', () => {
    const keys = routes.map(({ method, pattern }) => `${method} ${pattern.replace(/\{\w+\}/g, '{}')}`)
    expect(new Set(keys).size).toBe(routes.length)
    expect(new Set(routes.map(({ operation }) => operation)).size).toBe(routes.length)
  })

  it('asks for the quorum wherever something is changed that decides, and only there', () => {
    const quorum = routes.filter(({ auth }) => auth === 'quorum').map(({ operation }) => operation)
    expect(quorum.sort()).toEqual([
      'createCredential',
      'putBook',
      'putPolicy',
      'putWalletGroup',
      'revokeCredential',
      'setLooseningDelay',
      'setOrganisationPolicy',
      'setQuorum',
      'setWalletPolicy',
      'thaw',
    ])
    for (const route of routes)
      expect(maxLifetimeS(route)).toBe(isByMany(route.auth) ? quorumLifetimeS : ordinaryLifetimeS)
  })

  it('has several signatures on requests of the quorum, and on rotations, only', () => {
    const signed = (count: number) => ({ signatures: Array.from({ length: count }, () => ({}) as never) })
    for (const route of routes) {
      expect(codeOf(() => checkSignatureCount(route, signed(1)))).toBe('none')
      for (const count of [2, 8]) {
        expect(codeOf(() => checkSignatureCount(route, signed(count)))).toBe(
          isByMany(route.auth) ? 'none' : 'WIRE_TOO_MANY_SIGNATURES',
        )
      }
    }
  })

  it('proves by a receipt whatever signs or changes', () => {
    for (const { operation, method, answer } of routes) {
      // sign-transaction has an answer for each type of wallet.
      const forms = (answer as { anyOf?: readonly object[] }).anyOf ?? [answer]
      const hasReceipt = forms.every(
        (form) => 'receipt' in ((form as { properties?: object }).properties ?? {}),
      )
      expect({ operation, hasReceipt }).toEqual({
        operation,
        hasReceipt:
          (method !== 'GET' && !withoutReceipt.has(operation)) ||
          operation === 'getTransaction' ||
          operation === 'getChange' ||
          operation === 'getGrant',
      })
    }
  })

  it('leaves to the engine nothing but reading', () => {
    for (const { signer, method } of routes) if (!signer) expect(method).toBe('GET')
  })

  it('has a body for every POST and PUT, and none for GET', () => {
    for (const route of routes) expect('body' in route).toBe(route.method !== 'GET')
  })

  it('refuses a long path before it takes it apart', () => {
    const long = [
      '/v1/'.padEnd(2_049, '/'),
      '/v1/wallets?'.padEnd(2_049, 'a=1&'),
      '/v1/wallets'.padEnd(2_049),
    ]
    for (const path of long) expect(codeOf(() => matchRoute('GET', path))).toBe('WIRE_INVALID_REQUEST')
    expect(codeOf(() => matchRoute('GET', '/v1/'.padEnd(2_048, '/')))).toBe('WIRE_NOT_FOUND')
  })
})
