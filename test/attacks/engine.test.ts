import { sign as signWithNode } from 'node:crypto'
import { carriedOut, createCountersignClient } from '@countersign/sdk'
import type { SignedRequest } from '@countersign/wire'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  createTestKey,
  openTestSigner,
  policyFor,
  type TestKey,
  type TestSigner,
} from '../signer/test-signer.ts'

const attacker = '0x1111111111111111111111111111111111111111'

let test: TestSigner
beforeAll(async () => {
  test = await openTestSigner({ admins: 2 })
})
afterAll(() => test.close())

function credentialOf({ id, publicKey, key }: TestKey) {
  return {
    id,
    algorithm: 'p256' as const,
    publicKey,
    sign: async (base: Uint8Array) =>
      new Uint8Array(signWithNode('sha256', base, { key, dsaEncoding: 'ieee-p1363' })),
  }
}

/** The SDK over the real signer; what stands in between is the attacker's. */
function clientThrough(
  engine: (forward: () => Promise<unknown>, request: SignedRequest) => unknown = (forward) => forward(),
) {
  const [first, second] = test.admins.map(credentialOf)
  return createCountersignClient({
    url: 'http://engine.test',
    credential: first!,
    cosigners: [second!],
    audience: test.audience,
    async fetch(url, init) {
      const { pathname, search } = new URL(url)
      const body = init.body ?? ''
      const request = { ...init, path: pathname + search, body } as unknown as SignedRequest
      let status = 200
      const forward = async () => {
        const answer = await test.send({
          request: {
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: request.body,
          },
        })
        status = answer.status
        return answer.body
      }
      const answer = await engine(forward, request)
      return new Response(JSON.stringify(answer), { status })
    },
  })
}

const policy = policyFor([{ id: 'hi', action: 'permit', effects: ['message'] }], 'greet')
const unproven = { code: 'SDK_ANSWER_UNPROVEN' }

it('every change and every signature is proven, from the request to the journal', async () => {
  const client = clientThrough()
  const put = carriedOut(await client.policies.put({ id: 'greet', policy, expected: null }))
  const wallet = await client.wallets.create({ name: 'till' })
  expect(wallet.receipt.entry).toMatchObject({ wallet: wallet.id, address: wallet.address, policy: null })
  const set = await client.wallets.setPolicy({ walletId: wallet.id, policy: 'greet', expected: null })
  expect(set).toMatchObject({ walletId: wallet.id, policy: 'greet', hash: put.hash })
  expect(set.receipt.entry).toMatchObject({ type: 'wallet-policy', hash: put.hash })
  expect(await client.organisation.setPolicy({ policy: 'greet', expected: null })).toMatchObject({
    hash: put.hash,
  })
  expect(await client.organisation.setPolicy({ policy: null, expected: 'greet' })).toMatchObject({
    hash: null,
  })
  const signed = await client.signMessage({ walletId: wallet.id, message: 'hi' }, { requestId: 'greeting-1' })
  expect(await client.receipts.get('greeting-1')).toEqual(signed.receipt)
  const { publicKey, id } = createTestKey('agent 2')
  const agent = { algorithm: 'p256', publicKey, role: 'agent', name: 'agent 2' } as const
  expect(await client.credentials.create(agent, { requestId: 'agent-2-in' })).toMatchObject({
    status: 'active',
  })
  expect(await client.credentials.revoke(id)).toMatchObject({ id, status: 'revoked' })
  // The same request again, with other nonces: the same answer, proven again.
  expect(await client.credentials.create(agent, { requestId: 'agent-2-in' })).toMatchObject({ id })
  expect(await client.receipts.get('agent-2-in')).toMatchObject({ entry: { change: 'added' } })
})

it('an owned engine cannot hand out a deposit address of its own', async () => {
  const swapping = clientThrough(async (forward) => ({ ...((await forward()) as object), address: attacker }))
  await expect(swapping.wallets.create()).rejects.toMatchObject(unproven)
})

it('an owned engine cannot keep a credential alive that it says is revoked', async () => {
  const { id, status } = (await test.signer.ledger.get('credential', test.agent.id))!
  let earlier: object = {}
  const remembering = clientThrough(async (forward) => {
    earlier = (await forward()) as object
    return earlier
  })
  const { publicKey } = createTestKey('agent 3')
  const made = carriedOut(
    await remembering.credentials.create({ algorithm: 'p256', publicKey, role: 'agent', name: 'x' }),
  )
  await remembering.credentials.revoke(made.id)
  const record = await test.signer.ledger.get('credential', id)
  for (const fake of [
    { ...record, status: 'revoked' },
    { ...record, status: 'revoked', receipt: made.receipt },
    { ...earlier, ...record, status: 'revoked' },
    earlier,
  ]) {
    await expect(clientThrough(() => fake).credentials.revoke(id)).rejects.toMatchObject(unproven)
  }
  expect((await test.signer.ledger.get('credential', id))?.status).toBe(status)
})

it('an owned engine cannot answer with an earlier version of what was applied', async () => {
  let earlier: unknown
  const client = clientThrough(async (forward) => {
    earlier = await forward()
    return earlier
  })
  const before = await test.signer.ledger.get('policy', 'greet')
  const first = { ...policy, description: 'first' }
  const put = await client.policies.put({ id: 'greet', policy: first, expected: before?.hash ?? null })
  const { hash } = carriedOut(put)
  const second = { id: 'greet', policy, expected: hash }
  await expect(clientThrough(() => earlier).policies.put(second)).rejects.toMatchObject(unproven)
})
