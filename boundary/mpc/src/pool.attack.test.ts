import { describe, expect, it } from 'vitest'
import { Epoch } from './epoch.ts'
import { nobleSecp256k1Group as group } from './index.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import { PresignaturePool } from './pool.ts'
import type { PoolAnswer, PoolRequest, PoolResult } from './pool-messages.ts'
import { openPoolThread } from './pool-thread.ts'
import type { Presignature } from './presignature.ts'
import { platformRandom } from './random-source.ts'
import { encodeKeyShare } from './share-codec.ts'
import { openPresignature } from './sign.ts'
import { dealShares, runNetwork } from './testing/index.ts'

/** A peer, or a clock, that works against the pool. */
const digest = new Uint8Array(32).fill(4)
const deal = () => dealShares({ group, threshold: 2, indices: [1, 2, 3], random: platformRandom })

async function presign(epochs: readonly Epoch[], path: readonly number[]): Promise<Presignature> {
  const common = { signers: epochs.map(({ share }) => share.index), path, instance: platformRandom(32) }
  const sessions = new Map(epochs.map((epoch) => [epoch.share.index, openPresignature({ ...common, epoch })]))
  await runNetwork(sessions)
  const outcome = sessions.get(1)?.outcome
  if (outcome?.status !== 'done') throw new Error('no presignature')
  return outcome.result
}

/** A pool's thread without the thread: what it says is delivered by hand. */
class Thread {
  readonly results = new Map<number, PoolResult>()
  readonly said: Extract<PoolAnswer, { kind: 'frames' }>[] = []
  readonly stores: number[] = []
  readonly burns: number[] = []
  ids: readonly Uint8Array[] = []
  #handle: ((request: PoolRequest) => void) | undefined

  async open(share: EcdsaKeyShare): Promise<this> {
    const data = {
      kind: 'countersign-mpc-pool',
      share: encodeKeyShare(share),
      burned: [],
      backend: 'noble',
      pool: { capacity: 4, maxAgeMs: 1000 },
    } as const
    this.#handle = await openPoolThread(data, (answer) => this.#listen(answer))
    return this
  }

  ask(request: PoolRequest): void {
    this.#handle?.(request)
  }

  #listen(answer: PoolAnswer): void {
    if (answer.kind === 'frames') this.said.push(answer)
    if (answer.kind === 'ended') this.results.set(answer.session, answer.result)
    if (answer.kind === 'store-mark') this.stores.push(answer.request)
    if (answer.kind === 'store-burns') this.burns.push(answer.request)
    if (answer.kind === 'status') this.ids = answer.status.ids
  }
}

function exchange(one: Thread, two: Thread, change: (bytes: Uint8Array) => void = () => undefined): void {
  for (;;) {
    const [fromOne, fromTwo] = [one.said.splice(0), two.said.splice(0)]
    if (fromOne.length + fromTwo.length === 0) return
    for (const [from, to, said] of [
      [1, two, fromOne],
      [2, one, fromTwo],
    ] as const) {
      for (const { session, frames } of said)
        for (const { bytes } of frames) {
          if (from === 2) change(bytes)
          to.ask({ kind: 'frame', session, nowMs: 0, from, bytes })
        }
    }
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0))

