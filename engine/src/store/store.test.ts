import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedPostgres, openEmbeddedPostgres } from './embedded-postgres.ts'
import { openStore, type Store } from './store.ts'
import type { NewTransaction } from './transactions.ts'
import type { NewWallet } from './wallets.ts'

let dir: string
let postgres: EmbeddedPostgres
let store: Store

beforeAll(async () => {
  // 0700, as mkdtemp makes it: under root, the postgres user cannot walk through it.
  dir = mkdtempSync(join(tmpdir(), 'countersign-store-test-'))
  postgres = await openEmbeddedPostgres(dir)
  // Two engines that start at once migrate one after the other.
  const [first, second] = await Promise.all([openStore(postgres.address), openStore(postgres.address)])
  store = first as Store
  await (second as Store).close()
})
afterAll(async () => {
  await store.close()
  await postgres.close()
  await rm(dir, { recursive: true, force: true })
})

let counter = 0
function newTransaction(more: Partial<NewTransaction> = {}): NewTransaction {
  const n = ++counter
  return {
    id: `tx_${n}`,
    walletId: `wal_${n}`,
    chain: 'eip155:1',
    credentialId: 'cred_1',
    requestId: `request-${n}`,
    requestDigest: '0xaa',
    nonce: 0,
    unsigned: '0x02',
    ...more,
  }
}
const signed = (nonce: number) => ({
  raw: '0x02f8',
  hash: `0x${'1'.repeat(64)}`,
  receipt: '{"version":1}',
  nonce,
  unsigned: '0x02',
})
const interrupted = JSON.stringify({ code: 'ENGINE_INTERRUPTED', message: 'x' })

function newWallet(more: Partial<NewWallet> = {}): NewWallet {
  return {
    id: `wal_${++counter}`,
    type: 'EVM',
    address: '0x00',
    publicKey: '0x02',
    name: null,
    policy: null,
    user: null,
    record: '{}',
    createdBy: null,
    createdAt: '2026-11-21T08:00:00.000Z',
    ...more,
  }
}

describe('the embedded Postgres', () => {
  it('syncs to disk, listens on loopback only, and keeps its password to its owner', async () => {
    const { address, pid } = postgres
    expect(statSync(join(dir, 'postgres.password')).mode & 0o777).toBe(0o600)
    const processes = execFileSync('ps', ['axww', '-o', 'args']).toString()
    expect(processes).not.toContain(address.password)
    expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).not.toContain(address.password)
    const { default: pg } = await import('pg')
    const client = new pg.Client(address)
    await client.connect()
    const setting = async (name: string) => (await client.query(`SHOW ${name}`)).rows[0][name]
    expect(await setting('fsync')).toBe('on')
    expect(await setting('synchronous_commit')).toBe('on')
    expect(await setting('listen_addresses')).toBe('127.0.0.1')
    expect(await setting('password_encryption')).toBe('scram-sha-256')
    await client.end()
    const stranger = new pg.Client({ ...address, password: 'guess' })
    await expect(stranger.connect()).rejects.toThrow(/password authentication failed/)
  })

  it('is taken over after its engine was killed, with what was committed', async () => {
    const other = mkdtempSync(join(tmpdir(), 'countersign-store-test-'))
    const first = await openEmbeddedPostgres(other)
    const before = await openStore(first.address)
    await before.wallets.add(newWallet({ id: 'wal_kept' }))
    await before.close()
    // The engine is gone, its Postgres is not: the next one finds it by the folder it works in.
    const second = await openEmbeddedPostgres(other)
    expect(second.pid).not.toBe(first.pid)
    expect(() => process.kill(first.pid, 0)).toThrow()
    process.kill(second.pid, 'SIGKILL')
    await second.died
    const third = await openEmbeddedPostgres(other)
    const after = await openStore(third.address)
    expect((await after.wallets.get('wal_kept'))?.id).toBe('wal_kept')
    await after.close()
    await third.close()
    await rm(other, { recursive: true, force: true })
  })
})

