import type { JsonObject } from '@countersign/bytes'
import type { SignedRequest } from '@countersign/wire'
import { beforeAll, describe, expect, it } from 'vitest'
import { carriedOut, isProposed } from './change-answers.ts'
import { type CountersignClient, createCountersignClient } from './client.ts'
import { type CredentialSigner, createCredentialKey } from './credential-key.ts'
import { createProvingSigner } from './testing/proving-signer.ts'

const signer = createProvingSigner()
const at = '2026-11-21T00:00:00.000Z'
const later = '2026-11-22T00:00:00.000Z'
const change = `chg_${'0'.repeat(24)}`
const hash = `0x${'ab'.repeat(32)}`
let credential: CredentialSigner
beforeAll(async () => {
  credential = (await createCredentialKey('p256')).signer
})

type Answer = Record<string, unknown>
/** What the real signer would say, given the request: answer and entry. */
type Says = (request: SignedRequest) => readonly [JsonObject, JsonObject & { readonly type: string }]

function clientOver(says: Says, tamper: (honest: Answer) => unknown = (honest) => honest): CountersignClient {
  return createCountersignClient({
    url: 'http://engine.test',
    credential,
    audience: signer.audience,
    async fetch(url, init) {
      const request = {
        ...init,
        path: new URL(url).pathname,
        body: init.body ?? '',
      } as unknown as SignedRequest
      const [fields, entry] = says(request)
      return new Response(
        JSON.stringify(tamper({ ...fields, receipt: await signer.receipt(request, entry) })),
      )
    },
  })
}

const loosens = [{ rule: 'pay', why: 'a permit rule is new' }]
const proposed: Says = (request) => [
  { change, state: 'pending', dueAt: later, loosens },
  { type: 'change-proposed', changeId: change, dueAt: later, loosens, body: JSON.parse(request.body) },
]
const frozen = { by: `cred_${'1'.repeat(32)}`, at, reason: 'odd' }
const book = { version: 1, id: 'friends', addresses: [] }

type Case = readonly [name: string, says: Says, ask: (client: CountersignClient) => Promise<unknown>]
const cases: readonly Case[] = [
  ['a policy that waits', proposed, (client) => client.policies.put({ id: 'p', policy: {}, expected: null })],
  [
    'a credential that waits',
    proposed,
    (client) => client.credentials.create({ algorithm: 'p256', publicKey: '0x02', role: 'agent', name: 'a' }),
  ],
  [
    'a quorum',
    () => [{ quorum: 2 }, { type: 'quorum', quorum: 2, before: 1 }],
    (client) => client.organisation.setQuorum({ quorum: 2, expected: 1 }),
  ],
  ['a quorum that waits', proposed, (client) => client.organisation.setQuorum({ quorum: 1, expected: 2 })],
  [
    'a delay',
    () => [{ delay: '24h' }, { type: 'loosening-delay', delay: '24h', before: '0s' }],
    (client) => client.organisation.setLooseningDelay({ delay: '24h', expected: '0s' }),
  ],
  [
    'a book',
    () => [
      { id: 'friends', hash, version: 1, appliedAt: at, entries: 0 },
      { type: 'book', book: 'friends', hash, version: 1, entries: 0, document: book },
    ],
    (client) => client.books.put({ id: 'friends', book, expected: null }),
  ],
  [
    'a group',
    () => [
      { id: 'ops', hash, version: 1, appliedAt: at, policy: 'p', wallets: ['wal_1'] },
      { type: 'wallet-group', group: 'ops', hash, version: 1, policy: 'p', wallets: ['wal_1'] },
    ],
    (client) => client.walletGroups.put({ id: 'ops', wallets: ['wal_1'], policy: 'p', expected: null }),
  ],
  [
    'a freeze',
    () => [
      { wallet: 'wal_1', frozen },
      { type: 'freeze', wallet: 'wal_1', frozen },
    ],
    (client) => client.freeze({ wallet: 'wal_1', reason: 'odd' }),
  ],
  [
    'a thaw',
    () => [
      { wallet: 'wal_1', frozen: null },
      { type: 'thaw', wallet: 'wal_1', before: frozen },
    ],
    (client) => client.thaw({ wallet: 'wal_1', expected: at }),
  ],
]
const unproven = { code: 'SDK_ANSWER_UNPROVEN' }

describe.each(cases)('%s', (_name, says, ask) => {
  it('is believed of the signer, and of nobody who leaves or alters something', async () => {
    const honest = (await ask(clientOver(says))) as Answer
    expect(honest).toHaveProperty('receipt')
    for (const field of Object.keys(honest)) {
      if (field === 'receipt') continue
      for (const other of [undefined, 'other', { by: 'me' }]) {
        const tampered = clientOver(says, (answer) => ({ ...answer, [field]: other }))
        await expect(ask(tampered), field).rejects.toMatchObject(unproven)
      }
    }
    await expect(
      ask(clientOver(says, (answer) => ({ ...answer, receipt: undefined }))),
    ).rejects.toMatchObject(unproven)
  })

  it('is not believed with the entry of another request', async () => {
    const earlier = await ask(clientOver(says))
    await expect(ask(clientOver(says, () => earlier))).rejects.toMatchObject(unproven)
  })
})

