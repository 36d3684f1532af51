import type { Effect } from '@countersign/intent'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Decision, Facts, WindowKey } from './decision.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
import type { PriceFact, SimulationFact } from './fact.ts'
import {
  address,
  amountLimit,
  book,
  books,
  coin,
  decide,
  effect,
  facts,
  intent,
  type LooseRule,
  layersOf,
  nowMs,
  policy,
  policyWith,
  wallet,
} from './fixtures.ts'
import type { CalendarUnit } from './schema.ts'

const person = fc.integer({ min: 1, max: 3 }).map(address)
const people = fc.uniqueArray(fc.oneof(person.map(String), fc.constantFrom('@a', '@b')), {
  minLength: 1,
  maxLength: 3,
})
const amount = fc.bigInt({ min: 0n, max: 20n })
const credential = fc.constantFrom('ann', 'ben', 'cat', 'cred_1')

const maybe = <T>(key: string, arbitrary: fc.Arbitrary<T>) =>
  fc.option(arbitrary, { nil: undefined }).map((value) => (value === undefined ? {} : { [key]: value }))

const permitRule: fc.Arbitrary<LooseRule> = fc
  .tuple(
    fc.tuple(
      maybe('recipient', people),
      maybe(
        'value',
        amount.map((max) => ({ currency: 'USD', max: String(max) })),
      ),
    ),
    maybe('requires', fc.constant({ simulation: { by: ['sim'] } })),
    maybe(
      'approvals',
      fc
        .tuple(fc.constantFrom('staff', 'board'), fc.integer({ min: 1, max: 2 }), fc.boolean())
        .map(([group, count, excludeProposer]) => [{ group, count, excludeProposer }]),
    ),
    maybe(
      'limits',
      amount.map((most) => [amountLimit(most)]),
    ),
  )
  .map(([conditions, ...parts]) => {
    const when: object = Object.assign({}, ...conditions)
    return Object.assign(
      { effects: ['native-transfer'] },
      Object.keys(when).length === 0 ? {} : { when },
      ...parts,
    )
  })

const forbidRule: fc.Arbitrary<LooseRule> = fc
  .tuple(
    maybe('recipient', people),
    maybe(
      'value',
      amount.map((min) => ({ currency: 'USD', min: String(min) })),
    ),
  )
  .map((parts) => ({
    action: 'forbid',
    effects: ['native-transfer'],
    when: { chain: ['eip155:8453'], ...Object.assign({}, ...parts) },
  }))

const about = {
  prices: { currency: 'USD', by: ['oracle'], maxAge: '10m' },
  groups: { staff: { credentials: ['ann', 'ben'] }, board: { credentials: ['ben', 'cat', 'cred_1'] } },
}

const stamp = { atMs: nowMs - 1, expiresAtMs: nowMs + 1 }
const known: fc.Arbitrary<Partial<Facts>> = fc
  .record({
    a: fc.uniqueArray(person, { maxLength: 2 }),
    b: fc.uniqueArray(person, { maxLength: 2 }),
    price: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    approvals: fc.array(credential, { maxLength: 4 }),
    isSimulated: fc.boolean(),
  })
  .map(({ a, b, price, approvals, isSimulated }) => ({
    books: books(book('a', ...a), book('b', ...b)),
    approvals: approvals.map((credentialId) => ({ credentialId, atMs: nowMs })),
    prices: price === undefined ? [] : [priceOf(price)],
    simulations: isSimulated ? [simulation] : [],
  }))

function priceOf(price: number): PriceFact {
  const numerator = BigInt(price) * 1_000_000n
  return {
    type: 'price',
    asset: coin,
    currency: 'USD',
    numerator,
    denominator: 1n,
    credentialId: 'oracle',
    ...stamp,
  }
}

const simulation: SimulationFact = {
  type: 'simulation',
  payloadDigest: `0x${'00'.repeat(32)}`,
  account: wallet,
  outcome: 'success',
  maxOutflows: undefined,
  credentialId: 'sim',
  ...stamp,
}

const effects = fc.array(fc.record({ recipient: person, amountMinor: amount }).map(effect.native), {
  minLength: 1,
  maxLength: 3,
})

const rank: Record<Decision['outcome'], number> = { refused: 0, 'needs-approval': 1, permitted: 2 }

/** Everything that can be taken away from what is known, one thing at a time. */
function lesser(all: Partial<Facts>): Partial<Facts>[] {
  return [
    { ...all, books: undefined },
    ...[...(all.books ?? [])].map(([id]) => ({
      ...all,
      books: books(...[...(all.books ?? [])].filter(([other]) => other !== id).map(([, one]) => one)),
    })),
    { ...all, prices: undefined },
    { ...all, simulations: undefined },
    ...(all.approvals ?? []).map((_, i) => ({
      ...all,
      approvals: (all.approvals ?? []).filter((_one, at) => at !== i),
    })),
    { ...all, walletAddress: undefined },
  ]
}

function named(rules: readonly LooseRule[], prefix: string): LooseRule[] {
  return rules.map((rule, i) => ({ ...rule, id: `${prefix}${i}` }))
}

