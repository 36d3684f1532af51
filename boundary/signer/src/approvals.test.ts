import { decodeHex } from '@countersign/bytes'
import { verifyReceipt } from '@countersign/wire'
import { recoverTransactionAddress, type TransactionSerialized } from 'viem'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ApprovingSigner,
  approvalPolicy,
  hourMs,
  minuteMs,
  openApprovingSigner,
} from '../../../test/signer/approving-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../../../test/signer/test-signer.ts'
import { approvalLifetimeMs, waitingPerCredentialMax } from './approvals.ts'

let signer: ApprovingSigner
let alice: TestKey
let bob: TestKey
let carol: TestKey
beforeEach(async () => {
  signer = await openApprovingSigner()
  ;[alice, bob, carol] = signer.approvers
})
afterEach(() => signer.close())

const receiptOf = (body: unknown) => JSON.parse(JSON.stringify((body as { receipt: unknown }).receipt))
const ids = () => signer.approvers.map(({ id }) => id)

describe('a request that needs approval', () => {
  it('waits with an id, and with the receipt of its entry', async () => {
    const asked = await signer.pay(10n, { requestId: 'pay-the-rent' })
    expect(asked).toMatchObject({
      status: 202,
      body: {
        approval: {
          id: expect.stringMatching(/^apr_[0-9a-f]{24}$/),
          state: 'waiting',
          expiresAt: new Date(signer.nowMs() + approvalLifetimeMs).toISOString(),
          needs: [{ layer: 'wallet', rule: 'pay', group: 'board', needed: 2, have: 0, missing: 2 }],
        },
      },
    })
    const { approval } = asked.body as { approval: { id: string; digest: string } }
    const journalKey = decodeHex(signer.test.signer.journal.publicKey)
    const types = ['approval-requested'] as const
    expect(verifyReceipt(receiptOf(asked.body), { journalKey, types })).toMatchObject({
      valid: true,
      receipt: {
        entry: {
          approvalId: approval.id,
          digest: approval.digest,
          requestId: 'pay-the-rent',
          wallet: signer.wallet.id,
          credential: signer.test.agent.id,
        },
      },
    })
    // Nothing is booked and nothing is permitted.
    expect(await signer.entries('permit')).toHaveLength(0)
    expect(JSON.stringify(asked.body)).not.toContain('signedTransaction')
  })

  it('is signed once when the last approval comes, and says whose they were', async () => {
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    const first = await signer.approve(id, alice)
    expect(first).toMatchObject({
      status: 200,
      body: { approval: id, verdict: 'approved', state: 'waiting' },
    })
    const second = await signer.approve(id, bob)
    expect(second).toMatchObject({ status: 200, body: { state: 'signed' } })
    const answer = await signer.pay(10n, { requestId: 'pay-the-rent' })
    expect(answer.status).toBe(200)
    const { signedTransaction } = answer.body as { signedTransaction: TransactionSerialized }
    expect(await recoverTransactionAddress({ serializedTransaction: signedTransaction })).toBe(
      signer.wallet.address,
    )
    const votes = await signer.entries('approved')
    const [signed] = await signer.entries('signed')
    expect(signed).toMatchObject({
      approval: id,
      requestId: 'pay-the-rent',
      credential: signer.test.agent.id,
    })
    expect(signed?.approvals).toEqual([
      { credential: alice.id, index: expect.any(Number) },
      { credential: bob.id, index: expect.any(Number) },
    ])
    const leaves = await signer.test.signer.journal.leaves(0, signer.test.signer.journal.size())
    const entryAt = (index: number) => JSON.parse(leaves[index] as string)
    const counted = signed?.approvals as unknown as { index: number }[] | undefined
    expect(counted?.map(({ index }) => entryAt(index))).toEqual(votes)
    expect(receiptOf(answer.body).entry).toMatchObject({ type: 'signed', approval: id })
    // And the same answer ever after.
    expect(await signer.pay(10n, { requestId: 'pay-the-rent' })).toEqual(answer)
    expect(await signer.entries('signed')).toHaveLength(1)
    expect(await signer.view(id)).toMatchObject({ state: 'signed', payload: null, outcome: null })
  })

  it('gives its caller the state, then the final answer, and takes no second body under its id', async () => {
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    const again = await signer.pay(10n, { requestId: 'pay-the-rent' })
    expect(again).toMatchObject({ status: 202, body: { approval: { id } } })
    await signer.approve(id, alice)
    const later = await signer.pay(10n, { requestId: 'pay-the-rent' })
    expect(later).toMatchObject({ body: { approval: { id, needs: [{ have: 1, missing: 1 }] } } })
    expect(receiptOf(later.body)).toEqual(receiptOf(again.body))
    expect(errorCode(await signer.pay(11n, { requestId: 'pay-the-rent' }))).toBe('WIRE_REQUEST_ID_REUSED')
    expect(await signer.entries('approval-requested')).toHaveLength(1)
  })

  it('is refused at once where no approval could help', async () => {
    expect(errorCode(await signer.pay(1001n))).toBe('POLICY_REFUSED')
    expect(errorCode(await signer.pay(1n, { to: `0x${'22'.repeat(20)}` }))).toBe('POLICY_REFUSED')
    expect(await signer.entries('approval-requested')).toHaveLength(0)
  })

  it('ends with one rejection, for good', async () => {
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    await signer.approve(id, alice)
    const rejected = await signer.reject(id, bob, 'not ours')
    expect(rejected).toMatchObject({
      status: 200,
      body: { verdict: 'rejected', reason: 'not ours', state: 'rejected' },
    })
    expect(
      errorCode(
        await signer.ask(
          'POST',
          `/v1/approvals/${id}/approve`,
          { digest: (rejected.body as { digest: string }).digest },
          { by: carol },
        ),
      ),
    ).toBe('SIGNER_APPROVAL_SETTLED')
    const answer = await signer.pay(10n, { requestId: 'pay-the-rent' })
    expect(answer).toMatchObject({
      status: 403,
      body: { error: { code: 'SIGNER_APPROVAL_REJECTED', details: { by: bob.id, reason: 'not ours' } } },
    })
    expect(await signer.entries('signed')).toHaveLength(0)
    expect(await signer.view(id)).toMatchObject({
      state: 'rejected',
      settled: { by: bob.id, reason: 'not ours' },
    })
  })

  it('expires to the millisecond, and cannot be approved from then on', async () => {
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    await signer.approve(id, alice)
    const { digest } = await signer.view(id)
    signer.advance(approvalLifetimeMs - 1)
    expect((await signer.pay(10n, { requestId: 'pay-the-rent' })).status).toBe(202)
    signer.advance(1)
    const late = await signer.ask('POST', `/v1/approvals/${id}/approve`, { digest }, { by: bob })
    expect(late).toMatchObject({
      status: 409,
      body: { error: { code: 'SIGNER_APPROVAL_SETTLED', details: { state: 'expired' } } },
    })
    expect(errorCode(await signer.pay(10n, { requestId: 'pay-the-rent' }))).toBe('SIGNER_APPROVAL_EXPIRED')
    expect(await signer.entries('expired')).toHaveLength(1)
    expect(await signer.entries('signed')).toHaveLength(0)
  })

  it('waits for as long as an approval of it counts, where that is longer', async () => {
    await signer.putPolicy(approvalPolicy(ids(), { more: { within: '3d' } }))
    const asked = await signer.pay(10n)
    const { approval } = asked.body as { approval: { expiresAt: string } }
    expect(Date.parse(approval.expiresAt)).toBe(signer.nowMs() + 72 * hourMs)
  })

  it('has a limit in number, by credential', async () => {
    for (let i = 0; i < waitingPerCredentialMax; i++) await signer.wait(1n, { nonce: i })
    expect(errorCode(await signer.pay(1n, { nonce: 99 }))).toBe('SIGNER_APPROVALS_FULL')
    const [one] = await signer.entries('approval-requested')
    await signer.reject(String(one?.approvalId), alice)
    expect((await signer.pay(1n, { nonce: 99 })).status).toBe(202)
  })
})

