import { describe, expect, it } from 'vitest'
import { describeExposure, exposureOf } from './exposure.ts'
import {
  alice,
  amountLimit,
  bob,
  coin,
  countLimit,
  effect,
  type LooseRule,
  layersOf,
  nft,
  policy,
  policyWith,
  token,
} from './fixtures.ts'
import type { Policy } from './policy.ts'

const eth = 10n ** 18n
const pay = (amount: bigint, more: LooseRule = {}) => ({
  effects: ['native-transfer'],
  limits: [amountLimit(amount)],
  ...more,
})
const fees = { id: 'fees', effects: ['fee'], limits: [amountLimit(eth / 100n)] }
const of = (...layers: (Policy | undefined)[]) => exposureOf(layersOf(...layers), 'wal_1', ['cred_1'])

describe('exposureOf', () => {
  it('adds transfers and fees of one asset, and says to whom', () => {
    const exposure = of(policy(pay(eth / 2n, { id: 'pay', when: { recipient: [bob, alice] } }), fees))
    expect(exposure).toMatchObject({ bounded: true, unbounded: [], recipients: [alice, bob] })
    expect(describeExposure(exposure)).toEqual([
      'At most 0.51 of eip155:8453/slip44:60 (510000000000000000 smallest units) in any 24h, by rules pay (wallet), fees (wallet).',
      'Nothing else can leave, but for the L1 data fee, which rollups take on top of the fee.',
      `Only to ${alice}, ${bob}; fees go to whoever makes the block.`,
    ])
  })

  it('is nothing without a policy, without layers, and for credentials that no rule is for', () => {
    const forOthers = policy(pay(5n, { who: { credentials: ['cred_2'] } }))
    for (const exposure of [
      of(),
      of(undefined),
      of(policy()),
      of(forOthers),
      of(policy(pay(5n)), undefined),
    ]) {
      expect(exposure).toMatchObject({ bounded: true, assets: [], unbounded: [], recipients: [] })
      expect(describeExposure(exposure)).toEqual(['Nothing: no rule permits anything that could move value.'])
    }
    expect(exposureOf(layersOf(forOthers), 'wal_1', 'any').assets).toHaveLength(1)
  })

  it('takes a credential to have any role', () => {
    expect(of(policy(pay(5n, { who: { roles: ['admin'] } }))).assets).toHaveLength(1)
  })

  it('counts shorter windows as often as they fit into longer ones', () => {
    const hourly = { effects: ['native-transfer'], limits: [amountLimit(3n, coin, '7h')] }
    const [asset] = of(policy(hourly, pay(100n))).assets
    expect(asset?.bounds.map(({ windowMs, amountMinor }) => [windowMs / 3_600_000, amountMinor])).toEqual([
      [7, 103n],
      [24, 112n],
    ])
  })

  it('takes the least of the limits of one rule', () => {
    const both = {
      effects: ['native-transfer'],
      limits: [amountLimit(3n, coin, '1h', 'a'), amountLimit(30n, coin, '24h', 'b')],
    }
    expect(of(policy(both)).assets[0]?.bounds).toMatchObject([{ amountMinor: 3n }, { amountMinor: 30n }])
    const useless = {
      effects: ['native-transfer'],
      limits: [amountLimit(30n, coin, '1h', 'a'), amountLimit(3n, coin, '24h', 'b')],
    }
    expect(of(policy(useless)).assets[0]?.bounds).toMatchObject([{ amountMinor: 3n, windowMs: 86_400_000 }])
  })

  it('takes the tighter layer', () => {
    const exposure = of(policy(pay(5n)), policy(pay(3n)))
    expect(exposure.assets[0]?.bounds).toMatchObject([
      { amountMinor: 3n, rules: [{ layer: 'organisation' }] },
    ])
    expect(of(policy(pay(5n)), policy({ effects: ['native-transfer'] }))).toMatchObject({ bounded: true })
  })

  it('adds layers up where each bounds another kind', () => {
    const one = policy(pay(5n), { effects: ['fee'] })
    const other = policy({ effects: ['native-transfer'] }, { effects: ['fee'], limits: [amountLimit(2n)] })
    expect(of(one, other)).toMatchObject({
      bounded: true,
      assets: [{ bounds: [{ amountMinor: 7n, rules: [{ layer: 'wallet' }, { layer: 'organisation' }] }] }],
    })
  })

  it('does not let a layer speak for a contract that it takes for one of another standard', () => {
    const asCoins = nft.replace('erc721', 'erc20')
    const moves = (asset: string, amount: bigint) =>
      policy({ effects: ['token-transfer'], limits: [amountLimit(amount, asset)] })
    const { assets } = of(moves(nft, 3n), moves(asCoins, 100n))
    expect(assets.map(({ asset, bounds }) => [asset, bounds[0]?.amountMinor])).toEqual([
      [asCoins, 100n],
      [nft, 3n],
    ])
  })

  it('adds single tokens to their collection', () => {
    const limits = [amountLimit(1n, `${nft}/1`, '24h', 'a'), amountLimit(2n, `${nft}/2`, '24h', 'b')]
    const exposure = of(
      policy(
        { effects: ['token-transfer'], limits },
        { effects: ['token-transfer'], limits: [amountLimit(5n, nft)] },
      ),
    )
    const amounts = Object.fromEntries(
      exposure.assets.map(({ asset, bounds }) => [asset, bounds[0]?.amountMinor]),
    )
    expect(amounts).toEqual({ [nft]: 8n, [`${nft}/1`]: 6n, [`${nft}/2`]: 7n })
  })

  it.each([
    ['native-transfer', 'no amount limit'],
    ['token-transfer', 'no amount limit'],
    ['fee', 'no amount limit'],
    ['deploy', 'no amount limit'],
    ['approval', 'no amount limit'],
    ['contract-call', 'up to the contract'],
    ['unknown-calldata', 'does not decode'],
    ['delegation', 'can move everything'],
    ['message', 'an order or a login'],
    ['typed-data', 'an order or an allowance'],
    ['raw-digest', 'any transaction'],
    ['raw-message', 'any transaction'],
  ] as const)('says that %s is unbounded', (kind, why) => {
    const exposure = of(policy({ effects: [kind] }))
    expect(exposure.bounded).toBe(false)
    expect(exposure.unbounded).toMatchObject([
      { rule: 'r0', effect: kind, why: expect.stringContaining(why) },
    ])
    expect(describeExposure(exposure).join(' ')).toContain(`Unbounded: rule r0 (wallet) permits ${kind}`)
    expect(exposure.recipients).toEqual(kind === 'fee' ? [] : 'any')
  })

  it('knows every kind of effect', () => {
    for (const make of Object.values(effect))
      expect(of(policy({ effects: [make().kind] })).bounded).toBe(false)
  })

  it.each(Object.values(effect).map((make) => make().kind))(
    'has a reason why %s may be unbounded',
    (kind) => {
      const exposure = of(policy({ effects: [kind] }))
      expect(exposure.bounded).toBe(false)
      expect(describeExposure(exposure).join(' ')).toContain(`Unbounded: rule r0 (wallet) permits ${kind}: `)
    },
  )

  it('takes two calendar periods to fall into one interval', () => {
    const calendar = (unit: string) => ({
      effects: ['native-transfer'],
      limits: [{ id: 'a', amount: '5', asset: coin, window: { calendar: unit, timeZone: 'UTC' } }],
    })
    const [daily] = of(policy(calendar('day'))).assets
    expect(daily?.bounds).toMatchObject([{ amountMinor: 15n, windowMs: 26 * 3_600_000 }])
    const [mixed] = of(policy(calendar('month'), pay(1n))).assets
    expect(mixed?.bounds.map(({ amountMinor }) => amountMinor)).toEqual([11n, 5n * 3n + 32n])
  })

  it.each(['credential', 'recipient', 'grant'])(
    'a limit per %s does not bound, as there can be many',
    (per) => {
      const exposure = of(policy(pay(5n, { limits: [{ ...amountLimit(5n), per }] })))
      expect(exposure).toMatchObject({
        bounded: false,
        unbounded: [{ why: expect.stringContaining('can be many') }],
      })
      const both = pay(5n, { limits: [{ ...amountLimit(1n, coin, '24h', 'each'), per }, amountLimit(5n)] })
      expect(of(policy(both))).toMatchObject({ bounded: true, assets: [{ bounds: [{ amountMinor: 5n }] }] })
    },
  )

  it.each(['group', 'organisation'])('a limit per %s bounds each wallet', (per) => {
    expect(of(policy(pay(5n, { limits: [{ ...amountLimit(5n), per }] })))).toMatchObject({
      bounded: true,
      assets: [{ bounds: [{ amountMinor: 5n }] }],
    })
  })

  it('a value limit bounds no asset, and other accounts are no bound at all', () => {
    const prices = { currency: 'USD', by: ['oracle'], maxAge: '10m' }
    const worth = { id: 'a', value: '5', currency: 'USD', window: { rolling: '24h' } }
    expect(of(policyWith({ prices }, { effects: ['native-transfer'], limits: [worth] })).bounded).toBe(false)
    expect(of(policy(pay(5n, { when: { account: [alice] } }))).bounded).toBe(false)
  })

  it('recipients of a book can be anybody', () => {
    expect(of(policy(pay(5n, { when: { recipient: ['@payees', alice] } }))).recipients).toBe('any')
    expect(of(policy(pay(5n, { when: { recipient: ['wallet', alice] } }))).recipients).toBe('any')
  })

  it('a count and a greatest amount do not bound', () => {
    const capped = { effects: ['native-transfer'], when: { amount: { max: '5' } }, limits: [countLimit(3)] }
    expect(of(policy(capped)).bounded).toBe(false)
  })

  it('limited approvals are bounded, and reach anybody', () => {
    const exposure = of(
      policy({ effects: ['approval'], when: { spender: [alice] }, limits: [amountLimit(7n, token)] }),
    )
    expect(exposure).toMatchObject({ bounded: true, recipients: 'any', assets: [{ asset: token }] })
  })

  it('recipients are those whom every layer names', () => {
    const to = (...recipient: string[]) => policy(pay(5n, { when: { recipient } }))
    expect(of(to(alice, bob), to(bob)).recipients).toEqual([bob])
    expect(of(to(alice), policy(pay(5n))).recipients).toEqual([alice])
    expect(of(policy(pay(5n))).recipients).toBe('any')
  })

  it('says what the figures are worth beside something unbounded', () => {
    const lines = describeExposure(of(policy(pay(5n), { effects: ['raw-digest'] })))
    expect(lines).toContain('The amounts above hold only for what is not unbounded.')
    expect(lines.join()).not.toContain('Nothing else can leave')
  })
})
