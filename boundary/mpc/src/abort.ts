import { copyBytes } from './byte-writer.ts'
import type { PartyIndex } from './parties.ts'

/** Why a session ended. docs/mpc-protocol.md, "Aborts", says which check gives which. */
export type RetryProblem = 'version-mismatch' | 'session-mismatch' | 'wrong-length' | 'timeout' | 'cancelled'
export type AbortProblem =
  | 'wrong-length'
  | 'malformed'
  | 'commitment-mismatch'
  | 'proof-invalid'
  | 'share-invalid'
  | 'identity-point'
  | 'zero-value'
  | 'echo-mismatch'
  | 'confirmation-mismatch'
  | 'key-mismatch'
  | 'signature-invalid'
  | 'pair-burned'
  | 'epoch-retired'
export type BurnProblem = 'ote-check' | 'rvole-check' | 'gamma-check'

interface AbortFields {
  /** Who is to blame, as far as it can be told; nobody when it cannot. Sorted. */
  readonly culprits: readonly PartyIndex[]
  /** What happened, in words. Never a secret. */
  readonly message: string
}

/** Nothing secret was used: a new session may start at once. */
export interface RetryAbort extends AbortFields {
  readonly kind: 'RETRY'
  readonly problem: RetryProblem
}

/** The session, its nonces and its presignature are gone; a new session may start. Count it for the policy. */
export interface SessionAbort extends AbortFields {
  readonly kind: 'ABORT'
  readonly problem: AbortProblem
}

/** A check failed that leaks one bit of a pair's secret to a cheater each time: the pair never signs again. */
export interface BurnAbort extends AbortFields {
  readonly kind: 'BURN'
  readonly problem: BurnProblem
  readonly burned: readonly BurnMark[]
}

export type Abort = RetryAbort | SessionAbort | BurnAbort

/** Pair (own, peer) of this epoch is burned. */
export interface BurnMark {
  /** 32 bytes. */
  readonly epochId: Uint8Array
  readonly own: PartyIndex
  readonly peer: PartyIndex
}

/**
 * What a round or a session came to. A burn is no abort yet: it is a duty, and the abort is read by doing it. */
export type Step<T> =
  | { readonly status: 'done'; readonly value: T }
  | { readonly status: 'stopped'; readonly abort: RetryAbort | SessionAbort }
  | { readonly status: 'burn'; readonly duty: BurnDuty }

export function done<T>(value: T): Step<T> {
  return { status: 'done', value }
}

interface AbortInput<Problem> {
  readonly problem: Problem
  readonly culprits?: Iterable<PartyIndex>
  readonly message: string
}

export function retry({ problem, culprits = [], message }: AbortInput<RetryProblem>): Stopped<RetryAbort> {
  return { status: 'stopped', abort: { kind: 'RETRY', problem, culprits: sorted(culprits), message } }
}

export function abort({ problem, culprits = [], message }: AbortInput<AbortProblem>): Stopped<SessionAbort> {
  return { status: 'stopped', abort: { kind: 'ABORT', problem, culprits: sorted(culprits), message } }
}

export interface Stopped<A extends RetryAbort | SessionAbort> {
  readonly status: 'stopped'
  readonly abort: A
}

interface BurnInput {
  readonly problem: BurnProblem
  readonly epochId: Uint8Array
  readonly own: PartyIndex
  /** At least one. */
  readonly culprits: Iterable<PartyIndex>
  readonly message: string
}

export function burn(input: BurnInput): { readonly status: 'burn'; readonly duty: BurnDuty } {
  const { problem, epochId, own, message } = input
  const culprits = sorted(input.culprits)
  if (culprits.length === 0) throw new Error('bug: a burn names whom it burns')
  const burned = culprits.map((peer) => ({ epochId: copyBytes(epochId), own, peer }))
  return { status: 'burn', duty: new BurnDuty({ kind: 'BURN', problem, culprits, message, burned }) }
}

/** Stores the marks so that they survive a crash and the restore of an older backup. It may be called again with the
 * same marks after a failure. */
export type PersistBurns = (marks: readonly BurnMark[]) => Promise<void>

/**
 * The duty before a burn is told: an attacker who gets another session with the pair before the mark is durable learns
 * another bit (spec of DKLs23, section 3.2; about 128 of them are the key). The object shows nothing until then:
 * not who, not why. Whoever drops it has no abort to report and no session to go on with. */
export class BurnDuty {
  readonly #abort: BurnAbort
  #settled: Promise<BurnAbort> | undefined

  constructor(abort: BurnAbort) {
    this.#abort = abort
  }

  /**
   * Persists, and only then tells. When `persist` fails, this fails, and may be called again; once it has succeeded,
   * further calls return the same abort.
   * After it: kill all sessions with the culprits, delete all presignatures that include one. */
  settle(persist: PersistBurns): Promise<BurnAbort> {
    this.#settled ??= this.#persist(persist)
    return this.#settled
  }

  async #persist(persist: PersistBurns): Promise<BurnAbort> {
    try {
      // Never in the caller's own turn: a `persist` that throws at once fails as one that rejects.
      await Promise.resolve()
      await persist(this.#abort.burned)
      return this.#abort
    } catch (cause) {
      this.#settled = undefined
      throw cause
    }
  }
}

function sorted(culprits: Iterable<PartyIndex>): readonly PartyIndex[] {
  return [...new Set(culprits)].sort((a, b) => a - b)
}
