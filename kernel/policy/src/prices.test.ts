import { describe, expect, it } from 'vitest'
import type { Facts } from './decision.ts'
import { decisionToJson, explainDecision } from './decision-json.ts'
import { factPayload, type PriceFact, parseFact } from './fact.ts'
import {
  chain,
  codes,
  coin,
  decide,
  effect,
  layersOf,
  nft,
  nftContract,
  nowMs,
  otherCoin,
  policy,
  policyWith,
  token,
  wallet,
} from './fixtures.ts'
import { formatValue, parseValue } from './prices.ts'

const eth = 10n ** 18n
const prices = { currency: 'USD', by: ['oracle', 'second'], maxAge: '10m' }
const minuteMs = 60_000

function price(change: Record<string, unknown> = {}): PriceFact {
  const fact = parseFact({
    v: 1,
    type: 'price',
    asset: coin,
    currency: 'USD',
    price: '3000.5',
    decimals: 18,
    atMs: nowMs - minuteMs,
    expiresAtMs: nowMs + minuteMs,
    credentialId: 'oracle',
    ...change,
  })
  if (fact.type !== 'price') throw new Error('another fact')
  return fact
}

const ask = (rule: Record<string, unknown>, amountMinor: bigint, facts: Partial<Facts>, used = {}) =>
  decide(layersOf(policyWith({ prices }, { effects: ['native-transfer'], ...rule })), {
    effects: [effect.native({ amountMinor })],
    facts,
    used,
  })
const upTo = (max: string, more: object = {}) => ({ when: { value: { currency: 'USD', max }, ...more } })

describe('value conditions', () => {
  it('hold to the smallest unit, rounded against the spender', () => {
    const facts = { prices: [price()] }
    expect(ask(upTo('3000.5'), eth, facts).permitted).toBe(true)
    // A single smallest unit more is worth a millionth more, rounded up.
    expect(codes(ask(upTo('3000.5'), eth + 1n, facts))).toEqual(['POLICY_VALUE'])
    expect(codes(ask(upTo('3000.499999'), eth, facts))).toEqual(['POLICY_VALUE'])
    const decision = ask(upTo('3001'), eth + 1n, facts)
    expect(decision.effects[0]?.value).toEqual({ currency: 'USD', amount: '3000.500001' })
    expect(explainDecision(decision)[1]).toContain('worth up to 3000.500001 USD')
    expect(JSON.parse(JSON.stringify(decisionToJson(decision)))).toEqual(decisionToJson(decision))
  })

  it('refuse without a price that counts', () => {
    const bad: Record<string, PriceFact[]> = {
      none: [],
      'another asset': [price({ asset: otherCoin })],
      'another currency': [price({ currency: 'EUR' })],
      'somebody else’s': [price({ credentialId: 'stranger' })],
      expired: [price({ expiresAtMs: nowMs })],
      old: [price({ atMs: nowMs - 10 * minuteMs - 1 })],
      'of the future': [price({ atMs: nowMs + 1 })],
    }
    for (const [what, given] of Object.entries(bad)) {
      expect(codes(ask(upTo('1000000'), eth, { prices: given })), what).toEqual(['POLICY_PRICE'])
    }
    expect(codes(ask(upTo('1000000'), eth, {}))).toEqual(['POLICY_PRICE'])
    const good = [price({ atMs: nowMs - 10 * minuteMs }), price({ expiresAtMs: nowMs + 1, atMs: nowMs })]
    for (const one of good) expect(ask(upTo('1000000'), eth, { prices: [one] }).permitted).toBe(true)
  })

  it('take the price that is worst for the asker', () => {
    const low = price({ price: '1' })
    const high = price({ price: '4000', credentialId: 'second' })
    expect(codes(ask(upTo('3999'), eth, { prices: [low, high] }))).toEqual(['POLICY_VALUE'])
    expect(ask(upTo('4000'), eth, { prices: [high, low] }).permitted).toBe(true)
    // A rule for large payments must hold at the lowest price, or an inflated one would lead to it.
    const large = { when: { value: { currency: 'USD', min: '2000' } } }
    expect(ask(large, eth, { prices: [high] }).permitted).toBe(true)
    expect(codes(ask(large, eth, { prices: [low, high] }))).toEqual(['POLICY_VALUE'])
  })

  it('can ask for several sources', () => {
    const two = policyWith(
      { prices: { ...prices, count: 2 } },
      { effects: ['native-transfer'], ...upTo('5000') },
    )
    const asked = (...given: PriceFact[]) =>
      codes(
        decide(layersOf(two), { effects: [effect.native({ amountMinor: eth })], facts: { prices: given } }),
      )
    expect(asked(price(), price())).toEqual(['POLICY_PRICE'])
    expect(asked(price(), price({ credentialId: 'second' }))).toEqual([])
  })

  it('nothing is worth nothing, priced or not', () => {
    expect(ask(upTo('0'), 0n, {}).permitted).toBe(true)
    expect(codes(ask(upTo('0'), 1n, { prices: [price()] }))).toEqual(['POLICY_VALUE'])
  })

  it('on a forbid rule, match wherever they could hold', () => {
    const layers = layersOf(
      policyWith(
        { prices },
        { effects: ['native-transfer'] },
        { action: 'forbid', effects: ['native-transfer'], when: { value: { currency: 'USD', min: '3000' } } },
      ),
    )
    const asked = (facts: Partial<Facts>) =>
      decide(layers, { effects: [effect.native({ amountMinor: eth })], facts }).permitted
    expect(asked({ prices: [price({ price: '2999' })] })).toBe(true)
    expect(asked({ prices: [price({ price: '3000' })] })).toBe(false)
    expect(asked({ prices: [price({ price: '1' }), price({ price: '3000' })] })).toBe(false)
    expect(asked({})).toBe(false)
  })

  it('never hold for an approval without bound, or for what nobody knows', () => {
    const approvals = policyWith({ prices }, { effects: ['approval'], ...upTo('1000000000') })
    const one = effect.approval({ amountMinor: undefined, mode: 'all' })
    const facts = { prices: [price({ asset: token, price: '0' })] }
    expect(codes(decide(layersOf(approvals), { effects: [one], facts }))).toEqual(['POLICY_PRICE'])
    expect(decide(layersOf(approvals), { effects: [effect.approval()], facts }).permitted).toBe(true)
  })

  it('count every reading that the rule leaves open', () => {
    const coins = `${chain}/erc20:${nftContract}`
    const either = effect.token({
      contract: nftContract,
      assets: [coins as never, `${nft}/5` as never],
      from: wallet,
    })
    const facts = { prices: [price({ asset: coins, decimals: 0, price: '1' })] }
    const rule = (more: object) =>
      policyWith({ prices }, { effects: ['token-transfer'], ...upTo('100', more) })
    expect(codes(decide(layersOf(rule({})), { effects: [either], facts }))).toEqual(['POLICY_PRICE'])
    expect(decide(layersOf(rule({ asset: [coins] })), { effects: [either], facts }).permitted).toBe(true)
  })
})

