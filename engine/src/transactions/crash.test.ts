import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine, type RunningEngine } from '../engine.ts'
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../store/embedded-postgres.ts'
import { startNode } from '../testing/child.ts'
import { sendRequest, signRequest } from '../testing/client.ts'
import { eventually, friend, openWorld, type World } from '../testing/world.ts'
import { crashPoints } from './send.ts'

let world: World
let postgres: EmbeddedPostgres
let databaseUrl: string
const crashEngine = join(import.meta.dirname, '../testing/crash-engine.ts')

beforeAll(async () => {
  world = await openWorld()
  postgres = await openEmbeddedPostgres(join(world.dir, 'shared'))
  const { user, password, host, port, database } = postgres.address
  databaseUrl = `postgres://${user}:${password}@${host}:${port}/${database}`
  const engine = await restarted()
  await world.furnish()
  await engine.close()
})
afterAll(async () => {
  await postgres?.close()
  await world?.close()
})

async function restarted(): Promise<RunningEngine> {
  const engine = await openEngine({ config: { ...world.config(), databaseUrl } })
  world.use(engine.url)
  return engine
}

async function crashing(point: string) {
  const { listen, signerSocket, dataDir, chains } = world.config()
  const file = join(world.dir, `crash-${point}.json`)
  await writeFile(file, JSON.stringify({ listen, signerSocket, dataDir, chains, databaseUrl }))
  const child = await startNode(crashEngine, ['--config', file], { CRASH_AT: point })
  world.use(child.ready.url as string)
  return child
}

const balance = async (address: string) =>
  BigInt(await world.anvil.rpc<string>('eth_getBalance', address, 'latest'))

describe('kill -9 at', () => {
  it.each(crashPoints)('%s sends the transaction once, and strands no nonce', async (point) => {
    let engine = await restarted()
    const { id, address } = await world.newWallet()
    await engine.close()
    const before = await balance(friend)
    const pay = (value: string, requestId: string) =>
      world.call(
        'POST',
        `/v1/wallets/${id}/transactions`,
        { transaction: { chainId: world.anvil.chainNumber, to: friend, value } },
        { as: world.agent, requestId },
      )

    const child = await crashing(point)
    await expect(pay('11', `crash-at-${point}`)).rejects.toThrow()
    expect(await child.exited).toBe('SIGKILL')

    engine = await restarted()
    try {
      // The caller never heard; it asks again, under the same request id.
      const sent = await eventually(async () => {
        const answer = await pay('11', `crash-at-${point}`)
        if (answer.status === 409) return false
        return answer
      })
      expect(sent.status, JSON.stringify(sent.body)).toBe(202)
      expect(sent.body.nonce).toBe(0)
      const next = await pay('100', `after-${point}`)
      expect(next).toMatchObject({ status: 202, body: { nonce: 1 } })
      for (const { body } of [sent, next]) {
        await eventually(async () => {
          await world.anvil.rpc('anvil_mine', '0x1')
          return (await world.call('GET', `/v1/transactions/${body.id}`)).body.status === 'confirmed'
        })
      }
      expect(Number(await world.anvil.rpc('eth_getTransactionCount', address, 'latest'))).toBe(2)
      expect((await balance(friend)) - before).toBe(111n)
    } finally {
      await engine.close()
    }
  })

  it.each(['wallet-claimed', 'wallet-created'])('%s makes one wallet for the user', async (point) => {
    const make = (requestId: string) =>
      world.call(
        'POST',
        '/v1/wallets',
        { type: 'EVM', userIdentifier: `user-${point}`, userIdentifierType: 'CUSTOM_ID' },
        { requestId },
      )
    const child = await crashing(point)
    await expect(make(`make-at-${point}`)).rejects.toThrow()
    expect(await child.exited).toBe('SIGKILL')
    const engine = await restarted()
    try {
      // Somebody else asks for the same user first: never a second wallet.
      expect((await make(`other-${point}`)).status).toBe(409)
      const made = await make(`make-at-${point}`)
      expect(made.status, JSON.stringify(made.body)).toBe(201)
      const found = await world.call(
        'GET',
        `/v1/wallets?userIdentifier=user-${point}&userIdentifierType=CUSTOM_ID`,
      )
      expect(found.body.items.map((wallet: { id: string }) => wallet.id)).toEqual([made.body.id])
    } finally {
      await engine.close()
    }
  })
})

describe('two engines on one database', () => {
  it('send through one wallet at once without a nonce used twice or left out', async () => {
    const engines = [await restarted(), await restarted()]
    const { id, address } = await world.newWallet()
    try {
      const answers = await Promise.all(
        Array.from({ length: 24 }, async (_, i) => {
          const request = await signRequest(world.agent, world.audience, {
            method: 'POST',
            path: `/v1/wallets/${id}/transactions`,
            body: { transaction: { chainId: world.anvil.chainNumber, to: friend, value: '1' } },
          })
          return sendRequest((engines[i % 2] as RunningEngine).url, request)
        }),
      )
      expect(answers.map(({ status }) => status)).toEqual(Array(24).fill(202))
      expect(answers.map(({ body }) => body.nonce).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 24 }, (_, i) => i),
      )
      await eventually(
        async () => Number(await world.anvil.rpc('eth_getTransactionCount', address, 'latest')) === 24,
      )
    } finally {
      for (const engine of engines) await engine.close()
    }
  })
})

describe('without its database', () => {
  it('sends nothing, and still passes on what needs none', async () => {
    const engine = await restarted()
    const { id, address } = await world.newWallet()
    process.kill(postgres.pid, 'SIGKILL')
    await postgres.died
    try {
      const sent = await world.call('POST', `/v1/wallets/${id}/transactions`, {
        transaction: { chainId: world.anvil.chainNumber, to: friend, value: '1' },
      })
      expect(sent).toMatchObject({
        status: 503,
        body: { error: { code: 'ENGINE_DATABASE_UNAVAILABLE', retry: 'later' } },
      })
      expect(JSON.stringify(sent.body)).not.toMatch(/postgres:|password|127\.0\.0\.1/)
      expect((await fetch(`${engine.url}/readyz`)).status).toBe(503)
      const message = await world.call(
        'POST',
        `/v1/wallets/${id}/sign-message`,
        { message: 'still here' },
        { as: world.agent },
      )
      expect(message.status).toBe(200)
      expect(Number(await world.anvil.rpc('eth_getTransactionCount', address, 'latest'))).toBe(0)
    } finally {
      await engine.close()
    }
  })
})
