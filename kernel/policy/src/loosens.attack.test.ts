import type { Effect } from '@countersign/intent'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Facts } from './decision.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
import { parseFact } from './fact.ts'
import {
  address,
  amountLimit,
  book,
  books,
  calldataOf,
  chain,
  coin,
  countLimit,
  document,
  effect,
  facts,
  intent,
  type LooseRule,
  layersOf,
  nowMs,
  otherChain,
  otherCoin,
  token,
  wallet,
} from './fixtures.ts'
import { loosens } from './loosens.ts'
import { type Policy, parsePolicy } from './policy.ts'

/**
 * Every change of one part of a rule into any other value of it, beside a few contexts: where `loosens` is silent,
 * no request in this world may be permitted that was refused before. Worlds differ in everything that facts can hold.
 */

const hourMs = 3_600_000
const [one, two, three] = [1, 2, 3].map(address) as readonly string[] as [string, string, string]
const setOwner = 'function setOwner(address owner, uint256 n)'
const call = (owner: string, n: bigint) => effect.call({ calldata: calldataOf(setOwner, BigInt(owner), n) })

const requests: readonly Effect[] = [
  ...[one, two, three, wallet].flatMap((recipient) =>
    [0n, 1n, 3n].flatMap((amountMinor) => [
      effect.native({ recipient: recipient as never, amountMinor }),
      effect.native({
        recipient: recipient as never,
        amountMinor,
        chain: otherChain,
        asset: otherCoin,
      }),
    ]),
  ),
  effect.native({ recipient: one as never, amountMinor: 1n, account: address(8) }),
  ...[1n, 3n].map((amountMinor) => effect.token({ recipient: one as never, amountMinor })),
  ...[undefined, '', 'a', 'A', 'ab', '0xab', '0xAB', '5', '05'].map((text) => effect.message({ text })),
  ...[one, two].flatMap((owner) => [0n, 1n, 5n].map((n) => call(owner, n))),
  effect.call({ calldata: '0x12345678' }),
  ...['a', '0xab', '0xAB', 5n, undefined].flatMap((amount) =>
    ['Order', 'order'].map((primaryType) =>
      effect.typed({ primaryType, message: { maker: one, amount: amount as never, legs: [] } }),
    ),
  ),
  effect.typed({ message: { maker: one, legs: [{ to: one }, { to: two }] } }),
]

const price = (currency: string, at: number, credentialId = 'oracle') =>
  parseFact({
    v: 1,
    type: 'price',
    asset: coin,
    currency,
    price: '1',
    decimals: 0,
    atMs: at,
    expiresAtMs: at + hourMs,
    credentialId,
  }) as never

const simulated = (ageMs: number, more: object = {}) =>
  parseFact({
    v: 1,
    type: 'simulation',
    account: wallet,
    payloadDigest: intent([]).payloadDigest,
    outcome: 'success',
    atMs: nowMs - ageMs,
    expiresAtMs: nowMs + hourMs,
    credentialId: 'sim',
    ...more,
  }) as never

const approvedBy = (...ids: string[]) => ids.map((credentialId) => ({ credentialId, atMs: nowMs - 1_000 }))
const worlds: readonly Partial<Facts>[] = [
  {},
  { credentialId: 'cred_2', role: 'admin' },
  { bearer: true },
  { operation: 'sign-message' },
  { groupId: 'g1', grantId: 'grt_1' },
  { walletAddress: undefined },
  ...[0, 6, 12, 30, 60, 24 * 30].map((hours) => ({ nowMs: nowMs + hours * hourMs })),
  ...[['b_1'], ['b_1', 'b_2'], ['b_3'], ['b_1', 'b_3'], ['cred_1']].map((ids) => ({
    approvals: approvedBy(...ids),
  })),
  { approvals: [{ credentialId: 'b_1', atMs: nowMs - 2 * hourMs }] },
  { books: books(book('friends', one)) },
  { books: books(book('friends', one, two), book('foes', two)) },
  { prices: [price('USD', nowMs - 1_000)] },
  { prices: [price('USD', nowMs - hourMs / 2), price('EUR', nowMs - 1_000)] },
  { prices: [price('USD', nowMs - 1_000, 'second')] },
  { simulations: [simulated(1_000)] },
  { simulations: [simulated(hourMs / 2)] },
  { simulations: [simulated(1_000, { credentialId: 'other' })] },
  { simulations: [simulated(1_000, { maxOutflows: [{ asset: token, amount: '1' }] })] },
  { simulations: [simulated(1_000, { outcome: 'revert' }), simulated(1_000, { credentialId: 'other' })] },
]

