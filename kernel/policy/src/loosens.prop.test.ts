import type { Effect } from '@countersign/intent'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Facts } from './decision.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
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
  nowMs,
  token,
  wallet,
} from './fixtures.ts'
import { loosens } from './loosens.ts'
import { type Policy, parsePolicy } from './policy.ts'

const small = fc.bigInt({ min: 0n, max: 4n })
const persons = [1, 2, 3].map(address)
const words = ['a', 'b', '5']
const amounts = [0n, 1n, 2n, 3n, 4n]

/** Every effect that the drawn rules could tell apart: all of them are asked for, each alone. */
const universe: readonly Effect[] = [
  ...amounts.map((amountMinor) => effect.fee({ amountMinor })),
  ...persons.flatMap((recipient) =>
    amounts.flatMap((amountMinor) => [
      effect.native({ recipient, amountMinor }),
      ...[undefined, persons[0], wallet].map((from) => effect.token({ recipient, amountMinor, from })),
      // Bytes that fit two standards.
      effect.token({
        recipient,
        amountMinor,
        contract: nftContract,
        assets: [`${chain}/erc20:${nftContract}` as never, `${nft}/${amountMinor}` as never],
      }),
    ]),
  ),
  ...persons.flatMap((spender) =>
    [undefined, 0n, 1n, 2n, 4n].flatMap((amountMinor) =>
      [undefined, 60n, 100n, 4_000n].map((inS) =>
        effect.approval({
          spender,
          amountMinor,
          expiresAtS: inS === undefined ? undefined : BigInt(nowMs / 1000) + inS,
        }),
      ),
    ),
  ),
  ...[undefined, ...words].map((text) => effect.message({ text })),
  ...words.flatMap((primaryType) =>
    [1n, 2n, '2', 'x', 'y'].flatMap((amount) =>
      [{ opaquePermit: true as const }, {}].map((more) =>
        effect.typed({ primaryType, message: { maker: 'a', amount: amount as bigint }, ...more }),
      ),
    ),
  ),
]
const byKind = Map.groupBy(universe, ({ kind }) => kind)

const [one, two, three] = persons as unknown as [string, string, string]
const people = [[one], [two], [one, two], [two, three]]

/** Values for each part of a rule; it can be absent too. */
const parts = {
  recipient: people,
  spender: people,
  from: [['wallet'], [one], ['wallet', one]],
  amount: [{ min: '1' }, { max: '1' }, { max: '2' }, { max: '4' }, { min: '1', max: '3' }],
  asset: [[coin], [token], [nft], [coin, token]],
  expiresWithin: ['1m', '2m', '2h'],
  text: [{ in: ['a', 'b'] }, { in: ['a'] }, { equals: '5' }],
  typedData: [
    { primaryType: ['a'] },
    { primaryType: ['a', 'b'] },
    { message: { amount: { max: '2' } } },
    { message: { amount: { max: '1' } } },
    { message: { amount: { in: [2] } } },
    { message: { amount: { in: [2, 'x'] } } },
    { message: { amount: { in: ['x'] } } },
    { message: { amount: { in: ['x', 'y'] } } },
    { message: { amount: { in: ['x', '2'] } } },
  ],
} as const
type Part = keyof typeof parts

const partsOfKind: Readonly<Record<string, readonly Part[]>> = {
  'native-transfer': ['recipient', 'amount', 'asset'],
  fee: ['amount', 'asset'],
  'token-transfer': ['recipient', 'from', 'amount', 'asset'],
  approval: ['spender', 'amount', 'asset', 'expiresWithin'],
  message: ['text'],
  'typed-data': ['typedData'],
}

const limitsFor: Readonly<Record<string, fc.Arbitrary<object>>> = {
  'native-transfer': small.map((amount) => amountLimit(amount, coin, '24h', 'day')),
  fee: small.map((amount) => amountLimit(amount, coin, '24h', 'day')),
  'token-transfer': fc
    .tuple(small, fc.constantFrom(token, nft))
    .map(([amount, asset]) => amountLimit(amount, asset, '24h', asset === nft ? 'nft' : 'day')),
  approval: small.map((amount) => amountLimit(amount, token, '24h', 'day')),
}

const countOf: fc.Arbitrary<{ id?: string }> = fc
  .integer({ min: 1, max: 3 })
  .map((count) => countLimit(count))

const effectsOfRule = fc.constantFrom(
  ['native-transfer'],
  ['native-transfer', 'fee'],
  ['token-transfer'],
  ['approval'],
  ['message'],
  ['typed-data'],
)

