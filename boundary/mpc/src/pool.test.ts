import { describe, expect, it } from 'vitest'
import { Epoch } from './epoch.ts'
import { encodeKeyShare } from './index.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import { PresignaturePool, poolCapacityMax } from './pool.ts'
import type { PoolResult } from './pool-messages.ts'
import { openPoolWorker, type PoolSession, type PoolWorker, type PoolWorkerOptions } from './pool-worker.ts'
import type { ConsumptionMark, Presignature } from './presignature.ts'
import { platformRandom } from './random-source.ts'
import type { Outgoing } from './session.ts'
import { openPresignature } from './sign.ts'
import { dealShares, runNetwork } from './testing/index.ts'

const group = await loadNativeSecp256k1Group()
const digest = new Uint8Array(32).fill(4)
const deal = () => dealShares({ group, threshold: 2, indices: [1, 2, 3], random: platformRandom })

async function presign(epochs: readonly Epoch[], path: readonly number[] = []): Promise<Presignature[]> {
  const common = { signers: epochs.map(({ share }) => share.index), path, instance: platformRandom(32) }
  const sessions = new Map(epochs.map((epoch) => [epoch.share.index, openPresignature({ ...common, epoch })]))
  await runNetwork(sessions)
  return [...sessions.values()].map(({ outcome }) => {
    if (outcome?.status !== 'done') throw new Error('no presignature')
    return outcome.result
  })
}

const epochsOf = (indices: readonly number[]) => {
  const shares = deal()
  return indices.map((index) => new Epoch({ share: shares.get(index)!, burned: [] })) as [Epoch, Epoch]
}

describe('a pool', () => {
  const options = { capacity: 2, maxAgeMs: 1000 }

  it('gives the oldest that fits, once', async () => {
    const [one, two] = epochsOf([1, 2])
    const pool = new PresignaturePool(options)
    const [first] = (await presign([one, two])) as [Presignature]
    const [second] = (await presign([one, two], [7])) as [Presignature]
    pool.add(first, 0)
    pool.add(second, 1)
    expect(pool.room(2)).toBe(0)
    expect(pool.take({ signers: [1, 2], path: [8] }, 2)).toBeUndefined()
    expect(pool.take({ signers: [1, 3], path: [7] }, 2)).toBeUndefined()
    expect(pool.take({ path: [7], signers: [2, 1] }, 2)).toBe(second)
    expect(pool.take({ signers: [1, 2], path: [7] }, 2)).toBeUndefined()
    expect(pool.take({ id: second.id, signers: [1, 2], path: [7] }, 2)).toBeUndefined()
    expect(pool.take({ id: first.id, signers: [1, 2], path: [] }, 2)).toBe(first)
    expect(pool.take({ signers: [1, 2], path: [] }, 2)).toBeUndefined()
  })

  it('holds no more than its capacity: what does not fit is erased', async () => {
    const [one, two] = epochsOf([1, 2])
    const pool = new PresignaturePool({ ...options, capacity: 1 })
    const [first] = (await presign([one, two])) as [Presignature]
    const [second] = (await presign([one, two])) as [Presignature]
    pool.add(first, 0)
    expect(() => pool.add(second, 0)).toThrow(expect.objectContaining({ code: 'MPC_LIMIT_REACHED' }))
    expect(second.isFresh).toBe(false)
    expect(first.isFresh).toBe(true)
  })

  it('erases what is too old, and what a clock that ran backwards makes doubtful', async () => {
    const [one, two] = epochsOf([1, 2])
    const pool = new PresignaturePool(options)
    const [first] = (await presign([one, two])) as [Presignature]
    pool.add(first, 0)
    expect(pool.list(999)).toEqual([first])
    expect(pool.take({ signers: [1, 2], path: [] }, 1000)).toBeUndefined()
    expect(first.isFresh).toBe(false)
    const [second] = (await presign([one, two])) as [Presignature]
    pool.add(second, 5000)
    expect(pool.list(4999)).toEqual([])
    expect(second.isFresh).toBe(false)
    expect(one.size).toBe(0)
  })

  it.each<[string, (epoch: Epoch) => void]>([
    ['a burn', (epoch) => epoch.applyBurns([{ epochId: epoch.share.epochId, own: 1, peer: 2 }])],
    ['a refresh or reshare', (epoch) => epoch.retire()],
  ])('loses everything that %s ends, at the same moment', async (_, endIt) => {
    const shares = deal()
    const epochs = [1, 2, 3].map((index) => new Epoch({ share: shares.get(index)!, burned: [] })) as [
      Epoch,
      Epoch,
      Epoch,
    ]
    const pool = new PresignaturePool(options)
    const [withTwo] = (await presign([epochs[0], epochs[1]])) as [Presignature]
    const [withThree] = (await presign([epochs[0], epochs[2]])) as [Presignature]
    pool.add(withTwo, 0)
    pool.add(withThree, 0)
    endIt(epochs[0])
    expect(withTwo.isFresh).toBe(false)
    expect(pool.take({ signers: [1, 2], path: [] }, 0)).toBeUndefined()
    expect(pool.list(0)).toEqual(epochs[0].isRetired ? [] : [withThree])
  })

  it('takes no presignature that was used, and clears', async () => {
    const [one, two] = epochsOf([1, 2])
    const pool = new PresignaturePool(options)
    const [used] = (await presign([one, two])) as [Presignature]
    await used.sign(digest, async () => undefined)
    expect(() => pool.add(used, 0)).toThrow(expect.objectContaining({ code: 'MPC_SPENT' }))
    const [first] = (await presign([one, two])) as [Presignature]
    pool.add(first, 0)
    pool.clear()
    expect(first.isFresh).toBe(false)
    expect(pool.room(0)).toBe(2)
  })

  it.each([
    { capacity: 0, maxAgeMs: 1 },
    { capacity: 1.5, maxAgeMs: 1 },
    { capacity: poolCapacityMax + 1, maxAgeMs: 1 },
    { capacity: 1, maxAgeMs: 0 },
    { capacity: 1, maxAgeMs: Number.POSITIVE_INFINITY },
    { capacity: 1, maxAgeMs: Number.NaN },
  ])('refuses %o', (bad) => {
    expect(() => new PresignaturePool(bad)).toThrow(expect.objectContaining({ code: 'MPC_INPUT_INVALID' }))
  })
})

