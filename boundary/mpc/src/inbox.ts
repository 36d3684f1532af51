import { isCountersignError } from '@countersign/bytes'
import { abort, type RetryAbort, retry, type SessionAbort } from './abort.ts'
import { equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { broadcast, decodeFrame, type Frame, isSameFamily } from './frame.ts'
import { ceremonyOf, roundOf } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import type { SuiteId } from './suites.ts'

/** One kind of message that a round waits for: one from each of `from`, of exactly this length. */
export interface Expected {
  readonly code: number
  readonly cast: 'broadcast' | 'direct'
  readonly from: readonly PartyIndex[]
  readonly payloadBytes: number
}

interface InboxOptions<Name extends string> {
  readonly suite: SuiteId
  readonly own: PartyIndex
  /** Everybody else in the session, whether this round waits for them or not. */
  readonly peers: readonly PartyIndex[]
  /** 32 bytes: the session id of this round on the wire. */
  readonly session: Uint8Array
  /** What a wrong length from an authenticated sender is: RETRY while nothing secret was used, ABORT after. */
  readonly wrongLength: 'RETRY' | 'ABORT'
  readonly expects: Readonly<Record<Name, Expected>>
}

/** Why a frame was turned away. None of them changes the session. */
export type Refusal =
  | 'malformed'
  | 'impersonated'
  | 'unknown-sender'
  | 'other-receiver'
  | 'other-session'
  | 'other-ceremony'
  | 'unexpected'
  | 'duplicate'
  | 'late'
  | 'too-many'
  | 'finished'

export type Reception =
  | { readonly status: 'accepted' }
  /** Of a later round: the session keeps it until its round comes. */
  | { readonly status: 'early' }
  | { readonly status: 'refused'; readonly reason: Refusal }
  | { readonly status: 'stopped'; readonly abort: RetryAbort | SessionAbort }

/** The payloads of one kind, by sender. Own messages are not among them. */
export type Payloads = ReadonlyMap<PartyIndex, Uint8Array>

interface Slot extends Expected {
  readonly payloads: Map<PartyIndex, Uint8Array>
}

/**
 * What a round has received. A frame is checked completely before it is kept: form, sender, receiver, session, round,
 * length. The first frame of a sender counts; what comes again is refused and changes nothing. */
export class Inbox<Name extends string = string> {
  readonly #options: InboxOptions<Name>
  readonly #slots: Readonly<Record<Name, Slot>>
  #isTaken = false

  constructor(options: InboxOptions<Name>) {
    this.#options = options
    const slots: Partial<Record<Name, Slot>> = {}
    for (const [name, expected] of Object.entries(options.expects) as [Name, Expected][]) {
      slots[name] = { ...expected, payloads: new Map() }
      if (!expected.from.every((index) => options.peers.includes(index))) {
        throw new Error('bug: a round waits for somebody who is not in the session')
      }
    }
    if (options.peers.includes(options.own)) throw new Error('bug: a party is not its own peer')
    this.#slots = slots as Record<Name, Slot>
  }

  get isComplete(): boolean {
    return this.missing.length === 0
  }

  /** Who has not sent everything yet, sorted. */
  get missing(): readonly PartyIndex[] {
    const missing = new Set<PartyIndex>()
    for (const { from, payloads } of this.#list()) {
      for (const index of from) if (!payloads.has(index)) missing.add(index)
    }
    return [...missing].sort((a, b) => a - b)
  }

  /**
   * @param from The peer whose key authenticated the channel on which the frame came. What no key authenticated is
   * dropped by the transport and never gets here. */
  receive(from: PartyIndex, bytes: Uint8Array): Reception {
    if (this.#isTaken) return refused('finished')
    // Before the form: what strangers send may not even name a problem.
    if (!this.#options.peers.includes(from)) return refused('unknown-sender')
    let frame: Frame
    try {
      frame = decodeFrame(bytes)
    } catch (error) {
      if (!isCountersignError(error)) throw error
      if (error.code !== 'MPC_VERSION_UNKNOWN') return refused('malformed')
      return retry({ problem: 'version-mismatch', culprits: [from], message: error.message })
    }
    return this.#place(from, frame)
  }

  /** The payloads, once. @throws {CountersignError} MPC_SPENT the second time. */
  take(): Readonly<Record<Name, Payloads>> {
    if (this.#isTaken) throw mpcError('MPC_SPENT', 'This round was entered before.')
    if (!this.isComplete) throw new Error('bug: a round was entered before all its messages were there')
    this.#isTaken = true
    const taken = Object.entries(this.#slots) as [Name, Slot][]
    return Object.fromEntries(taken.map(([name, { payloads }]) => [name, payloads])) as unknown as Record<
      Name,
      Payloads
    >
  }

  /** Ends the round without reading it. */
  close(): void {
    this.#isTaken = true
    for (const { payloads } of this.#list()) payloads.clear()
  }

  #place(from: PartyIndex, frame: Frame): Reception {
    const { suite, own, session, wrongLength } = this.#options
    if (frame.sender !== from) return refused('impersonated')
    if (frame.receiver !== broadcast && frame.receiver !== own) return refused('other-receiver')
    if (!isSameFamily(frame.session, session)) return refused('other-session')
    if (frame.suite !== suite) {
      return retry({
        problem: 'version-mismatch',
        culprits: [from],
        message: `Party ${from} runs suite ${frame.suite}; this is ${suite}.`,
      })
    }
    const round = this.#roundOf(frame.code)
    if (round === 'early') return { status: 'early' }
    if (round !== 'now') return refused(round)
    const cast = frame.receiver === broadcast ? 'broadcast' : 'direct'
    const slot = this.#list().find(
      (one) => one.code === frame.code && one.cast === cast && one.from.includes(from),
    )
    if (slot === undefined) return refused('unexpected')
    if (slot.payloads.has(from)) return refused('duplicate')
    if (!equalBytes(frame.session, session)) {
      return retry({
        problem: 'session-mismatch',
        message: `Party ${from} is in another session than this party: their first rounds differ.`,
      })
    }
    if (frame.payload.length !== slot.payloadBytes) {
      const message = `Party ${from} sent ${frame.payload.length} bytes where ${slot.payloadBytes} belong.`
      const input = { problem: 'wrong-length', culprits: [from], message } as const
      return wrongLength === 'RETRY' ? retry(input) : abort(input)
    }
    slot.payloads.set(from, frame.payload)
    return { status: 'accepted' }
  }

  #roundOf(code: number): 'now' | 'early' | 'late' | 'other-ceremony' {
    const slots = this.#list()
    if (!slots.some((slot) => ceremonyOf(slot.code) === ceremonyOf(code))) return 'other-ceremony'
    const rounds = slots.map((slot) => roundOf(slot.code))
    if (roundOf(code) > Math.max(...rounds)) return 'early'
    return roundOf(code) < Math.min(...rounds) ? 'late' : 'now'
  }

  #list(): Slot[] {
    return Object.values(this.#slots)
  }
}

function refused(reason: Refusal): Reception {
  return { status: 'refused', reason }
}
