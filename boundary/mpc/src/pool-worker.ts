import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { BurnMark, PersistBurns } from './abort.ts'
import { copyBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { frameBytesMax } from './frame.ts'
import type { PartyIndex } from './parties.ts'
import type { PoolOptions } from './pool.ts'
import type {
  PoolAnswer,
  PoolRequest,
  PoolResult,
  PoolStatus,
  PoolThreadData,
  PresignOrder,
  SignOrder,
} from './pool-messages.ts'
import { openPoolThread } from './pool-thread.ts'
import type { WriteAhead } from './presignature.ts'
import type { Outgoing } from './session.ts'

const kind = 'countersign-mpc-pool'

export interface PoolWorkerOptions {
  /** As `encodeKeyShare` wrote it. It is moved into the thread: the array is empty afterwards. */
  readonly share: Uint8Array<ArrayBuffer>
  /** Every mark that was ever stored; see Epoch. */
  readonly burned: readonly BurnMark[]
  readonly backend: 'noble' | 'native'
  readonly pool: PoolOptions
  /** Called in the main thread; the thread waits for it before anything leaves. */
  readonly writeAhead: WriteAhead
  readonly persistBurns: PersistBurns
  readonly now?: () => number
}

/** A session in the thread, as the main thread holds it. */
export interface PoolSession {
  /** Of whom the channel has authenticated. */
  receive(from: PartyIndex, bytes: Uint8Array): void
  expire(problem?: 'timeout' | 'cancelled'): void
  /** Never rejects. */
  readonly ended: Promise<PoolResult>
}

export interface PoolWorker {
  /** @param send Takes the frames as they come. */
  presign(order: PresignOrder, send: (frames: readonly Outgoing[]) => void): PoolSession
  /** Online signature with a presignature of the pool. */
  sign(order: SignOrder, send: (frames: readonly Outgoing[]) => void): PoolSession
  /** Burns that were found elsewhere, after they were stored. */
  burn(marks: readonly BurnMark[]): void
  /** After a refresh or a reshare. */
  retire(): void
  status(): Promise<PoolStatus>
  /** Ends the thread; everything in it is gone. */
  close(): Promise<void>
}

/**
 * A pool of presignatures and its sessions in a thread of its own, so that the main thread answers while they compute.
 * Node only. What dies with the thread is lost, never used again: the marks are with the caller.
 * @throws {CountersignError} what the thread cannot start with: MPC_NATIVE_UNAVAILABLE, MPC_SHARE_INVALID */
export async function openPoolWorker(options: PoolWorkerOptions): Promise<PoolWorker> {
  const { share, burned, backend, pool, writeAhead, persistBurns, now = Date.now } = options
  const data: PoolThreadData = { kind, share, burned, backend, pool }
  const thread = new Worker(new URL(import.meta.url), {
    workerData: data,
    transferList: [share.buffer],
    env: {},
    stdin: false,
  })
  // Byte strings are copied before: a clone takes along the whole buffer that a view is of.
  const post = (request: PoolRequest) => thread.postMessage(request)
  const sessions = new Map<
    number,
    { send: (frames: readonly Outgoing[]) => void; end: (result: PoolResult) => void }
  >()
  const statuses = new Map<
    number,
    { resolve: (status: PoolStatus) => void; reject: (error: unknown) => void }
  >()
  let nextNumber = 1
  let isOver = false

  /** The thread is gone, by `close` or by a bug: nobody waits for it any longer. */
  function finish(error: unknown): void {
    isOver = true
    const message = error instanceof Error ? error.message : 'The pool is closed.'
    for (const { end } of sessions.values()) end({ status: 'failed', code: 'MPC_POOL_CLOSED', message })
    sessions.clear()
    for (const { reject } of statuses.values()) reject(mpcError('MPC_POOL_CLOSED', message))
    statuses.clear()
  }

  function settle(request: number, stored: Promise<void>): void {
    stored.then(
      () => post({ kind: 'stored', request, isStored: true }),
      () => post({ kind: 'stored', request, isStored: false }),
    )
  }

  function listen(answer: PoolAnswer): void {
    switch (answer.kind) {
      case 'frames':
        sessions.get(answer.session)?.send(answer.frames)
        return
      case 'ended':
        sessions.get(answer.session)?.end(answer.result)
        sessions.delete(answer.session)
        return
      case 'store-mark':
        settle(
          answer.request,
          Promise.resolve().then(() => writeAhead(answer.mark)),
        )
        return
      case 'store-burns':
        settle(
          answer.request,
          Promise.resolve().then(() => persistBurns(answer.marks)),
        )
        return
      case 'status':
        statuses.get(answer.request)?.resolve(answer.status)
        statuses.delete(answer.request)
    }
  }

  await new Promise<void>((resolve, reject) => {
    const exit = () =>
      reject(mpcError('MPC_POOL_CLOSED', 'The thread of the pool has ended before it was ready.'))
    thread.once('error', reject)
    thread.once('exit', exit)
    thread.once('message', () => {
      thread.off('error', reject)
      thread.off('exit', exit)
      resolve()
    })
  })
  thread.on('message', listen)
  thread.on('error', finish)
  thread.on('exit', () => finish(undefined))

  function open(
    request: (session: number) => PoolRequest,
    send: (frames: readonly Outgoing[]) => void,
  ): PoolSession {
    const session = nextNumber++
    const ended = new Promise<PoolResult>((end) => {
      if (isOver) end({ status: 'failed', code: 'MPC_POOL_CLOSED', message: 'The pool is closed.' })
      else sessions.set(session, { send, end })
    })
    if (!isOver) post(request(session))
    return {
      ended,
      receive(from, bytes) {
        if (!sessions.has(session) || bytes.length > frameBytesMax) return
        post({ kind: 'frame', session, nowMs: now(), from, bytes: copyBytes(bytes) })
      },
      expire: (problem = 'timeout') => post({ kind: 'expire', session, problem }),
    }
  }

  return {
    presign({ signers, path, instance }, send) {
      const order = { signers, path, instance: copyBytes(instance) }
      return open((session) => ({ kind: 'presign', session, nowMs: now(), order }), send)
    },
    sign({ digest, choice }, send) {
      const { id, signers, path } = choice
      const own = id === undefined ? { signers, path } : { signers, path, id: copyBytes(id) }
      const order = { digest: copyBytes(digest), choice: own }
      return open((session) => ({ kind: 'sign', session, nowMs: now(), order }), send)
    },
    burn: (marks) => post({ kind: 'burn', marks }),
    retire: () => post({ kind: 'retire' }),
    status() {
      const request = nextNumber++
      return new Promise((resolve, reject) => {
        if (isOver) {
          reject(mpcError('MPC_POOL_CLOSED', 'The pool is closed.'))
          return
        }
        statuses.set(request, { resolve, reject })
        post({ kind: 'status', request, nowMs: now() })
      })
    },
    async close() {
      await thread.terminate()
      finish(undefined)
    },
  }
}

/** The thread: this file again. */
async function run(data: PoolThreadData, port: NonNullable<typeof parentPort>): Promise<void> {
  const handle = await openPoolThread(data, (answer) => port.postMessage(answer))
  port.on('message', handle)
  port.postMessage({ kind: 'ready' } satisfies PoolAnswer)
}

if (!isMainThread && parentPort !== null && (workerData as { kind?: unknown } | null)?.kind === kind) {
  await run(workerData as PoolThreadData, parentPort)
}
