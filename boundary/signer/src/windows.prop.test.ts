import type { Reservation, WindowKey } from '@countersign/policy'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openTestLedger, type TestLedger } from '../../../test/signer/test-ledger.ts'
import { book, unbook, usedInWindows } from './windows.ts'

const key = 'w|wallet|p|r|l' as WindowKey

function reservation(windowMs: number, amountMinor: bigint): Reservation {
  return { key, windowMs, amountMinor, layer: 'wallet', rule: 'r', asset: undefined, limitMinor: 10n ** 30n }
}

async function usedNow(test: TestLedger, windowMs: number): Promise<bigint> {
  return test.ledger.submit(async (tx) => (await usedInWindows(tx, [{ key, windowMs }])).get(key) ?? 0n)
}

describe('rolling windows', () => {
  it('never forget an amount inside the window, and never keep one longer than a bucket past it', async () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 40_000 }),
      amountMinor: fc.bigInt({ min: 0n, max: 10n ** 24n }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1_000, 30_000, 3_600_000, 86_400_000 * 7),
        fc.array(step, { maxLength: 25 }),
        async (windowMs, steps) => {
          const test = await openTestLedger()
          const bucketMs = Math.max(1_000, Math.ceil(windowMs / 86_400))
          const history: { atMs: number; amountMinor: bigint }[] = []
          for (const { waitMs, amountMinor } of steps) {
            test.advance(waitMs * Math.ceil(windowMs / 60_000 + 1))
            const used = await usedNow(test, windowMs)
            const sumSince = (sinceMs: number) =>
              history.filter(({ atMs }) => atMs > sinceMs).reduce((sum, entry) => sum + entry.amountMinor, 0n)
            expect(used >= sumSince(test.nowMs() - windowMs)).toBe(true)
            expect(used <= sumSince(test.nowMs() - windowMs - bucketMs - 1)).toBe(true)
            await test.ledger.submit(async (tx) => {
              await usedInWindows(tx, [{ key, windowMs }])
              await book(tx, [reservation(windowMs, amountMinor)])
            })
            history.push({ atMs: test.nowMs(), amountMinor })
          }
          await test.close()
        },
      ),
      { numRuns: 60 },
    )
  })

  it('gives back exactly what was booked, however much time has passed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.bigInt({ min: 1n, max: 10n ** 20n }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 200_000 }),
        async (amounts, waitMs) => {
          const test = await openTestLedger()
          const windowMs = 60_000
          const booked = []
          for (const amountMinor of amounts) {
            booked.push(await test.ledger.submit((tx) => book(tx, [reservation(windowMs, amountMinor)])))
            test.advance(700)
          }
          test.advance(waitMs)
          await usedNow(test, windowMs)
          for (const one of booked) await test.ledger.submit((tx) => unbook(tx, one))
          expect(await usedNow(test, windowMs)).toBe(0n)
          await test.close()
        },
      ),
      { numRuns: 40 },
    )
  })
})