const limit = (more: object, id = 'day') => ({
  id,
  amount: '3',
  asset: coin,
  window: { rolling: '24h' },
  ...more,
})
const native = ['native-transfer']

/** Members of the file beside the rules, with values that the rules of `values` can be combined with. */
interface Field {
  readonly effects: readonly string[]
  readonly values: readonly LooseRule[]
  readonly contexts?: readonly LooseRule[]
  readonly isPermitOnly?: boolean
  readonly files?: readonly object[]
}

const when = (more: object): LooseRule => ({ when: more })
const during = (more: object): LooseRule => ({ during: more })
const board = (...credentials: string[]) => ({ board: { credentials } })

const fields: readonly Field[] = [
  {
    effects: native,
    values: [
      {},
      ...[
        [one],
        [one, two],
        ['@friends'],
        ['@friends', one],
        ['@foes'],
        ['wallet'],
        ['account'],
        [three],
      ].map((recipient) => when({ recipient })),
    ],
    contexts: [{}, { when: { amount: { max: '1' } } }, { limits: [limit({})] }],
  },
  {
    effects: native,
    values: [
      {},
      ...[[chain], [otherChain], [chain, otherChain]].map((list) => when({ chain: list })),
      ...[[coin], [otherCoin], [coin, otherCoin]].map((asset) => when({ asset })),
      ...[['account'], ['wallet'], [address(8)], [wallet], [wallet, address(8)]].map((account) =>
        when({ account }),
      ),
    ],
    contexts: [{}, { when: { amount: { min: '1' } } }],
  },
  {
    effects: native,
    values: [
      {},
      { who: { bearer: true } },
      { who: { credentials: ['cred_1'] } },
      { who: { credentials: ['cred_1', 'cred_2'] } },
      { who: { credentials: ['cred_1'], bearer: true } },
      { who: { roles: ['agent'] } },
      { who: { roles: ['agent', 'admin'] } },
      { operations: ['sign-message'] },
      { operations: ['sign-message', 'sign-transaction'] },
    ],
  },
  {
    effects: native,
    values: [
      {},
      ...[
        { notBefore: '2027-01-15T09:00:00Z' },
        { notBefore: '2027-01-15T20:00:00+09:00' },
        { until: '2027-01-16T00:00:00Z' },
        { until: '2027-01-17T00:00:00Z' },
        { timeZone: 'UTC', days: ['fri'] },
        { timeZone: 'UTC', days: ['fri', 'sat'] },
        { timeZone: 'Asia/Tokyo', days: ['fri'] },
        { timeZone: 'UTC', hours: [{ from: '08:00', to: '12:00' }] },
        { timeZone: 'UTC', hours: [{ from: '20:00', to: '09:00' }] },
        { timeZone: 'UTC', days: ['fri'], hours: [{ from: '20:00', to: '21:00' }] },
        { timeZone: 'UTC', days: ['fri'], hours: [{ from: '20:00', to: '15:00' }] },
        { timeZone: 'UTC', days: ['fri', 'sat'], hours: [{ from: '20:00', to: '15:00' }] },
        { timeZone: 'UTC', days: ['fri'], notBefore: '2027-01-15T09:00:00Z' },
      ].map(during),
    ],
  },
  {
    effects: ['message'],
    values: [
      {},
      ...[
        { equals: 'a' },
        { in: ['a', 'A'] },
        { in: ['0xab'] },
        { in: ['0xAB'] },
        { in: ['0xAB', 'a'] },
        { in: ['5'] },
        { startsWith: 'a' },
        { startsWith: 'ab' },
        { startsWith: '0xa' },
      ].map((text) => when({ text })),
    ],
  },
  {
    effects: ['contract-call'],
    values: [
      {},
      when({ selector: [call(one, 1n).kind === 'contract-call' ? calldataOf(setOwner) : '0x12345678'] }),
      when({ selector: ['0x12345678'] }),
      when({ selector: ['0x12345678', calldataOf(setOwner).toUpperCase().replace('0X', '0x')] }),
      ...[
        undefined,
        { n: { max: '1' } },
        { n: { max: '5' } },
        { n: { min: '1', max: '5' } },
        { n: { in: ['1'] } },
        { n: { in: [1] } },
        { n: { in: ['1', '5'] } },
        { owner: { addresses: [one] } },
        { owner: { addresses: [one, two] } },
        { owner: { addresses: ['@friends'] } },
        { owner: { equals: one }, n: { max: '5' } },
        { owner: { in: [one, two] } },
      ].map((args) => when({ function: { abi: setOwner, ...(args === undefined ? {} : { args }) } })),
    ],
  },
  {
    effects: ['typed-data'],
    values: [
      {},
      ...[
        { primaryType: ['Order'] },
        { primaryType: ['Order', 'order'] },
        { primaryType: ['order'] },
        { message: { amount: { in: ['0xab'] } } },
        { message: { amount: { in: ['0xAB'] } } },
        { message: { amount: { in: ['a', '0xab'] } } },
        { message: { amount: { max: '5' } } },
        { message: { amount: { max: '4' } } },
        { message: { 'legs.*.to': { equals: one } } },
        { message: { 'legs.*.to': { in: [one, two] } } },
        { message: { 'legs.*.to': { addresses: [one, two] } } },
        { message: { 'legs.length': { max: '1' } } },
        { domain: { chainId: { equals: 8453 } } },
      ].map((typedData) => when({ typedData })),
    ],
  },
  {
    effects: native,
    isPermitOnly: true,
    values: [
      {},
      ...[
        [limit({})],
        [limit({ amount: '2' })],
        [limit({ per: 'recipient' })],
        [limit({ per: 'credential' })],
        [limit({ per: 'group' })],
        [limit({ per: 'grant' })],
        [limit({ per: 'organisation' })],
        [limit({ window: { rolling: '48h' } })],
        [limit({ window: { calendar: 'day', timeZone: 'UTC' } })],
        [limit({ window: { calendar: 'day', timeZone: 'Asia/Tokyo' } })],
        [limit({ window: { calendar: 'week', timeZone: 'UTC' } })],
        [limit({ asset: otherCoin })],
        [limit({}), limit({ asset: otherCoin }, 'other')],
        [limit({}), limit({ amount: '1' }, 'again')],
        [limit({}, 'again')],
        [countLimit(2)],
        [countLimit(1), limit({})],
        [countLimit(1, '12h')],
        [{ id: 'worth', value: '3', currency: 'USD', window: { rolling: '24h' } }],
        [{ id: 'worth', value: '2.5', currency: 'USD', window: { rolling: '24h' } }, limit({})],
      ].map((limits) => ({ limits })),
    ],
    contexts: [{}, { when: { recipient: [one] } }, { when: { asset: [coin] } }],
    files: [{ prices: { currency: 'USD', by: ['oracle'], maxAge: '10m' } }],
  },
  {
    effects: native,
    values: [
      {},
      ...[{ max: '1' }, { max: '1.5' }, { max: '3' }, { min: '1' }, { min: '1', max: '3.000000' }].map(
        (more) => when({ value: { currency: 'USD', ...more } }),
      ),
    ],
    contexts: [{}, { when: { asset: [coin] } }],
    files: [
      { prices: { currency: 'USD', by: ['oracle'], maxAge: '10m' } },
      { prices: { currency: 'USD', by: ['oracle'], maxAge: '2h' } },
      { prices: { currency: 'USD', by: ['oracle', 'second'], maxAge: '10m' } },
    ],
  },
  {
    effects: native,
    isPermitOnly: true,
    values: [
      {},
      ...[
        { by: ['sim'] },
        { by: ['sim', 'other'] },
        { by: ['other'] },
        { by: ['sim'], maxAge: '2m' },
        { by: ['sim'], maxAge: '1h' },
        { by: ['sim'], maxOutflows: [{ asset: token, amount: '0' }] },
        { by: ['sim'], maxOutflows: [{ asset: token, amount: '1' }] },
      ].map((simulation) => ({ requires: { simulation } })),
    ],
  },
  {
    effects: native,
    isPermitOnly: true,
    values: [
      {},
      ...[
        [{ group: 'board', count: 1 }],
        [{ group: 'board', count: 1, excludeProposer: true }],
        [{ group: 'board', count: 1, excludeProposer: false }],
        [{ group: 'board', count: 1, within: '1h' }],
        [{ group: 'board', count: 1, within: '3h' }],
        [{ group: 'board', count: 2 }],
      ].map((approvals) => ({ approvals })),
    ],
    files: [
      { groups: board('b_1', 'b_2') },
      { groups: board('b_1', 'b_2', 'b_3') },
      { groups: board('b_1', 'b_2', 'cred_1') },
      { groups: { ...board('b_1', 'b_2'), other: { credentials: ['b_3'] } } },
    ],
  },
]

