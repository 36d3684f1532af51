import fc from 'fast-check'
import { expect, it } from 'vitest'
import { blastRadius, type OwnedCredential } from './blast-radius.ts'
import type { ApprovalFact, WindowKey } from './decision.ts'
import { evaluate, type PolicyLayer, windowsNeeded } from './evaluate.ts'
import {
  address,
  amountLimit,
  coin,
  countLimit,
  document,
  effect,
  facts,
  intent,
  type LooseRule,
  layersOf,
} from './fixtures.ts'
import type { HeldGrant } from './granted-layer.ts'
import { parsePolicy } from './policy.ts'

const hourMs = 3_600_000
const subjects = ['ann', 'bob', 'cat', 'dan'] as const
const groups = {
  groups: { board: { credentials: ['ann', 'bob', 'cat'] }, ops: { credentials: ['cat', 'dan'] } },
}

const who = fc.oneof(
  fc.record({ credentials: fc.subarray([...subjects], { minLength: 1 }) }),
  fc.record({ roles: fc.subarray(['agent', 'approver', 'admin'], { minLength: 1 }) }),
  fc.constant({ bearer: true }),
)
const approvals = fc.array(
  fc.record({
    group: fc.constantFrom('board', 'ops'),
    count: fc.integer({ min: 1, max: 2 }),
    excludeProposer: fc.boolean(),
  }),
  { minLength: 1, maxLength: 1 },
)
const limit = fc
  .tuple(fc.bigInt({ min: 1n, max: 50n }), fc.constantFrom('1h', '5h', '24h'), fc.constantFrom('a', 'b'))
  .map(([amount, window, id]) => amountLimit(amount, coin, window, id))
const rule: fc.Arbitrary<LooseRule> = fc
  .record({
    effects: fc.subarray(['native-transfer', 'fee', 'deploy'], { minLength: 1 }),
    limits: fc.uniqueArray(limit, { minLength: 1, maxLength: 2, selector: ({ id }) => id }),
    counted: fc.boolean(),
    who: fc.option(who, { nil: undefined }),
    approvals: fc.option(approvals, { nil: undefined, freq: 2 }),
  })
  .map(({ effects, limits, counted, ...more }) => ({
    effects,
    limits: counted ? [...limits, countLimit(9, '24h')] : limits,
    ...(more.who === undefined ? {} : { who: more.who }),
    ...(more.approvals === undefined ? {} : { approvals: more.approvals }),
  }))
const policies = fc
  .array(fc.array(rule, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 })
  .map((all) => all.map((rules) => rules.map((one, i) => ({ ...one, id: `r${i}` }))))
const owned = fc.subarray([...subjects]).chain((chosen) =>
  fc.tuple(
    ...chosen.map((subject) =>
      fc.record({
        subject: fc.constant(subject),
        role: fc.constantFrom('agent' as const, 'approver' as const, 'admin' as const),
        bearer: fc.boolean(),
        onlyUnderGrants: fc.boolean(),
      }),
    ),
  ),
) as fc.Arbitrary<OwnedCredential[]>
const grants = fc
  .array(fc.tuple(fc.constantFrom(...subjects), fc.array(rule, { minLength: 1, maxLength: 2 })), {
    maxLength: 3,
  })
  .chain((all) =>
    fc.tuple(
      ...all.map(([to, rules], i) =>
        fc.constantFrom(undefined, 'grant', 'credential').map((per) => heldGrant(i, to, rules, per)),
      ),
    ),
  )

function heldGrant(i: number, to: string, rules: readonly LooseRule[], per?: string): HeldGrant {
  const id = `grt_${i}`
  const own = rules.map(({ limits = [], ...more }, place) => ({
    ...more,
    id: `r${place}`,
    limits: (limits as object[]).map((one) => (per === undefined ? one : { ...one, per })),
  }))
  return { id, to, policy: parsePolicy({ ...document(...own), ...groups, id }) }
}

interface Signed {
  readonly atMs: number
  readonly amountMinor: bigint
}

/**
 * An attacker who searches: with each credential it has, and the approvals of all the others it has, it asks for each
 * kind of effect with the largest amount that still passes, hour after hour, until nothing passes any more.
 */
