/**
 * Plays somebody who owns the engine: its process, its socket to the signer, its database, and every request that
 * ever passed through it. Whatever it does, no signature comes out that a credential did not ask for.
 */

import type { SignedRequest } from '@countersign/wire'
import pg from 'pg'
import { type Hex, parseTransaction, recoverTransactionAddress, serializeTransaction } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine, type RunningEngine } from './engine.ts'
import { openMetrics } from './metrics.ts'
import { openSignerClient, type SignerClient } from './signer-client.ts'
import { type EmbeddedPostgres, openEmbeddedPostgres } from './store/embedded-postgres.ts'
import { makeCredential, signRequest } from './testing/client.ts'
import { friend, openWorld, stranger, type World } from './testing/world.ts'

let world: World
let engine: RunningEngine
let postgres: EmbeddedPostgres
/** The attacker's hand on the socket. */
let signer: SignerClient
let wallet: { id: string; address: Hex }

beforeAll(async () => {
  world = await openWorld()
  postgres = await openEmbeddedPostgres(`${world.dir}/owned`)
  const { user, password, host, port, database } = postgres.address
  engine = await openEngine({
    config: { ...world.config(), databaseUrl: `postgres://${user}:${password}@${host}:${port}/${database}` },
  })
  world.use(engine.url)
  await world.furnish()
  wallet = await world.newWallet()
  signer = openSignerClient(world.socket, openMetrics())
})
afterAll(async () => {
  await signer?.close()
  await engine?.close()
  await postgres?.close()
  await world?.close()
})

const transfer = (more: object = {}) => ({
  type: 'eip1559' as const,
  chainId: world.anvil.chainNumber,
  nonce: 0,
  gas: 21_000n,
  maxFeePerGas: 3_000_000_000n,
  maxPriorityFeePerGas: 1n,
  to: friend as Hex,
  value: 5n,
  ...more,
})
/** What the agent asks for: 5 wei to the friend, nonce, gas and fees left to the engine, up to a bound. */
const asked = () =>
  signRequest(world.agent, world.audience, {
    method: 'POST',
    path: `/v1/wallets/${wallet.id}/transactions`,
    body: {
      transaction: { chainId: world.anvil.chainNumber, to: friend, value: '5' },
      maxFeeMinor: String(21_000n * 3_000_000_000n),
    },
  })
const codeOf = async (request: SignedRequest, prepared?: Hex) => {
  const { status, text } = await signer.forward(request, prepared)
  expect(status, text).toBeGreaterThanOrEqual(400)
  expect(text).not.toContain('"signature":"0x')
  return JSON.parse(text).error.code as string
}

