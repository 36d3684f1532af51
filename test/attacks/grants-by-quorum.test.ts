import { afterAll, beforeAll, expect, it } from 'vitest'
import { payee } from '../faults/payment.ts'
import {
  dayMs,
  type GrantingSigner,
  hourMs,
  openGrantingSigner,
  paymentRules,
} from '../signer/granting-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../signer/test-signer.ts'

let test: GrantingSigner
let quorum: readonly TestKey[]
beforeAll(async () => {
  test = await openGrantingSigner()
  quorum = test.admins.slice(0, 2)
  const set = await test.change('PUT', '/v1/organisation/loosening-delay', { delay: '24h', expected: '0s' })
  expect(set.status).toBe(200)
})
afterAll(() => test.close())

const grantsOf = async () => {
  const path = `/v1/grants?wallet=${test.walletId}&limit=500`
  const { body } = await test.ask('GET', path, undefined, { by: test.admins[0] as TestKey })
  return (body as { items: { id: string; grantedBy: unknown }[] }).items
}
const proposed = async (wanted: Readonly<Record<string, unknown>> = {}) => {
  const answer = await test.grant({ expires: test.timeIn(10 * dayMs), ...wanted }, quorum)
  expect(answer).toMatchObject({
    status: 202,
    body: { loosens: [{ why: expect.stringContaining('may ask') }] },
  })
  return (answer.body as { change: string }).change
}
const stateOf = async (change: string) => {
  const path = `/v1/changes/${change}`
  const { body } = await test.ask('GET', path, undefined, { by: test.admins[2] as TestKey })
  return body as { state: string; reason: string | null; receipt: { entry: { grant: string } } }
}

it('waits for the delay, where the owner’s acts at once', async () => {
  const owned = await test.granted()
  expect(await test.pay(1n, owned)).toBe('signed')
  const before = await grantsOf()
  const change = await proposed()
  expect(await grantsOf()).toEqual(before.map((one) => expect.objectContaining({ id: one.id })))
  test.advance(dayMs - 1)
  expect(await test.pay(1n, owned)).toBe('signed')
  expect((await stateOf(change)).state).toBe('pending')
  test.advance(1)
  const { state, receipt } = await stateOf(change)
  expect(state).toBe('applied')
  expect(await test.pay(1n, owned)).toBe('SIGNER_GRANT_EXPIRED')
  const id = receipt.entry.grant
  expect(await grantsOf()).toContainEqual(
    expect.objectContaining({ id, grantedBy: { quorum: quorum.map((one) => one.id) } }),
  )
  expect(await test.pay(1n, id)).toBe('signed')
})

it('is stopped by one admin, and dropped where it would be over by then', async () => {
  const vetoed = await proposed()
  const veto = test.ask('POST', `/v1/changes/${vetoed}/veto`, {}, { by: test.admins[2] as TestKey })
  expect((await veto).status).toBe(200)
  const late = await proposed({ expires: test.timeIn(hourMs) })
  const before = (await grantsOf()).length
  test.advance(dayMs)
  expect(await stateOf(late)).toMatchObject({ state: 'dropped', reason: expect.stringContaining('past') })
  expect((await stateOf(vetoed)).state).toBe('vetoed')
  expect((await grantsOf()).length).toBeLessThanOrEqual(before)
})

it('outlives its admins, and ends by any one of the others', async () => {
  const change = await proposed()
  test.advance(dayMs)
  const id = (await stateOf(change)).receipt.entry.grant
  expect((await test.change('POST', `/v1/credentials/${quorum[0]?.id}/revoke`, {}, quorum)).status).toBe(200)
  quorum = test.admins.slice(1, 3)
  expect(await test.pay(1n, id)).toBe('signed')
  const revoked = await test.ask('POST', `/v1/grants/${id}/revoke`, {}, { by: test.admins[2] as TestKey })
  expect(revoked.status).toBe(200)
  expect(await test.pay(1n, id)).toBe('SIGNER_GRANT_REVOKED')
})

it('is dropped where its grantee was revoked meanwhile, or the wallet is frozen by then', async () => {
  const key = createTestKey('gone by then')
  const body = { algorithm: 'p256', publicKey: key.publicKey, role: 'grantee', name: 'gone by then' }
  expect((await test.change('POST', '/v1/credentials', body, quorum)).status).toBe(202)
  test.advance(dayMs)
  const revoked = await proposed({ to: key.id })
  expect((await test.change('POST', `/v1/credentials/${key.id}/revoke`, {}, quorum)).status).toBe(200)
  test.advance(dayMs)
  expect(await stateOf(revoked)).toMatchObject({
    state: 'dropped',
    reason: expect.stringContaining('not active'),
  })

  const frozen = await proposed()
  const [by] = quorum as [TestKey]
  const freeze = await test.ask('POST', '/v1/freeze', { reason: 'drill' }, { by })
  test.advance(dayMs)
  expect((await stateOf(frozen)).state).toBe('dropped')
  const { at } = (freeze.body as { frozen: { at: string } }).frozen
  expect((await test.change('POST', '/v1/thaw', { expected: at }, quorum)).status).toBe(200)
})

it('naming an owner waits too', async () => {
  const { body } = await test.ask(
    'POST',
    '/v1/wallets',
    { type: 'EVM', policy: 'wallets' },
    { by: quorum[0] as TestKey },
  )
  const { id } = body as { id: string }
  const put = { owner: test.owner.id, expected: null }
  const asked = await test.change('PUT', `/v1/wallets/${id}/owner`, put, quorum)
  expect(asked).toMatchObject({
    status: 202,
    body: { loosens: [{ why: expect.stringContaining('alone may') }] },
  })
  expect(errorCode(await test.grant({ wallets: [id] }))).toBe('WIRE_QUORUM_NOT_MET')
  test.advance(dayMs)
  expect((await test.grant({ wallets: [id] })).status).toBe(201)
})

it('a book that a grant names loosens when it grows', async () => {
  const book = (...addresses: string[]) => ({
    version: 1,
    id: 'staff',
    addresses: addresses.map((address) => ({ address })),
  })
  const put = (content: object, expected: string | null) =>
    test.change('PUT', '/v1/books/staff', { book: content, expected }, quorum)
  const made = await put(book(payee), null)
  expect(made.status).toBe(200)
  const { hash } = made.body as { hash: string }
  const { rules } = paymentRules()
  const [pay, ...others] = rules
  const named = { ...pay, when: { ...pay?.when, recipient: ['@staff'] } }
  const id = await test.granted({
    rules: { version: 1, rules: [named, ...others] },
    expires: test.timeIn(3 * dayMs),
  })
  expect(await test.pay(1n, id)).toBe('signed')
  const grown = await put(book(payee, `0x${'22'.repeat(20)}`), hash)
  expect(grown).toMatchObject({
    status: 202,
    body: { loosens: [{ rule: 'pay', why: expect.stringContaining(id) }] },
  })
})
