import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine, type RunningEngine } from '../engine.ts'
import { openSignerProxy, type SignerProxy } from '../testing/signer-proxy.ts'
import { eventually, friend, openWorld, reverter, stranger, type World } from '../testing/world.ts'

let world: World
let proxy: SignerProxy
let engine: RunningEngine

beforeAll(async () => {
  world = await openWorld()
  const socket = join(world.dir, 'proxy.sock')
  proxy = await openSignerProxy(socket, world.socket)
  engine = await openEngine({ config: world.config({ socket }) })
  world.use(engine.url)
  await world.furnish()
  // Always reverts with Error("no"): PUSH the ABI encoding into memory and REVERT.
  await world.anvil.rpc('anvil_setCode', reverter, revertingCode('no'))
})
afterAll(async () => {
  await engine?.close()
  await proxy?.close()
  await world?.close()
})

const pay = (walletId: string, transaction: object, more: object = {}, options: object = {}) =>
  world.call(
    'POST',
    `/v1/wallets/${walletId}/transactions`,
    { transaction: { chainId: world.anvil.chainNumber, ...transaction }, ...more },
    { as: world.agent, ...options },
  )
const status = async (id: string) => (await world.call('GET', `/v1/transactions/${id}`)).body.status as string
const settled = (id: string) =>
  eventually(async () => {
    await world.anvil.rpc('anvil_mine', '0x1')
    const now = await status(id)
    return ['confirmed', 'reverted', 'failed'].includes(now) && now
  })
const balance = async (address: string) =>
  BigInt(await world.anvil.rpc<string>('eth_getBalance', address, 'latest'))
const minedNonce = async (address: string) =>
  Number(await world.anvil.rpc('eth_getTransactionCount', address, 'latest'))