function attack(
  shared: ReturnType<typeof layersOf>,
  has: readonly OwnedCredential[],
  grants: readonly HeldGrant[] = [],
): Signed[] {
  const signed: Signed[] = []
  const booked: { key: WindowKey; atMs: number; amountMinor: bigint }[] = []
  const start = 1_800_000_000_000
  const approving: ApprovalFact[] = has
    .filter(({ bearer }) => !bearer)
    .map(({ subject }) => ({ credentialId: subject, atMs: start }))
  const kinds = [
    (amountMinor: bigint) => effect.native({ amountMinor, recipient: address(1) }),
    (amountMinor: bigint) => effect.fee({ amountMinor }),
    (valueMinor: bigint) => effect.deploy({ valueMinor }),
  ]
  const ways = has.flatMap((one): { one: OwnedCredential; layers: PolicyLayer[]; grantId?: string }[] => {
    if (!one.onlyUnderGrants) return [{ one, layers: shared }]
    return grants
      .filter(({ to }) => to === one.subject)
      .map(({ id, policy }) => ({ one, layers: [...shared, { layer: 'grant', policy }], grantId: id }))
  })
  for (let hour = 0; hour <= 26; hour += 2) {
    const nowMs = start + hour * hourMs
    for (const { one, layers, grantId } of ways) {
      const { subject, role, bearer } = one
      for (const kind of kinds) {
        const decide = (amountMinor: bigint) => {
          const request = intent([kind(amountMinor)])
          const known = facts({ nowMs, credentialId: subject, role, bearer, grantId, approvals: approving })
          const used = new Map(
            windowsNeeded(request, known, layers).map(({ key, windowMs }) => [
              key,
              booked
                .filter((entry) => entry.key === key && entry.atMs > nowMs - windowMs)
                .reduce((sum, entry) => sum + entry.amountMinor, 0n),
            ]),
          )
          return evaluate({ intent: request, facts: known, layers, used })
        }
        let low = 0n
        for (let step = 64n; step > 0n; step /= 2n) if (decide(low + step).permitted) low += step
        if (low === 0n) continue
        for (const { key, amountMinor } of decide(low).reservations)
          booked.push({ key, atMs: nowMs, amountMinor })
        signed.push({ atMs: nowMs, amountMinor: low })
      }
    }
  }
  return signed
}

const quorum = { needed: 9, looseningDelayMs: 0 }

it('a searching attacker never gets more than the blast radius', () => {
  let claims = 0
  let moved = 0
  let movedUnderGrants = 0
  fc.assert(
    fc.property(policies, owned, grants, (rules, has, held) => {
      const layers = layersOf(...rules.map((one) => parsePolicy({ ...document(...one), ...groups })))
      const radius = blastRadius({
        walletId: 'wal_1',
        layers,
        owned: has,
        grants: held,
        quorum,
        ownsKey: false,
      })
      const signed = attack(layers, has, held)
      moved += signed.length
      if (has.some(({ onlyUnderGrants }) => onlyUnderGrants)) movedUnderGrants += signed.length
      if (radius.exposure.assets.length === 0 && radius.bounded) expect(signed).toEqual([])
      for (const { bounds } of radius.exposure.assets) {
        for (const { amountMinor, windowMs } of bounds) {
          claims++
          for (const { atMs } of signed) {
            const sum = signed
              .filter((entry) => entry.atMs >= atMs && entry.atMs < atMs + windowMs)
              .reduce((total, entry) => total + entry.amountMinor, 0n)
            expect(sum <= amountMinor, `${sum} in ${windowMs}`).toBe(true)
          }
        }
      }
    }),
    { numRuns: Number(process.env.COUNTERSIGN_FUZZ_RUNS ?? 300) },
  )
  // Without claims and without loot the property would hold of anything.
  expect(claims).toBeGreaterThan(100)
  expect(moved).toBeGreaterThan(100)
  expect(movedUnderGrants).toBeGreaterThan(20)
})

