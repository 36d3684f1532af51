import { signerError } from './catalogue.ts'

export interface ClockSource {
  /** Milliseconds since 1970. */
  wallMs(): number
  /** Milliseconds since any fixed moment, never going back. */
  monotonicMs(): number
}

const systemClock: ClockSource = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }

/** How far the wall clock may step back between two readings: time servers correct by less. */
const backStepMs = 1_000
/** How much further than the monotonic clock the wall clock may move while the process runs. */
const jumpMs = 60_000

export interface Clock {
  /** @throws {CountersignError} SIGNER_CLOCK_BACKWARDS, SIGNER_CLOCK_JUMPED */
  nowMs(): number
}

/**
 * Windows free up by this clock, so it must not be moved by whoever wants to spend more. Never goes back behind
 * what the store has seen, and never forward faster than time passes.
 * @param floorMs The latest time in the store. */
export function openClock(floorMs: number, source: ClockSource = systemClock): Clock {
  const startWallMs = source.wallMs()
  const startMonotonicMs = source.monotonicMs()
  let latestMs = floorMs
  return {
    nowMs() {
      const wallMs = source.wallMs()
      if (wallMs < latestMs - backStepMs) {
        throw signerError(
          'SIGNER_CLOCK_BACKWARDS',
          `The clock shows ${new Date(wallMs).toISOString()}, but the journal has been at ${new Date(latestMs).toISOString()}.`,
        )
      }
      const aheadMs = wallMs - startWallMs - (source.monotonicMs() - startMonotonicMs)
      if (aheadMs > jumpMs) {
        throw signerError(
          'SIGNER_CLOCK_JUMPED',
          `The clock has moved ${Math.round(aheadMs / 1000)} s ahead of the time that passed.`,
        )
      }
      latestMs = Math.max(latestMs, wallMs)
      return latestMs
    },
  }
}
