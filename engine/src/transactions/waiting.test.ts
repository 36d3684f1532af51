import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine, type RunningEngine } from '../engine.ts'
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../store/embedded-postgres.ts'
import { startNode } from '../testing/child.ts'
import { makeCredential, type TestCredential } from '../testing/client.ts'
import { openSignerProxy, type SignerProxy } from '../testing/signer-proxy.ts'
import { eventually, openWorld, type World } from '../testing/world.ts'

const payee = '0x00000000000000000000000000000000000ca4e0'
const known = '0x00000000000000000000000000000000000ca4e1'
const crashEngine = join(import.meta.dirname, '../testing/crash-engine.ts')

let world: World
let proxy: SignerProxy
let postgres: EmbeddedPostgres
let databaseUrl: string
let engine: RunningEngine
const boss: TestCredential = makeCredential('p256')

beforeAll(async () => {
  world = await openWorld()
  proxy = await openSignerProxy(join(world.dir, 'proxy.sock'), world.socket)
  postgres = await openEmbeddedPostgres(join(world.dir, 'shared'))
  const { user, password, host, port, database } = postgres.address
  databaseUrl = `postgres://${user}:${password}@${host}:${port}/${database}`
  await start()
  await world.furnish()
  const { algorithm, publicKey } = boss
  const made = await world.call('POST', '/v1/credentials', {
    ...{ algorithm, publicKey, role: 'approver', name: 'boss' },
  })
  expect(made.status).toBe(201)
  const put = await world.call('PUT', '/v1/policies/asking', { policy: asking(), expected: null })
  expect(put.status).toBe(200)
})
afterAll(async () => {
  await engine?.close()
  await proxy?.close()
  await postgres?.close()
  await world?.close()
})

function asking() {
  const chain = [`eip155:${world.anvil.chainNumber}`]
  return {
    version: 1,
    id: 'asking',
    groups: { bosses: { credentials: [boss.id] } },
    rules: [
      {
        id: 'pay',
        action: 'permit',
        effects: ['native-transfer'],
        when: { chain, recipient: [payee] },
        approvals: [{ group: 'bosses', count: 1 }],
      },
      {
        id: 'pay-known',
        action: 'permit',
        effects: ['native-transfer'],
        when: { chain, recipient: [known] },
      },
      { id: 'fees', action: 'permit', effects: ['fee'], when: { chain } },
    ],
  }
}

async function start(): Promise<void> {
  engine = await openEngine({
    config: { ...world.config({ socket: join(world.dir, 'proxy.sock') }), databaseUrl },
  })
  world.use(engine.url)
}

const pay = (walletId: string, value: string, requestId: string, to = payee) =>
  world.call(
    'POST',
    `/v1/wallets/${walletId}/transactions`,
    { transaction: { chainId: world.anvil.chainNumber, to, value } },
    { as: world.agent, requestId },
  )
const newWallet = () => world.newWallet({ policy: 'asking' })
const vote = async (approval: string, verdict: 'approve' | 'reject' = 'approve') => {
  const { body } = await world.call('GET', `/v1/approvals/${approval}`, undefined, { as: boss })
  return world.call(
    'POST',
    `/v1/approvals/${approval}/${verdict}`,
    { digest: body.statement.digest },
    { as: boss },
  )
}
const transaction = async (id: string) => (await world.call('GET', `/v1/transactions/${id}`)).body
const becomes = (id: string, status: string) =>
  eventually(async () => {
    await world.anvil.rpc('anvil_mine', '0x1')
    const now = await transaction(id)
    return now.status === status && now
  })
const balance = async (address: string) =>
  BigInt(await world.anvil.rpc<string>('eth_getBalance', address, 'latest'))
const minedNonce = async (address: string) =>
  Number(await world.anvil.rpc('eth_getTransactionCount', address, 'latest'))