describe('the policy in force decides, at that moment', () => {
  it('may ask for nothing any more: then the next ask is signed', async () => {
    await signer.wait(10n, { requestId: 'pay-the-rent' })
    const { groups: _, ...free } = approvalPolicy(ids())
    const rules = free.rules.map(({ approvals: _a, ...rule }) => rule)
    expect((await signer.putPolicy({ ...free, rules } as never)).status).toBe(200)
    expect((await signer.pay(10n, { requestId: 'pay-the-rent' })).status).toBe(200)
  })

  it('may refuse it now: then the next vote ends it, with reasons', async () => {
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    await signer.putPolicy(approvalPolicy(ids(), { limit: 5n }))
    expect(await signer.view(id)).toMatchObject({ state: 'waiting', outcome: 'refused' })
    expect(await signer.approve(id, alice)).toMatchObject({
      status: 409,
      body: { error: { code: 'SIGNER_APPROVAL_SETTLED', details: { state: 'refused' } } },
    })
    expect(errorCode(await signer.pay(10n, { requestId: 'pay-the-rent' }))).toBe('POLICY_REFUSED')
    expect(await signer.entries('refused')).toHaveLength(1)
  })

  it('finds the window spent by what was signed meanwhile', async () => {
    const one = await signer.wait(600n, { nonce: 1, requestId: 'the-first' })
    const two = await signer.wait(600n, { nonce: 2, requestId: 'the-second' })
    for (const id of [one, two]) await signer.approve(id, alice)
    expect(await signer.approve(one, bob)).toMatchObject({ body: { state: 'signed' } })
    expect(errorCode(await signer.approve(two, bob))).toBe('SIGNER_APPROVAL_SETTLED')
    expect(errorCode(await signer.pay(600n, { nonce: 2, requestId: 'the-second' }))).toBe('POLICY_REFUSED')
    expect(await signer.entries('signed')).toHaveLength(1)
    // Its budget was never taken.
    const rest = await signer.wait(400n, { nonce: 3, requestId: 'the-rest' })
    await signer.approve(rest, alice)
    expect(await signer.approve(rest, bob)).toMatchObject({ body: { state: 'signed' } })
  })

  it('lets an approval lapse after `within`, until it is given again', async () => {
    await signer.putPolicy(approvalPolicy(ids(), { more: { within: '10m' } }))
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    signer.advance(10 * minuteMs)
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'waiting' } })
    expect(await signer.view(id)).toMatchObject({ needs: [{ have: 1, counted: [bob.id] }] })
    expect(await signer.approve(id, alice)).toMatchObject({ body: { state: 'signed' } })
    const [signed] = await signer.entries('signed')
    expect(signed?.approvals).toHaveLength(2)
  })

  it('asks several groups, and each for itself', async () => {
    const policy = approvalPolicy([alice.id, bob.id], { count: 1 })
    const rules = policy.rules.map((rule) =>
      rule.id === 'pay'
        ? {
            ...rule,
            approvals: [
              { group: 'board', count: 1 },
              { group: 'audit', count: 1 },
            ],
          }
        : rule,
    )
    const groups = { ...policy.groups, audit: { credentials: [carol.id] } }
    expect((await signer.putPolicy({ ...policy, groups, rules } as never)).status).toBe(200)
    const id = await signer.wait(10n)
    expect(await signer.approve(id, alice)).toMatchObject({ body: { state: 'waiting' } })
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'waiting' } })
    expect(await signer.approve(id, carol)).toMatchObject({ body: { state: 'signed' } })
  })
})

