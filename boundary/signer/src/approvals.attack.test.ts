import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ApprovingSigner,
  approvalPolicy,
  hourMs,
  openApprovingSigner,
} from '../../../test/signer/approving-signer.ts'
import { errorCode, type TestKey } from '../../../test/signer/test-signer.ts'
import type { Ledger } from './ledger.ts'

let hold: ((point: string) => Promise<void> | void) | undefined
let signer: ApprovingSigner
let alice: TestKey
let bob: TestKey
beforeEach(async () => {
  hold = undefined
  signer = await openApprovingSigner({ at: (point) => hold?.(point) })
  ;[alice, bob] = signer.approvers
})
afterEach(() => signer.close())

const record = (id: string) => signer.test.signer.ledger.get('approval', id)
const counts = async () => {
  const [permits, signed] = [await signer.entries('permit'), await signer.entries('signed')]
  return { permits: permits.length, signed: signed.length }
}
const freeze = () =>
  signer.ask('POST', '/v1/freeze', { reason: 'odd' }, { by: signer.test.admins[0] as TestKey })

const withoutApprovals = (): ReturnType<typeof approvalPolicy> => ({
  ...approvalPolicy([alice.id], { count: 1 }),
  rules: [
    { id: 'all', action: 'permit', effects: ['native-transfer'] },
    { id: 'fee', action: 'permit', effects: ['fee'] },
  ],
})

/** The last approval is in and its signature on its way when everything comes once more. */
it('is permitted once, though vote and request come again while it is being signed', async () => {
  const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
  await signer.approve(id, alice)
  let release: (() => void) | undefined
  const reached = new Promise<void>((signing) => {
    hold = (point) => {
      if (point !== 'permitted') return
      hold = undefined
      signing()
      return new Promise<void>((go) => {
        release = go
      })
    }
  })
  const { digest } = await signer.view(id)
  const vote = () =>
    signer.ask('POST', `/v1/approvals/${id}/approve`, { digest }, { by: bob, requestId: 'bobs-one-vote' })
  const first = vote()
  await reached
  expect(await vote()).toMatchObject({ status: 200, body: { verdict: 'approved', state: 'waiting' } })
  expect(errorCode(await signer.pay(10n, { requestId: 'pay-the-rent' }))).toBe('WIRE_REQUEST_IN_FLIGHT')
  expect(await counts()).toEqual({ permits: 1, signed: 0 })
  release?.()
  expect(await first).toMatchObject({ status: 200, body: { state: 'signed' } })
  expect(await vote()).toMatchObject({ status: 200, body: { state: 'signed' } })
  expect((await signer.pay(10n, { requestId: 'pay-the-rent' })).status).toBe(200)
  expect(await counts()).toEqual({ permits: 1, signed: 1 })
})

describe('while everything is frozen', () => {
  it('a vote does not count, the first as little as the last', async () => {
    const id = await signer.wait(10n)
    await freeze()
    expect(errorCode(await signer.approve(id, alice))).toBe('SIGNER_FROZEN')
    expect((await record(id))?.votes).toEqual([])
  })

  it('nothing is permitted that needs no approval by now', async () => {
    await signer.wait(10n, { requestId: 'pay-the-rent' })
    await signer.putPolicy(withoutApprovals())
    await freeze()
    await signer.pay(10n, { requestId: 'pay-the-rent' })
    expect(await counts()).toEqual({ permits: 0, signed: 0 })
  })
})

it('is over at its time, also where nobody has cleared it away yet', async () => {
  const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
  // Whoever asks now would be signed, if it still waited.
  await signer.putPolicy(withoutApprovals())
  const { approvals } = signer.test.signer
  approvals.settle = async () => undefined
  signer.advance(24 * hourMs)
  await signer.pay(10n, { requestId: 'pay-the-rent' })
  const { digest } = (await record(id)) ?? { digest: '' }
  const late = await signer.ask('POST', `/v1/approvals/${id}/approve`, { digest }, { by: alice })
  expect(errorCode(late)).toBe('SIGNER_APPROVAL_SETTLED')
  expect(await counts()).toEqual({ permits: 0, signed: 0 })
})

it('takes no vote of a credential that is revoked between its proof and the commit', async () => {
  const id = await signer.wait(10n)
  const { digest } = await signer.view(id)
  const ledger = signer.test.signer.ledger as { -readonly [Name in keyof Ledger]: Ledger[Name] }
  const { submit } = ledger
  ledger.submit = async (job) => {
    ledger.submit = submit
    await submit(async (tx) => {
      const credential = await tx.get('credential', alice.id)
      if (credential === undefined) throw new Error('no such credential')
      tx.put('credential', alice.id, { ...credential, status: 'revoked' })
    })
    return submit(job)
  }
  const vote = await signer.ask('POST', `/v1/approvals/${id}/approve`, { digest }, { by: alice })
  expect(errorCode(vote)).toBe('WIRE_CREDENTIAL_REVOKED')
  expect((await record(id))?.votes).toEqual([])
})
