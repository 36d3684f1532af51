import type { Effect } from '@countersign/intent'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { WindowKey } from './decision.ts'
import { combinationsMax, evaluate, windowsNeeded } from './evaluate.ts'
import {
  address,
  amountLimit,
  chain,
  coin,
  countLimit,
  document,
  effect,
  facts,
  intent,
  type LooseRule,
  layersOf,
  nft,
  nftContract,
  token,
} from './fixtures.ts'
import { parsePolicy } from './policy.ts'
import { policyReasons } from './reasons.ts'

const small = fc.bigInt({ min: 0n, max: 6n })
const person = fc.integer({ min: 1, max: 3 }).map(address)

const anyEffect: fc.Arbitrary<Effect> = fc.oneof(
  fc.record({ recipient: person, amountMinor: small }).map(effect.native),
  fc.record({ amountMinor: small }).map(effect.fee),
  fc
    .record({ recipient: person, amountMinor: small, from: fc.option(person, { nil: undefined }) })
    .map(effect.token),
  fc.record({ recipient: person, amountMinor: small }).map(({ recipient, amountMinor }) =>
    effect.token({
      recipient,
      amountMinor,
      contract: nftContract,
      assets: [`${chain}/erc20:${nftContract}` as never, `${nft}/${amountMinor}` as never],
    }),
  ),
  fc.record({ spender: person, amountMinor: fc.option(small, { nil: undefined }) }).map(effect.approval),
)

const maybe = <T>(key: string, arbitrary: fc.Arbitrary<T>) =>
  fc.option(arbitrary, { nil: undefined }).map((value) => (value === undefined ? {} : { [key]: value }))

const people = fc.uniqueArray(person, { minLength: 1, maxLength: 3 })
const amounts = fc.tuple(small, small).map(([min, more]) => ({ min: String(min), max: String(min + more) }))

const limitsOn = (asset: string) =>
  fc.uniqueArray(
    fc.oneof(
      small.map((amount) => amountLimit(amount, asset, '24h', 'a')),
      small.map((amount) => amountLimit(amount * 2n, asset, '7d', 'b')),
      fc.integer({ min: 1, max: 3 }).map((count) => countLimit(count)),
    ),
    { minLength: 1, maxLength: 3, selector: ({ id }) => id },
  )

