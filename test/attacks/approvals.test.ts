import { createPrivateKey } from 'node:crypto'
import { encodeHex } from '@countersign/bytes'
import { addSignature, credentialId, prepareRequest } from '@countersign/wire'
import { p256 } from '@noble/curves/nist.js'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { testAuthenticator, testOrigin, testRpId } from '../../kernel/wire/src/testing/authenticator.ts'
import { payment } from '../faults/payment.ts'
import {
  type ApprovingSigner,
  approvalPolicy,
  minuteMs,
  openApprovingSigner,
} from '../signer/approving-signer.ts'
import { createTestKey, errorCode, type TestKey } from '../signer/test-signer.ts'

let signer: ApprovingSigner
let alice: TestKey
let bob: TestKey
let carol: TestKey
let admins: readonly TestKey[]
beforeEach(async () => {
  signer = await openApprovingSigner()
  ;[alice, bob, carol] = signer.approvers
  admins = signer.test.admins
})
afterEach(() => signer.close())

const ids = () => signer.approvers.map(({ id }) => id)
const createdS = () => Math.floor(signer.nowMs() / 1000)
const signedVote = (id: string, digest: string, by: TestKey | readonly TestKey[], requestId?: string) =>
  signer.test.signed(
    'POST',
    `/v1/approvals/${id}/approve`,
    { digest },
    { by, createdS: createdS(), ...(requestId === undefined ? {} : { requestId }) },
  )
const revoke = async ({ id }: TestKey) => {
  const { status } = await signer.ask('POST', `/v1/credentials/${id}/revoke`, {}, { by: admins })
  expect(status).toBe(200)
}
const rotate = async (old: TestKey, next: TestKey) => {
  const body = { algorithm: 'p256', publicKey: next.publicKey, overlapS: 0 }
  const { status } = await signer.ask('POST', `/v1/credentials/${old.id}/rotate`, body, { by: [old, next] })
  expect(status).toBe(201)
}
/** A key without an authenticator around it. */
const bareKey = (publicKey: Uint8Array, secret: Uint8Array): TestKey => {
  const point = Buffer.from(p256.getPublicKey(secret, false))
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: Buffer.from(secret).toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  return {
    id: credentialId('p256', publicKey),
    publicKey: encodeHex(publicKey),
    key: createPrivateKey({ key: jwk, format: 'jwk' }),
    name: 'twin',
  }
}
const state = async (id: string) => (await signer.view(id)).state
const haves = async (id: string) => (await signer.view(id)).needs.map(({ have }) => have)
const signedCount = async () => (await signer.entries('signed')).length
const anotherWallet = async () => {
  const made = await signer.ask('POST', '/v1/wallets', { type: 'EVM', policy: 'treasury' }, { by: admins })
  return (made.body as { id: string }).id
}

describe('an approval is not used again', () => {
  it('is one vote, however often its bytes, its request or its giver come', async () => {
    const id = await signer.wait(10n)
    const { digest } = await signer.view(id)
    const vote = await signedVote(id, digest, alice, 'the-vote-of-alice')
    const first = await signer.test.send(vote)
    expect(first.status).toBe(200)
    expect(errorCode(await signer.test.send(vote))).toBe('WIRE_NONCE_REPLAYED')
    const retried = await signer.test.send(await signedVote(id, digest, alice, 'the-vote-of-alice'))
    expect(retried).toEqual(first)
    const many = await Promise.all(
      Array.from({ length: 24 }, async () => signer.test.send(await signedVote(id, digest, alice))),
    )
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([200]))
    expect([await haves(id), await signedCount()]).toEqual([[1], 0])
  })

  it('is one vote, though two have signed the request that carries it', async () => {
    const id = await signer.wait(10n)
    const { digest } = await signer.view(id)
    for (const by of [
      [alice, bob],
      [alice, carol, bob],
    ]) {
      await signer.test.send(await signedVote(id, digest, by))
    }
    expect(await state(id)).toBe('waiting')
    expect(await signedCount()).toBe(0)
  })

  it('does not help the same bytes another time', async () => {
    const id = await signer.wait(10n, { requestId: 'the-first-time' })
    await signer.approve(id, alice)
    await signer.approve(id, bob)
    expect(await signedCount()).toBe(1)
    const again = await signer.wait(10n, { requestId: 'the-second-time' })
    expect(again).not.toBe(id)
    expect(await haves(again)).toEqual([0])
    const { digest } = await signer.view(id)
    for (const [to, of] of [
      [id, digest],
      [again, digest],
    ] as const) {
      const refused = errorCode(await signer.test.send(await signedVote(to, of, carol)))
      expect(['SIGNER_APPROVAL_SETTLED', 'SIGNER_APPROVAL_DIFFERS']).toContain(refused)
    }
    expect([await haves(again), await signedCount()]).toEqual([[0], 1])
  })
})

