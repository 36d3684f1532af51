import { EventEmitter } from 'node:events'
import { beforeEach, expect, it, vi } from 'vitest'
import { frameBytesMax } from './frame.ts'
import type { PoolRequest } from './pool-messages.ts'

/** What the main thread hands to the pool's thread, and a thread that ends before it has begun. */
class FakeThread extends EventEmitter {
  static last: FakeThread
  readonly posted: PoolRequest[] = []
  constructor() {
    super()
    FakeThread.last = this
  }
  postMessage(request: PoolRequest): void {
    this.posted.push(request)
  }
  async terminate(): Promise<void> {}
}

vi.mock('node:worker_threads', () => ({
  isMainThread: true,
  parentPort: null,
  workerData: null,
  Worker: FakeThread,
}))

const { openPoolWorker } = await import('./pool-worker.ts')

const open = () =>
  openPoolWorker({
    share: new Uint8Array(1),
    burned: [],
    backend: 'noble',
    pool: { capacity: 1, maxAgeMs: 1 },
    writeAhead: async () => undefined,
    persistBurns: async () => undefined,
  })

let opening: ReturnType<typeof open>
beforeEach(() => {
  opening = open()
})

it('a thread that ends before it is ready is an error, not a wait without end', async () => {
  FakeThread.last.emit('exit', 1)
  await expect(opening).rejects.toMatchObject({ code: 'MPC_POOL_CLOSED' })
})

it('a frame in a slab of Node’s takes none of its neighbours into the thread', async () => {
  FakeThread.last.emit('message', { kind: 'ready' })
  const pool = await opening
  const slab = Buffer.alloc(65_536, 0x77)
  const session = pool.presign(
    { signers: [1, 2], path: [], instance: slab.subarray(100, 132) },
    () => undefined,
  )
  session.receive(2, slab.subarray(500, 605))
  pool.sign(
    {
      digest: slab.subarray(0, 32),
      choice: { signers: [1, 2], path: [], id: slab.subarray(32, 64) },
    },
    () => undefined,
  )
  const arrays = FakeThread.last.posted.flatMap((request) => {
    if (request.kind === 'frame') return [request.bytes]
    if (request.kind === 'presign') return [request.order.instance]
    return request.kind === 'sign' ? [request.order.digest, request.order.choice.id as Uint8Array] : []
  })
  expect(arrays.map(({ length }) => length)).toEqual([32, 105, 32, 32])
  // A structured clone copies all of an array's buffer.
  for (const { buffer, length } of arrays) expect(buffer.byteLength).toBe(length)
})

it('frames that are too long, or of a session that has ended, do not reach the thread', async () => {
  FakeThread.last.emit('message', { kind: 'ready' })
  const pool = await opening
  const order = { signers: [1, 2], path: [], instance: new Uint8Array(32) }
  const session = pool.presign(order, () => undefined)
  session.receive(2, new Uint8Array(frameBytesMax + 1))
  const abort = { kind: 'RETRY', problem: 'timeout', culprits: [], message: '' } as const
  FakeThread.last.emit('message', { kind: 'ended', session: 1, result: { status: 'aborted', abort } })
  session.receive(2, new Uint8Array(105))
  expect(FakeThread.last.posted.map(({ kind }) => kind)).toEqual(['presign'])
})
