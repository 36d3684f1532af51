import type { PartyIndex } from '../parties.ts'
import type { Outgoing, PersistStorable, Session } from '../session.ts'

/** A frame on its way. */
export interface Delivery {
  readonly from: PartyIndex
  readonly to: PartyIndex
  readonly bytes: Uint8Array
}

export interface NetworkOptions {
  /** Which of the waiting frames goes next; the first where absent. */
  readonly pick?: (waiting: readonly Delivery[]) => number
  /** What becomes of a frame: none, one or several arrive, altered or not. */
  readonly tamper?: (delivery: Delivery) => readonly Delivery[]
  readonly persist?: PersistStorable
}

/**
 * Carries frames between sessions until nothing moves any more. Every frame that was sent is in the result, in the
 * order of sending, as it was before anybody tampered with it. */
export async function runNetwork<Result>(
  sessions: ReadonlyMap<PartyIndex, Session<Result>>,
  options: NetworkOptions = {},
): Promise<Delivery[]> {
  const sent: Delivery[] = []
  const waiting: Delivery[] = []
  const { pick = () => 0, tamper = (delivery) => [delivery], persist = async () => undefined } = options
  const post = (from: PartyIndex, { to, bytes }: Outgoing) => {
    const receivers = to === 'all' ? [...sessions.keys()].filter((index) => index !== from) : [to]
    for (const receiver of receivers) {
      const delivery = { from, to: receiver, bytes }
      sent.push(delivery)
      waiting.push(...tamper(delivery))
    }
  }
  const collect = async () => {
    for (const [index, session] of sessions) {
      for (;;) {
        for (const outgoing of session.takeOutbox()) post(index, outgoing)
        if (session.storable === undefined) break
        await session.store(persist)
      }
    }
  }
  await collect()
  while (waiting.length > 0) {
    const [delivery] = waiting.splice(pick(waiting), 1)
    if (delivery === undefined) throw new Error('bug: the network picked a frame that is not there')
    sessions.get(delivery.to)?.receive(delivery.from, delivery.bytes)
    await collect()
  }
  return sent
}
