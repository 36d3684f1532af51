import type { Effect } from '@countersign/intent'
import fc from 'fast-check'
import { expect, it } from 'vitest'
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
import { parsePolicy } from './policy.ts'

const small = fc.bigInt({ min: 0n, max: 4n })
const persons = [1, 2, 3].map(address)
const person = fc.constantFrom(...persons)
const words = ['a', 'b', '5', '0xAA', '7']
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
    [1n, 2n, 3n, 'x'].flatMap((amount) =>
      [true, undefined].map((opaquePermit) =>
        effect.typed({ primaryType, message: { maker: 'a', amount }, ...(opaquePermit === undefined ? {} : { opaquePermit }) }),
      ),
    ),
  ),
]
const byKind = Map.groupBy(universe, ({ kind }) => kind)

const people = fc.uniqueArray(person, { minLength: 1, maxLength: 2 })
const range = fc.constantFrom({ min: '1' }, { max: '1' }, { max: '2' }, { max: '4' }, { min: '1', max: '3' })
const texts = fc.constantFrom(
  { in: ['a', 'b'] },
  { in: ['a'] },
  { equals: '5' },
  { in: ['a', 5] },
  { in: [5] },
)
const typed = fc.constantFrom(
  { primaryType: ['a'] },
  { primaryType: ['a', 'b'] },
  { message: { amount: { max: '2' } } },
  { message: { amount: { max: '1' } } },
  { primaryType: ['a'], message: { amount: { in: [2, 'x'] } } },
)

/** A value for each part of a rule, or its absence. */
const parts = {
  recipient: people,
  spender: people,
  from: fc.constantFrom(['wallet'], [address(1)], ['wallet', address(1)]),
  amount: range,
  asset: fc.constantFrom([coin], [token], [nft], [coin, token]),
  expiresWithin: fc.constantFrom('1m', '2m', '2h'),
  text: texts,
  typedData: typed,
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

const effectsOfRule = fc.constantFrom(
  ['native-transfer'],
  ['native-transfer', 'fee'],
  ['token-transfer'],
  ['approval'],
  ['message'],
  ['typed-data'],
)

const anyRule: fc.Arbitrary<LooseRule> = effectsOfRule.chain((effects) => {
  const kind = effects[0] as string
  const shared = effects.flatMap((one, i) =>
    (partsOfKind[one] ?? []).filter(
      (part) => i > 0 || effects.every((other) => partsOfKind[other]?.includes(part)),
    ),
  )
  const when = fc.record(
    Object.fromEntries(
      [...new Set(shared)]
        .filter((part) => effects.every((one) => partsOfKind[one]?.includes(part)))
        .map((part) => [part, parts[part]]),
    ),
    { requiredKeys: [] },
  )
  const amountLimits = limitsFor[kind]
  const limits = fc.uniqueArray(amountLimits === undefined ? countOf : fc.oneof(amountLimits, countOf), {
    minLength: 1,
    maxLength: 2,
    selector: ({ id }: { id?: string }) => id,
  })
  return fc
    .record({
      effects: fc.constant(effects),
      action: fc.constantFrom('permit', 'permit', 'forbid'),
      when: fc.option(when, { nil: undefined }),
      limits: fc.option(limits, { nil: undefined }),
      who: fc.constantFrom(
        undefined,
        undefined,
        { credentials: ['cred_1'] },
        { credentials: ['cred_1', 'cred_2'] },
        { roles: ['agent'] },
      ),
    })
    .map(({ action, limits: drawn, when: conditions, who, ...rest }) => ({
      ...rest,
      action,
      ...(conditions === undefined || Object.keys(conditions).length === 0 ? {} : { when: conditions }),
      ...(drawn === undefined || action === 'forbid' ? {} : { limits: drawn }),
      ...(who === undefined ? {} : { who }),
    }))
})
const countOf: fc.Arbitrary<{ id?: string }> = fc
  .integer({ min: 1, max: 3 })
  .map((count) => countLimit(count))

/** After: each rule as it was, without one of its parts, with one of another rule's, or gone; and perhaps a rule more. */
const change = fc.constantFrom('keep', 'keep', 'mix', 'mix', 'drop')

function changed(rule: LooseRule, other: LooseRule, how: string, at: number): LooseRule | undefined {
  if (how === 'keep') return rule
  if (how === 'drop') return undefined
  const sameKind = String(rule.effects) === String(other.effects)
  const own = (rule.when ?? {}) as Record<string, unknown>
  const theirs = sameKind ? ((other.when ?? {}) as Record<string, unknown>) : {}
  const names = [...new Set([...Object.keys(own), ...Object.keys(theirs)])]
  const name = names[at % Math.max(1, names.length)]
  const { [name ?? '']: _, ...left } = own
  const when = name !== undefined && theirs[name] !== undefined ? { ...left, [name]: theirs[name] } : left
  const { when: __, ...rest } = rule
  const limits =
    sameKind && rule.action === 'permit' && other.limits !== undefined && at % 2 === 0
      ? { limits: other.limits }
      : {}
  return { ...rest, ...limits, ...(Object.keys(when).length === 0 ? {} : { when }) }
}

const twoPolicies = fc
  .array(fc.tuple(anyRule, anyRule, change, fc.nat()), { minLength: 1, maxLength: 2 })
  .chain((rows) => fc.tuple(fc.constant(rows), fc.option(anyRule, { nil: undefined })))
  .map(([rows, extra]) => {
    const before = rows.map(([rule], i) => ({ ...rule, id: `n${i}` }))
    const after = rows.flatMap(([rule, other, how, at], i) => {
      const next = changed(rule, other, how, at)
      return next === undefined ? [] : [{ ...next, id: `n${i}` }]
    })
    return {
      before,
      after: extra === undefined || rows.length % 2 === 0 ? after : [...after, { ...extra, id: 'extra' }],
    }
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
    fc.property(twoPolicies, fc.array(fc.nat(), { maxLength: 8 }), fc.nat({ max: 50 }), (pair, picks, salt) => {
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
      if (effects.length > 0) picks.forEach((pick, i) => requests.push([at(pick), at(pick * 7 + i)]))
      for (const who of askers) {
        const known = facts(who)
        for (const asked of requests) {
          const request = intent(asked)
          const decide = (policy: typeof before) => {
            const layers = layersOf(policy)
            const used = new Map(windowsNeeded(request, known, layers).map(({ key }) => [key, totalOf(key, salt)]))
            return evaluate({ intent: request, facts: known, layers, used }).permitted
          }
          if (decide(after) && !decide(before)) {
            expect({ before: pair.before, after: pair.after, asked, who }).toBe('permitted by both')
          }
        }
      }
    }),
    { numRuns: 4_000 },
  )
  // The draw is worth something only where it has met changes of every sort.
  expect(narrowed).toBeGreaterThan(200)
  expect(spoken).toBeGreaterThan(200)
  expect(silent).toBeGreaterThan(0)
})

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