describe('what is known', () => {
  it('less of it never permits more', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(
        fc.array(permitRule, { minLength: 1, maxLength: 5 }),
        fc.array(forbidRule, { maxLength: 1 }),
        effects,
        known,
        (permits, forbids, asked, all) => {
          const layers = layersOf(policyWith(about, ...named(permits, 'p'), ...named(forbids, 'f')))
          const ask = (some: Partial<Facts>) => decide(layers, { effects: asked, facts: some }).outcome
          const most = ask(all)
          for (const less of lesser(all)) {
            const outcome = ask(less)
            expect(rank[outcome] <= rank[most]).toBe(true)
            if (outcome !== most) seen.add(`${most} ${outcome}`)
          }
        },
      ),
      { numRuns: 600 },
    )
    expect([...seen].sort()).toEqual([
      'needs-approval refused',
      'permitted needs-approval',
      'permitted refused',
    ])
  })

  it('the order of rules changes no outcome', () => {
    fc.assert(
      fc.property(
        fc
          .array(permitRule, { minLength: 2, maxLength: 5 })
          .chain((rules) =>
            fc.tuple(
              fc.constant(named(rules, 'p')),
              fc.shuffledSubarray(named(rules, 'p'), { minLength: rules.length }),
            ),
          ),
        effects,
        known,
        ([rules, shuffled], asked, all) => {
          const ask = (some: readonly LooseRule[]) =>
            decide(layersOf(policyWith(about, ...some)), { effects: asked, facts: all })
          expect(ask(shuffled).outcome).toBe(ask(rules).outcome)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('approvals stand in for nothing else: with all of them, what waits is signed, and nothing else is', () => {
    fc.assert(
      fc.property(
        fc.array(permitRule, { minLength: 1, maxLength: 4 }),
        effects,
        known,
        (rules, asked, all) => {
          const layers = layersOf(policyWith(about, ...named(rules, 'p')))
          const everybody = ['ann', 'ben', 'cat', 'dan'].map((credentialId) => ({
            credentialId,
            atMs: nowMs,
          }))
          const before = decide(layers, { effects: asked, facts: all })
          const after = decide(layers, {
            effects: asked,
            facts: { ...all, approvals: [...(all.approvals ?? []), ...everybody] },
          })
          if (before.outcome === 'refused') expect(after.outcome).toBe('refused')
          if (before.outcome === 'needs-approval') {
            expect(before.approvals.some(({ missing }) => missing > 0)).toBe(true)
            expect(after.outcome).toBe('permitted')
          }
        },
      ),
      { numRuns: 400 },
    )
  })
})

describe('deny by default', () => {
  it('nothing of a kind that no rule names is permitted, whatever else is', () => {
    const makes = Object.values(effect)
    fc.assert(
      fc.property(fc.subarray(makes, { minLength: 1 }), fc.constantFrom(...makes), (permitted, one) => {
        const kinds = permitted.map((make) => make().kind).filter((kind) => kind !== one().kind)
        if (kinds.length === 0) return
        const layers = layersOf(policy({ effects: kinds }))
        const others = permitted.map((make) => make()).filter(({ kind }) => kind !== one().kind)
        expect(decide(layers, { effects: others }).permitted).toBe(true)
        expect(decide(layers, { effects: [...others, one()] }).permitted).toBe(false)
      }),
      { numRuns: 100 },
    )
  })
})

describe('calendar windows over many requests', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Africa/Cairo', 'Australia/Lord_Howe']
  // Around both changes of the clock, and around a month's end.
  const start = fc
    .constantFrom('2026-03-27T00:00:00Z', '2026-10-23T00:00:00Z', '2026-02-26T00:00:00Z')
    .map(Date.parse)

  it('no period ever exceeds its limit, and none is charged for another', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom<CalendarUnit>('day', 'week', 'month'),
        start,
        fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 8 * 3_600_000 }), amountMinor: amount }), {
          maxLength: 40,
        }),
        (timeZone, unit, beginMs, steps) => {
          const limit = { id: 'a', amount: '25', asset: coin, window: { calendar: unit, timeZone } }
          const layers = layersOf(policy({ effects: ['native-transfer'], limits: [limit] }))
          const booked = new Map<WindowKey, bigint>()
          let atMs = beginMs
          for (const { waitMs, amountMinor } of steps) {
            atMs += waitMs
            const asked: Effect[] = [effect.native({ amountMinor })]
            const request = intent(asked)
            const now = facts({ nowMs: atMs })
            const [window] = windowsNeeded(request, now, layers)
            if (window?.period === undefined) throw new Error('no period')
            expect(window.period.startMs <= atMs && atMs < window.period.endMs).toBe(true)
            const before = booked.get(window.key) ?? 0n
            const decision = evaluate({
              intent: request,
              facts: now,
              layers,
              used: new Map([[window.key, before]]),
            })
            expect(decision.permitted).toBe(before + amountMinor <= 25n)
            for (const { key, amountMinor: taken } of decision.reservations) booked.set(key, before + taken)
          }
          for (const total of booked.values()) expect(total <= 25n).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })
})