const when = (...parts: fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((all) => {
    const conditions: object = Object.assign({}, ...all)
    return Object.keys(conditions).length === 0 ? {} : { when: conditions }
  })

const anyRule: fc.Arbitrary<LooseRule> = fc
  .oneof(
    fc.tuple(
      fc.constant({ effects: ['native-transfer'] }),
      when(maybe('recipient', people), maybe('amount', amounts)),
      maybe('limits', limitsOn(coin)),
    ),
    fc.tuple(
      fc.constant({ effects: ['native-transfer', 'fee'] }),
      when(maybe('amount', amounts)),
      maybe('limits', limitsOn(coin)),
    ),
    fc.tuple(
      fc.constant({ effects: ['token-transfer'] }),
      when(maybe('recipient', people), maybe('from', fc.constant(['wallet', address(1)]))),
      maybe('limits', fc.oneof(limitsOn(token), limitsOn(nft))),
    ),
    fc.tuple(
      fc.constant({ effects: ['approval'] }),
      when(maybe('spender', people)),
      maybe('limits', limitsOn(token)),
    ),
  )
  .map((parts) => Object.assign({}, ...parts))

const permitRules = fc.array(anyRule, { maxLength: 6 })
const forbidRules = fc
  .array(anyRule, { maxLength: 2 })
  .map((rules) => rules.map(({ limits: _, ...rule }) => ({ ...rule, action: 'forbid' })))
const effects = fc.array(anyEffect, { minLength: 1, maxLength: 4 })

/** Totals that depend on the window alone, so that policies with the same rules see the same. */
function totalOf(key: string): bigint {
  let sum = 0
  for (const char of key) sum = (sum * 31 + char.charCodeAt(0)) % 1009
  return BigInt(sum % 4)
}

function decideOn(rules: readonly LooseRule[], asked: readonly Effect[]) {
  const layers = layersOf(parsePolicy(document(...rules)))
  const request = intent(asked)
  const used = new Map(windowsNeeded(request, facts(), layers).map(({ key }) => [key, totalOf(key)]))
  return evaluate({ intent: request, facts: facts(), layers, used })
}

/** Ids that stay with their rules however the list is changed. */
function named(rules: readonly LooseRule[], prefix = 'n'): LooseRule[] {
  return rules.map((rule, i) => ({ ...rule, id: `${prefix}${i}` }))
}

const runs = { numRuns: 400 }

describe('a policy and what it permits', () => {
  it('forbid wins: what a forbid rule alone would match is refused, whatever is permitted', () => {
    fc.assert(
      fc.property(permitRules, forbidRules, effects, (permits, forbids, asked) => {
        const decision = decideOn([...named(permits), ...named(forbids, 'f')], asked)
        const plain = decideOn(named(permits), asked)
        if (!plain.permitted) expect(decision.permitted).toBe(false)
        for (const { reasons, permittedBy } of decision.effects) {
          if (reasons.some(({ code }) => code === 'POLICY_FORBIDDEN')) {
            expect(decision.permitted).toBe(false)
            expect(permittedBy).toEqual([])
          }
        }
      }),
      runs,
    )
  })

  it('a permit rule less never permits more', () => {
    fc.assert(
      fc.property(permitRules, effects, fc.nat(), (rules, asked, at) => {
        if (rules.length === 0) return
        const all = named(rules)
        const fewer = all.filter((_, i) => i !== at % all.length)
        if (decideOn(fewer, asked).permitted) expect(decideOn(all, asked).permitted).toBe(true)
      }),
      runs,
    )
  })

  it('the order of rules changes nothing but which one is named', () => {
    fc.assert(
      fc.property(
        permitRules.chain((rules) =>
          fc.tuple(fc.constant(named(rules)), fc.shuffledSubarray(named(rules), { minLength: rules.length })),
        ),
        effects,
        ([rules, shuffled], asked) => {
          const one = decideOn(rules, asked)
          const other = decideOn(shuffled, asked)
          expect(other.permitted).toBe(one.permitted)
        },
      ),
      runs,
    )
  })

  it('the same question has the same answer', () => {
    fc.assert(
      fc.property(permitRules, forbidRules, effects, (permits, forbids, asked) => {
        const rules = [...named(permits), ...named(forbids, 'f')]
        expect(decideOn(rules, asked)).toEqual(decideOn(rules, asked))
      }),
      { numRuns: 100 },
    )
  })

  it('permitted means a rule for every effect and no reason; refused means a reason that is in the table', () => {
    fc.assert(
      fc.property(permitRules, forbidRules, effects, (permits, forbids, asked) => {
        const decision = decideOn([...named(permits), ...named(forbids, 'f')], asked)
        const reasons = [...decision.reasons, ...decision.effects.flatMap((one) => one.reasons)]
        expect(decision.permitted).toBe(reasons.length === 0)
        if (!decision.permitted) expect(decision.reservations).toEqual([])
        for (const { permittedBy, reasons: own } of decision.effects) {
          expect(permittedBy.length === 1).toBe(own.length === 0)
        }
        for (const { code } of reasons) expect(policyReasons).toHaveProperty(code)
      }),
      runs,
    )
  })

  it('agrees with trying every assignment of rules to effects', () => {
    fc.assert(
      fc.property(permitRules, effects, (rules, asked) => {
        const all = named(rules)
        // Each rule alone in a policy says whether it fits; windows are then added up by hand.
        const fits = asked.map((one) => all.filter((rule) => decideAlone(rule, one)))
        const possible = assignments(fits).some((choice) => windowsHold(choice, asked))
        expect(decideOn(all, asked).permitted).toBe(possible)
      }),
      { numRuns: 300 },
    )
  })
})

/** Without regard to totals: the rule with its limits raised so far that they only cover. */
function decideAlone(rule: LooseRule, one: Effect): boolean {
  const raised = ((rule.limits ?? []) as Record<string, unknown>[]).map((limit) =>
    'amount' in limit ? { ...limit, amount: '1000000' } : { ...limit, count: 1_000_000 },
  )
  const { limits: _, ...bare } = rule
  return decideOn([raised.length === 0 ? bare : { ...bare, limits: raised }], [one]).permitted
}

function assignments(fits: readonly LooseRule[][]): LooseRule[][] {
  return fits.reduce<LooseRule[][]>(
    (all, choices) => all.flatMap((choice) => choices.map((rule) => [...choice, rule])),
    [[]],
  )
}

function windowsHold(choice: readonly LooseRule[], asked: readonly Effect[]): boolean {
  for (const rule of new Set(choice)) {
    for (const limit of (rule.limits ?? []) as Record<string, unknown>[]) {
      const total = totalOf(`wal_1|wallet|test|${rule.id}|${limit.id}`)
      if (limit.count !== undefined) {
        if (total + 1n > BigInt(limit.count as number)) return false
        continue
      }
      let sum = 0n
      asked.forEach((one, i) => {
        if (choice[i] !== rule) return
        const { amountMinor } = one as { amountMinor: bigint | undefined }
        // `decideAlone` has dropped what is without bound from rules that limit amounts.
        if (amountMinor === undefined) throw new Error('an amount limit took an approval without bound')
        const isNft = one.kind === 'token-transfer' && one.contract === nftContract && limit.asset === nft
        sum += isNft ? 1n : amountMinor
      })
      if (total + sum > BigInt(limit.amount as string)) return false
    }
  }
  return true
}

describe('windows over many requests', () => {
  const step = fc.record({ waitMs: fc.integer({ min: 0, max: 20 * 3_600_000 }), asked: effects })

  it('no total of a window ever exceeds its limit, to the unit', () => {
    fc.assert(
      fc.property(permitRules, fc.array(step, { maxLength: 25 }), (rules, steps) => {
        const layers = layersOf(parsePolicy(document(...named(rules))))
        const booked: { key: WindowKey; atMs: number; amountMinor: bigint }[] = []
        let nowMs = 1_800_000_000_000
        const total = (key: WindowKey, windowMs: number) =>
          booked
            .filter((entry) => entry.key === key && entry.atMs > nowMs - windowMs)
            .reduce((sum, entry) => sum + entry.amountMinor, 0n)
        for (const { waitMs, asked } of steps) {
          nowMs += waitMs
          const request = intent(asked)
          const known = facts({ nowMs })
          const used = new Map(
            windowsNeeded(request, known, layers).map(({ key, windowMs }) => [key, total(key, windowMs)]),
          )
          const decision = evaluate({ intent: request, facts: known, layers, used })
          for (const { key, amountMinor } of decision.reservations)
            booked.push({ key, atMs: nowMs, amountMinor })
          for (const { key, windowMs, limitMinor } of decision.reservations) {
            expect(total(key, windowMs) <= limitMinor).toBe(true)
          }
        }
      }),
      { numRuns: 150 },
    )
  })
})

it('the number of combinations that are tried is far over what these tests need', () => {
  expect(6 ** 4).toBeLessThan(combinationsMax)
})
