import { DatabaseSync } from 'node:sqlite'
import { encodeUtf8, isEqual } from '@countersign/bytes'
import { decodeCheckpoint, type ForwardedRequest, leafHash, MerkleFrontier } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CrashPoint, crashPoints } from '../../boundary/signer/src/sign.ts'
import type { Answer } from '../../boundary/signer/src/signer.ts'
import { errorCode } from '../signer/test-signer.ts'
import { payment, paymentPolicy } from './payment.ts'
import {
  crashingSigner,
  createSignerHome,
  initHome,
  must,
  type SignerHome,
  type SignerProcess,
  setUp,
  startSigner,
} from './signer-process.ts'

interface Entry {
  readonly type: string
  readonly requestId: string
  readonly permit?: number
}

/** A request that was sent, and what came back, if anything did. */
interface Sent {
  readonly requestId: string
  readonly body: unknown
  readonly forwarded: ForwardedRequest
  answer: Answer | undefined
}

const limit = 1000n
const inFlight = 8
/** With eight in flight, after so many times at the point: some are acknowledged by then, some are not. */
const nthBusy = (point: CrashPoint) => (point.endsWith('commit') ? '9' : '30')

describe('killed at a named point', () => {
  let home: SignerHome
  let running: SignerProcess
  let wallet: { id: string }
  let path: string

  beforeAll(async () => {
    home = createSignerHome({ backend: 'env' })
    await initHome(home)
    running = await startSigner(home)
    wallet = await setUp(running, home, paymentPolicy('first', limit))
    path = `/v1/wallets/${wallet.id}/sign-transaction`
  })
  afterAll(async () => {
    await running.kill()
    home.remove()
  })

  /** A fresh budget: windows are counted by policy. */
  async function freshPolicy(id: string, before: string): Promise<void> {
    const by = home.admin
    const put = { policy: paymentPolicy(id, limit), expected: null }
    await must(200, running.ask('PUT', `/v1/policies/${id}`, put, { by }))
    const change = { policy: id, expected: before }
    await must(200, running.ask('PUT', `/v1/wallets/${wallet.id}/policy`, change, { by }))
  }

  async function crashOnes(env: Record<string, string>) {
    return startSigner(home, { main: crashingSigner, env })
  }

  async function send(to: SignerProcess, requestId: string, nonce: number): Promise<Sent> {
    const body = payment(1n, nonce)
    const forwarded = await to.signed('POST', path, body, { by: home.agent, requestId })
    const answer = await to.post('/v1/forward', forwarded).catch(() => undefined)
    return { requestId, body, forwarded, answer }
  }

  /** Eight callers that ask again and again until the signer is gone. */
  async function sendUntilDead(to: SignerProcess, name: string): Promise<Sent[]> {
    const sent: Sent[] = []
    const caller = async (number: number) => {
      for (let i = 0; ; i++) {
        const one = await send(to, `${name}-${number}-${i}`, number * 1000 + i)
        sent.push(one)
        if (one.answer === undefined) return
      }
    }
    await Promise.all(Array.from({ length: inFlight }, (_, number) => caller(number)))
    return sent
  }

  async function checkAllSettled(all: readonly Sent[]): Promise<void> {
    for (const one of all) {
      // The very bytes: refused wherever the signer has them in its books, and in any case the second time.
      const replay = await running.post('/v1/forward', one.forwarded)
      if (one.answer !== undefined) expect(errorCode(replay)).toBe('WIRE_NONCE_REPLAYED')
      expect([200, 409]).toContain(replay.status)
      expect(errorCode(await running.post('/v1/forward', one.forwarded))).toBe('WIRE_NONCE_REPLAYED')
      const again = await running.ask('POST', path, one.body, { by: home.agent, requestId: one.requestId })
      expect(again.status).toBe(200)
      if (one.answer !== undefined) expect(again).toEqual(one.answer)
      if (replay.status === 200) expect(again).toEqual(replay)
    }
  }

  async function checkBudgetIsExactly(spent: bigint): Promise<void> {
    const pay = (value: bigint) => running.ask('POST', path, payment(value, 999_999), { by: home.agent })
    expect(errorCode(await pay(limit - spent + 1n))).toBe('POLICY_REFUSED')
    expect((await pay(limit - spent)).status).toBe(200)
    expect(errorCode(await pay(1n))).toBe('POLICY_REFUSED')
  }

  let policy = 'first'
  it.each(crashPoints)(
    '%s: nothing acknowledged is lost, nothing is signed twice, no budget leaks',
    async (point) => {
      await freshPolicy(point, policy)
      policy = point
      await running.kill()

      // Alone: for a commit the second one, which is the outcome's.
      running = await crashOnes({ CRASH_AT: point, CRASH_NTH: point.endsWith('commit') ? '2' : '1' })
      const alone = await send(running, `${point}-alone`, 0)
      expect(alone.answer).toBeUndefined()
      expect((await running.ended).signal).toBe('SIGKILL')

      running = await crashOnes({ CRASH_AT: point, CRASH_NTH: nthBusy(point) })
      const busy = await sendUntilDead(running, point)
      expect((await running.ended).signal).toBe('SIGKILL')
      expect(busy.filter(({ answer }) => answer?.status === 200).length).toBeGreaterThan(0)
      expect(busy.filter(({ answer }) => answer === undefined).length).toBe(inFlight)

      running = await startSigner(home)
      await checkAllSettled([alone, ...busy])
      await checkBudgetIsExactly(BigInt(busy.length) + 1n)
    },
  )

  it('in the middle of its recovery: the next start finishes it', async () => {
    await freshPolicy('in-recovery', policy)
    await running.kill()
    running = await crashOnes({ CRASH_AT: 'permitted', CRASH_NTH: '1' })
    const busy = await sendUntilDead(running, 'in-recovery')
    for (const CRASH_AT of ['before-commit', 'after-commit']) {
      await expect(crashOnes({ CRASH_AT, CRASH_FROM: 'start' })).rejects.toThrow('SIGKILL')
    }
    running = await startSigner(home)
    await checkAllSettled(busy)
    await checkBudgetIsExactly(BigInt(busy.length))
  })

  it('and afterwards the journal verifies: one outcome for each permit, one signature for each request', async () => {
    await running.kill()
    const database = new DatabaseSync(`${home.dataDir}/signer.db`)
    const segments = database.prepare('SELECT entries FROM segment ORDER BY first').all() as {
      entries: string
    }[]
    const leaves = segments.flatMap(({ entries }) => entries.split('\n'))
    const { checkpoint } = database.prepare('SELECT checkpoint FROM head').get() as { checkpoint: string }
    const open = database.prepare('SELECT size - open_from AS n FROM head').get()
    database.close()
    expect(open).toEqual({ n: 0 })

    const frontier = new MerkleFrontier()
    for (const leaf of leaves) frontier.append(leafHash(encodeUtf8(leaf)))
    const stated = decodeCheckpoint(checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1))
    expect(stated.size).toBe(leaves.length)
    expect(isEqual(stated.root, frontier.root())).toBe(true)

    const entries = leaves.map((leaf): Entry => JSON.parse(leaf))
    const permits = entries.flatMap(({ type }, i) => (type === 'permit' ? [i] : []))
    const outcomes = entries.filter(({ type }) => type === 'signed' || type === 'abandoned')
    expect(outcomes.map(({ permit }) => permit).sort((a, b) => Number(a) - Number(b))).toEqual(permits)
    expect(outcomes.filter(({ type }) => type === 'abandoned').length).toBeGreaterThan(0)
    const signed = entries.filter(({ type }) => type === 'signed').map(({ requestId }) => requestId)
    expect(new Set(signed).size).toBe(signed.length)
    running = await startSigner(home)
  })
})