function ruleOf(effects: readonly string[]): fc.Arbitrary<LooseRule> {
  const names = (partsOfKind[effects[0] ?? ''] ?? []).filter((part) =>
    effects.every((one) => partsOfKind[one]?.includes(part)),
  )
  const when = fc.record(
    Object.fromEntries(names.map((part) => [part, fc.constantFrom<unknown>(...parts[part])])),
    { requiredKeys: [] },
  )
  const amountLimits = limitsFor[effects[0] ?? '']
  const limits = fc.uniqueArray(amountLimits === undefined ? countOf : fc.oneof(amountLimits, countOf), {
    minLength: 1,
    maxLength: 2,
    selector: ({ id }: { id?: string }) => id,
  })
  const who = fc.constantFrom(
    { credentials: ['cred_1'] },
    { credentials: ['cred_1', 'cred_2'] },
    { roles: ['agent'] },
  )
  return fc
    .record({
      action: fc.constantFrom('permit', 'permit', 'forbid'),
      when: fc.option(when, { nil: undefined }),
      limits: fc.option(limits, { nil: undefined }),
      who: fc.option(who, { nil: undefined }),
    })
    .map((drawn) => tidied({ effects, ...drawn }))
}

/** Without parts that are absent or empty, and without limits on a forbid rule, which has none. */
function tidied(rule: LooseRule): LooseRule {
  const { when, limits, who, ...rest } = rule as LooseRule & { when?: object }
  return {
    ...rest,
    ...(when === undefined || Object.keys(when).length === 0 ? {} : { when }),
    ...(limits === undefined || rule.action === 'forbid' ? {} : { limits }),
    ...(who === undefined ? {} : { who }),
  }
}

const anyRule = effectsOfRule.chain(ruleOf)
const how = fc.constantFrom('keep', 'swap', 'swap', 'swap', 'leave', 'drop')

/** Rules as they were, with one part of another rule on the same effects, without one part, or gone. */
function changed(rule: LooseRule, other: LooseRule, change: string, at: number): LooseRule | undefined {
  if (change === 'keep') return rule
  if (change === 'drop') return undefined
  const own = (rule.when ?? {}) as Record<string, unknown>
  const theirs = (change === 'leave' ? {} : (other.when ?? {})) as Record<string, unknown>
  const names = ['limits', 'who', ...new Set([...Object.keys(own), ...Object.keys(theirs)])]
  const name = names[at % names.length] as string
  if (name === 'limits' || name === 'who') {
    return tidied({ ...rule, [name]: change === 'leave' ? undefined : other[name] })
  }
  const { [name]: _, ...left } = own
  return tidied({ ...rule, when: theirs[name] === undefined ? left : { ...left, [name]: theirs[name] } })
}

const twoPolicies = fc
  .tuple(
    fc.array(
      effectsOfRule.chain((effects) => fc.tuple(ruleOf(effects), ruleOf(effects), how, fc.nat())),
      { minLength: 1, maxLength: 2 },
    ),
    // So that a forbid rule has something to forbid.
    fc.constantFrom(undefined, 'open'),
    fc.option(anyRule, { nil: undefined }),
  )
  .map(([rows, open, extra]) => {
    const opened = open === undefined ? [] : [{ id: open, action: 'permit', effects: rows[0]?.[0].effects }]
    const added = extra === undefined || rows.length === 1 ? [] : [{ ...extra, id: 'extra' }]
    const before = rows.map(([rule], i) => ({ ...rule, id: `n${i}` }))
    const after = rows.flatMap(([rule, other, change, at], i) => {
      const next = changed(rule, other, change, at)
      return next === undefined ? [] : [{ ...next, id: `n${i}` }]
    })
    return { before: [...before, ...opened], after: [...after, ...opened, ...added] }
  })

function parse(rules: readonly LooseRule[]) {
  try {
    return parsePolicy(document(...rules))
  } catch {
    // A drawn rule can be one that parsePolicy refuses, for example a contract under two standards.
    return undefined
  }
}

/** By the window alone, so that both policies find the same totals. */
function totalOf(key: string, salt: number): bigint {
  let sum = salt
  for (const char of key) sum = (sum * 31 + char.charCodeAt(0)) % 1009
  return BigInt(sum % 4)
}

function isPermitted(policy: Policy, asked: readonly Effect[], who: Partial<Facts>, salt: number): boolean {
  const request = intent(asked)
  const known = facts(who)
  const layers = layersOf(policy)
  const used = new Map(windowsNeeded(request, known, layers).map(({ key }) => [key, totalOf(key, salt)]))
  return evaluate({ intent: request, facts: known, layers, used }).permitted
}

