import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TokenBuckets } from './token-bucket.ts'

const startMs = 1_795_000_000_000

describe('TokenBuckets', () => {
  it('gives a minute’s worth at once, then one at a time, and says how long to wait', () => {
    const buckets = new TokenBuckets()
    const rate = { perMinute: 6 }
    for (let i = 0; i < 6; i++) expect(buckets.take('a', rate, startMs)).toBe(0)
    expect(buckets.take('a', rate, startMs)).toBe(10)
    expect(buckets.take('a', rate, startMs + 9_999)).toBe(1)
    expect(buckets.take('a', rate, startMs + 10_000)).toBe(0)
    expect(buckets.take('a', rate, startMs + 10_000)).toBe(10)
  })

  it('keeps keys apart', () => {
    const buckets = new TokenBuckets()
    expect(buckets.take('a', { perMinute: 1 }, startMs)).toBe(0)
    expect(buckets.take('a', { perMinute: 1 }, startMs)).toBe(60)
    expect(buckets.take('b', { perMinute: 1 }, startMs)).toBe(0)
  })

  it('a clock that goes back and forth fills nothing', () => {
    const buckets = new TokenBuckets()
    expect(buckets.take('a', { perMinute: 1 }, startMs)).toBe(0)
    for (let i = 0; i < 10; i++) {
      expect(buckets.take('a', { perMinute: 1 }, startMs - 50_000)).toBeGreaterThan(0)
      expect(buckets.take('a', { perMinute: 1 }, startMs + i)).toBeGreaterThan(0)
    }
  })

  it('forgets what is full again, and nothing earlier', () => {
    const buckets = new TokenBuckets()
    for (let i = 0; i < 100; i++) buckets.take(`key ${i}`, { perMinute: 1 }, startMs)
    expect(buckets.take('key 1', { perMinute: 1 }, startMs + 59_000)).toBe(1)
    buckets.take('other', { perMinute: 1 }, startMs + 60_000)
    // key 1 was asked for in between: a full minute has not passed since.
    expect(buckets.size).toBe(2)
  })

  it('never gives more than one minute’s worth and what has flowed in since', () => {
    const asks = fc.array(fc.record({ waitMs: fc.nat(30_000), times: fc.integer({ min: 1, max: 20 }) }), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), asks, (perMinute, list) => {
        const buckets = new TokenBuckets()
        let nowMs = startMs
        let given = 0
        for (const { waitMs, times } of list) {
          nowMs += waitMs
          for (let i = 0; i < times; i++) if (buckets.take('a', { perMinute }, nowMs) === 0) given++
        }
        const flowed = ((nowMs - startMs) * perMinute) / 60_000
        expect(given).toBeLessThanOrEqual(perMinute + flowed + 1e-6)
      }),
      { numRuns: 200 },
    )
  })
})