describe('sending', () => {
  it('mines 40 transactions of one wallet that came at once, with consecutive nonces', async () => {
    const { id, address } = await world.newWallet()
    const before = await balance(friend)
    const answers = await Promise.all(Array.from({ length: 40 }, () => pay(id, { to: friend, value: '1' })))
    expect(answers.map((answer) => answer.status)).toEqual(Array(40).fill(202))
    expect(answers.map(({ body }) => body.nonce).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, i) => i),
    )
    expect(new Set(answers.map(({ body }) => body.hash)).size).toBe(40)
    for (const { body } of answers) expect(await settled(body.id)).toBe('confirmed')
    expect(await minedNonce(address)).toBe(40)
    expect((await balance(friend)) - before).toBe(40n)
    const list = await world.call('GET', `/v1/transactions?walletId=${id}&limit=30`)
    expect(list.body.items).toHaveLength(30)
    const rest = await world.call(
      'GET',
      `/v1/transactions?walletId=${id}&limit=30&cursor=${list.body.nextCursor}`,
    )
    expect(rest.body.items).toHaveLength(10)
    expect(rest.body.nextCursor).toBeNull()
  })

  it('leaves the nonce of a refusal to the next transaction', async () => {
    const { id } = await world.newWallet()
    const refused = await pay(id, { to: stranger, value: '1' }, {}, { requestId: 'refused-1' })
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'POLICY_REFUSED' } } })
    const again = await pay(id, { to: stranger, value: '1' }, {}, { requestId: 'refused-1' })
    expect(again).toEqual(refused)
    const mixed = await Promise.all(
      Array.from({ length: 10 }, (_, i) => pay(id, { to: i % 2 === 0 ? friend : stranger, value: '1' })),
    )
    const sent = mixed.filter((answer) => answer.status === 202)
    expect(sent.map(({ body }) => body.nonce).sort()).toEqual([0, 1, 2, 3, 4])
    expect(mixed.filter((answer) => answer.status === 403)).toHaveLength(5)
  })

  it('answers the same request the same, another under its id not at all, and a replay never', async () => {
    const { id, address } = await world.newWallet()
    const options = { requestId: 'same-request', nonce: 'AAAAAAAAAAAAAAAAAAAAAA' }
    const first = await pay(id, { to: friend, value: '5' }, {}, options)
    expect(first.status).toBe(202)
    const again = await pay(id, { to: friend, value: '5' }, {}, { requestId: 'same-request' })
    expect(again).toMatchObject({ status: 202, body: { id: first.body.id, hash: first.body.hash, nonce: 0 } })
    const other = await pay(id, { to: friend, value: '6' }, {}, { requestId: 'same-request' })
    expect(other).toMatchObject({ status: 422, body: { error: { code: 'WIRE_REQUEST_ID_REUSED' } } })
    const replay = await pay(id, { to: friend, value: '5' }, {}, options)
    expect(replay).toMatchObject({ status: 409, body: { error: { code: 'WIRE_NONCE_REPLAYED' } } })
    const atOnce = await Promise.all(
      Array.from({ length: 8 }, () => pay(id, { to: friend, value: '7' }, {}, { requestId: 'at-once-8' })),
    )
    expect(new Set(atOnce.filter((answer) => answer.status === 202).map(({ body }) => body.hash)).size).toBe(
      1,
    )
    for (const answer of atOnce) expect([202, 409]).toContain(answer.status)
    expect(await minedNonce(address)).toBe(2)
  })

  it('refuses before anything is signed what would revert, cannot be paid, or is over its fee', async () => {
    const { id, address } = await world.newWallet()
    const forwardedBefore = proxy.forwarded.length
    expect(await pay(id, { to: reverter, data: '0x12345678' })).toMatchObject({
      status: 422,
      body: { error: { code: 'ENGINE_WOULD_REVERT', details: { reason: 'no' } } },
    })
    expect(await pay(id, { to: friend, value: String(10n ** 24n) })).toMatchObject({
      status: 422,
      body: { error: { code: 'ENGINE_INSUFFICIENT_FUNDS' } },
    })
    expect(await pay(id, { to: friend, value: '1' }, { maxFeeMinor: '21000' })).toMatchObject({
      status: 422,
      body: { error: { code: 'ENGINE_FEE_OVER_CAP' } },
    })
    expect(await pay(id, { to: friend, value: '1', nonce: 3 })).toMatchObject({
      status: 409,
      body: { error: { code: 'ENGINE_NONCE_CONFLICT', details: { next: 0 } } },
    })
    expect(await pay(id, { to: friend, value: '1', chainId: 999 })).toMatchObject({
      status: 400,
      body: { error: { code: 'ENGINE_CHAIN_UNKNOWN' } },
    })
    expect(await pay(id, { to: friend, value: '1', type: 2, gasPrice: '5' })).toMatchObject({ status: 400 })
    expect(proxy.forwarded.length).toBe(forwardedBefore)
    // Stated gas means: send it all the same. It is mined and reverts, and its nonce is used.
    const sent = await pay(id, { to: reverter, data: '0x12345678', gas: 100_000 })
    expect(sent).toMatchObject({ status: 202, body: { nonce: 0 } })
    expect(await settled(sent.body.id)).toBe('reverted')
    expect(await minedNonce(address)).toBe(1)
  })

  it('keeps to stated fees and to maxFeeMinor', async () => {
    const { id } = await world.newWallet()
    for (const [transaction, maxFeeMinor] of [
      [{ to: friend, value: '1' }, String(21_000n * 3_000_000_000n)],
      [{ to: friend, value: '1', type: 0 }, undefined],
      [{ to: friend, value: '1', gasPrice: '3000000000' }, undefined],
      [{ to: friend, value: '1', type: 1, accessList: [{ address: friend, storageKeys: [] }] }, undefined],
      [
        {
          to: friend,
          value: '1',
          maxFeePerGas: '4000000000',
          maxPriorityFeePerGas: '1',
          gas: '21000',
          nonce: '0x4',
        },
        undefined,
      ],
    ] as const) {
      const sent = await pay(id, transaction, maxFeeMinor === undefined ? {} : { maxFeeMinor })
      expect(sent.status, JSON.stringify(sent.body)).toBe(202)
      expect(await settled(sent.body.id)).toBe('confirmed')
    }
  })

  it('prepares sign-transaction too, without taking a nonce', async () => {
    const { id, address } = await world.newWallet()
    const transaction = { chainId: world.anvil.chainNumber, to: friend, value: '1' }
    const one = await world.call(
      'POST',
      `/v1/wallets/${id}/sign-transaction`,
      { transaction },
      { as: world.agent },
    )
    expect(one.status, JSON.stringify(one.body)).toBe(200)
    const sent = await pay(id, { to: friend, value: '1' })
    expect(sent).toMatchObject({ status: 202, body: { nonce: 0 } })
    expect(await minedNonce(address)).toBe(1)
  })
})

