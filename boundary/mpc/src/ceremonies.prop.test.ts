import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ed25519Group } from './ed25519-group.ts'
import { startExport, startReceive } from './export.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import { startKeyGeneration, startRefresh } from './key-generation.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { PartyIndex } from './parties.ts'
import { startHelp, startRecovery } from './recovery.ts'
import { startReshare } from './reshare.ts'
import { Session } from './session.ts'
import type { SuiteId } from './suites.ts'
import { endAll, generateTestKey, resultOf, testIdentities, testInstance } from './testing/ceremonies.ts'
import { runNetwork } from './testing/network.ts'

/** Every decoder of the ceremonies, inside its ceremony: party 1 sends something else under one code. Whatever it is,
 * everybody ends with a result or a typed abort, nothing throws, and who could know has no result. */
type Sessions = Map<PartyIndex, Session<unknown>>

const native = await loadNativeSecp256k1Group()
const indices = [1, 2, 3]
const label = 'fuzz'
const shares = await (async () => {
  const outcomes = await generateTestKey({ suite: 2, threshold: 2, indices })
  return new Map([...outcomes].map(([own, outcome]) => [own, resultOf(outcome)]))
})()
const share = (own: PartyIndex) => shares.get(own) as KeyShare

function generate(suite: SuiteId, parties: readonly PartyIndex[]): Sessions {
  const group = suite === 2 ? ed25519Group : native
  const input = { suite, group, label, threshold: 2, instance: testInstance }
  const identities = testIdentities(parties)
  return new Map(
    parties.map((own) => [own, new Session<unknown>(startKeyGeneration({ ...input, own, identities }))]),
  )
}

function reshare(suite: SuiteId, from: ReadonlyMap<PartyIndex, KeyShare>, takers: readonly PartyIndex[]) {
  const givers = [1, 3]
  const { group, label: of, publicKey, chainCode, epochId, publicShares } = from.get(1) as KeyShare
  const old = {
    publicKey,
    chainCode,
    epochId,
    publicShares: new Map([...publicShares].filter(([index]) => givers.includes(index))),
    identities: testIdentities(givers),
  }
  const common = { suite, group, label: of, instance: testInstance, threshold: 2, old }
  const identities = testIdentities(takers)
  const sessions: Sessions = new Map()
  for (const own of new Set([...givers, ...takers])) {
    const input = { ...common, own, identities }
    const known = from.get(own)
    sessions.set(
      own,
      new Session<unknown>(startReshare(known === undefined ? input : { ...input, share: known })),
    )
  }
  return sessions
}

function recover(): Sessions {
  const plan = { helpers: [1, 3], instance: testInstance }
  return new Map<PartyIndex, Session<unknown>>([
    ...[1, 3].map(
      (own) => [own, new Session<unknown>(startHelp({ ...plan, share: share(own), lost: 2 }))] as const,
    ),
    [2, new Session<unknown>(startRecovery({ ...share(1), own: 2, ...plan }))],
  ])
}

function give(): Sessions {
  const recipientIdentity = new TextEncoder().encode('the owner')
  const plan = { givers: [1, 3], recipient: 9, recipientIdentity, instance: testInstance }
  return new Map<PartyIndex, Session<unknown>>([
    ...[1, 3].map((own) => [own, new Session<unknown>(startExport({ ...plan, share: share(own) }))] as const),
    [9, new Session<unknown>(startReceive({ ...share(1), ...plan }))],
  ])
}

const refresh = (): Sessions =>
  new Map(
    indices.map((own) => [
      own,
      new Session<unknown>(startRefresh({ share: share(own), instance: testInstance })),
    ]),
  )

const transferring = 'key generation, suite 1'

/** In the reshare party 1 is old and new. */
const ceremonies: readonly [name: string, codes: readonly number[], start: () => Sessions, runs: number][] = [
  ['key generation', [codes.dkg1, codes.dkg2, codes.dkg3, codes.dkg4], () => generate(2, indices), 40],
  [transferring, [codes.dkg2, codes.dkg3], () => generate(1, [1, 2]), 6],
  ['refresh', [codes.refresh1, codes.refresh2, codes.refresh3, codes.refresh4], refresh, 50],
  ['recovery', [codes.recover1, codes.recover2], recover, 60],
  [
    'reshare',
    [
      codes.reshare1,
      codes.reshare2,
      codes.reshare3,
      codes.reshare5,
      codes.reshareNew1,
      codes.reshareNew3,
      codes.reshareNew4,
    ],
    () => reshare(2, shares, [1, 5]),
    80,
  ],
  ['export', [codes.export1], give, 60],
]

const spoiled = fc.oneof(
  fc.record({ at: fc.nat(0xffff), mask: fc.integer({ min: 1, max: 255 }) }).map(
    ({ at, mask }) =>
      (payload: Uint8Array) =>
        payload.map((byte, i) => (i === at % payload.length ? byte ^ mask : byte)),
  ),
  fc
    .record({ at: fc.nat(0xffff), bytes: fc.uint8Array({ minLength: 1, maxLength: 100 }) })
    .map(({ at, bytes }) => (payload: Uint8Array) => {
      const changed = payload.slice()
      const start = at % payload.length
      changed.set(bytes.subarray(0, payload.length - start), start)
      return changed
    }),
  fc.integer({ min: 0, max: 255 }).map((byte) => (payload: Uint8Array) => payload.map(() => byte)),
  fc.nat(0xffff).map((length) => (payload: Uint8Array) => {
    const changed = new Uint8Array(length)
    changed.set(payload.subarray(0, length))
    return changed
  }),
)

describe('whatever one party says in a ceremony, the others end with a type', () => {
  it.each(ceremonies)('%s', { timeout: 60_000 }, async (name, of, start, numRuns) => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...of), spoiled, async (code, change) => {
        const sessions = start()
        const hit = new Set<PartyIndex>()
        await runNetwork(sessions, {
          tamper(delivery) {
            const frame = decodeFrame(delivery.bytes)
            if (delivery.from !== 1 || frame.code !== code) return [delivery]
            const payload = change(frame.payload)
            if (String(payload) !== String(frame.payload)) hit.add(delivery.to)
            return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: frame.suite as SuiteId, payload }) }]
          },
        })
        for (const [own, outcome] of endAll(sessions)) {
          expect(['done', 'stopped']).toContain(outcome.status)
          // A helper cannot know whether a summand is the right one: the party that gets its share back does. Nor can
          // anybody know of base transfers and zero seeds, if the points decode: the first signature shows it.
          const isBlind = code === codes.recover1 || name === transferring
          if (hit.has(own) && !isBlind) expect(outcome.status).toBe('stopped')
          if (hit.size === 0) expect(outcome.status).toBe('done')
        }
        if (code === codes.recover1 && hit.size > 0) expect(sessions.get(2)?.outcome?.status).not.toBe('done')
      }),
      { numRuns },
    )
  })
})