it('for common policies the attacker reaches the bound exactly', () => {
  const pay = { id: 'pay', effects: ['native-transfer'], when: { recipient: [address(1)] } }
  const fee = { id: 'fee', effects: ['fee'], limits: [amountLimit(7n)] }
  const agent: OwnedCredential = { subject: 'ann', role: 'agent', bearer: false }
  const common: { rules: LooseRule[]; has: OwnedCredential[]; bound: bigint }[] = [
    { rules: [{ ...pay, limits: [amountLimit(50n)] }], has: [agent], bound: 50n },
    { rules: [{ ...pay, limits: [amountLimit(50n)] }, fee], has: [agent], bound: 57n },
    {
      rules: [
        { ...pay, id: 'ann', who: { credentials: ['ann'] }, limits: [amountLimit(20n)] },
        { ...pay, id: 'bob', who: { credentials: ['bob'] }, limits: [amountLimit(30n)] },
      ],
      has: [agent, { ...agent, subject: 'bob' }],
      bound: 50n,
    },
    {
      rules: [
        {
          ...pay,
          approvals: [{ group: 'board', count: 2, excludeProposer: true }],
          limits: [amountLimit(40n)],
        },
      ],
      has: [agent, { ...agent, subject: 'bob' }, { ...agent, subject: 'cat' }],
      bound: 40n,
    },
  ]
  for (const { rules, has, bound } of common) {
    const layers = layersOf(parsePolicy({ ...document(...rules), ...groups }))
    const radius = blastRadius({ walletId: 'wal_1', layers, owned: has, quorum, ownsKey: false })
    expect(radius.exposure.assets).toMatchObject([{ asset: coin, bounds: [{ amountMinor: bound }] }])
    const within24h = attack(layers, has).filter(({ atMs }) => atMs < 1_800_000_000_000 + 24 * hourMs)
    expect(within24h.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)).toBe(bound)
  }
})

it('under grants too', () => {
  const pay = { effects: ['native-transfer'], when: { recipient: [address(1)] } }
  const wallet = layersOf(parsePolicy(document({ ...pay, id: 'pay', limits: [amountLimit(100n)] })))
  const agents = { ...pay, id: 'agents', who: { roles: ['agent'] }, limits: [amountLimit(20n)] }
  const grantees = { ...pay, id: 'grantees', who: { roles: ['grantee'] }, limits: [amountLimit(90n)] }
  const apart = layersOf(parsePolicy(document(agents, grantees)))
  const ann: OwnedCredential = { subject: 'ann', role: 'grantee', bearer: false, onlyUnderGrants: true }
  const agent: OwnedCredential = { subject: 'bob', role: 'agent', bearer: false }
  const grant = (i: number, limit: bigint, per?: string) =>
    heldGrant(i, 'ann', [{ ...pay, limits: [amountLimit(limit)] }], per)
  const cases: [typeof wallet, OwnedCredential[], HeldGrant[], bigint][] = [
    [wallet, [ann], [grant(0, 30n)], 30n],
    [wallet, [ann], [grant(0, 30n, 'grant'), grant(1, 40n)], 70n],
    [wallet, [ann], [grant(0, 30n), grant(1, 400n, 'credential')], 100n],
    [wallet, [ann], [heldGrant(0, 'cat', [{ ...pay, limits: [amountLimit(5n)] }])], 0n],
    [wallet, [ann], [], 0n],
    // What they share bounds them together; where they share nothing, each is bounded by its own.
    [wallet, [ann, agent], [grant(0, 30n)], 100n],
    [apart, [ann, agent], [grant(0, 30n)], 50n],
    [apart, [ann, agent], [grant(0, 300n)], 110n],
    [apart, [ann, agent], [], 20n],
  ]
  for (const [layers, has, held, bound] of cases) {
    const radius = blastRadius({
      walletId: 'wal_1',
      layers,
      owned: has,
      grants: held,
      quorum,
      ownsKey: false,
    })
    expect(radius.bounded).toBe(true)
    expect(radius.exposure.assets[0]?.bounds[0]?.amountMinor ?? 0n).toBe(bound)
    const within24h = attack(layers, has, held).filter(({ atMs }) => atMs < 1_800_000_000_000 + 24 * hourMs)
    expect(within24h.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)).toBe(bound)
  }
})