describe('what an approver sees', () => {
  it('is the signer’s own description, signed for this question', async () => {
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    await signer.approve(id, bob)
    const view = await signer.view(id, carol)
    expect(view).toMatchObject({
      approval: id,
      state: 'waiting',
      outcome: 'needs-approval',
      requestId: 'pay-the-rent',
      requestedBy: { credential: signer.test.agent.id, name: 'agent', attribution: { agent: 'agent-7' } },
      wallet: { id: signer.wallet.id, type: 'EVM', address: signer.wallet.address },
      operation: 'sign-transaction',
      payload: { unsignedTransaction: expect.stringMatching(/^0x02/) },
      needs: [{ group: 'board', needed: 2, have: 1, missing: 1, counted: [bob.id] }],
      votes: [{ credential: bob.id, counts: true }],
      policies: [{ layer: 'wallet', id: 'treasury' }],
    })
    expect(view.effects).toHaveLength(2)
    expect(view.effects[0]).toContain('0x1111111111111111111111111111111111111111')
  })

  it('is listed for approvers, readers and those whom it concerns, and for nobody else', async () => {
    const one = await signer.wait(1n, { nonce: 1 })
    signer.advance(1)
    const two = await signer.wait(2n, { nonce: 2 })
    await signer.reject(one, alice)
    const list = async (by: TestKey, query = '') => {
      const { body } = await signer.ask('GET', `/v1/approvals${query}`, undefined, { by })
      const { statement } = body as {
        statement: { items: { approval: string }[]; nextCursor: string | null }
      }
      return { ids: statement.items.map(({ approval }) => approval), next: statement.nextCursor }
    }
    expect((await list(carol)).ids).toEqual([one, two])
    expect((await list(carol, '?state=waiting')).ids).toEqual([two])
    expect(await list(carol, '?limit=1')).toEqual({ ids: [one], next: one })
    expect((await list(carol, `?limit=1&cursor=${one}`)).ids).toEqual([two])
    expect((await list(signer.test.agent)).ids).toEqual([one, two])
    const stranger = createTestKey('stranger')
    await signer.addCredential(stranger, 'agent')
    expect((await list(stranger)).ids).toEqual([])
    expect(errorCode(await signer.ask('GET', `/v1/approvals/${two}`, undefined, { by: stranger }))).toBe(
      'SIGNER_APPROVAL_UNKNOWN',
    )
  })
})

