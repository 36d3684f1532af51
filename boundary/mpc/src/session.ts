import { type BurnDuty, type RetryAbort, retry, type SessionAbort, type Step, type Stopped } from './abort.ts'
import { copyBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { frameBytesMax } from './frame.ts'
import type { Inbox, Reception } from './inbox.ts'
import type { KeyShare } from './key-share.ts'
import type { PartyIndex } from './parties.ts'

/** A frame to send. `all` goes, the same bytes, to every other party of the session. */
export interface Outgoing {
  readonly to: PartyIndex | 'all'
  readonly bytes: Uint8Array
}

/** What starting a protocol or finishing a round gives: messages, and the next round or the result. */
export type Progress<Result> =
  | {
      readonly outbox: readonly Outgoing[]
      readonly next: Round<Result>
      /** Must be durable before the messages go out, and before the next round is entered. */
      readonly store?: Storable
    }
  | { readonly outbox: readonly Outgoing[]; readonly result: Result }

/** What a ceremony stores on its way: a new share that nobody may sign with yet, or that an old one signs no more. */
export type Storable =
  | { readonly kind: 'pending-share'; readonly share: KeyShare }
  | {
      readonly kind: 'retired-epoch'
      /** 32 bytes each. */
      readonly epochId: Uint8Array
      readonly successor: Uint8Array
    }
  /** Somebody gets the whole key: from now on the parties together are not the only ones who can sign. */
  | { readonly kind: 'exported-epoch'; readonly epochId: Uint8Array; readonly recipient: PartyIndex }

export type PersistStorable = (storable: Storable) => Promise<void>

/**
 * One round: a class of its own, made by the round before it. It is consumed on entry, even when it aborts, so that
 * nonces cannot be used twice: `finish` first moves its secrets out of itself, then computes. */
export interface Round<Result> {
  readonly inbox: Inbox
  /** Call once `inbox.isComplete`. @throws {CountersignError} MPC_SPENT the second time. */
  finish(): Step<Progress<Result>>
  /** Erases the secrets of a round that will not be finished. */
  discard(): void
}

export type Outcome<Result> =
  | { readonly status: 'done'; readonly result: Result }
  | { readonly status: 'stopped'; readonly abort: RetryAbort | SessionAbort }
  | { readonly status: 'burn'; readonly duty: BurnDuty }

/** A peer is at most one round ahead, and a round has at most two messages for one receiver; twice that. */
export const earlyFramesPerPeerMax = 4

/**
 * Drives rounds: takes frames in any order, enters a round when it is complete, collects what is to be sent.
 * It has no clock: whoever has one calls `expire`. */
export class Session<Result> {
  #round: Round<Result> | undefined
  #outcome: Outcome<Result> | undefined
  #outbox: Outgoing[] = []
  #held: { readonly store: Storable; readonly outbox: readonly Outgoing[] } | undefined
  #early = new Map<PartyIndex, Uint8Array[]>()
  #onStop: (() => void)[] = []

  /** @param first What the protocol's start returned. */
  constructor(first: Progress<Result>) {
    this.#advance(first)
    this.#enterComplete()
  }

  /** undefined while the session runs. */
  get outcome(): Outcome<Result> | undefined {
    return this.#outcome
  }

  get missing(): readonly PartyIndex[] {
    return this.#round?.inbox.missing ?? []
  }

  /** What `store` must make durable before the session goes on. */
  get storable(): Storable | undefined {
    return this.#held?.store
  }

  /**
   * Persists what the session waits for, then lets its messages go. When `persist` fails this fails, nothing is sent,
   * and it may be called again.
   * @throws {CountersignError} MPC_SPENT where nothing waits. */
  async store(persist: PersistStorable): Promise<void> {
    const held = this.#held
    if (held === undefined) throw mpcError('MPC_SPENT', 'This session has nothing to store.')
    await persist(held.store)
    // Ended, or stored by another call, meanwhile.
    if (this.#held !== held) return
    this.#held = undefined
    this.#outbox.push(...held.outbox)
    this.#enterComplete()
  }

  /** Hands over what is to be sent, each frame once. */
  takeOutbox(): readonly Outgoing[] {
    const outbox = this.#outbox
    this.#outbox = []
    return outbox
  }

  /** @param from The peer that the channel has authenticated. */
  receive(from: PartyIndex, bytes: Uint8Array): Reception {
    const reception = this.#deliver(from, bytes)
    if (reception.status === 'accepted') this.#enterComplete()
    return reception
  }

  /** Time is up, or the caller wants no more. After the last round it does nothing. */
  expire(problem: 'timeout' | 'cancelled' = 'timeout'): Outcome<Result> {
    if (this.#outcome === undefined) {
      const culprits = problem === 'timeout' ? this.missing : []
      this.#stop(retry({ problem, culprits, message: `The session ended early: ${problem}.` }))
    }
    return this.#outcome as unknown as Outcome<Result>
  }

  /** Ended from outside for a reason: its pair was burned, its share replaced. That is no RETRY, which invites another. */
  end(ending: Stopped<SessionAbort>): void {
    if (this.#outcome === undefined) this.#stop(ending)
  }

  /** Calls the listener once when the session has stopped short of its result, whoever has stopped it. */
  onStop(listener: () => void): void {
    if (this.#outcome === undefined) this.#onStop.push(listener)
    else if (this.#outcome.status !== 'done') listener()
  }

  #deliver(from: PartyIndex, bytes: Uint8Array): Reception {
    if (this.#round === undefined) return { status: 'refused', reason: 'finished' }
    const reception = this.#round.inbox.receive(from, bytes)
    if (reception.status === 'stopped') this.#stop(reception)
    if (reception.status !== 'early') return reception
    const kept = this.#early.get(from) ?? []
    if (kept.length >= earlyFramesPerPeerMax || bytes.length > frameBytesMax) {
      return { status: 'refused', reason: 'too-many' }
    }
    this.#early.set(from, [...kept, copyBytes(bytes)])
    return reception
  }

  #enterComplete(): void {
    while (this.#held === undefined && this.#round?.inbox.isComplete === true) {
      // Left before it is entered: whatever happens inside, it is not entered again.
      const round = this.#round
      this.#round = undefined
      const step = round.finish()
      if (step.status === 'done') this.#advance(step.value)
      else this.#stop(step)
    }
  }

  #advance(progress: Progress<Result>): void {
    if ('next' in progress && progress.store !== undefined) {
      this.#held = { store: progress.store, outbox: progress.outbox }
    } else {
      this.#outbox.push(...progress.outbox)
    }
    if ('result' in progress) {
      this.#outcome = { status: 'done', result: progress.result }
      this.#early.clear()
      return
    }
    this.#round = progress.next
    const early = this.#early
    this.#early = new Map()
    for (const [from, frames] of early) for (const bytes of frames) this.#deliver(from, bytes)
  }

  #stop(outcome: Exclude<Outcome<Result>, { status: 'done' }>): void {
    this.#outcome = outcome
    this.#round?.inbox.close()
    this.#round?.discard()
    this.#round = undefined
    this.#held = undefined
    this.#early.clear()
    // A party that stopped says nothing more in this session.
    this.#outbox = []
    const listeners = this.#onStop
    this.#onStop = []
    for (const listener of listeners) listener()
  }
}