describe('an approval is not moved', () => {
  it('to another amount, request, or wallet: each has its own digest', async () => {
    const small = await signer.wait(1n, { nonce: 1 })
    const large = await signer.wait(999n, { nonce: 1 })
    const walletId = await anotherWallet()
    const path = `/v1/wallets/${walletId}/sign-transaction`
    const asked = await signer.ask('POST', path, payment(1n, 1), { by: signer.test.agent })
    const elsewhere = (asked.body as { approval: { id: string } }).approval.id
    const same = await signer.wait(1n, { nonce: 1 })
    const shown = await Promise.all([small, large, elsewhere, same].map((id) => signer.view(id)))
    expect(new Set(shown.map(({ digest }) => digest)).size).toBe(4)
    // The bytes of three of them are the same.
    expect(new Set(shown.map(({ payloadDigest }) => payloadDigest)).size).toBe(2)
    for (const { digest } of shown.filter((_, i) => i !== 1)) {
      const moved = await signer.test.send(await signedVote(large, digest, alice))
      expect([moved.status, errorCode(moved)]).toEqual([409, 'SIGNER_APPROVAL_DIFFERS'])
    }
    await signer.approve(small, alice)
    for (const id of [large, elsewhere, same]) expect(await haves(id)).toEqual([0])
  })

  it('by whoever carries it: path and body are signed', async () => {
    const small = await signer.wait(1n, { nonce: 1 })
    const large = await signer.wait(999n, { nonce: 1 })
    const vote = await signedVote(small, (await signer.view(small)).digest, alice)
    const { digest } = await signer.view(large)
    for (const change of [
      { path: `/v1/approvals/${large}/approve` },
      { path: `/v1/approvals/${large}/approve`, body: JSON.stringify({ digest }) },
      { body: JSON.stringify({ digest }) },
    ]) {
      const { status } = await signer.test.send({ request: { ...vote.request, ...change } })
      expect(status).toBeGreaterThanOrEqual(400)
    }
    const rejection = await signer.test.signed(
      'POST',
      `/v1/approvals/${small}/reject`,
      { digest: (await signer.view(small)).digest },
      { by: alice, createdS: createdS() },
    )
    const path = `/v1/approvals/${small}/approve`
    expect((await signer.test.send({ request: { ...rejection.request, path } })).status).toBe(401)
    expect([await haves(small), await haves(large)]).toEqual([[0], [0]])
  })

  it('to bytes that the engine fills in later: what was filed is what is signed', async () => {
    const path = `/v1/wallets/${signer.wallet.id}/sign-transaction`
    const transaction = { chainId: 31337, to: `0x${'11'.repeat(20)}`, value: '10' }
    const requestId = 'filled-in-later'
    const ask = (nonce: number) =>
      signer.ask(
        'POST',
        path,
        { transaction },
        {
          by: signer.test.agent,
          requestId,
          preparedTransaction: payment(10n, nonce).unsignedTransaction,
        },
      )
    const { approval } = (await ask(3)).body as { approval: { id: string } }
    const { payload } = await signer.view(approval.id)
    expect(payload).toEqual(payment(10n, 3))
    expect((await ask(4)).body).toMatchObject({ approval: { id: approval.id } })
    await signer.approve(approval.id, alice)
    await signer.approve(approval.id, bob)
    const { signedTransaction } = (await ask(5)).body as { signedTransaction: string }
    const { payloadDigest } = await signer.view(approval.id)
    const [signed] = await signer.entries('signed')
    expect(signed).toMatchObject({ payloadDigest, transaction: { nonce: 3 } })
    expect(signedTransaction).toMatch(/^0x02/)
    expect(await signedCount()).toBe(1)
  })
})