describe('an owned engine', () => {
  it('cannot change what was asked by what it prepares', async () => {
    const differences: object[] = [
      { to: stranger },
      { value: 6n },
      { value: 0n },
      { chainId: 1 },
      { data: '0x00' },
      { to: undefined, data: '0x6000' },
      { gas: 21_001n },
      { maxFeePerGas: 3_000_000_001n },
      { accessList: [{ address: stranger, storageKeys: [] }] },
    ]
    for (const difference of differences) {
      const code = await codeOf(await asked(), serializeTransaction(transfer(difference)))
      expect(
        code,
        JSON.stringify(difference, (_key, value) => String(value)),
      ).toBe('WIRE_PREPARED_DIFFERS')
    }
    for (const malformed of ['0x', '0x02', '0x02c0', `${serializeTransaction(transfer())}00`] as Hex[]) {
      await codeOf(await asked(), malformed)
    }
    expect(await codeOf(await asked())).toBe('WIRE_PREPARED_DIFFERS')
  })

  it('cannot make, alter, redirect or replay a request', async () => {
    const prepared = serializeTransaction(transfer())
    const request = await asked()
    const { signature: _signature, 'signature-input': _input, ...bare } = request.headers
    expect(await codeOf({ ...request, headers: bare }, prepared)).toBe('WIRE_SIGNATURE_MISSING')
    expect(await codeOf({ ...request, body: request.body.replace('"5"', '"6"') }, prepared)).toBe(
      'WIRE_DIGEST_MISMATCH',
    )
    const other = await world.newWallet()
    expect(await codeOf({ ...request, path: request.path.replace(wallet.id, other.id) }, prepared)).toBe(
      'WIRE_BAD_SIGNATURE',
    )
    expect(await codeOf({ ...request, path: `/v1/wallets/${wallet.id}/sign-transaction` }, prepared)).toBe(
      'WIRE_BAD_SIGNATURE',
    )
    expect(
      await codeOf(
        { ...request, headers: { ...request.headers, 'idempotency-key': 'another-id' } },
        prepared,
      ),
    ).toBe('WIRE_BAD_SIGNATURE')
    const own = { ...makeCredential(), id: world.agent.id, algorithm: world.agent.algorithm }
    expect(
      await codeOf(
        await signRequest(own, world.audience, {
          method: 'POST',
          path: request.path,
          body: JSON.parse(request.body),
        }),
        prepared,
      ),
    ).toBe('WIRE_BAD_SIGNATURE')
    // The real thing, once; then again with a higher nonce, for a second payment from one request.
    const answer = await signer.forward(request, prepared)
    expect(answer.status, answer.text).toBe(200)
    expect(await codeOf(request, prepared)).toBe('WIRE_NONCE_REPLAYED')
    expect(await codeOf(request, serializeTransaction(transfer({ nonce: 1 })))).toBe('WIRE_NONCE_REPLAYED')
    const { signedTransaction } = JSON.parse(answer.text) as { signedTransaction: Hex }
    expect(parseTransaction(signedTransaction)).toMatchObject({ to: friend, value: 5n, nonce: 0 })
    const signedBy = await recoverTransactionAddress({
      serializedTransaction: signedTransaction as `0x02${string}`,
    })
    expect(signedBy).toBe(wallet.address)
  })

  it('cannot raise itself to an admin, and knows no other door', async () => {
    const mine = makeCredential()
    const { algorithm, publicKey } = mine
    const body = { algorithm, publicKey, role: 'admin', name: 'mine' }
    const byAgent = await signRequest(world.agent, world.audience, {
      method: 'POST',
      path: '/v1/credentials',
      body,
    })
    expect(await codeOf(byAgent)).toBe('WIRE_QUORUM_NOT_MET')
    const policy = { policy: { version: 1, id: 'test', rules: [] }, expected: null }
    const putPolicy = await signRequest(world.agent, world.audience, {
      method: 'PUT',
      path: '/v1/policies/test',
      body: policy,
    })
    expect(await codeOf(putPolicy)).toBe('WIRE_QUORUM_NOT_MET')
  })

  it('gains nothing by rewriting its database', async () => {
    const client = new pg.Client(postgres.address)
    await client.connect()
    const other = await world.newWallet()
    const pay = (id: string, requestId: string) =>
      world.call(
        'POST',
        `/v1/wallets/${id}/transactions`,
        { transaction: { chainId: world.anvil.chainNumber, to: friend, value: '7' } },
        { as: world.agent, requestId },
      )
    const first = await pay(other.id, 'first-payment')
    expect(first.status).toBe(202)
    // Forget the request and the nonce: the signer still has both in its books.
    await client.query('DELETE FROM transactions')
    await client.query('DELETE FROM lanes')
    const again = await pay(other.id, 'first-payment')
    expect(again).toMatchObject({ status: 202, body: { hash: first.body.hash } })
    // Point the directory's wallet at another address: what is signed is signed for the wallet that was asked.
    await client.query('UPDATE wallets SET address = $2, policy = NULL WHERE id = $1', [
      other.id,
      wallet.address,
    ])
    const { body } = await pay(other.id, 'after-swap')
    const raw =
      body.hash === undefined
        ? undefined
        : await world.anvil.rpc<{ from: string; to: string }>('eth_getTransactionByHash', body.hash)
    if (raw !== undefined && raw !== null) expect(raw.from).toBe(other.address.toLowerCase())
    // A row that claims to be prepared for another recipient makes the recovery ask for nothing: it only reads.
    await client.query(
      `INSERT INTO transactions (id, wallet_id, chain, credential_id, request_id, request_digest, state, nonce, unsigned)
       VALUES ('tx_forged', $1, $2, $3, 'forged-request', '0x', 'preparing', 99, $4)`,
      [
        wallet.id,
        `eip155:${world.anvil.chainNumber}`,
        world.agent.id,
        serializeTransaction(transfer({ to: stranger, nonce: 99 })),
      ],
    )
    await new Promise((done) => setTimeout(done, 3_500))
    const { rows } = await client.query(`SELECT state, raw FROM transactions WHERE id = 'tx_forged'`)
    expect(rows).toEqual([{ state: 'failed', raw: null }])
    expect(await world.anvil.rpc('eth_getBalance', stranger, 'latest')).toBe('0x0')
    await client.end()
  })
})