function parse(file: object, rules: readonly LooseRule[]): Policy | undefined {
  try {
    return parsePolicy({ ...document(...rules), ...file })
  } catch {
    // Not every value goes with every context.
    return undefined
  }
}

/** By the window alone, so that both policies find the same totals; a new window is empty in the first of two. */
const totals = [() => 0n, (key: string) => (key.includes('|r0|day|') || key.endsWith('|r0|day') ? 2n : 0n)]

function isPermitted(policy: Policy, one: Effect, world: Partial<Facts>, total: (key: string) => bigint) {
  const known = facts(world)
  const request = intent([one], known.operation)
  const layers = layersOf(policy)
  const used = new Map(windowsNeeded(request, known, layers).map(({ key }) => [key, total(key)]))
  return evaluate({ intent: request, facts: known, layers, used }).permitted
}

it.each(fields.map((field) => [field.effects[0], field] as const))(
  'every change of a part of a rule on %s',
  (_kind, field) => {
    let silent = 0
    let spoken = 0
    const { effects, values, contexts = [{}], files = [{}] } = field
    const asked = requests.filter(({ kind }) => effects.includes(kind))
    const actions = field.isPermitOnly === true ? ['permit'] : ['permit', 'forbid']
    for (const action of actions)
      for (const context of contexts)
        for (const fileBefore of files)
          for (const fileAfter of files)
            for (const from of values)
              for (const to of values) {
                const [before, after] = [
                  [fileBefore, from],
                  [fileAfter, to],
                ].map(([file, value]) => {
                  const merged = {
                    ...context,
                    ...value,
                    ...(context.when === undefined && (value as LooseRule).when === undefined
                      ? {}
                      : { when: { ...(context.when as object), ...((value as LooseRule).when as object) } }),
                  }
                  const rule = { action, effects, ...merged }
                  return parse(file as object, action === 'permit' ? [rule] : [rule, { effects }])
                })
                if (before === undefined || after === undefined || before.hash === after.hash) continue
                if (loosens(before, after).length > 0) {
                  spoken++
                  continue
                }
                silent++
                for (const one of asked)
                  for (const world of worlds)
                    for (const total of totals)
                      if (isPermitted(after, one, world, total) && !isPermitted(before, one, world, total))
                        expect({ before: before.document, after: after.document, one, world }).toBe('never')
              }
    expect(silent).toBeGreaterThan(0)
    expect(spoken).toBeGreaterThan(0)
  },
)

