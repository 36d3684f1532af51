import { type Channel, type Conclusion, drive } from './driver.ts'
import type { Outgoing, Session } from './session.ts'

export interface Driven<Result> {
  /**
   * The frames to send, each once and in order; ends when the session has no more to say. One reader only: leaving it
   * early ends the session. What an aborted session had not yet handed out is never handed out. */
  readonly outbox: AsyncIterableIterator<Outgoing>
  /** Rejects with what the inbox, `persist` or `persistBurns` throws. A reader that leaves is a cancellation. */
  readonly conclusion: Promise<Conclusion<Result>>
}

/** `drive` for channels that are read rather than called: an inbox goes in and an outbox comes out. */
export function driveStreams<Result>(
  session: Session<Result>,
  { signal, ...channel }: Omit<Channel, 'send'>,
): Driven<Result> {
  // A session says a few frames to each peer in a round, so this cannot grow beyond its own protocol.
  const waiting: Outgoing[] = []
  const left = new AbortController()
  let wake: (() => void) | undefined
  let isOver = false
  const changed = () => {
    wake?.()
    wake = undefined
  }
  const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal])
  const send = async (frame: Outgoing) => {
    waiting.push(frame)
    changed()
  }
  const end = (conclusion?: Conclusion<Result>) => {
    if (conclusion?.status !== 'done') waiting.length = 0
    isOver = true
    changed()
  }
  const conclusion = drive(session, { ...channel, signal: either, send }).then(
    (concluded) => {
      end(concluded)
      return concluded
    },
    (error: unknown) => {
      end()
      throw error
    },
  )
  const done = { done: true, value: undefined } as const
  const outbox: AsyncIterableIterator<Outgoing> = {
    [Symbol.asyncIterator]: () => outbox,
    async next() {
      for (;;) {
        const value = waiting.shift()
        if (value !== undefined) return { done: false, value }
        if (isOver) return done
        if (wake !== undefined) throw new Error('bug: an outbox has one reader')
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    async return() {
      waiting.length = 0
      left.abort()
      changed()
      return done
    },
  }
  return { outbox, conclusion }
}
