import { isCountersignError } from '@countersign/bytes'
import { type BurnAbort, type BurnDuty, retry } from './abort.ts'
import { mpcError } from './catalogue.ts'
import { ed25519Group } from './ed25519-group.ts'
import { Epoch } from './epoch.ts'
import { frameBytesMax } from './frame.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { PartyIndex } from './parties.ts'
import { PresignaturePool } from './pool.ts'
import type {
  PoolAnswer,
  PoolRequest,
  PoolResult,
  PoolThreadData,
  PresignOrder,
  SignOrder,
} from './pool-messages.ts'
import type { EcdsaSignature, Presignature } from './presignature.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'
import type { Session } from './session.ts'
import { decodeKeyShare } from './share-codec.ts'
import { openPresignature } from './sign.ts'

/** Sessions of one pool that run at once. */
export const poolSessionsMax = 256

type Running =
  | { readonly kind: 'presign'; readonly session: Session<Presignature> }
  | { readonly kind: 'sign'; readonly session: Session<EcdsaSignature>; readonly presignature: Presignature }

/** A signature whose mark is not stored yet, and the frames that came for it. */
interface Waiting {
  readonly signers: readonly PartyIndex[]
  readonly frames: Map<PartyIndex, Uint8Array>
}

/**
 * The pool's side in its thread: share, presignatures and sessions live here and end with it. Every message is handled
 * at once and in order; only what must be stored first waits.
 * @param say Posts to the main thread. */
