import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment } from '../../../test/faults/payment.ts'
import { type ApprovingSigner, openApprovingSigner } from '../../../test/signer/approving-signer.ts'
import { clientOf, credentialOf } from '../../../test/signer/client-of.ts'
import { policyFor } from '../../../test/signer/test-signer.ts'
import { checkApprovalMatter } from './approval-intent.ts'
import type { CountersignWaits } from './waits.ts'

let signer: ApprovingSigner
beforeAll(async () => {
  const now = Math.floor(Date.now() / 1000)
  signer = await openApprovingSigner()
  // Clients sign by the real clock, which this signer is a minute ahead of.
  expect(signer.nowMs() / 1000).toBeGreaterThan(now)
})
afterAll(() => signer.close())

const clientFor = (who: 'agent' | number) => {
  const key = who === 'agent' ? signer.test.agent : signer.approvers[who]!
  return clientOf(() => signer.test, credentialOf(key))
}
const waiting = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (thrown) => thrown as CountersignWaits,
  )
  if (error?.name !== 'CountersignWaits') throw error ?? new Error('it did not wait')
  return error
}
let nonce = 0
const ask = (value = 1n, options = {}) =>
  clientFor('agent').signTransaction({ walletId: signer.wallet.id, ...payment(value, nonce++) }, options)

describe('a client that asks', () => {
  it('is told that it waits, for whom, and how to go on', async () => {
    const error = await waiting(ask(1n, { requestId: 'first-try-1' }))
    expect(error).toMatchObject({
      code: 'SDK_APPROVAL_NEEDED',
      requestId: 'first-try-1',
      transactionId: undefined,
      approval: { id: expect.stringMatching(/^apr_/), state: 'waiting' },
    })
    expect(error.message).toContain('2 of board')
    expect(error.details).toMatchObject({ approval: error.approval.id })
  })

  it('can wait, and has its signature when the last approval is given', async () => {
    const client = clientFor('agent')
    const input = { walletId: signer.wallet.id, ...payment(2n, nonce++) }
    const requestId = 'patient-one'
    const { approval } = await waiting(client.signTransaction(input, { requestId }))
    const signed = client.signTransaction(input, { requestId, waitForApproval: { pollMs: 10 } })
    await clientFor(0).approvals.approve(approval.id)
    await clientFor(1).approvals.approve(approval.id)
    expect((await signed).receipt.entry).toMatchObject({ approval: approval.id })
  })

  it('stops waiting when its own time is over', async () => {
    const error = await waiting(ask(1n, { waitForApproval: { pollMs: 1, timeoutMs: 5 } }))
    expect(error.code).toBe('SDK_APPROVAL_NEEDED')
  })

  it('gets the rejection', async () => {
    const client = clientFor('agent')
    const input = { walletId: signer.wallet.id, ...payment(3n, nonce++) }
    const requestId = 'unwanted-1'
    const { approval } = await waiting(client.signTransaction(input, { requestId }))
    await clientFor(2).approvals.reject(approval.id, { reason: 'unknown payee' })
    await expect(client.signTransaction(input, { requestId })).rejects.toMatchObject({
      code: 'SIGNER_APPROVAL_REJECTED',
    })
  })
})