describe('a pool in a thread', () => {
  const open = (share: EcdsaKeyShare, change: Partial<PoolWorkerOptions> = {}) =>
    openPoolWorker({
      share: Uint8Array.from(encodeKeyShare(share)),
      burned: [],
      backend: 'native',
      pool: { capacity: 4, maxAgeMs: 60_000 },
      writeAhead: async () => undefined,
      persistBurns: async () => undefined,
      ...change,
    })

  type Start = (worker: PoolWorker, index: number, send: (frames: readonly Outgoing[]) => void) => PoolSession

  /** Connects one session of each of two workers; `change` is the wire. */
  async function connect(
    workers: ReadonlyMap<number, PoolWorker>,
    start: Start,
    change: (bytes: Uint8Array, from: number) => Uint8Array = (bytes) => bytes,
  ): Promise<PoolResult[]> {
    const sessions = new Map<number, PoolSession>()
    const early: (() => void)[] = []
    for (const [index, worker] of workers) {
      const session = start(worker, index, (frames) => {
        const deliver = () => {
          for (const { bytes } of frames) {
            for (const [peer, other] of sessions)
              if (peer !== index) other.receive(index, change(bytes, index))
          }
        }
        if (sessions.size === workers.size) deliver()
        else early.push(deliver)
      })
      sessions.set(index, session)
    }
    for (const deliver of early) deliver()
    return Promise.all([...sessions.values()].map(({ ended }) => ended))
  }

  const anyOf = { signers: [1, 2], path: [3] }
  const order = () => ({ ...anyOf, instance: platformRandom(32) })

  it('presigns and signs, with the mark stored before anything leaves, and moves the share in', async () => {
    const shares = deal()
    const marks: ConsumptionMark[] = []
    const sent: number[] = []
    const writeAhead = async (mark: ConsumptionMark) => {
      sent.push(-1)
      marks.push(mark)
    }
    const bytes = Uint8Array.from(encodeKeyShare(shares.get(1)!))
    const workers = new Map([
      [1, await open(shares.get(1)!, { share: bytes, writeAhead })],
      [2, await open(shares.get(2)!)],
    ])
    expect(bytes).toHaveLength(0)
    try {
      const common = order()
      const made = await connect(workers, (worker, _, send) => worker.presign(common, send))
      expect(made.map(({ status }) => status)).toEqual(['presigned', 'presigned'])
      const { ids, room } = await workers.get(1)!.status()
      expect(room).toBe(3)
      const choice = { id: ids[0] as Uint8Array, ...anyOf }
      const results = await connect(workers, (worker, index, send) =>
        worker.sign({ digest, choice }, (frames) => {
          if (index === 1) sent.push(frames.length)
          send(frames)
        }),
      )
      const [one, two] = results
      if (one?.status !== 'signed' || two?.status !== 'signed') throw new Error(JSON.stringify(results))
      expect(one.signature).toEqual(two.signature)
      expect(group.verify(digest, one.signature.bytes, group.decode(one.signature.publicKey))).toBe(true)
      expect(marks).toEqual([{ presignatureId: choice.id, epochId: shares.get(1)!.epochId, digest }])
      expect(sent).toEqual([-1, 1])
      // Used: nobody gets it again.
      const again = await workers.get(1)!.sign({ digest, choice }, () => undefined).ended
      expect(again).toMatchObject({ status: 'failed', code: 'MPC_POOL_EMPTY' })
    } finally {
      for (const worker of workers.values()) await worker.close()
    }
  })

  it('says nothing when its mark cannot be stored, and the presignature is gone', async () => {
    const shares = deal()
    const failing = { writeAhead: () => Promise.reject(new Error('disk full')) }
    const workers = new Map([
      [1, await open(shares.get(1)!, failing)],
      [2, await open(shares.get(2)!)],
    ])
    try {
      const common = order()
      await connect(workers, (worker, _, send) => worker.presign(common, send))
      let sent = 0
      const { ended } = workers.get(1)!.sign({ digest, choice: anyOf }, () => sent++)
      expect(await ended).toMatchObject({ status: 'failed', code: 'MPC_STORE_FAILED' })
      expect(sent).toBe(0)
      expect((await workers.get(1)!.status()).ids).toEqual([])
    } finally {
      for (const worker of workers.values()) await worker.close()
    }
  })

  it('burns in its thread after the main thread has stored it, and refuses from then on', async () => {
    const shares = deal()
    const marks: unknown[] = []
    const persistBurns: PoolWorkerOptions['persistBurns'] = async (burned) => {
      marks.push(...burned)
    }
    const workers = new Map([
      [1, await open(shares.get(1)!, { persistBurns })],
      [2, await open(shares.get(2)!)],
    ])
    try {
      const common = order()
      // Party 2's extension, altered in its check value.
      const change = (bytes: Uint8Array, from: number) => {
        if (from !== 2 || bytes[2] !== 0x52) return bytes
        const altered = bytes.slice()
        altered[41 + 10_240] = (altered[41 + 10_240] as number) ^ 1
        return altered
      }
      let abort: PoolResult | undefined
      const all = connect(
        workers,
        (worker, index, send) => {
          const session = worker.presign(common, send)
          if (index === 1) {
            session.ended.then((result) => {
              abort = result
            })
          } else setTimeout(() => session.expire(), 1500)
          return session
        },
        change,
      )
      const [, timedOut] = await all
      expect(abort).toMatchObject({ status: 'aborted', abort: { kind: 'BURN', culprits: [2] } })
      expect(timedOut).toMatchObject({ status: 'aborted', abort: { kind: 'RETRY', problem: 'timeout' } })
      expect(marks).toEqual([{ epochId: shares.get(1)!.epochId, own: 1, peer: 2 }])
      expect((await workers.get(1)!.status()).burned).toEqual([2])
      const { ended } = workers.get(1)!.presign(order(), () => undefined)
      expect(await ended).toMatchObject({ status: 'failed', code: 'MPC_PAIR_BURNED' })
    } finally {
      for (const worker of workers.values()) await worker.close()
    }
  })

  it('loses its presignatures with its thread, and ends what was running', async () => {
    const shares = deal()
    const workers = new Map([
      [1, await open(shares.get(1)!)],
      [2, await open(shares.get(2)!)],
    ])
    const common = order()
    await connect(workers, (worker, _, send) => worker.presign(common, send))
    const one = workers.get(1)!
    const running = one.presign(order(), () => undefined)
    await one.close()
    expect(await running.ended).toMatchObject({ status: 'failed', code: 'MPC_POOL_CLOSED' })
    expect(await one.sign({ digest, choice: anyOf }, () => undefined).ended).toMatchObject({
      code: 'MPC_POOL_CLOSED',
    })
    await expect(one.status()).rejects.toMatchObject({ code: 'MPC_POOL_CLOSED' })
    await workers.get(2)!.close()
    const restarted = await open(shares.get(1)!)
    expect((await restarted.status()).ids).toEqual([])
    restarted.retire()
    expect(await restarted.presign(order(), () => undefined).ended).toMatchObject({
      code: 'MPC_EPOCH_RETIRED',
    })
    await restarted.close()
  })

  it('ends a signature that is cancelled while its mark is being stored', async () => {
    const shares = deal()
    let store: () => void = () => undefined
    const writeAhead = () =>
      new Promise<void>((resolve) => {
        store = resolve
      })
    const workers = new Map([
      [1, await open(shares.get(1)!, { writeAhead })],
      [2, await open(shares.get(2)!)],
    ])
    try {
      const common = order()
      await connect(workers, (worker, _, send) => worker.presign(common, send))
      let sent = 0
      const session = workers.get(1)!.sign({ digest, choice: anyOf }, () => sent++)
      session.expire('cancelled')
      expect(await session.ended).toMatchObject({
        status: 'aborted',
        abort: { kind: 'RETRY', problem: 'cancelled' },
      })
      store()
      expect((await workers.get(1)!.status()).ids).toEqual([])
      expect(sent).toBe(0)
    } finally {
      for (const worker of workers.values()) await worker.close()
    }
  })

  it('does not start with a share that is none', async () => {
    await expect(open(deal().get(1)!, { share: new Uint8Array(100) })).rejects.toMatchObject({
      code: 'MPC_SHARE_INVALID',
    })
  })
})