export async function openPoolThread(
  { share: bytes, burned, backend, pool: options }: PoolThreadData,
  say: (answer: PoolAnswer) => void,
): Promise<(request: PoolRequest) => void> {
  const secp256k1 = backend === 'native' ? await loadNativeSecp256k1Group() : nobleSecp256k1Group
  const share = decodeKeyShare(bytes, { secp256k1, ed25519: ed25519Group })
  bytes.fill(0)
  if (share.suite !== 1) throw mpcError('MPC_INPUT_INVALID', 'Only ECDSA has presignatures.')
  const epoch = new Epoch({ share: share as EcdsaKeyShare, burned })
  const pool = new PresignaturePool(options)
  const running = new Map<number, Running>()
  const waiting = new Map<number, Waiting>()
  const requests = new Map<number, (isStored: boolean) => void>()
  /** Burns whose marks could not be stored. The pair is burned in here; after a restart nobody would know. */
  const unsettled = new Set<BurnDuty>()
  let nextRequest = 1

  /** Asks the main thread to make something durable. */
  function store(ask: (request: number) => PoolAnswer): Promise<void> {
    const request = nextRequest++
    return new Promise((resolve, reject) => {
      requests.set(request, (isStored) => {
        requests.delete(request)
        if (isStored) resolve()
        else reject(mpcError('MPC_STORE_FAILED', 'What must be durable first was not stored.'))
      })
      say(ask(request))
    })
  }

  function end(session: number, result: PoolResult): void {
    running.delete(session)
    waiting.delete(session)
    say({ kind: 'ended', session, result })
  }

  function fail(session: number, error: unknown): void {
    const code = isCountersignError(error) ? error.code : undefined
    end(session, { status: 'failed', code, message: error instanceof Error ? error.message : 'unknown' })
  }

  async function settle(duty: BurnDuty): Promise<BurnAbort> {
    unsettled.add(duty)
    const abort = await duty.settle((marks) => store((request) => ({ kind: 'store-burns', request, marks })))
    unsettled.delete(duty)
    return abort
  }

  /** A check that failed unrecorded is a bit for the cheater at every restart: until it is recorded, nothing begins. */
  function checkSettled(): void {
    if (unsettled.size === 0) return
    for (const duty of unsettled) settle(duty).catch(() => undefined)
    throw mpcError('MPC_STORE_FAILED', 'A burned pair is not stored yet.')
  }

  function presign(session: number, order: PresignOrder, nowMs: number): void {
    checkSettled()
    if (running.size + waiting.size >= poolSessionsMax) {
      throw mpcError('MPC_LIMIT_REACHED', `${poolSessionsMax} sessions of the pool are running.`)
    }
    if (pool.room(nowMs) <= 0) throw mpcError('MPC_LIMIT_REACHED', 'The pool is full.')
    running.set(session, { kind: 'presign', session: openPresignature({ epoch, ...order }) })
    say({ kind: 'started', session })
    move(session, nowMs)
  }

  async function sign(session: number, { digest, choice }: SignOrder, nowMs: number): Promise<void> {
    checkSettled()
    const presignature = pool.take(choice, nowMs)
    if (presignature === undefined)
      throw mpcError('MPC_POOL_EMPTY', 'No presignature of this kind is waiting.')
    const frames = new Map<PartyIndex, Uint8Array>()
    waiting.set(session, { signers: presignature.signers, frames })
    try {
      const online = await presignature.openSession(digest, (mark) =>
        store((request) => ({ kind: 'store-mark', request, mark })),
      )
      // Ended while its mark was being stored: it says nothing.
      if (!waiting.has(session)) {
        online.expire('cancelled')
        presignature.discard()
        return
      }
      waiting.delete(session)
      running.set(session, { kind: 'sign', session: online, presignature })
      say({ kind: 'started', session, presignatureId: presignature.id })
      for (const [from, early] of frames) online.receive(from, early)
      move(session, nowMs)
    } catch (error) {
      // It is out of the pool and bound to this digest: nobody asks for it again.
      presignature.discard()
      throw error
    }
  }

  /** Sends what a session has to say, and ends it when it has an outcome. */
  function move(number: number, nowMs: number): void {
    const entry = running.get(number)
    if (entry === undefined) return
    const frames = entry.session.takeOutbox()
    if (frames.length > 0) say({ kind: 'frames', session: number, frames })
    const { outcome } = entry.session
    if (outcome === undefined) return
    running.delete(number)
    if (outcome.status === 'stopped') {
      if (entry.kind === 'sign') entry.presignature.discard()
      end(number, { status: 'aborted', abort: outcome.abort })
    } else if (outcome.status === 'burn') {
      sweep()
      settle(outcome.duty)
        .then((abort) => end(number, { status: 'aborted', abort }))
        .catch((error: unknown) => fail(number, error))
    } else if (entry.kind === 'sign') {
      entry.presignature.discard()
      end(number, { status: 'signed', signature: outcome.result as EcdsaSignature })
    } else {
      const made = outcome.result as Presignature
      pool.add(made, nowMs)
      end(number, { status: 'presigned', presignatureId: made.id })
    }
  }

  /** After a burn or a retirement: sessions that it has ended say so. */
  function sweep(): void {
    for (const [number, { session }] of running) if (session.outcome !== undefined) move(number, 0)
  }

  function handle(request: PoolRequest): void {
    switch (request.kind) {
      case 'presign':
        presign(request.session, request.order, request.nowMs)
        return
      case 'sign':
        sign(request.session, request.order, request.nowMs).catch((error: unknown) =>
          fail(request.session, error),
        )
        return
      case 'frame': {
        const early = waiting.get(request.session)
        // One online frame of each signer; nobody's noise takes another's place.
        const isKept =
          early?.signers.includes(request.from) === true &&
          !early.frames.has(request.from) &&
          request.bytes.length <= frameBytesMax
        if (isKept) early.frames.set(request.from, request.bytes)
        running.get(request.session)?.session.receive(request.from, request.bytes)
        move(request.session, request.nowMs)
        return
      }
      case 'expire': {
        const problem = request.problem === 'cancelled' ? 'cancelled' : 'timeout'
        if (waiting.has(request.session)) {
          const { abort } = retry({ problem, message: 'Ended before its mark was stored.' })
          end(request.session, { status: 'aborted', abort })
          return
        }
        running.get(request.session)?.session.expire(problem)
        move(request.session, 0)
        return
      }
      case 'burn':
        epoch.applyBurns(request.marks)
        sweep()
        return
      case 'retire':
        epoch.retire()
        pool.clear()
        sweep()
        return
      case 'status': {
        const ids = pool.list(request.nowMs).map(({ id }) => id)
        const status = { ids, room: pool.room(request.nowMs), burned: epoch.burned }
        say({ kind: 'status', request: request.request, status })
        return
      }
      case 'stored':
        requests.get(request.request)?.(request.isStored)
    }
  }

  return (request) => {
    try {
      handle(request)
    } catch (error) {
      if (!('session' in request)) throw error
      fail(request.session, error)
    }
  }
}