describe('a client that approves', () => {
  it('lists, sees and approves', async () => {
    const { approval } = await waiting(ask(4n))
    const alice = clientFor(0)
    const ids: string[] = []
    for await (const item of alice.approvals.list({ state: 'waiting' })) ids.push(item.approval)
    expect(ids).toContain(approval.id)
    const shown = await alice.approvals.get(approval.id)
    expect(shown).toMatchObject({ state: 'waiting', wallet: { address: signer.wallet.address } })
    alice.approvals.check(shown)
    expect(await alice.approvals.approve(shown)).toMatchObject({ verdict: 'approved', state: 'waiting' })
    const last = await clientFor(1).approvals.approve(approval.id)
    expect(last).toMatchObject({ state: 'signed', receipt: { entry: { type: 'approved' } } })
    const settled = await alice.approvals.get(approval.id)
    expect(settled.state).toBe('signed')
    expect(() => alice.approvals.check(settled)).toThrow(/waits no longer/)
  })

  it('is refused by name where it is not asked', async () => {
    const { approval } = await waiting(ask(5n))
    await expect(clientFor('agent').approvals.approve(approval.id)).rejects.toMatchObject({
      code: 'WIRE_NOT_PERMITTED',
    })
  })

  it('reads every kind of request as the signer does', async () => {
    const members = signer.approvers.map(({ id }) => id)
    const effects = [
      'message',
      'typed-data',
      'raw-digest',
      'delegation',
      'native-transfer',
      'fee',
      'contract-call',
    ]
    const rule = { id: 'all', action: 'permit', effects, approvals: [{ group: 'board', count: 1 }] }
    const policy = { ...policyFor([rule as never], 'all-kinds'), groups: { board: { credentials: members } } }
    expect((await signer.putPolicy(policy)).status).toBe(200)
    const admin = signer.test.admins[0]!
    const made = await signer.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'all-kinds' }, { by: admin })
    const walletId = (made.body as { id: string }).id
    const agent = clientFor('agent')
    const asked = [
      () => agent.signMessage({ walletId, message: 'héllo' }),
      () => agent.signMessage({ walletId, message: { raw: '0x00ff' } }),
      () => agent.signRaw({ walletId, digest: `0x${'ab'.repeat(32)}` }),
      () =>
        agent.signAuthorization({ walletId, contractAddress: `0x${'11'.repeat(20)}`, chainId: 1, nonce: 0 }),
      () =>
        agent.signTypedData({
          walletId,
          typedData: {
            domain: { name: 'Test' },
            types: {
              EIP712Domain: [{ name: 'name', type: 'string' }],
              Note: [{ name: 'text', type: 'string' }],
            },
            primaryType: 'Note',
            message: { text: 'hello' },
          },
        }),
      () => agent.signTransaction({ walletId, ...payment(1n, 0, `0x${'33'.repeat(20)}`) }),
    ]
    for (const request of asked) {
      const { approval } = await waiting(request())
      const shown = await clientFor(0).approvals.get(approval.id)
      expect(checkApprovalMatter(shown).effects.length).toBeGreaterThan(0)
      expect(await clientFor(0).approvals.approve(shown)).toMatchObject({ state: 'signed' })
    }
  })
})

