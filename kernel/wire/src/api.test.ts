import { type Json, parseJson } from '@countersign/bytes'
import fc from 'fast-check'
import type { Static } from 'typebox'
import { describe, expect, it } from 'vitest'
import * as api from './api.ts'
import { createCredentialBody } from './api-credentials.ts'
import type { credentialSchema, receiptSchema } from './api-values.ts'
import { parseBody, parseQuery } from './parse-body.ts'
import type { Receipt } from './receipt.ts'
import type { Credential, ForwardedRequest } from './request.ts'
import { type Route, routes } from './routes.ts'
import { codeOf, codeOfError, signedRequest, testKey } from './testing/signed-request.ts'

const address = '0x52908400098527886E0F7030069857D2E4169EE7'
const hash = `0x${'ab'.repeat(32)}`
const typedData = {
  domain: { name: 'x', chainId: 1 },
  types: { Mail: [{ name: 'to', type: 'address' }] },
  primaryType: 'Mail',
  message: { to: address },
}
const attribution = { agent: 'a', workflow: 'w', operator: 'o' }
const publicKey = `0x02${'11'.repeat(32)}`

const good: [string, Route['body'] & object, Json][] = [
  [
    'createWallet',
    api.createWalletBody,
    { type: 'EVM', name: 'n', policy: 'payroll', userIdentifier: 'a@b', userIdentifierType: 'EMAIL' },
  ],
  ['createWallet', api.createWalletBody, { type: 'SOLANA' }],
  ['signMessage', api.signMessageBody, { message: 'hello', attribution }],
  ['signMessage', api.signMessageBody, { message: '' }],
  ['signMessage', api.signMessageBody, { message: { raw: '0x' } }],
  ['signTypedData', api.signTypedDataBody, { typedData, attribution }],
  ['signTransaction', api.signTransactionBody, { unsignedTransaction: '0x02c0', attribution }],
  [
    'signTransaction',
    api.signTransactionBody,
    { transaction: { chainId: 1, to: address, value: '1' }, maxFeeMinor: '5' },
  ],
  [
    'sendTransaction',
    api.sendTransactionBody,
    {
      transaction: {
        chainId: 1,
        type: 4,
        authorizationList: [{ chainId: 0, address, nonce: 1, yParity: 1, r: '0x1', s: '2' }],
      },
    },
  ],
  [
    'signAuthorization',
    api.signAuthorizationBody,
    { contractAddress: address, chainId: 0, nonce: 1, attribution },
  ],
  ['signRaw', api.signRawBody, { digest: hash }],
  ['signRaw', api.signRawBody, { data: '0x00', attribution }],
  ['putPolicy', api.putPolicyBody, { policy: { version: 1 }, expected: null }],
  ['putPolicy', api.putPolicyBody, { policy: { version: 1 }, expected: hash }],
  ['setWalletPolicy', api.setWalletPolicyBody, { policy: 'a.b-c', expected: null }],
  ['setOrganisationPolicy', api.setOrganisationPolicyBody, { policy: null, expected: 'x' }],
  [
    'createCredential',
    createCredentialBody,
    { algorithm: 'p256', publicKey, role: 'agent', name: 'n', powers: ['read'], attribution: {} },
  ],
  ['revokeCredential', api.emptyBody, {}],
]

const bad: [string, string, Route['body'] & object, Json | undefined][] = [
  ['no body', '', api.signMessageBody, undefined],
  ['null', '', api.signMessageBody, null],
  ['a list', '', api.signMessageBody, []],
  ['an unknown field', '/extra', api.createWalletBody, { type: 'EVM', extra: 1 }],
  ['an unknown type', '/type', api.createWalletBody, { type: 'COSMOS' }],
  [
    'an unknown identifier type',
    '/userIdentifierType',
    api.createWalletBody,
    { type: 'EVM', userIdentifierType: 'FAX' },
  ],
  ['a policy id with a bar', '/policy', api.createWalletBody, { type: 'EVM', policy: 'a|b' }],
  ['no message', '', api.signMessageBody, {}],
  ['a message of both kinds', '/message/text', api.signMessageBody, { message: { raw: '0x', text: 'a' } }],
  ['raw that is no hexadecimal', '/message/raw', api.signMessageBody, { message: { raw: '0xabc' } }],
  ['an over-long message', '/message', api.signMessageBody, { message: 'a'.repeat(api.messageCharsMax + 1) }],
  [
    'typed data without a type list',
    '/typedData/types/Mail',
    api.signTypedDataBody,
    { typedData: { ...typedData, types: { Mail: 'address' } } },
  ],
  [
    'both forms at once',
    '/transaction',
    api.signTransactionBody,
    { unsignedTransaction: '0x', transaction: { chainId: 1 } },
  ],
  ['neither form', '', api.signTransactionBody, {}],
  [
    'an unknown field of a transaction',
    '/transaction/sidecars',
    api.sendTransactionBody,
    { transaction: { chainId: 1, sidecars: [] } },
  ],
  ['chain id 0', '/transaction/chainId', api.sendTransactionBody, { transaction: { chainId: 0 } }],
  ['a chain id as text', '/transaction/chainId', api.sendTransactionBody, { transaction: { chainId: '1' } }],
  [
    'a negative value',
    '/transaction/value',
    api.sendTransactionBody,
    { transaction: { chainId: 1, value: -1 } },
  ],
  [
    'a value with a fraction',
    '/transaction/value',
    api.sendTransactionBody,
    { transaction: { chainId: 1, value: 1.5 } },
  ],
  [
    'a value with a leading zero',
    '/transaction/value',
    api.sendTransactionBody,
    { transaction: { chainId: 1, value: '01' } },
  ],
  [
    'a type that does not exist',
    '/transaction/type',
    api.sendTransactionBody,
    { transaction: { chainId: 1, type: 5 } },
  ],
  [
    'a fee in hexadecimal',
    '/maxFeeMinor',
    api.sendTransactionBody,
    { transaction: { chainId: 1 }, maxFeeMinor: '0x1' },
  ],
  ['a digest of 31 bytes', '/digest', api.signRawBody, { digest: hash.slice(0, -2) }],
  ['no expectation', '', api.putPolicyBody, { policy: {} }],
  ['an expectation that is no hash', '/expected', api.putPolicyBody, { policy: {}, expected: 'abc' }],
  [
    'a power twice',
    '/powers',
    createCredentialBody,
    { algorithm: 'p256', publicKey, role: 'agent', name: 'n', powers: ['read', 'read'] },
  ],
  [
    'an unknown power',
    '/powers/0',
    createCredentialBody,
    { algorithm: 'p256', publicKey, role: 'agent', name: 'n', powers: ['all'] },
  ],
  ['an empty name', '/name', createCredentialBody, { algorithm: 'p256', publicKey, role: 'agent', name: '' }],
  ['something for nothing', '/force', api.emptyBody, { force: true }],
]