describe('following', () => {
  it('sends again what a reorganisation took out', async () => {
    const { id } = await world.newWallet()
    const snapshot = await world.anvil.rpc('evm_snapshot')
    const sent = await pay(id, { to: friend, value: '9' })
    await eventually(async () => (await status(sent.body.id)) === 'mined')
    await world.anvil.rpc('evm_revert', snapshot)
    // The block is gone with the transaction; the follower notices and brings it back.
    expect(await settled(sent.body.id)).toBe('confirmed')
    expect(await world.anvil.rpc('eth_getTransactionReceipt', sent.body.hash)).toMatchObject({
      status: '0x1',
    })
  })

  it('sends again what the pool dropped', async () => {
    const { id } = await world.newWallet()
    await world.anvil.rpc('evm_setAutomine', false)
    const sent = await pay(id, { to: friend, value: '9' })
    expect(sent.body.status).toBe('broadcast')
    // The answer says that it was there and is gone; a look at the pool could come after the engine's own.
    expect(await world.anvil.rpc('anvil_dropTransaction', sent.body.hash)).toBe(sent.body.hash)
    await eventually(async () => (await world.anvil.rpc('eth_getTransactionByHash', sent.body.hash)) !== null)
    await world.anvil.rpc('evm_setAutomine', true)
    expect(await settled(sent.body.id)).toBe('confirmed')
  })

  it('gives up what lost its nonce to a transaction from elsewhere', async () => {
    const { id, address } = await world.newWallet()
    await world.anvil.rpc('evm_setAutomine', false)
    const sent = await pay(id, { to: friend, value: '9' })
    await world.anvil.rpc('anvil_dropTransaction', sent.body.hash)
    await world.anvil.rpc('anvil_setNonce', address, '0x1')
    await world.anvil.rpc('evm_setAutomine', true)
    expect(await settled(sent.body.id)).toBe('failed')
    const { body } = await world.call('GET', `/v1/transactions/${sent.body.id}`)
    expect(body.error.code).toBe('ENGINE_NONCE_TAKEN')
    const next = await pay(id, { to: friend, value: '9' })
    expect(next).toMatchObject({ status: 202, body: { nonce: 1 } })
  })
})

describe('when the signer’s answer is lost', () => {
  it('finds in its books that it has signed, and broadcasts once', async () => {
    const { id, address } = await world.newWallet()
    proxy.mode = 'lose'
    const sent = await pay(id, { to: friend, value: '3' })
    proxy.mode = 'pass'
    expect(sent).toMatchObject({ status: 202, body: { nonce: 0, status: 'broadcast' } })
    expect(await pay(id, { to: friend, value: '3' })).toMatchObject({ status: 202, body: { nonce: 1 } })
    expect(await minedNonce(address)).toBe(2)
  })

  it('frees the nonce of a request that never arrived', async () => {
    const { id } = await world.newWallet()
    proxy.mode = 'block'
    const lost = await pay(id, { to: friend, value: '3' }, {}, { requestId: 'never-arrived' })
    expect(lost).toMatchObject({ status: 503, body: { error: { code: 'WIRE_SIGNER_UNAVAILABLE' } } })
    proxy.mode = 'pass'
    expect(await pay(id, { to: friend, value: '4' })).toMatchObject({ status: 202, body: { nonce: 0 } })
    expect(await pay(id, { to: friend, value: '3' }, {}, { requestId: 'never-arrived' })).toMatchObject({
      status: 202,
      body: { nonce: 1 },
    })
  })
})

/** Runtime code that reverts with Solidity's Error(reason). */
function revertingCode(reason: string): string {
  const text = Buffer.from(reason)
  const word = (value: number) => value.toString(16).padStart(64, '0')
  const data = `08c379a0${word(32)}${word(text.length)}${text.toString('hex').padEnd(64, '0')}`
  const size = data.length / 2
  // PUSH1 size PUSH1 offset PUSH1 0 CODECOPY PUSH1 size PUSH1 0 REVERT, then the data.
  return `0x60${size.toString(16)}600c60003960${size.toString(16)}6000fd${data}`
}
