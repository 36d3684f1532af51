import { concatBytes, isCountersignError } from '@countersign/bytes'
import fc from 'fast-check'

/** Bytes near `valid`: bits flipped, bytes cut, inserted, doubled, replaced. */
export function mutationsOf(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(valid.length)
  return fc.oneof(
    fc.tuple(fc.nat(Math.max(0, valid.length - 1)), fc.nat(7)).map(([i, bit]) => {
      const copy = valid.slice()
      copy[i] = (copy[i] ?? 0) ^ (1 << bit)
      return copy
    }),
    fc.tuple(fc.nat(Math.max(0, valid.length - 1)), fc.nat(255)).map(([i, byte]) => {
      const copy = valid.slice()
      copy[i] = byte
      return copy
    }),
    at.map((end) => valid.slice(0, end)),
    at.map((start) => valid.slice(start)),
    fc
      .tuple(at, fc.uint8Array({ minLength: 1, maxLength: 40 }))
      .map(([i, more]) => concatBytes(valid.subarray(0, i), more, valid.subarray(i))),
    fc
      .tuple(at, fc.nat(40))
      .map(([i, count]) =>
        concatBytes(valid.subarray(0, i), valid.subarray(Math.min(valid.length, i + count))),
      ),
    fc
      .tuple(at, at)
      .map(([i, j]) => concatBytes(valid.subarray(0, Math.max(i, j)), valid.subarray(Math.min(i, j)))),
  )
}

/** @returns what `run` returns, or undefined where it refuses with a CountersignError; anything else is thrown on. */
export function unlessRefused<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (isCountersignError(error)) return undefined
    throw error
  }
}
