import { mpcError } from './catalogue.ts'
import type { PartyIndex } from './parties.ts'
import type { Presignature } from './presignature.ts'

export interface PoolOptions {
  /** Presignatures that wait, at most. */
  readonly capacity: number
  /** How long one may wait. The shorter, the less a thief of memory finds. */
  readonly maxAgeMs: number
}

/** More than that is not a pool but a hoard: each holds a share of the key and of a nonce. */
export const poolCapacityMax = 1024

/**
 * Which presignature is wanted. All signers must take the same one: one of them chooses, the others go by `id`. Signers
 * and path are everybody's own word all the same: whoever went by a peer's id alone would sign with the key that the
 * peer likes, and a payment of one account is often valid from another. */
export interface PoolChoice {
  readonly signers: readonly PartyIndex[]
  readonly path: readonly number[]
  readonly id?: Uint8Array
}

interface Entry {
  readonly presignature: Presignature
  readonly bornMs: number
}

/**
 * Presignatures that wait for a digest, in memory only. What the epoch ends (burn, refresh, reshare) is dead in here at
 * the same moment, because the epoch erases it; what is too old is erased when anybody looks. There is no clock: the
 * caller says what time it is. */
export class PresignaturePool {
  readonly #options: PoolOptions
  readonly #entries = new Map<string, Entry>()

  /** @throws {CountersignError} MPC_INPUT_INVALID */
  constructor(options: PoolOptions) {
    const { capacity, maxAgeMs } = options
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > poolCapacityMax) {
      throw mpcError('MPC_INPUT_INVALID', `A pool holds 1 to ${poolCapacityMax} presignatures.`)
    }
    if (!(maxAgeMs > 0 && Number.isFinite(maxAgeMs))) {
      throw mpcError('MPC_INPUT_INVALID', 'Presignatures of a pool have an age that they may reach.')
    }
    this.#options = options
  }

  /** How many more fit. */
  room(nowMs: number): number {
    this.#sweep(nowMs)
    return this.#options.capacity - this.#entries.size
  }

  list(nowMs: number): readonly Presignature[] {
    this.#sweep(nowMs)
    return [...this.#entries.values()].map(({ presignature }) => presignature)
  }

  /** Takes it over; what does not fit is erased. @throws {CountersignError} MPC_LIMIT_REACHED, MPC_SPENT */
  add(presignature: Presignature, nowMs: number): void {
    if (!presignature.isFresh) throw mpcError('MPC_SPENT', 'A presignature that was used does not wait.')
    if (this.room(nowMs) <= 0) {
      presignature.discard()
      throw mpcError('MPC_LIMIT_REACHED', `The pool holds ${this.#options.capacity} presignatures.`)
    }
    this.#entries.set(String(presignature.id), { presignature, bornMs: nowMs })
  }

  /** The oldest that fits, out of the pool for good; undefined when none does. @throws {CountersignError} MPC_INPUT_INVALID */
  take({ id, signers, path }: PoolChoice, nowMs: number): Presignature | undefined {
    if (!Array.isArray(signers) || !Array.isArray(path)) {
      throw mpcError('MPC_INPUT_INVALID', 'A presignature is taken for certain signers and a certain path.')
    }
    this.#sweep(nowMs)
    for (const [name, { presignature }] of this.#entries) {
      const isWanted =
        (id === undefined || name === String(id)) &&
        isSame(signers.toSorted(ascending), presignature.signers) &&
        isSame(path, presignature.path)
      if (!isWanted) continue
      this.#entries.delete(name)
      return presignature
    }
    return undefined
  }

  /** Erases all. */
  clear(): void {
    for (const { presignature } of this.#entries.values()) presignature.discard()
    this.#entries.clear()
  }

  #sweep(nowMs: number): void {
    for (const [name, { presignature, bornMs }] of this.#entries) {
      // A clock that went backwards, or says no number, makes nothing younger than it can be.
      const isYoung = nowMs >= bornMs && nowMs - bornMs < this.#options.maxAgeMs
      if (presignature.isFresh && isYoung) continue
      presignature.discard()
      this.#entries.delete(name)
    }
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}

function ascending(a: number, b: number): number {
  return a - b
}
