import type { Abort, PersistBurns } from './abort.ts'
import type { PartyIndex } from './parties.ts'
import type { Outgoing, PersistStorable, Session } from './session.ts'

/** A frame as a channel gives it: `from` is whom the channel has authenticated. */
export interface Incoming {
  readonly from: PartyIndex
  readonly bytes: Uint8Array
}

export interface Channel {
  /** Ends when no more frames can come. */
  readonly inbox: AsyncIterable<Incoming>
  /** Sends one frame, encrypted and authenticated; resolves when the channel has taken it. */
  readonly send: (frame: Outgoing) => Promise<void>
  /** Makes durable what the ceremony stores before it speaks: pending shares, retired epochs. */
  readonly persist: PersistStorable
  /** Makes burn marks durable, apart from the share and its backups. */
  readonly persistBurns: PersistBurns
  /** The caller's clock: when it fires, the session ends. */
  readonly signal?: AbortSignal
}

export type Conclusion<Result> =
  | { readonly status: 'done'; readonly result: Result }
  | { readonly status: 'aborted'; readonly abort: Abort }

/**
 * Runs a session over a channel until it has an outcome. Everything that must be durable first is made durable first:
 * shares before they are confirmed, burn marks before the burn is told.
 *
 * There is no state to save between rounds: every round holds nonces or choices that would be used twice after a
 * restore. After a restart a ceremony begins again; what lasts are shares, pending and usable, and marks.
 * @throws what `send`, `persist` or `persistBurns` throws; the session is then over. */
export async function drive<Result>(session: Session<Result>, channel: Channel): Promise<Conclusion<Result>> {
  const { inbox, send, persist, persistBurns, signal } = channel
  const frames = inbox[Symbol.asyncIterator]()
  const ended = endOf(signal)
  // By a burn or a retirement, which no frame announces: the peer may be silent.
  session.onStop(ended.stop)
  try {
    for (;;) {
      await flush(session, { send, persist })
      if (session.outcome !== undefined) break
      const next = await ended.before(frames.next())
      if (next === 'ended') session.expire(signal?.reason?.name === 'TimeoutError' ? 'timeout' : 'cancelled')
      else if (next.done === true) session.expire('timeout')
      else session.receive(next.value.from, next.value.bytes)
    }
    return await conclude(session, persistBurns)
  } finally {
    ended.dispose()
    // Ends the session, whatever was thrown: its secrets are erased, and it sends nothing more.
    if (session.outcome === undefined) session.expire('cancelled')
    // An inbox that waits for a frame may never settle its return: nobody waits for it.
    void frames.return?.().catch(() => undefined)
  }
}

async function flush<Result>(
  session: Session<Result>,
  { send, persist }: Pick<Channel, 'send' | 'persist'>,
): Promise<void> {
  for (;;) {
    for (const frame of session.takeOutbox()) {
      await send(frame)
      // Stopped while it was sending: what it had to say to others is not said.
      if (session.outcome !== undefined && session.outcome.status !== 'done') return
    }
    if (session.storable === undefined) return
    await session.store(persist)
  }
}

async function conclude<Result>(
  session: Session<Result>,
  persistBurns: PersistBurns,
): Promise<Conclusion<Result>> {
  const { outcome } = session
  if (outcome === undefined) throw new Error('bug: a session was left before its end')
  if (outcome.status === 'done') return outcome
  if (outcome.status === 'stopped') return { status: 'aborted', abort: outcome.abort }
  return { status: 'aborted', abort: await outcome.duty.settle(persistBurns) }
}

/**
 * The caller's clock beside each frame that is waited for. Nothing outlives its wait: a race against one promise that
 * lasts as long as the session would keep a reaction for every frame, also for each that is refused. */
function endOf(signal: AbortSignal | undefined) {
  let isOver = signal?.aborted === true
  let wake: (() => void) | undefined
  const stop = () => {
    isOver = true
    wake?.()
  }
  signal?.addEventListener('abort', stop, { once: true })
  return {
    stop,
    before<T>(next: Promise<T>): Promise<T | 'ended'> {
      return new Promise((resolve, reject) => {
        wake = () => resolve('ended')
        next.then(resolve, reject)
        if (isOver) wake()
      })
    },
    dispose: () => signal?.removeEventListener('abort', stop),
  }
}
