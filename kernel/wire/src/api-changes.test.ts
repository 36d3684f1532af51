import type { Json } from '@countersign/bytes'
import type { TSchema } from 'typebox'
import { describe, expect, it } from 'vitest'
import * as api from './api-changes.ts'
import { parseBody, parseQuery } from './parse-body.ts'
import { routes } from './routes.ts'
import { changeRoutes, delayableOperations } from './routes-changes.ts'

const hash = `0x${'ab'.repeat(32)}`
const wallet = `wal_${'0'.repeat(24)}`
const at = '2026-11-21T00:00:00.000Z'

const good: readonly (readonly [TSchema, Json])[] = [
  [api.vetoChangeBody, {}],
  [api.vetoChangeBody, { reason: 'no' }],
  [api.setQuorumBody, { quorum: 64, expected: 1 }],
  [api.setLooseningDelayBody, { delay: '24h', expected: '0s' }],
  [api.putBookBody, { book: { version: 1 }, expected: null }],
  [api.putWalletGroupBody, { wallets: [], policy: null, expected: null }],
  [api.putWalletGroupBody, { wallets: [wallet], policy: 'ops', expected: hash }],
  [api.freezeBody, { reason: 'stolen laptop' }],
  [api.freezeBody, { wallet, reason: 'odd' }],
  [api.thawBody, { expected: at }],
  [api.thawBody, { wallet, expected: at }],
]

const bad: readonly (readonly [TSchema, Json])[] = [
  [api.vetoChangeBody, { reason: '' }],
  [api.vetoChangeBody, { by: 'me' }],
  [api.setQuorumBody, { quorum: 0, expected: 1 }],
  [api.setQuorumBody, { quorum: 65, expected: 1 }],
  [api.setQuorumBody, { quorum: 1.5, expected: 1 }],
  [api.setQuorumBody, { quorum: 1 }],
  [api.setLooseningDelayBody, { delay: '0', expected: '0s' }],
  [api.setLooseningDelayBody, { delay: '1w', expected: '0s' }],
  [api.setLooseningDelayBody, { delay: '24h' }],
  [api.putBookBody, { book: [], expected: null }],
  [api.putBookBody, { book: {} }],
  [api.putWalletGroupBody, { wallets: ['wal_1'], policy: null, expected: null }],
  [
    api.putWalletGroupBody,
    { wallets: Array.from({ length: 1_001 }, () => wallet), policy: null, expected: null },
  ],
  [api.freezeBody, {}],
  [api.freezeBody, { reason: 'x'.repeat(501) }],
  [api.freezeBody, { wallet: null, reason: 'x' }],
  [api.thawBody, {}],
]

describe('bodies of changes', () => {
  it.each(good.map(([schema, body]) => ({ schema, body })))('take $body', ({ schema, body }) => {
    expect(parseBody(schema, body)).toEqual(body)
  })

  it.each(bad.map(([schema, body]) => ({ schema, body })))('refuse $body', ({ schema, body }) => {
    expect(() => parseBody(schema, body)).toThrow(expect.objectContaining({ code: 'WIRE_INVALID_BODY' }))
  })

  it('list changes by state', () => {
    expect(parseQuery(api.changesQuery, { state: 'pending', limit: '5' })).toEqual({
      state: 'pending',
      limit: '5',
    })
    expect(() => parseQuery(api.changesQuery, { state: 'open' })).toThrow()
  })
})

it('whatever the quorum alone changes can wait, but for what only tightens and what lifts a freeze', () => {
  const quorum = routes.filter(({ auth }) => auth === 'quorum').map(({ operation }) => operation as string)
  expect(quorum.filter((operation) => !delayableOperations.has(operation)).sort()).toEqual([
    'revokeCredential',
    'thaw',
  ])
  for (const { operation, method } of routes)
    if (method === 'GET') expect(delayableOperations.has(operation)).toBe(false)
})

it('one admin stops, the quorum starts again', () => {
  const authOf = (wanted: string) => changeRoutes.find(({ operation }) => operation === wanted)?.auth
  expect(authOf('vetoChange')).toBe('credential')
  expect(authOf('freeze')).toBe('credential')
  expect(authOf('thaw')).toBe('quorum')
})