describe('frozen', () => {
  it('takes no approval, but a rejection; after the thaw it goes on', async () => {
    const id = await signer.wait(10n)
    const other = await signer.wait(11n, { nonce: 1 })
    await signer.approve(id, alice)
    const [admin] = signer.test.admins
    await signer.ask('POST', '/v1/freeze', { reason: 'odd' }, { by: admin as TestKey })
    expect(errorCode(await signer.approve(id, bob))).toBe('SIGNER_FROZEN')
    expect(await signer.reject(other, bob)).toMatchObject({ body: { state: 'rejected' } })
    const frozen = (await signer.test.signer.ledger.get('organisation', 'organisation'))?.frozen
    await signer.ask('POST', '/v1/thaw', { expected: frozen?.at }, { by: signer.test.admins })
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'signed' } })
  })
})

describe('after a restart', () => {
  it('still waits, and its approvals still count', async () => {
    await signer.close()
    signer = await openApprovingSigner({ backend: 'file' })
    ;[alice, bob, carol] = signer.approvers
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    await signer.approve(id, alice)
    await signer.reopen()
    expect(await signer.view(id)).toMatchObject({ needs: [{ have: 1 }] })
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'signed' } })
    await signer.reopen()
    expect((await signer.pay(10n, { requestId: 'pay-the-rent' })).status).toBe(200)
    expect(await signer.entries('signed')).toHaveLength(1)
  })

  it('is over where its time ended meanwhile', async () => {
    await signer.close()
    signer = await openApprovingSigner({ backend: 'file' })
    const id = await signer.wait(10n, { requestId: 'pay-the-rent' })
    signer.advance(approvalLifetimeMs)
    await signer.reopen()
    expect(await signer.view(id, signer.approvers[1])).toMatchObject({ state: 'expired' })
    expect(await signer.entries('expired')).toHaveLength(1)
  })
})