describe('a pool among enemies', () => {
  it('a party that does not sign, and a signer that repeats itself, crowd out nobody’s frame', async () => {
    const shares = deal()
    const one = await new Thread().open(shares.get(1) as EcdsaKeyShare)
    const two = await new Thread().open(shares.get(2) as EcdsaKeyShare)
    const order = { signers: [1, 2], path: [], instance: platformRandom(32) }
    for (const thread of [one, two]) thread.ask({ kind: 'presign', session: 1, nowMs: 0, order })
    exchange(one, two)
    expect([one, two].map(({ results }) => results.get(1)?.status)).toEqual(['presigned', 'presigned'])
    const choice = { signers: [1, 2], path: [] }
    for (const thread of [one, two])
      thread.ask({ kind: 'sign', session: 2, nowMs: 0, order: { digest, choice } })
    await settled()
    // Party 1's mark takes its time; meanwhile party 3, which is authenticated and none of the signers, talks.
    for (let i = 0; i < 50; i++) {
      one.ask({ kind: 'frame', session: 2, nowMs: 0, from: 3, bytes: new Uint8Array(1_000_000) })
    }
    two.ask({ kind: 'stored', request: two.stores[0] as number, isStored: true })
    await settled()
    exchange(one, two)
    one.ask({ kind: 'stored', request: one.stores[0] as number, isStored: true })
    await settled()
    exchange(one, two)
    expect(one.results.get(2)).toMatchObject({ status: 'signed' })
  })

  it('A24: a peer that names a presignature of another key does not get a digest signed with it', async () => {
    const shares = deal()
    const epochs = [1, 2].map((index) => new Epoch({ share: shares.get(index) as never, burned: [] }))
    const pool = new PresignaturePool({ capacity: 4, maxAgeMs: 1000 })
    const other = await presign(epochs, [99])
    pool.add(other, 0)
    // The digest is for path [1]; the peer, who chooses, says the id of a presignature of path [99].
    expect(pool.take({ id: other.id, signers: [1, 2], path: [1] }, 0)).toBeUndefined()
    // @ts-expect-error whoever takes one says for which key, or would sign with whatever lies there
    const byId = () => pool.take({ id: other.id }, 0)
    expect(byId).toThrow()
    // @ts-expect-error the same
    expect(() => pool.take({}, 0)).toThrow()
    expect(pool.take({ id: other.id, signers: [2, 1], path: [99] }, 0)).toBe(other)
  })

  it('A1: a burn whose mark could not be stored is asked for again, and nothing else happens before it is stored', async () => {
    const shares = deal()
    const one = await new Thread().open(shares.get(1) as EcdsaKeyShare)
    const cheater = await new Thread().open(shares.get(2) as EcdsaKeyShare)
    const order = { signers: [1, 2], path: [], instance: platformRandom(32) }
    for (const thread of [one, cheater]) thread.ask({ kind: 'presign', session: 1, nowMs: 0, order })
    exchange(one, cheater, (bytes) => {
      if (bytes[2] === codes.sign2) bytes[41 + 10_240] = (bytes[41 + 10_240] as number) ^ 1
    })
    await settled()
    expect(one.burns).toHaveLength(1)
    one.ask({ kind: 'stored', request: one.burns[0] as number, isStored: false })
    await settled()
    expect(one.results.get(1)).toMatchObject({ status: 'failed', code: 'MPC_STORE_FAILED' })
    // After a restart nobody would know; so whoever wants anything has the mark stored first.
    const other = { signers: [1, 3], path: [], instance: platformRandom(32) }
    one.ask({ kind: 'presign', session: 2, nowMs: 0, order: other })
    await settled()
    expect(one.results.get(2)).toMatchObject({ status: 'failed', code: 'MPC_STORE_FAILED' })
    expect(one.burns).toHaveLength(2)
    one.ask({ kind: 'presign', session: 3, nowMs: 0, order: other })
    await settled()
    expect(one.burns).toHaveLength(2)
    one.ask({ kind: 'stored', request: one.burns[1] as number, isStored: true })
    await settled()
    one.ask({ kind: 'presign', session: 4, nowMs: 0, order: other })
    await settled()
    expect(one.results.get(4)).toBeUndefined()
    expect(one.said.map(({ session }) => session)).toContain(4)
  })

  it('a clock that says nothing makes nothing young', async () => {
    const shares = deal()
    const epochs = [1, 2].map((index) => new Epoch({ share: shares.get(index) as never, burned: [] }))
    const pool = new PresignaturePool({ capacity: 4, maxAgeMs: 1000 })
    const first = await presign(epochs, [])
    pool.add(first, 0)
    expect(pool.list(Number.NaN)).toEqual([])
    expect(first.isFresh).toBe(false)
    const second = await presign(epochs, [])
    pool.add(second, Number.NaN)
    expect(pool.list(0)).toEqual([])
    expect(second.isFresh).toBe(false)
  })

  it('two presignatures under one id are not in one place', async () => {
    const shares = deal()
    const epochs = [1, 2].map((index) => new Epoch({ share: shares.get(index) as never, burned: [] }))
    const pool = new PresignaturePool({ capacity: 4, maxAgeMs: 1000 })
    const first = await presign(epochs, [])
    pool.add(first, 0)
    // What a caller does to the array that it was given changes nothing here.
    first.id.fill(0)
    const second = await presign(epochs, [])
    second.id.fill(0)
    pool.add(second, 0)
    const marks: Uint8Array[] = []
    for (const one of pool.list(0))
      await one.sign(digest, async (mark) => void marks.push(mark.presignatureId))
    expect(new Set(marks.map(String)).size).toBe(2)
  })
})