describe('an approval does not outlive its credential', () => {
  it('which is revoked between its vote and the quorum', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    await revoke(alice)
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'waiting' } })
    expect(await signer.view(id, bob)).toMatchObject({
      needs: [{ have: 1, counted: [bob.id] }],
      votes: [
        { credential: alice.id, counts: false },
        { credential: bob.id, counts: true },
      ],
    })
    const { digest } = await signer.view(id, bob)
    const late = await signer.test.send(await signedVote(id, digest, alice))
    expect(errorCode(late)).toBe('WIRE_CREDENTIAL_REVOKED')
    expect(await signer.ask('POST', `/v1/approvals/${id}/approve`, { digest }, { by: carol })).toMatchObject({
      body: { state: 'signed' },
    })
    const [signed] = await signer.entries('signed')
    const counted = signed?.approvals as unknown as { credential: string }[]
    expect(counted.map(({ credential }) => credential).sort()).toEqual([bob.id, carol.id].sort())
  })

  it('which ends by itself', async () => {
    const dora = createTestKey('dora')
    const { publicKey, name } = dora
    const expiresAt = new Date(signer.nowMs() + 10 * minuteMs).toISOString()
    const body = { algorithm: 'p256', publicKey, name, role: 'approver', expiresAt }
    expect((await signer.ask('POST', '/v1/credentials', body, { by: admins })).status).toBe(201)
    await signer.putPolicy(approvalPolicy([...ids(), dora.id]))
    const id = await signer.wait(10n)
    await signer.approve(id, dora)
    expect(await haves(id)).toEqual([1])
    signer.advance(10 * minuteMs)
    expect(await haves(id)).toEqual([0])
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'waiting' } })
  })

  it('whose key is rotated: the new one may vote, and both are one', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    const alice2 = createTestKey('alice 2')
    await rotate(alice, alice2)
    expect(await haves(id)).toEqual([0])
    expect(await signer.approve(id, alice2)).toMatchObject({ body: { state: 'waiting' } })
    expect(await haves(id)).toEqual([1])
    expect(errorCode(await signer.approve(id, alice))).toBe('WIRE_CREDENTIAL_REVOKED')
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'signed' } })
  })

  it('and nothing is signed for one who may ask no longer', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    await revoke(signer.test.agent)
    expect(errorCode(await signer.approve(id, bob))).toBe('SIGNER_APPROVAL_SETTLED')
    expect([await state(id), await signedCount()]).toEqual(['refused', 0])
  })

  it('counts once where one key is two credentials: a passkey, and a bare key', async () => {
    const secret = new Uint8Array(32).fill(0x5a)
    const passkey = testAuthenticator('webauthn-p256', secret)
    const twin = bareKey(passkey.publicKey, secret)
    await signer.addCredential(twin, 'approver')
    const registration = {
      algorithm: passkey.algorithm,
      registration: passkey.register({ audience: signer.test.audience }),
      rpId: testRpId,
      origins: [testOrigin],
      role: 'approver',
      name: 'the same person',
    }
    expect((await signer.ask('POST', '/v1/credentials', registration, { by: admins })).status).toBe(201)
    const members = [passkey.id, twin.id, carol.id]
    expect((await signer.putPolicy(approvalPolicy(members))).status).toBe(200)
    const votes = async (id: string, digest: string) => {
      const prepared = prepareRequest({
        method: 'POST',
        path: `/v1/approvals/${id}/approve`,
        body: JSON.stringify({ digest }),
        audience: signer.test.audience,
        requestId: `passkey-${id}`,
      })
      const by = passkey.signer({}, { created: createdS(), expires: createdS() + 60, nonce: 'A'.repeat(22) })
      return signer.test.send({ request: await addSignature(prepared, by) })
    }
    const id = await signer.wait(10n)
    const { digest } = await signer.view(id)
    expect(await votes(id, digest)).toMatchObject({ status: 200, body: { state: 'waiting' } })
    expect(await signer.approve(id, twin)).toMatchObject({ status: 200, body: { state: 'waiting' } })
    expect([await haves(id), await signedCount()]).toEqual([[1], 0])
    // The passkey's own vote is as good as any.
    expect(await signer.approve(id, carol)).toMatchObject({ body: { state: 'signed' } })
  })
})