describe('a transaction that needs approval', () => {
  it('waits, is broadcast once it is approved, and answers its request id all the while', async () => {
    const { id, address } = await newWallet()
    const before = await balance(payee)
    const asked = await pay(id, '7', 'ask-once-1')
    expect(asked).toMatchObject({
      status: 202,
      body: {
        status: 'waiting-approval',
        hash: null,
        nonce: 0,
        approval: { id: expect.stringMatching(/^apr_/), state: 'waiting', needs: [{ missing: 1 }] },
        receipt: { entry: { type: 'approval-requested' } },
      },
    })
    const again = await pay(id, '7', 'ask-once-1')
    expect(again).toMatchObject({ status: 202, body: { id: asked.body.id, approval: asked.body.approval } })
    expect(await pay(id, '8', 'ask-once-1')).toMatchObject({ status: 422 })
    expect(await transaction(asked.body.id)).toMatchObject({
      status: 'waiting-approval',
      approval: { id: asked.body.approval.id },
    })
    expect(await minedNonce(address)).toBe(0)

    expect(await vote(asked.body.approval.id)).toMatchObject({ status: 200, body: { state: 'signed' } })
    const done = await becomes(asked.body.id, 'confirmed')
    expect(done).toMatchObject({ receipt: { entry: { type: 'signed', approval: asked.body.approval.id } } })
    const after = await pay(id, '7', 'ask-once-1')
    expect(after).toMatchObject({ status: 202, body: { id: asked.body.id, hash: done.hash } })
    expect(after.body.receipt.entry.type).toBe('signed')
    expect((await balance(payee)) - before).toBe(7n)
    expect(await minedNonce(address)).toBe(1)
  })

  it('holds no nonce: others go on, and it fails by name where one took its own', async () => {
    const { id, address } = await newWallet()
    const waits = await pay(id, '7', 'waits-long')
    const sent = await pay(id, '1', 'meanwhile', known)
    expect(sent).toMatchObject({ status: 202, body: { status: 'broadcast', nonce: 0 } })
    const before = await balance(payee)
    await vote(waits.body.approval.id)
    expect(await becomes(waits.body.id, 'failed')).toMatchObject({ error: { code: 'ENGINE_NONCE_TAKEN' } })
    expect(await pay(id, '7', 'waits-long')).toMatchObject({
      status: 409,
      body: { error: { code: 'ENGINE_NONCE_TAKEN' } },
    })
    await becomes(sent.body.id, 'confirmed')
    expect(await pay(id, '2', 'afterwards', known)).toMatchObject({ status: 202, body: { nonce: 1 } })
    expect(await minedNonce(address)).toBeGreaterThan(0)
    expect(await balance(payee)).toBe(before)
  })

  it('fails with the signer’s reason where it is rejected', async () => {
    const { id } = await newWallet()
    const waits = await pay(id, '7', 'no-thanks')
    expect((await vote(waits.body.approval.id, 'reject')).status).toBe(200)
    expect(await becomes(waits.body.id, 'failed')).toMatchObject({
      error: { code: 'SIGNER_APPROVAL_REJECTED' },
    })
    expect(await pay(id, '7', 'no-thanks')).toMatchObject({
      status: 403,
      body: { error: { code: 'SIGNER_APPROVAL_REJECTED' } },
    })
    expect(await pay(id, '1', 'no-thanks-2', known)).toMatchObject({ status: 202, body: { nonce: 0 } })
  })

  it('is found out by polling where the vote went past this engine', async () => {
    const { id } = await newWallet()
    const waits = await pay(id, '7', 'voted-elsewhere')
    const other = await openEngine({ config: world.config({ name: 'other' }) })
    try {
      world.use(other.url)
      expect((await vote(waits.body.approval.id)).body.state).toBe('signed')
    } finally {
      world.use(engine.url)
      await other.close()
    }
    await becomes(waits.body.id, 'confirmed')
  })

  it('is asked about again where the signer’s answer was lost', async () => {
    const { id } = await newWallet()
    proxy.mode = 'lose'
    expect((await pay(id, '7', 'lost-answer')).status).toBe(503)
    proxy.mode = 'pass'
    const again = await eventually(async () => {
      const answer = await pay(id, '7', 'lost-answer')
      return answer.status === 202 && answer
    })
    expect(again.body).toMatchObject({ status: 'waiting-approval', approval: { state: 'waiting' } })
    await vote(again.body.approval.id)
    await becomes(again.body.id, 'confirmed')
  })
})

describe('kill -9 of the engine', () => {
  const crashing = async (point: string) => {
    await engine.close()
    const { listen, signerSocket, dataDir, chains } = world.config()
    const file = join(world.dir, `crash-${point}.json`)
    await writeFile(file, JSON.stringify({ listen, signerSocket, dataDir, chains, databaseUrl }))
    const child = await startNode(crashEngine, ['--config', file], { CRASH_AT: point })
    world.use(child.ready.url as string)
    return child
  }
  const paysOnce = async (
    wallet: { id: string; address: string },
    { requestId, before }: { requestId: string; before: bigint },
    votes: (approval: string) => Promise<unknown>,
  ) => {
    await start()
    const asked = await eventually(async () => {
      const answer = await pay(wallet.id, '7', requestId)
      return answer.status === 202 && answer
    })
    await votes(asked.body.approval.id)
    await becomes(asked.body.id, 'confirmed')
    expect((await balance(payee)) - before).toBe(7n)
    expect(await minedNonce(wallet.address)).toBe(1)
  }

  it.each(['prepared', 'answered', 'waiting'])(
    'at %s, when it asks: it waits all the same',
    async (point) => {
      const wallet = await newWallet()
      const before = await balance(payee)
      const child = await crashing(point)
      await expect(pay(wallet.id, '7', `asked-${point}`)).rejects.toThrow()
      expect(await child.exited).toBe('SIGKILL')
      await paysOnce(wallet, { requestId: `asked-${point}`, before }, vote)
    },
  )

  it.each(['signed', 'sent', 'broadcast'])('at %s, when it was approved: it is sent once', async (point) => {
    const wallet = await newWallet()
    const before = await balance(payee)
    const child = await crashing(point)
    const asked = await pay(wallet.id, '7', `approved-${point}`)
    const { id } = asked.body.approval
    // The vote may or may not be answered before the process ends.
    await vote(id).catch(() => undefined)
    expect(await child.exited).toBe('SIGKILL')
    await paysOnce(wallet, { requestId: `approved-${point}`, before }, async () => undefined)
  })
})