describe('value limits', () => {
  const rule = { limits: [{ id: 'day', value: '6001', currency: 'USD', window: { rolling: '24h' } }] }
  const facts = { prices: [price()] }

  it('count millionths of the currency, to the last one', () => {
    const decision = ask(rule, eth, facts, { 'r0|day': parseValue('3000.5') })
    expect(decision.reservations).toEqual([
      {
        key: 'wal_1|wallet|test|r0|day',
        windowMs: 86_400_000,
        layer: 'wallet',
        rule: 'r0',
        asset: undefined,
        currency: 'USD',
        amountMinor: 3_000_500_000n,
        limitMinor: 6_001_000_000n,
      },
    ])
    expect(explainDecision(decision).at(-1)).toBe('Takes 3000.5 of the 6001 USD per 24h of rule r0.')
    const refused = ask(rule, eth, facts, { 'r0|day': parseValue('3000.500001') })
    expect(codes(refused)).toEqual(['POLICY_WINDOW'])
    expect(refused.effects[0]?.reasons[0]?.message).toContain(
      'permits 6001 of USD per 24h; 3000.500001 are used, 3000.499999 are left',
    )
  })

  it('add up over assets', () => {
    const both = policyWith(
      { prices },
      { effects: ['native-transfer', 'token-transfer'], limits: rule.limits },
    )
    const effects = [effect.native({ amountMinor: eth }), effect.token({ amountMinor: 3_000_500_000n })]
    const asked = (...given: PriceFact[]) => decide(layersOf(both), { effects, facts: { prices: given } })
    const dollar = price({ asset: token, price: '1', decimals: 6 })
    expect(asked(price(), dollar).reservations).toMatchObject([{ amountMinor: 6_001_000_000n }])
    expect(codes(asked(price(), price({ asset: token, price: '1.000001', decimals: 6 })))).toEqual([
      'POLICY_WINDOW',
    ])
    expect(codes(asked(price()))).toEqual(['POLICY_PRICE'])
  })

  it('refuse what cannot be valued', () => {
    expect(codes(ask(rule, eth, {}))).toEqual(['POLICY_PRICE'])
    expect(codes(ask(rule, eth, { prices: [price({ expiresAtMs: nowMs })] }))).toEqual(['POLICY_PRICE'])
  })
})

