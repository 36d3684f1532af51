export interface Rate {
  /** Also the most that can be taken at once. */
  readonly perMinute: number
}

interface Bucket {
  /** Tokens times the milliseconds of a minute: whole numbers, so nothing is lost or won by rounding. */
  credit: number
  atMs: number
}

const minuteMs = 60_000
const sweepEveryMs = 60_000

/**
 * Token buckets by key: each holds a minute's worth and fills evenly. Only proven credentials take from one, so there
 * are at most as many as there are credentials. In memory: a restart fills them, which frees one minute's worth.
 */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>()
  #sweptMs = 0

  /** @returns 0 where a token was taken; otherwise how many whole seconds until there is one. */
  take(key: string, { perMinute }: Rate, nowMs: number): number {
    this.#sweep(nowMs)
    const bucket = this.#buckets.get(key) ?? { credit: perMinute * minuteMs, atMs: nowMs }
    // A clock that goes back, and forth again, fills nothing.
    const elapsedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.credit = Math.min(perMinute * minuteMs, bucket.credit + elapsedMs * perMinute)
    bucket.atMs += elapsedMs
    this.#buckets.set(key, bucket)
    if (bucket.credit < minuteMs) return Math.ceil((minuteMs - bucket.credit) / (perMinute * 1000))
    bucket.credit -= minuteMs
    return 0
  }

  /** How many buckets are remembered. */
  get size(): number {
    return this.#buckets.size
  }

  /** A bucket that has not been touched for a minute is full again, and a full one need not be remembered. */
  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < sweepEveryMs) return
    this.#sweptMs = nowMs
    for (const [key, { atMs }] of this.#buckets) if (nowMs - atMs >= minuteMs) this.#buckets.delete(key)
  }
}