describe('parseBody', () => {
  it.each(good)('%s takes its forms (%#)', (_, schema, body) => expect(parseBody(schema, body)).toBe(body))

  it.each(bad)('refuses %s and names the place', (_, path, schema, body) => {
    try {
      parseBody(schema, body)
    } catch (error) {
      expect(codeOfError(error)).toBe('WIRE_INVALID_BODY')
      expect((error as { details: unknown }).details).toEqual({ path })
      return
    }
    expect.fail('was accepted')
  })

  it('takes a signed request from the engine as it was made', async () => {
    const request = await signedRequest(testKey('p256'))
    const body = parseJson(JSON.stringify({ request, preparedTransaction: '0x02' }))
    expect(parseBody(api.forwardedRequestSchema, body)).toEqual({ request, preparedTransaction: '0x02' })
    for (const change of [
      { method: 'PATCH' },
      { path: 1 },
      { headers: { a: ['b'] } },
      { body: null },
      { extra: 1 },
    ]) {
      const changed = parseJson(JSON.stringify({ request: { ...request, ...change } }))
      expect(codeOf(() => parseBody(api.forwardedRequestSchema, changed))).toBe('WIRE_INVALID_BODY')
    }
  })

  it('any JSON gives a CountersignError or is what the schema says, for every route', () => {
    const schemas = routes.flatMap((route) => ('body' in route ? [route.body] : []))
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom(...schemas),
        fc.constantFrom(...good),
        (value, schema, [, itsSchema, body]) => {
          const keys = Object.keys(body as object)
          const changed = keys.length === 0 ? value : { ...(body as object), [keys[0]!]: value }
          for (const act of [
            () => parseBody(schema, value as Json),
            () => parseBody(itsSchema, changed as Json),
          ]) {
            try {
              act()
            } catch (error) {
              codeOfError(error)
            }
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('parseQuery', () => {
  it('takes text of the right form only', () => {
    expect(parseQuery(api.entriesQuery, { start: '0', limit: '10' })).toEqual({ start: '0', limit: '10' })
    expect(parseQuery(api.entriesQuery, { wallet: 'w', from: '2026-01-31' })).toEqual({
      wallet: 'w',
      from: '2026-01-31',
    })
    for (const query of [
      { start: '-1' },
      { start: '01' },
      { wallet: '' },
      { from: 'yesterday' },
      { start: '1', limit: '0' },
      { start: '1', limit: '1000' },
      { start: '1', other: '1' },
    ]) {
      expect(codeOf(() => parseQuery(api.entriesQuery, query as Record<string, string>))).toBe(
        'WIRE_INVALID_REQUEST',
      )
    }
  })
})

describe('the schemas', () => {
  it('have the types that the rest of the code works with', () => {
    // Checked by the compiler; a schema that drifts from its interface does not build.
    const credential = (value: Static<typeof credentialSchema>): Credential =>
      value as Credential & typeof value
    const receipt = (value: Static<typeof receiptSchema>) => value satisfies Omit<Receipt, 'entry'>
    const forwarded = (value: Static<typeof api.forwardedRequestSchema>): ForwardedRequest => value
    expect([credential, receipt, forwarded]).toHaveLength(3)
  })

  it('of requests refuse unknown members, at the top and in each of their forms', () => {
    for (const route of routes) {
      const schemas = [...('body' in route ? [route.body] : []), ...('query' in route ? [route.query] : [])]
      for (const schema of schemas) {
        const forms = ('anyOf' in schema ? schema.anyOf : [schema]) as readonly {
          additionalProperties?: unknown
        }[]
        for (const form of forms) expect(form.additionalProperties).toBe(false)
      }
    }
  })

  it('are JSON Schema that survives JSON', () => {
    for (const route of routes) expect(JSON.parse(JSON.stringify(route.answer))).toBeTypeOf('object')
  })
})