describe('what the file must say', () => {
  it.each<[string, () => unknown, string]>([
    [
      'a value without prices',
      () => policy({ effects: ['fee'], ...upTo('1') }),
      'say in the policy’s "prices"',
    ],
    [
      'a value limit without prices',
      () =>
        policy({
          effects: ['fee'],
          limits: [{ id: 'a', value: '1', currency: 'USD', window: { rolling: '1h' } }],
        }),
      'prices',
    ],
    [
      'another currency',
      () => policyWith({ prices }, { effects: ['fee'], when: { value: { currency: 'EUR', max: '1' } } }),
      'prices are in USD',
    ],
    [
      'a value that is no bound',
      () => policyWith({ prices }, { effects: ['fee'], when: { value: { currency: 'USD' } } }),
      '2 properties',
    ],
    [
      'a value that is too fine',
      () => policyWith({ prices }, { effects: ['fee'], ...upTo('0.0000001') }),
      'pattern',
    ],
    [
      'min above max',
      () =>
        policyWith(
          { prices },
          { effects: ['fee'], when: { value: { currency: 'USD', min: '2', max: '1' } } },
        ),
      'above',
    ],
    [
      'a value of what has none',
      () => policyWith({ prices }, { effects: ['message'], ...upTo('1') }),
      'has no value',
    ],
    [
      'a limit on the value of what has none',
      () =>
        policyWith(
          { prices },
          {
            effects: ['message'],
            limits: [{ id: 'a', value: '1', currency: 'USD', window: { rolling: '1h' } }],
          },
        ),
      'no amount',
    ],
    ['more sources than there are', () => policyWith({ prices: { ...prices, count: 3 } }), '"by"'],
    ['an age that is too long', () => policyWith({ prices: { ...prices, maxAge: '367d' } }), '366d'],
  ])('refuses %s', (_name, read, words) => {
    expect(read).toThrow(words)
  })
})

describe('facts', () => {
  const written = {
    v: 1 as const,
    type: 'price' as const,
    asset: coin,
    currency: 'USD',
    price: '0.000000000000000000000000000001',
    decimals: 0,
    atMs: 1,
    expiresAtMs: 2,
    credentialId: 'oracle',
  }

  it('are exact however small the price', () => {
    expect(parseFact(written)).toMatchObject({ numerator: 1_000_000n, denominator: 10n ** 30n })
    expect(parseFact({ ...written, price: '12', decimals: 77 })).toMatchObject({
      numerator: 12_000_000n,
      denominator: 10n ** 77n,
    })
  })

  it('are signed in one form', () => {
    const shuffled = Object.fromEntries(Object.entries(written).reverse()) as unknown as typeof written
    expect(factPayload(shuffled)).toEqual(factPayload(written))
    expect(new TextDecoder().decode(factPayload(written))).toBe(
      `countersign-fact-v1\n{"asset":"${coin}","atMs":1,"credentialId":"oracle","currency":"USD","decimals":0,"expiresAtMs":2,"price":"0.000000000000000000000000000001","type":"price","v":1}\n`,
    )
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['another type', { ...written, type: 'weather' }],
    ['a negative price', { ...written, price: '-1' }],
    ['a price in exponents', { ...written, price: '1e3' }],
    ['an unknown key', { ...written, confidence: 1 }],
    ['no end', { ...written, expiresAtMs: undefined }],
    ['an end before its beginning', { ...written, expiresAtMs: 1 }],
    ['an asset that is none', { ...written, asset: 'ETH' }],
    ['decimals that are too many', { ...written, decimals: 78 }],
    [
      'a simulation that says nothing',
      { type: 'simulation', v: 1, atMs: 1, expiresAtMs: 2, credentialId: 'a' },
    ],
  ])('refuses %s', (_name, value) => {
    expect(() => parseFact(value)).toThrow(expect.objectContaining({ code: 'POLICY_FACT_INVALID' }))
  })
})

it('values are written as they are read', () => {
  for (const text of ['0', '1', '0.000001', '12.5', '999999999999999999.999999']) {
    expect(formatValue(parseValue(text))).toBe(text)
  }
  expect(parseValue('1.50')).toBe(1_500_000n)
})
