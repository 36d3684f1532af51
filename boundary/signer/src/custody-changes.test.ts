import { afterEach, beforeEach, expect, it } from 'vitest'
import { type DelayedSigner, dayMs, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { createTestKey, policyFor, type TestKey } from '../../../test/signer/test-signer.ts'

const talk = (id: string, ...more: ('fee' | 'raw-digest')[]) =>
  policyFor([{ id: 'talk', action: 'permit', effects: ['message', ...more] }], id)

let signer: DelayedSigner
let walletId: string
beforeEach(async () => {
  signer = await openDelayedSigner()
  for (const id of ['mine', 'other']) {
    await signer.change('PUT', `/v1/policies/${id}`, { policy: talk(id), expected: null })
  }
  const made = await signer.ask(
    'POST',
    '/v1/wallets',
    { type: 'EVM', policy: 'mine' },
    { by: signer.admins[0] as TestKey },
  )
  walletId = (made.body as { id: string }).id
})
afterEach(() => signer.close())

const statement = async () => {
  const { body } = await signer.ask('GET', `/v1/custody/${walletId}`, undefined, { by: signer.test.agent })
  return (
    body as {
      statement: {
        frozen: unknown
        changes: { pending: { path: string }[] }
        ifOwned: { what: string; canMove: string[] }[]
      }
    }
  ).statement
}
const widen = async (id: string) => {
  const expected = (await signer.test.signer.ledger.get('policy', id))?.hash
  return signer.change('PUT', `/v1/policies/${id}`, { policy: talk(id, 'raw-digest'), expected })
}

it('says how soon it can change, and what of it will', async () => {
  expect(await statement()).toMatchObject({
    frozen: { everything: null, wallet: null },
    changes: { looseningDelay: '24h', veto: expect.stringContaining('one admin'), pending: [] },
  })
  await widen('other')
  await widen('mine')
  const { publicKey } = createTestKey('new')
  await signer.change('POST', '/v1/credentials', { algorithm: 'p256', publicKey, role: 'admin', name: 'new' })
  const { changes, ifOwned } = await statement()
  expect(changes.pending.map(({ path }) => path)).toEqual(['/v1/policies/mine', '/v1/credentials'])
  expect(ifOwned.find(({ what }) => what.startsWith('2 of the 3'))?.canMove[0]).toContain('24h after')
  signer.advance(dayMs)
  expect(
    (await signer.change('PUT', `/v1/wallets/${walletId}/policy`, { policy: null, expected: 'mine' })).status,
  ).toBe(200)
  await signer.change('PUT', `/v1/wallets/${walletId}/policy`, { policy: 'mine', expected: null })
  expect((await statement()).changes.pending.map(({ path }) => path)).toEqual([
    `/v1/wallets/${walletId}/policy`,
  ])
  signer.advance(dayMs)
  expect((await statement()).changes.pending).toEqual([])
})

it('says what is frozen', async () => {
  const freeze = (body: object) => signer.ask('POST', '/v1/freeze', body, { by: signer.admins[1] as TestKey })
  await freeze({ wallet: walletId, reason: 'one' })
  expect((await statement()).frozen).toMatchObject({ everything: null, wallet: { reason: 'one' } })
  await freeze({ reason: 'all' })
  expect((await statement()).frozen).toMatchObject({
    everything: { by: signer.admins[1]?.id, reason: 'all' },
  })
})

it('does not promise a veto where there is no delay', async () => {
  await signer.close()
  signer = await openDelayedSigner({ delay: '0s', admins: 1, quorum: 1 })
  const made = await signer.ask('POST', '/v1/wallets', { type: 'EVM' }, { by: signer.admins[0] as TestKey })
  walletId = (made.body as { id: string }).id
  expect((await statement()).changes).toMatchObject({
    looseningDelay: '0s',
    veto: expect.stringContaining('nobody can stop'),
  })
})
