import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame } from './frame.ts'
import { frostPublicKey } from './frost-key.ts'
import { type FrostSuiteId, isFrostSignatureValid } from './frost-suites.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import { endAll, endOf } from './testing/ceremonies.ts'
import { dealFrostShares } from './testing/deal-frost-shares.ts'
import { openFrostSessions } from './testing/frost-sessions.ts'
import { type Delivery, runNetwork } from './testing/network.ts'
import { seededRandom } from './testing/seeded-random.ts'

/** A key of n parties, some t of them, a key of its family, a message, and how the network behaves. */
const runs = fc
  .record({
    suite: fc.constantFrom<FrostSuiteId>(2, 3, 4),
    indices: fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 2, maxLength: 6 }),
    seed: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    path: fc.array(fc.nat(0x7fff_ffff), { maxLength: 3 }),
    merkleRoot: fc.option(
      fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ minLength: 32, maxLength: 32 })),
      { nil: undefined },
    ),
    message: fc.uint8Array({ maxLength: 100 }),
    order: fc.infiniteStream(fc.nat(1000)),
    copies: fc.infiniteStream(fc.constantFrom(0, 1, 1, 1, 2)),
  })
  .chain((run) =>
    fc
      .record({ t: fc.integer({ min: 2, max: Math.min(4, run.indices.length) }) })
      .chain(({ t }) =>
        fc
          .shuffledSubarray(run.indices, { minLength: t, maxLength: t })
          .map((signers) => ({ ...run, t, signers })),
      ),
  )
type Run = typeof runs extends fc.Arbitrary<infer T> ? T : never

function open({ suite, t, indices, signers, seed, path, merkleRoot, message }: Run) {
  const random = seededRandom(seed)
  const shares = dealFrostShares({ suite, threshold: t, indices, random })
  const choice = {
    ...(suite === 2 ? {} : { path }),
    ...(suite === 4 && merkleRoot !== undefined ? { merkleRoot } : {}),
  }
  const publicKey = frostPublicKey(shares.get(signers[0] as number) as KeyShare, choice)
  const randoms = new Map(signers.map((index) => [index, random]))
  return { shares, publicKey, sessions: openFrostSessions(shares, signers, { ...choice, message, randoms }) }
}

describe('FROST under every delivery', () => {
  it('signs in any order, with frames repeated', async () => {
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const { sessions, publicKey } = open(run)
        const pick = (waiting: readonly unknown[]) => (run.order.next().value as number) % waiting.length
        const tamper = (delivery: Delivery) =>
          Array.from({ length: Math.max(1, run.copies.next().value as number) }, () => delivery)
        await runNetwork(sessions, { pick, tamper })
        const signatures = new Set<string>()
        for (const { outcome } of sessions.values()) {
          if (outcome?.status !== 'done') throw new Error(endOf(outcome))
          const { bytes: signature } = outcome.result
          expect(outcome.result.publicKey).toEqual(publicKey)
          expect(isFrostSignatureValid(run.suite, { signature, publicKey, message: run.message })).toBe(true)
          signatures.add(signature.join())
        }
        expect(signatures.size).toBe(1)
      }),
      { numRuns: 120 },
    )
  })

  it('with frames lost ends in a valid signature or a retry that names who is missing', async () => {
    let [signed, missed] = [0, 0]
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const { sessions, publicKey } = open(run)
        const lost = new Map<number, Set<number>>([...sessions.keys()].map((index) => [index, new Set()]))
        const pick = (waiting: readonly unknown[]) => (run.order.next().value as number) % waiting.length
        const tamper = (delivery: Delivery) => {
          const copies = run.copies.next().value as number
          if (copies === 0) lost.get(delivery.to)?.add(delivery.from)
          return Array.from({ length: copies }, () => delivery)
        }
        await runNetwork(sessions, { pick, tamper })
        for (const [index, outcome] of endAll(sessions)) {
          if (outcome.status === 'done') {
            signed++
            const { bytes: signature } = outcome.result
            expect(lost.get(index)?.size).toBe(0)
            expect(isFrostSignatureValid(run.suite, { signature, publicKey, message: run.message })).toBe(
              true,
            )
          } else {
            missed++
            if (outcome.status !== 'stopped') throw new Error('FROST burns nobody')
            expect(outcome.abort).toMatchObject({ kind: 'RETRY', problem: 'timeout' })
            // Whose frame was lost, or who waits for somebody's lost frame.
            expect(outcome.abort.culprits.length).toBeGreaterThan(0)
            expect(outcome.abort.culprits).not.toContain(index)
          }
        }
      }),
      { numRuns: 60 },
    )
    expect(signed).toBeGreaterThan(0)
    expect(missed).toBeGreaterThan(0)
  })

  it('with one signer who lies names that one, whatever key signs', async () => {
    await fc.assert(
      fc.asyncProperty(runs, fc.bigInt({ min: 1n, max: 1n << 200n }), async (run, by) => {
        const { sessions, shares } = open(run)
        const [liar] = run.signers as [number]
        const { scalars } = (shares.get(liar) as KeyShare).group
        const tamper = (delivery: Delivery): Delivery[] => {
          const frame = decodeFrame(delivery.bytes)
          if (delivery.from !== liar || frame.code !== codes.frost2) return [delivery]
          const payload = scalars.encode(scalars.add(scalars.decode(frame.payload), by))
          return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: run.suite, payload }) }]
        }
        await runNetwork(sessions, { tamper })
        for (const [index, outcome] of endAll(sessions)) {
          expect(endOf(outcome)).toBe(index === liar ? 'done' : `ABORT signature-invalid ${liar}`)
        }
      }),
      { numRuns: 60 },
    )
  })
})