describe('a request under a grant', () => {
  const grant = async (maxUses: number) => {
    const { rules } = approvalPolicy(ids())
    const free = rules.map(({ approvals: _, ...rule }) => rule)
    const body = {
      to: signer.test.agent.id,
      wallets: [signer.wallet.id],
      rules: { version: 1, rules: free },
      maxUses,
      expires: new Date(signer.nowMs() + 60 * minuteMs).toISOString(),
    }
    const made = await signer.ask('POST', '/v1/grants', body, { by: admins })
    expect(made.status).toBe(201)
    return (made.body as { id: string }).id
  }
  const waitUnder = async (id: string, nonce: number) => {
    const path = `/v1/wallets/${signer.wallet.id}/sign-transaction`
    const body = { ...payment(10n, nonce), grant: id }
    const { body: answer } = await signer.ask('POST', path, body, { by: signer.test.agent })
    return (answer as { approval: { id: string } }).approval.id
  }

  it('is not signed once the grant is revoked or over, whoever has approved', async () => {
    const id = await grant(5)
    const [revoked, over] = [await waitUnder(id, 0), await waitUnder(await grant(5), 1)]
    for (const one of [revoked, over]) await signer.approve(one, alice)
    const { status } = await signer.ask('POST', `/v1/grants/${id}/revoke`, {}, { by: admins })
    expect(status).toBe(200)
    expect(errorCode(await signer.approve(revoked, bob))).toBe('SIGNER_APPROVAL_SETTLED')
    signer.advance(60 * minuteMs)
    expect(errorCode(await signer.approve(over, bob))).toBe('SIGNER_APPROVAL_SETTLED')
    expect([await state(revoked), await state(over), await signedCount()]).toEqual(['refused', 'refused', 0])
  })

  it('takes its use when it is signed: of two that wait for the last one, one is signed', async () => {
    const id = await grant(1)
    const waiting = [await waitUnder(id, 0), await waitUnder(id, 1)]
    for (const one of waiting) await signer.approve(one, alice)
    const votes = await Promise.all(
      waiting.map(async (one) => signedVote(one, (await signer.view(one)).digest, bob)),
    )
    const answers = await Promise.all(votes.map((vote) => signer.test.send(vote)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    expect(await signedCount()).toBe(1)
  })
})

describe('who may approve', () => {
  it('is not the one who asks, where the rule says so: by none of its keys', async () => {
    const { agent } = signer.test
    const members = [agent.id, alice.id, bob.id]
    await signer.putPolicy(approvalPolicy(members, { count: 1, more: { excludeProposer: true } }))
    const id = await signer.wait(10n)
    expect(errorCode(await signer.approve(id, agent))).toBe('WIRE_NOT_PERMITTED')
    const agent2 = createTestKey('agent 2')
    await rotate(agent, agent2)
    expect(errorCode(await signer.approve(id, agent2))).toBe('WIRE_NOT_PERMITTED')
    expect(await haves(id)).toEqual([0])
    // Who asked can still be told from the others: the request waits for them.
    const other = await signer.wait(1n, { nonce: 7, by: agent2 })
    expect(await signer.approve(other, alice)).toMatchObject({ body: { state: 'signed' } })
  })

  it('is nobody whom no rule names: admins, strangers, the asker', async () => {
    const id = await signer.wait(10n)
    const stranger = createTestKey('stranger')
    await signer.addCredential(stranger, 'approver')
    const { digest } = await signer.view(id)
    for (const by of [admins[0] as TestKey, stranger, signer.test.agent]) {
      const path = `/v1/approvals/${id}`
      expect(errorCode(await signer.ask('POST', `${path}/approve`, { digest }, { by }))).toBe(
        'WIRE_NOT_PERMITTED',
      )
      expect(errorCode(await signer.ask('POST', `${path}/reject`, { digest }, { by }))).toBe(
        'WIRE_NOT_PERMITTED',
      )
    }
    expect(await state(id)).toBe('waiting')
  })

  it('is asked by several groups at once, and no group can stand in for another', async () => {
    const { agent } = signer.test
    const policy = approvalPolicy([alice.id, bob.id], { count: 2 })
    const rules = policy.rules.map((rule) =>
      rule.id !== 'pay'
        ? rule
        : {
            ...rule,
            approvals: [
              { group: 'board', count: 2 },
              { group: 'audit', count: 1, excludeProposer: true },
            ],
          },
    )
    const groups = { ...policy.groups, audit: { credentials: [carol.id, agent.id] } }
    expect((await signer.putPolicy({ ...policy, groups, rules } as never)).status).toBe(200)
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'waiting' } })
    expect(errorCode(await signer.approve(id, agent))).toBe('WIRE_NOT_PERMITTED')
    expect(await haves(id)).toEqual([2, 0])
    expect(await signer.approve(id, carol)).toMatchObject({ body: { state: 'signed' } })
  })
})

describe('the policies change while it waits', () => {
  it('then votes given under the earlier ones count no longer', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    await signer.putPolicy(approvalPolicy(ids(), { limit: 2000n }))
    expect(await haves(id)).toEqual([0])
    expect(await signer.approve(id, bob)).toMatchObject({ body: { state: 'waiting' } })
    expect(await signer.approve(id, alice)).toMatchObject({ body: { state: 'signed' } })
  })

  it('then a layer that comes in is asked too', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    await signer.putPolicy({ version: 1, id: 'nothing', rules: [] } as never)
    const set = { policy: 'nothing', expected: null }
    expect((await signer.ask('PUT', '/v1/organisation/policy', set, { by: admins })).status).toBe(200)
    expect(errorCode(await signer.approve(id, bob))).toBe('SIGNER_APPROVAL_SETTLED')
    expect(await signedCount()).toBe(0)
  })
})