it('“it waits” cannot be turned into “it is done”, nor the reverse', async () => {
  const done: Says = () => [{ quorum: 2 }, { type: 'quorum', quorum: 2, before: 1 }]
  const ask = (client: CountersignClient) => client.organisation.setQuorum({ quorum: 2, expected: 1 })
  const asDone = clientOver(proposed, ({ receipt }) => ({ quorum: 2, receipt }))
  await expect(ask(asDone)).rejects.toMatchObject(unproven)
  const asWaiting = clientOver(done, ({ receipt }) => ({
    change,
    state: 'pending',
    dueAt: later,
    loosens,
    receipt,
  }))
  await expect(ask(asWaiting)).rejects.toMatchObject(unproven)
})

it('what cannot wait is not believed to wait', async () => {
  await expect(clientOver(proposed).credentials.revoke('cred_2')).rejects.toMatchObject(unproven)
  await expect(clientOver(proposed).thaw({ expected: at })).rejects.toMatchObject(unproven)
})

it('a program that counts on a change hears that it waits', async () => {
  const answer = await clientOver(proposed).policies.put({ id: 'p', policy: {}, expected: null })
  expect(isProposed(answer)).toBe(true)
  expect(() => carriedOut(answer)).toThrow(expect.objectContaining({ code: 'SDK_CHANGE_WAITS' }))
  const done = { id: 'p', hash, version: 1 }
  expect(carriedOut(done)).toBe(done)
})

describe('a veto', () => {
  const says: Says = () => [
    { change, state: 'vetoed', by: credential.id, at, reason: null },
    { type: 'change-vetoed', changeId: change, credential: credential.id, reason: null },
  ]
  it('is proven', async () => {
    expect(await clientOver(says).changes.veto(change)).toMatchObject({ state: 'vetoed' })
    for (const field of ['change', 'state', 'by', 'at', 'reason']) {
      const tampered = clientOver(says, (answer) => ({ ...answer, [field]: 'other' }))
      await expect(tampered.changes.veto(change), field).rejects.toMatchObject(unproven)
    }
  })
})

describe('a change that is shown', () => {
  const digest = `0x${'cd'.repeat(32)}`
  const shared = { id: change, digest, requestId: 'request-1', credentials: ['cred_1'], loosens }
  const request = { operation: 'putPolicy', method: 'PUT', path: '/v1/policies/p' }
  const about = { changeId: change, requestDigest: digest, requestId: 'request-1', credentials: ['cred_1'] }
  const pending: Says = () => [
    { ...shared, ...request, state: 'pending', body: { policy: 1 }, proposedAt: at, dueAt: later },
    { type: 'change-proposed', ...about, ...request, body: { policy: 1 }, loosens, dueAt: later },
  ]
  const applied: Says = () => [
    { ...shared, ...request, state: 'applied', body: null, settledAt: at },
    { type: 'policy', ...about },
  ]

  it('is what the signer says of it', async () => {
    expect(await clientOver(pending).changes.get(change)).toMatchObject({ state: 'pending' })
    for (const field of [
      'id',
      'state',
      'body',
      'loosens',
      'path',
      'dueAt',
      'digest',
      'credentials',
      'proposedAt',
    ]) {
      const tampered = clientOver(pending, (answer) => ({ ...answer, [field]: 'applied' }))
      await expect(tampered.changes.get(change), field).rejects.toMatchObject(unproven)
    }
    expect(await clientOver(applied).changes.get(change)).toMatchObject({ state: 'applied' })
    const vetoed: Says = () => [
      {
        ...shared,
        ...request,
        state: 'vetoed',
        body: null,
        settledAt: at,
        settledBy: 'cred_2',
        reason: 'no',
      },
      { type: 'change-vetoed', changeId: change, credential: 'cred_2', reason: 'no', requestId: 'request-2' },
    ]
    expect(await clientOver(vetoed).changes.get(change)).toMatchObject({ state: 'vetoed' })
    for (const field of ['id', 'state', 'settledBy', 'reason', 'settledAt']) {
      const tampered = clientOver(vetoed, (answer) => ({ ...answer, [field]: 'other' }))
      await expect(tampered.changes.get(change), field).rejects.toMatchObject(unproven)
    }
    await expect(clientOver(applied).changes.get(`chg_${'1'.repeat(24)}`)).rejects.toMatchObject(unproven)
    for (const state of ['pending', 'vetoed', 'dropped', 'toString', undefined]) {
      const tampered = clientOver(applied, (answer) => ({ ...answer, state }))
      await expect(tampered.changes.get(change), state).rejects.toMatchObject(unproven)
    }
  })
})