/** Several parts at once, of one rule or two, both ways: what one part takes away another must not give back. */
it('every change of several parts of rules on native coins', () => {
  const nativeFields = fields.filter(({ effects }) => effects === native)
  const asked = requests.filter(({ kind }) => kind === 'native-transfer')
  const file = {
    prices: { currency: 'USD', by: ['oracle'], maxAge: '10m' },
    groups: board('b_1', 'b_2', 'b_3'),
  }
  const picks = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 3 })
  const ruleOf = (chosen: readonly (readonly [number, number])[], action: string): LooseRule => {
    let rule: LooseRule = { action, effects: native }
    for (const [f, v] of chosen) {
      const { values, isPermitOnly } = nativeFields[f % nativeFields.length] as Field
      const value = values[v % values.length] as LooseRule
      if (action === 'forbid' && isPermitOnly === true) continue
      const conditions = { ...(rule.when as object), ...(value.when as object) }
      rule = { ...rule, ...value, ...(Object.keys(conditions).length === 0 ? {} : { when: conditions }) }
    }
    return rule
  }
  // Mostly the same part with another value, or one part more: anything else is told apart at once.
  const change = fc.constantFrom<'value' | 'more' | 'less' | 'keep'>('value', 'value', 'more', 'less', 'keep')
  const changed = (
    chosen: readonly (readonly [number, number])[],
    [how, f, v]: readonly [string, number, number],
  ): readonly (readonly [number, number])[] => {
    if (how === 'keep') return chosen
    if (how === 'less') return chosen.slice(1)
    if (how === 'more') return [...chosen, [f, v]]
    return chosen.map(([part, value], i) => (i === 0 ? [part, v] : [part, value]))
  }
  const one = fc.tuple(
    picks,
    fc.constantFrom('permit', 'permit', 'forbid'),
    fc.tuple(change, fc.nat(), fc.nat()),
  )
  let silent = 0
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 2 }), (rows) => {
      const open = rows.every(([, action]) => action === 'forbid') ? [{ effects: native }] : []
      const [before, after] = [false, true].map((isAfter) =>
        parse(file, [
          ...rows.map(([chosen, action, how]) => ruleOf(isAfter ? changed(chosen, how) : chosen, action)),
          ...open,
        ]),
      )
      if (before === undefined || after === undefined || before.hash === after.hash) return
      if (loosens(before, after).length > 0) return
      silent++
      for (const effectAsked of asked)
        for (const world of worlds)
          for (const total of totals)
            if (
              isPermitted(after, effectAsked, world, total) &&
              !isPermitted(before, effectAsked, world, total)
            )
              expect({ before: before.document, after: after.document, effectAsked, world }).toBe('never')
    }),
    { numRuns: 500 },
  )
  expect(silent).toBeGreaterThan(20)
})

it('a token limit on one more mint, which differs by the case of its letters alone', () => {
  const mint = (name: string) => `solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:${name}`
  const [usdc, other] = [
    mint('EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v'),
    mint('EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1V'),
  ] as [string, string]
  const rule = (...limits: object[]) => parse({}, [{ effects: ['token-transfer'], limits }])
  const before = rule(amountLimit(1n, usdc))
  const after = rule(amountLimit(1n, usdc), amountLimit(1n, other, '24h', 'other'))
  expect(loosens(before, after)).toHaveLength(1)
  expect(loosens(rule(amountLimit(1n, token)), rule(amountLimit(1n, token), countLimit(1)))).toEqual([])
})