describe('an engine that lies about what waits', () => {
  type Json = Record<string, unknown>
  const statementOf = (body: unknown) => (body as { statement: Json }).statement
  /** A client of bob whose engine changes what passes; `only`: the operation by a part of its path. */
  const lied = (only: string, change: (body: Json) => unknown) =>
    clientOf(() => signer.test, credentialOf(signer.approvers[1]), {
      answer: (body, { path }) => (path.includes(only) ? change(body as Json) : body) as never,
    })

  it('cannot alter, swap, leave out or repeat a description', async () => {
    const { approval } = await waiting(ask(6n))
    const { approval: other } = await waiting(ask(600n))
    const honest = await lied('nothing', (body) => body)
    const kept: Json[] = []
    await lied('/v1/approvals', (body) => {
      kept.push(structuredClone(body))
      return body
    }).approvals.get(other.id)
    const shown = await honest.approvals.get(other.id)
    const changes: ((body: Json) => unknown)[] = [
      (body) => ({ ...body, statement: { ...statementOf(body), effects: ['pays nobody'] } }),
      (body) => ({ ...body, statement: { ...statementOf(body), payload: shown.payload } }),
      (body) => ({ ...body, statement: { ...statementOf(body), digest: shown.digest } }),
      (body) => ({ ...body, statement: { ...statementOf(body), needs: [] } }),
      (body) => ({ ...body, statement: { ...statementOf(body), state: 'signed' } }),
      (body) => ({ ...body, statement: { ...statementOf(body), expiresAt: '2099-01-01T00:00:00.000Z' } }),
      (body) => ({ ...body, statement: { ...statementOf(body), requestedBy: { name: 'the boss' } } }),
      // All of it genuine, but of another request, or of an earlier question.
      () => kept[0],
      (body) => ({ ...body, signature: kept[0]?.signature }),
      (body) => ({ ...body, journalKey: `0x${'11'.repeat(32)}` }),
      ({ statement }) => ({ statement }),
    ]
    for (const [i, change] of changes.entries()) {
      const approving = lied(`/v1/approvals/${approval.id}`, change).approvals.approve(approval.id)
      await expect(approving, `change ${i}`).rejects.toMatchObject({ code: 'WIRE_STATEMENT_INVALID' })
    }
    expect((await honest.approvals.get(approval.id)).votes).toEqual([])
  })

  it('cannot take a request from the list, or add one', async () => {
    await waiting(ask(7n))
    const items = async (change: (found: Json[]) => Json[]) => {
      const client = lied('/v1/approvals', (body) => ({
        ...body,
        statement: { ...statementOf(body), items: change(statementOf(body).items as Json[]) },
      }))
      const found: unknown[] = []
      for await (const item of client.approvals.list({ state: 'waiting' })) found.push(item)
      return found.length
    }
    expect(await items((found) => found)).toBeGreaterThan(0)
    for (const change of [
      (found: Json[]) => found.slice(1),
      (found: Json[]) => [...found].reverse().slice(0, -1),
      (found: Json[]) => [...found, ...found],
      (found: Json[]) => found.map((item) => ({ ...item, effects: [] })),
    ]) {
      await expect(items(change)).rejects.toMatchObject({ code: 'WIRE_STATEMENT_INVALID' })
    }
  })

  it('cannot say that a vote was taken, or that nothing is signed yet', async () => {
    const { approval } = await waiting(ask(8n))
    const approve = (change: (body: Json) => unknown) =>
      lied(`${approval.id}/approve`, change).approvals.approve(approval.id)
    await expect(approve((body) => ({ ...body, receipt: undefined }))).rejects.toMatchObject({
      code: 'SDK_ANSWER_UNPROVEN',
    })
    await expect(approve((body) => ({ ...body, verdict: 'rejected' }))).rejects.toMatchObject({
      code: 'SDK_ANSWER_UNPROVEN',
    })
    const client = clientOf(() => signer.test, credentialOf(signer.test.agent), {
      answer: (body) => ({ ...(body as Json), approval }) as never,
    })
    const message = await client.signMessage({ walletId: signer.wallet.id, message: 'hello' })
    expect(message.signature).toMatch(/^0x/)
    const pending = clientOf(() => signer.test, credentialOf(signer.test.agent), {
      answer: (body) =>
        ({ ...(body as Json), approval: { ...approval, id: `apr_${'0'.repeat(24)}` } }) as never,
    })
    await expect(
      pending.signTransaction({ walletId: signer.wallet.id, ...payment(9n, nonce++) }),
    ).rejects.toMatchObject({ code: 'SDK_ANSWER_UNPROVEN' })
  })
})

describe('checkApprovalMatter', () => {
  it('refuses a description that is not of the bytes, whoever has made it', async () => {
    const { approval } = await waiting(ask(6n))
    const shown = await clientFor(0).approvals.get(approval.id)
    const other = payment(600n, 99)
    const changes = [
      { effects: [...shown.effects].reverse() },
      { effects: shown.effects.slice(0, 1) },
      { effects: shown.effects.map((line) => line.replace(/^\S+/, '0')) },
      { payload: other },
      { payload: { unsignedTransaction: '0x' } },
      { payload: {} },
      { payload: null },
      { payloadDigest: `0x${'00'.repeat(32)}` },
      { requestDigest: `0x${'00'.repeat(32)}` },
      { wallet: { ...shown.wallet, id: `wal_${'0'.repeat(24)}` } },
      { wallet: { ...shown.wallet, type: 'DOGE' } },
      { operation: 'sign-raw' },
      { operation: 'sign-nothing' },
      { approval: `apr_${'0'.repeat(24)}` },
      { digest: `0x${'00'.repeat(32)}` },
    ]
    for (const change of changes) {
      expect(() => checkApprovalMatter({ ...shown, ...change } as never), JSON.stringify(change)).toThrow(
        expect.objectContaining({ code: 'SDK_APPROVAL_MISMATCH' }),
      )
    }
    expect(checkApprovalMatter(shown).operation).toBe('sign-transaction')
  })
})