describe('windows', () => {
  it('are taken by signing, not by waiting, and many completions at once do not overspend', async () => {
    const limit = 1000n
    const value = 90n
    const waiting: string[] = []
    for (let i = 0; i < 24; i++)
      waiting.push(await signer.wait(value, { nonce: i, requestId: `payment-${i}` }))
    expect(await signer.test.signer.ledger.range('window', '', '\uffff', 10)).toEqual([])
    for (const id of waiting) await signer.approve(id, alice)
    const last = await Promise.all(
      waiting.map(async (id) => signedVote(id, (await signer.view(id)).digest, bob)),
    )
    const answers = await Promise.all(last.map((vote) => signer.test.send(vote)))
    const signed = answers.filter(({ body }) => (body as { state?: string }).state === 'signed')
    expect(signed).toHaveLength(Number(limit / value))
    for (const answer of answers.filter((one) => !signed.includes(one)))
      expect(errorCode(answer)).toBe('SIGNER_APPROVAL_SETTLED')
    expect(await signedCount()).toBe(Number(limit / value))
    const [window] = await signer.test.signer.ledger.range('window', '', '\uffff', 10)
    expect(window?.value.sumMinor).toBe(String((limit / value) * value))
    const left = await signer.wait(limit % value, { nonce: 99 })
    await signer.approve(left, carol)
    expect(await signer.approve(left, bob)).toMatchObject({ body: { state: 'signed' } })
    expect(errorCode(await signer.pay(1n, { nonce: 100 }))).toBe('POLICY_REFUSED')
  })

  it('and both last approvals at once sign once', async () => {
    for (let round = 0; round < 6; round++) {
      const id = await signer.wait(10n, { nonce: round })
      await signer.approve(id, alice)
      const { digest } = await signer.view(id)
      const votes = await Promise.all([bob, carol, bob, carol].map((by) => signedVote(id, digest, by)))
      const answers = await Promise.all(votes.map((vote) => signer.test.send(vote)))
      expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0)
      expect(await state(id)).toBe('signed')
      expect(await signedCount()).toBe(round + 1)
    }
    const [window] = await signer.test.signer.ledger.range('window', '', '\uffff', 10)
    expect(window?.value.sumMinor).toBe('60')
  })
})

describe('whoever carries the traffic', () => {
  it('cannot make an approval count after the time of its request', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    const { digest, expiresAt } = await signer.view(id)
    signer.advance(Date.parse(expiresAt) - signer.nowMs() - minuteMs)
    const held = await signedVote(id, digest, bob)
    signer.advance(minuteMs)
    expect(errorCode(await signer.test.send(held))).toBe('SIGNER_APPROVAL_SETTLED')
    expect([await state(id), await signedCount()]).toEqual(['expired', 0])
  })

  it('nor where the signer could not end it in time: the vote’s own commit looks', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    const { digest, expiresAt } = await signer.view(id)
    const settle = vi.spyOn(signer.test.signer.approvals, 'settle').mockResolvedValue()
    signer.advance(Date.parse(expiresAt) - signer.nowMs())
    const late = await signer.test.send(await signedVote(id, digest, bob))
    expect([errorCode(late), await signedCount()]).toEqual(['SIGNER_APPROVAL_SETTLED', 0])
    settle.mockRestore()
    expect(await state(id)).toBe('expired')
  })

  it('cannot keep an approval for later than its own signature says', async () => {
    const id = await signer.wait(10n)
    await signer.approve(id, alice)
    const held = await signedVote(id, (await signer.view(id)).digest, bob)
    signer.advance(3 * minuteMs)
    expect(errorCode(await signer.test.send(held))).toBe('WIRE_STALE')
    expect(await state(id)).toBe('waiting')
  })

  it('cannot take back a rejection by approvals that it has kept', async () => {
    const id = await signer.wait(10n)
    const { digest } = await signer.view(id)
    const kept = await Promise.all([alice, bob].map((by) => signedVote(id, digest, by)))
    await signer.reject(id, carol)
    for (const vote of kept) expect(errorCode(await signer.test.send(vote))).toBe('SIGNER_APPROVAL_SETTLED')
    expect([await state(id), await signedCount()]).toEqual(['rejected', 0])
  })
})