describe('the wallet directory', () => {
  it('has one wallet per user, and one claim', async () => {
    const user = { type: 'EMAIL', value: 'a@example.com' }
    const [by, other] = [
      { credentialId: 'cred_1', requestId: 'request-a' },
      { credentialId: 'cred_1', requestId: 'request-b' },
    ]
    expect(await store.wallets.claim(user, by)).toBeUndefined()
    expect(await store.wallets.claim(user, by)).toBeUndefined()
    expect(await store.wallets.claim(user, other)).toMatchObject(by)
    expect(await store.wallets.moveClaim(user, other, by)).toBe(false)
    await store.wallets.releaseClaim(user, other)
    expect(await store.wallets.claim(user, other)).toMatchObject(by)
    await store.wallets.add(newWallet({ id: 'wal_user', user, createdBy: by }))
    expect((await store.wallets.find(user))?.id).toBe('wal_user')
    await expect(store.wallets.add(newWallet({ user, createdBy: other }))).rejects.toThrow(/wallets_user/)
  })

  it('lists newest first, page by page, each once', async () => {
    for (let i = 0; i < 5; i++) await store.wallets.add(newWallet())
    const seen: string[] = []
    let before: number | undefined
    for (;;) {
      const rows = await store.wallets.list({ limit: 2, ...(before === undefined ? {} : { before }) })
      if (rows.length === 0) break
      seen.push(...rows.map(({ id }) => id))
      before = rows.at(-1)?.seq
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBeGreaterThanOrEqual(5)
  })

  it('adds a wallet twice without changing it, and its user when that comes later', async () => {
    const createdBy = { credentialId: 'cred_1', requestId: 'request-late' }
    await store.wallets.add(newWallet({ id: 'wal_healed' }))
    await store.wallets.add(
      newWallet({ id: 'wal_healed', address: '0xff', user: { type: 'CUSTOM_ID', value: 'u1' }, createdBy }),
    )
    expect(await store.wallets.get('wal_healed')).toMatchObject({
      address: '0x00',
      user: { value: 'u1' },
      createdBy,
    })
  })
})

describe('transactions', () => {
  it('never gives one nonce to two transactions that may be signed', async () => {
    const lane = { walletId: 'wal_nonce', chain: 'eip155:1' }
    const first = await store.transactions.prepare(newTransaction(lane))
    expect(first).toBeDefined()
    expect(await store.transactions.prepare(newTransaction(lane))).toBeUndefined()
    await store.transactions.refuse(first as string, { status: 403, body: '{}' })
    const second = await store.transactions.prepare(newTransaction(lane))
    expect(second).toBeDefined()
    await store.transactions.sign(second as string, signed(0))
    expect(await store.transactions.prepare(newTransaction(lane))).toBeUndefined()
    expect(await store.transactions.nextNonce(lane)).toBe(1)
    expect(await store.transactions.nextNonce({ ...lane, chain: 'eip155:2' })).toBe(0)
  })

  it('gives an interrupted request its row again, and no other', async () => {
    const wanted = newTransaction()
    const id = (await store.transactions.prepare(wanted)) as string
    expect(await store.transactions.prepare({ ...wanted, id: 'tx_again', nonce: 5 })).toBeUndefined()
    await store.transactions.fail(id, ['preparing'], interrupted)
    expect(
      await store.transactions.prepare({ ...wanted, id: 'tx_again', requestDigest: '0xbb', nonce: 5 }),
    ).toBeUndefined()
    expect(await store.transactions.prepare({ ...wanted, id: 'tx_again', nonce: 5 })).toBe(id)
    expect(await store.transactions.get(id)).toMatchObject({ state: 'preparing', nonce: 5, error: null })
    await store.transactions.drop(id)
    expect(await store.transactions.get(id)).toBeUndefined()
  })

  it('goes through its states one way, back only where a block vanished', async () => {
    const id = (await store.transactions.prepare(newTransaction())) as string
    const state = async () => (await store.transactions.get(id))?.state
    await store.transactions.markBroadcast(id)
    expect(await state()).toBe('preparing')
    await store.transactions.sign(id, signed(0))
    await expect(store.transactions.sign(id, signed(0))).rejects.toThrow(/bug/)
    await store.transactions.refuse(id, { status: 403, body: '{}' })
    await store.transactions.drop(id)
    expect(await state()).toBe('signed')
    await store.transactions.settle(id)
    expect(await state()).toBe('signed')
    await store.transactions.markBroadcast(id)
    const block = { number: 7n, hash: '0x07' }
    await store.transactions.markMined(id, { block, succeeded: true })
    await store.transactions.markUnmined(id)
    expect(await state()).toBe('broadcast')
    await store.transactions.markMined(id, { block, succeeded: false })
    await store.transactions.settle(id)
    expect(await state()).toBe('reverted')
    await store.transactions.markUnmined(id)
    await store.transactions.fail(id, ['preparing', 'signed', 'broadcast'], '{}')
    expect(await store.transactions.get(id)).toMatchObject({ state: 'reverted', block })
  })
})

describe('lanes', () => {
  it('run one at a time, across stores', async () => {
    const other = await openStore(postgres.address)
    const lane = { walletId: 'wal_lane', chain: 'eip155:1' }
    let inside = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++inside)
      await new Promise((done) => setTimeout(done, 5))
      inside--
    }
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? store : other).withLane(lane, work)),
    )
    expect(most).toBe(1)
    await expect(store.withLane(lane, async () => Promise.reject(new Error('inside')))).rejects.toThrow(
      'inside',
    )
    await store.withLane(lane, work)
    await other.close()
  })
})

it('says that the database does not answer, without its address', async () => {
  const opening = openStore({ ...postgres.address, port: 1 })
  await expect(opening).rejects.toMatchObject({ code: 'ENGINE_DATABASE_UNAVAILABLE' })
  await expect(opening).rejects.not.toThrow(/127\.0\.0\.1|countersign@/)
})