const askers = [
  { credentialId: 'cred_1', role: 'agent' },
  { credentialId: 'cred_2', role: 'admin' },
  { credentialId: 'cred_3', role: 'agent' },
] as const

it('where nothing is said, nothing that the old policy refused is permitted by the new one', () => {
  let silent = 0
  let narrowed = 0
  let spoken = 0
  fc.assert(
    fc.property(
      twoPolicies,
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.nat({ max: 50 }),
      (pair, picks, salt) => {
        const before = parse(pair.before)
        const after = parse(pair.after)
        if (before === undefined || after === undefined) return
        const reasons = loosens(before, after)
        if (reasons.length > 0) spoken++
        else if (before.hash === after.hash) silent++
        else narrowed++
        if (reasons.length > 0 || before.hash === after.hash) return
        const kinds = new Set(after.rules.flatMap(({ effects }) => [...effects]))
        const effects = [...kinds].flatMap((kind) => byKind.get(kind) ?? [])
        const at = (pick: number) => effects[pick % effects.length] as Effect
        const requests = effects.map((one) => [one])
        if (effects.length > 0) requests.push(...picks.map((pick, i) => [at(pick), at(pick * 7 + i)]))
        for (const who of askers)
          for (const asked of requests)
            if (isPermitted(after, asked, who, salt) && !isPermitted(before, asked, who, salt))
              expect({ before: pair.before, after: pair.after, asked, who }).toBe('permitted by both')
      },
    ),
    { numRuns: 4_000 },
  )
  // The draw is worth something only where it has met changes of every sort.
  expect(narrowed).toBeGreaterThan(200)
  expect(spoken).toBeGreaterThan(200)
  expect(silent).toBeGreaterThan(0)
})

const limitSets = [
  [amountLimit(1n, token)],
  [amountLimit(2n, token)],
  [amountLimit(2n, nft, '24h', 'nft')],
  [amountLimit(2n, token), amountLimit(2n, nft, '24h', 'nft')],
  [countLimit(2)],
  [amountLimit(2n, token), countLimit(2)],
]

it('and so for every change of one part of one rule, tried out to the last effect', () => {
  let silent = 0
  let spoken = 0
  for (const [kind, names] of Object.entries(partsOfKind)) {
    const effects = byKind.get(kind as Effect['kind']) ?? []
    const choices: [string, readonly unknown[]][] = [
      ...names.map((name): [string, readonly unknown[]] => [name, [undefined, ...parts[name]]]),
      ['limits', [undefined, ...limitSets]],
    ]
    for (const action of ['permit', 'forbid'])
      for (const context of [{}, { amount: { max: '1' } }, { asset: [token, nft] }])
        for (const [name, values] of choices)
          for (const from of values)
            for (const to of values) {
              const rules = [from, to].map((value) => {
                const { limits, ...when } = { ...context, [name]: value } as Record<string, unknown>
                const rule = tidied({ id: 'n0', action, effects: [kind], when: present(when), limits })
                return action === 'permit'
                  ? [rule]
                  : [rule, { id: 'open', action: 'permit', effects: [kind] }]
              })
              const [before, after] = rules.map((list) => parse(list))
              if (before === undefined || after === undefined || before.hash === after.hash) continue
              if (loosens(before, after).length > 0) {
                spoken++
                continue
              }
              silent++
              for (const asked of effects)
                for (const salt of [0, 1]) {
                  const isWorse =
                    isPermitted(after, [asked], askers[0], salt) &&
                    !isPermitted(before, [asked], askers[0], salt)
                  if (isWorse) expect({ before: rules[0], after: rules[1], asked }).toBe('permitted by both')
                }
            }
  }
  expect(silent).toBeGreaterThan(300)
  expect(spoken).toBeGreaterThan(300)
})

function present(when: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(when).filter(([, value]) => value !== undefined))
}

it('a policy never loosens itself, and what only adds rules to it is told by them', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 4 }), anyRule, (rules, extra) => {
      const named = rules.map((rule, i) => ({ ...rule, id: `n${i}` }))
      const before = parse(named)
      const after = parse([...named, { ...extra, id: 'extra' }])
      if (before === undefined || after === undefined) return
      expect(loosens(before, before)).toEqual([])
      expect(loosens(after, before).filter(({ rule }) => rule !== 'extra')).toEqual([])
      expect(loosens(before, after).every(({ rule }) => rule === 'extra')).toBe(true)
    }),
    { numRuns: 500 },
  )
})
