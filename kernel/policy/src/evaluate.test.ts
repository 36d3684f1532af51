import { describe, expect, it } from 'vitest'
import type { WindowKey } from './decision.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
import {
  address,
  alice,
  amountLimit,
  bob,
  chain,
  codes,
  coin,
  countLimit,
  decide,
  effect,
  facts,
  intent,
  layersOf,
  nft,
  nowMs,
  otherChain,
  otherCoin,
  permits,
  policy,
  token,
} from './fixtures.ts'
import { policyReasons } from './reasons.ts'

const pay = (limit: bigint) => ({ effects: ['native-transfer'], limits: [amountLimit(limit)] })

describe('deny by default', () => {
  it('no layer, no policy, no rule, no effect: refused', () => {
    const one = { effects: [effect.native()] }
    expect(codes(decide([], one))).toEqual(['POLICY_NONE'])
    expect(codes(decide(layersOf(undefined), one))).toEqual(['POLICY_NONE'])
    expect(codes(decide(layersOf(policy()), one))).toEqual(['POLICY_NO_RULE'])
    expect(codes(decide(layersOf(policy(pay(1n))), { effects: [] }))).toEqual(['POLICY_NO_EFFECTS'])
    for (const layers of [[], layersOf(undefined), layersOf(policy())]) {
      expect(decide(layers, one)).toMatchObject({ permitted: false, reservations: [] })
    }
  })

  it('every effect must be permitted', () => {
    const layers = layersOf(policy({ effects: ['native-transfer'] }))
    const decision = decide(layers, { effects: [effect.native(), effect.fee()] })
    expect(decision.permitted).toBe(false)
    expect(decision.effects[0]).toMatchObject({ permittedBy: [{ layer: 'wallet', rule: 'r0' }], reasons: [] })
    expect(decision.effects[1]).toMatchObject({ permittedBy: [], reasons: [{ code: 'POLICY_NO_RULE' }] })
  })

  it('every layer must permit, and a layer without policy does not', () => {
    const yes = policy({ effects: ['native-transfer'] })
    const no = policy({ effects: ['native-transfer'], when: { recipient: [bob] } })
    const one = { effects: [effect.native()] }
    const decision = decide(layersOf(yes, yes), one)
    expect(decision.effects[0]?.permittedBy).toEqual([
      { layer: 'wallet', rule: 'r0' },
      { layer: 'organisation', rule: 'r0' },
    ])
    expect(decide(layersOf(yes, no), one).effects[0]).toMatchObject({
      permittedBy: [],
      reasons: [{ code: 'POLICY_RECIPIENT', layer: 'organisation' }],
    })
    expect(codes(decide(layersOf(yes, undefined), one))).toEqual(['POLICY_NONE'])
    expect(codes(decide(layersOf(undefined, no), one))).toEqual(['POLICY_NONE', 'POLICY_RECIPIENT'])
  })

  it('each kind needs a rule that names it', () => {
    for (const make of Object.values(effect)) {
      const one = make()
      expect(codes(decide(layersOf(policy({ effects: ['unknown-calldata'] })), { effects: [one] }))).toEqual(
        one.kind === 'unknown-calldata' ? [] : ['POLICY_NO_RULE'],
      )
    }
  })
})

describe('forbid wins', () => {
  it('in any layer, and is the only reason named', () => {
    const yes = policy({ effects: ['native-transfer'] })
    const no = policy(
      { effects: ['native-transfer'] },
      {
        id: 'sanctions',
        action: 'forbid',
        effects: ['native-transfer'],
        when: { recipient: [alice] },
        description: 'Listed party.',
      },
    )
    for (const layers of [layersOf(yes, no), layersOf(no, yes), layersOf(no, undefined)]) {
      const decision = decide(layers, { effects: [effect.native()] })
      expect(codes(decision)).toEqual(['POLICY_FORBIDDEN'])
      expect(decision.effects[0]?.reasons[0]?.message).toBe(
        'Rule sanctions: forbids this native-transfer: Listed party.',
      )
    }
    expect(decide(layersOf(yes, no), { effects: [effect.native({ recipient: bob })] }).permitted).toBe(true)
  })

  it('over a permit that stands before it', () => {
    const layers = layersOf(
      policy({ effects: ['raw-digest'] }, { action: 'forbid', effects: ['raw-digest'] }),
    )
    expect(codes(decide(layers, { effects: [effect.digest()] }))).toEqual(['POLICY_FORBIDDEN'])
  })
})

describe('amount windows', () => {
  const layers = layersOf(policy(pay(1000n)))

  it('fit to the last unit and not one more', () => {
    const used = { 'r0|day': 900n }
    const decision = decide(layers, { effects: [effect.native({ amountMinor: 100n })], used })
    expect(decision.reservations).toEqual([
      {
        key: 'wal_1|wallet|test|r0|day',
        windowMs: 86_400_000,
        layer: 'wallet',
        rule: 'r0',
        asset: coin,
        amountMinor: 100n,
        limitMinor: 1000n,
      },
    ])
    const refused = decide(layers, { effects: [effect.native({ amountMinor: 101n })], used })
    expect(codes(refused)).toEqual(['POLICY_WINDOW'])
    expect(refused.effects[0]?.reasons[0]?.message).toBe(
      'Rule r0: limit day permits 1000 of eip155:8453/slip44:60 per 24h; 900 are used, 100 are left, 101 are asked, 1 too many.',
    )
  })

  it('effects of one request add up', () => {
    const two = (last: bigint) => [effect.native({ amountMinor: 600n }), effect.native({ amountMinor: last })]
    expect(decide(layers, { effects: two(400n) }).reservations).toMatchObject([{ amountMinor: 1000n }])
    const refused = decide(layers, { effects: two(401n) })
    expect(refused.effects.map(({ reasons }) => reasons.length)).toEqual([0, 1])
    expect(refused.effects[1]?.reasons[0]?.message).toContain('other effects of this request ask 600')
  })

  it('a total that is over its limit already leaves nothing, not less than nothing', () => {
    const refused = decide(layers, {
      effects: [effect.native({ amountMinor: 5n })],
      used: { 'r0|day': 1001n },
    })
    expect(refused.effects[0]?.reasons[0]?.message).toContain('0 are left, 5 are asked, 5 too many')
  })

  it('all limits of a rule must have room', () => {
    const both = layersOf(
      policy({
        effects: ['native-transfer'],
        limits: [amountLimit(10n, coin, '1h', 'hour'), amountLimit(15n, coin, '24h', 'day')],
      }),
    )
    const one = { effects: [effect.native({ amountMinor: 10n })] }
    expect(decide(both, { ...one, used: { 'r0|day': 5n } }).reservations).toHaveLength(2)
    expect(codes(decide(both, { ...one, used: { 'r0|day': 6n } }))).toEqual(['POLICY_WINDOW'])
    expect(codes(decide(both, { ...one, used: { 'r0|hour': 1n } }))).toEqual(['POLICY_WINDOW'])
  })

  it('count only effects of their asset, and the rule permits no other', () => {
    const limited = layersOf(policy({ effects: ['token-transfer'], limits: [amountLimit(1000n, token)] }))
    const other = effect.token({ assets: [`${chain}/erc20:${bob}` as never], contract: bob })
    expect(decide(limited, { effects: [effect.token()] }).permitted).toBe(true)
    expect(codes(decide(limited, { effects: [other] }))).toEqual(['POLICY_LIMIT_ASSET'])
    const elsewhere = effect.native({ chain: otherChain, asset: otherCoin })
    expect(codes(decide(layers, { effects: [elsewhere] }))).toEqual(['POLICY_LIMIT_ASSET'])
  })

  it('two limits on two assets are two windows', () => {
    const two = layersOf(
      policy({
        effects: ['native-transfer', 'token-transfer'],
        limits: [amountLimit(100n, coin, '24h', 'coin'), amountLimit(100n, token, '24h', 'token')],
      }),
    )
    const both = { effects: [effect.native(), effect.token()] }
    expect(decide(two, both).reservations.map(({ asset, amountMinor }) => [asset, amountMinor])).toEqual([
      [coin, 100n],
      [token, 100n],
    ])
    expect(codes(decide(two, { ...both, used: { 'r0|token': 1n } }))).toEqual(['POLICY_WINDOW'])
  })

  it('never permit an approval without bound', () => {
    const approve = layersOf(
      policy({ effects: ['approval'], limits: [amountLimit(2n ** 256n - 1n, nft)] }),
      policy({ effects: ['approval'] }),
    )
    const all = effect.approval({ assets: [nft], amountMinor: undefined, mode: 'all' })
    expect(codes(decide(approve, { effects: [all] }))).toEqual(['POLICY_LIMIT_UNBOUNDED'])
    expect(
      decide(approve, { effects: [effect.approval({ assets: [nft], amountMinor: 0n, mode: 'all' })] })
        .permitted,
    ).toBe(true)
  })

  it('every layer keeps its own', () => {
    const two = layersOf(policy(pay(1000n)), policy(pay(500n)))
    const decision = decide(two, { effects: [effect.native()] })
    expect(decision.reservations.map(({ key }) => key)).toEqual([
      'wal_1|wallet|test|r0|day',
      'wal_1|organisation|test|r0|day',
    ])
    expect(
      codes(decide(two, { effects: [effect.native()], used: { 'organisation|test|r0|day': 401n } })),
    ).toEqual(['POLICY_WINDOW'])
  })

  it('cover the coins of a deployment', () => {
    const deploy = layersOf(policy({ effects: ['deploy'], limits: [amountLimit(100n)] }))
    expect(decide(deploy, { effects: [effect.deploy()] }).reservations).toMatchObject([{ amountMinor: 100n }])
    expect(codes(decide(deploy, { effects: [effect.deploy({ valueMinor: 101n })] }))).toEqual([
      'POLICY_WINDOW',
    ])
  })
})

describe('count windows', () => {
  const layers = layersOf(policy({ effects: ['native-transfer', 'fee'], limits: [countLimit(2)] }))
  const both = [effect.native(), effect.fee(), effect.native({ recipient: bob })]

  it('count a request once, however many of its effects the rule permits', () => {
    const decision = decide(layers, { effects: both, used: { 'r0|count': 1n } })
    expect(decision.reservations).toMatchObject([{ amountMinor: 1n, limitMinor: 2n, asset: undefined }])
    const refused = decide(layers, { effects: both, used: { 'r0|count': 2n } })
    expect(new Set(codes(refused))).toEqual(new Set(['POLICY_COUNT']))
    expect(refused.effects[0]?.reasons[0]?.message).toBe(
      'Rule r0: limit count permits 2 requests per 24h, and 2 are used.',
    )
  })

  it('count once per rule', () => {
    const two = layersOf(
      policy(
        { effects: ['native-transfer'], limits: [countLimit(2)] },
        { effects: ['fee'], limits: [countLimit(2)] },
      ),
    )
    expect(
      decide(two, { effects: both }).reservations.map(({ rule, amountMinor }) => [rule, amountMinor]),
    ).toEqual([
      ['r0', 1n],
      ['r1', 1n],
    ])
  })
})

describe('several rules that could permit an effect', () => {
  it('the first with room does', () => {
    const layers = layersOf(policy(pay(100n), pay(1000n)))
    const by = (used: bigint) =>
      decide(layers, { effects: [effect.native()], used: { 'r0|day': used } }).effects[0]?.permittedBy
    expect(by(0n)).toEqual([{ layer: 'wallet', rule: 'r0' }])
    expect(by(1n)).toEqual([{ layer: 'wallet', rule: 'r1' }])
  })

  it('an effect takes no part of a window whose rule does not permit it in the end', () => {
    const layers = layersOf(
      policy(
        { effects: ['native-transfer'], limits: [amountLimit(1000n, coin, '24h', 'a'), countLimit(1)] },
        pay(1000n),
      ),
    )
    const decision = decide(layers, { effects: [effect.native()], used: { 'r0|count': 1n } })
    expect(decision.reservations.map(({ key }) => key)).toEqual(['wal_1|wallet|test|r1|day'])
  })

  it('gives way where another effect needs the room', () => {
    // Both rules fit alice's payment, only the first fits bob's: the order must not decide.
    const anyone = { id: 'anyone', ...pay(100n) }
    const onlyAlice = { id: 'alice', ...pay(100n), when: { recipient: [alice] } }
    const effects = [effect.native(), effect.native({ recipient: bob })]
    for (const rules of [
      [anyone, onlyAlice],
      [onlyAlice, anyone],
    ]) {
      const decision = decide(layersOf(policy(...rules)), { effects })
      expect(decision.effects.map(({ permittedBy }) => permittedBy[0]?.rule)).toEqual(['alice', 'anyone'])
      expect(decision.reservations).toHaveLength(2)
    }
  })

  it('says so where there are more combinations than are tried', () => {
    // Twelve payments of odd and even sizes into windows that all together are one unit short.
    const rules = Array.from({ length: 4 }, () => pay(74n))
    const effects = Array.from({ length: 12 }, (_, i) =>
      effect.native({ amountMinor: 21n + BigInt(i) * 2n, recipient: address(i + 1) }),
    )
    const decision = decide(layersOf(policy(...rules)), { effects })
    expect(decision).toMatchObject({ permitted: false, reservations: [] })
    expect(decision.reasons.map(({ code }) => code)).toEqual(['POLICY_COMBINATION'])
    expect(codes(decision).length).toBeGreaterThan(1)
  })
})

describe('reasons', () => {
  it('name everything that is wrong with each rule, the nearest rule first', () => {
    const layers = layersOf(
      policy(
        {
          id: 'far',
          effects: ['native-transfer'],
          who: { credentials: ['cred_2'], roles: ['admin'] },
          operations: ['sign-raw'],
          when: { chain: [otherChain], asset: [otherCoin], recipient: [bob], amount: { max: '99' } },
        },
        { id: 'near', effects: ['native-transfer'], when: { amount: { max: '99' } } },
      ),
    )
    const { reasons } = decide(layers, { effects: [effect.native()] }).effects[0]!
    expect(reasons.map(({ rule, code }) => `${rule} ${code}`)).toEqual([
      'near POLICY_AMOUNT',
      'far POLICY_WHO',
      'far POLICY_WHO',
      'far POLICY_OPERATION',
      'far POLICY_CHAIN',
      'far POLICY_ASSET',
      'far POLICY_RECIPIENT',
      'far POLICY_AMOUNT',
    ])
    expect(reasons[0]?.message).toBe('Rule near: amount 100 of eip155:8453/slip44:60 is over max 99 by 1.')
  })

  it('stop at a number and say how many rules are left out', () => {
    const rules = Array.from({ length: 200 }, () => ({
      effects: ['native-transfer'],
      when: { recipient: [bob] },
    }))
    const { reasons } = decide(layersOf(policy(...rules)), { effects: [effect.native()] }).effects[0]!
    expect(reasons).toHaveLength(64)
    expect(reasons.at(-1)).toMatchObject({ code: 'POLICY_MORE' })
    expect(reasons.at(-1)?.message).toContain('137 more')
  })

  it('are all in the table', () => {
    const seen = codes(decide(layersOf(policy(pay(1n))), { effects: [effect.native(), effect.fee()] }))
    for (const code of seen) expect(policyReasons).toHaveProperty(code)
  })
})

describe('windowsNeeded', () => {
  it('names every total that could be read, whatever the clock says when it is', () => {
    const layers = layersOf(
      policy({ effects: ['approval'], when: { expiresWithin: '30m' }, limits: [amountLimit(1000n, token)] }),
    )
    const approval = effect.approval({ expiresAtS: BigInt(nowMs / 1000) + 1801n })
    const needed = windowsNeeded(intent([approval]), facts(), layers)
    expect(needed).toEqual([{ key: 'wal_1|wallet|test|r0|day', windowMs: 86_400_000 }])
    const used = new Map(needed.map(({ key }) => [key, 0n]))
    const later = facts({ nowMs: nowMs + 1000 })
    expect(evaluate({ intent: intent([approval]), facts: later, layers, used }).permitted).toBe(true)
  })

  it('names each once and none that cannot matter', () => {
    const layers = layersOf(
      policy(pay(1n), { ...pay(1n), when: { recipient: [bob] } }, { effects: ['native-transfer'] }),
    )
    const effects = [effect.native(), effect.native()]
    expect(windowsNeeded(intent(effects), facts(), layers)).toHaveLength(1)
    expect(windowsNeeded(intent(effects), facts(), [])).toEqual([])
  })

  it('a total that was not given is a bug, and no decision', () => {
    const layers = layersOf(policy(pay(1n)))
    const ask = (used: Map<WindowKey, bigint>) => () =>
      evaluate({ intent: intent([effect.native()]), facts: facts(), layers, used })
    expect(ask(new Map())).toThrow('bug: no total')
    expect(ask(new Map([['wal_1|wallet|test|r0|day' as WindowKey, -1n]]))).toThrow('bug: negative')
  })
})

it('facts and intent that disagree on the operation are a bug', () => {
  const layers = layersOf(policy({ effects: ['native-transfer'] }))
  const ask = () =>
    evaluate({ intent: intent([effect.native()], 'sign-raw'), facts: facts(), layers, used: new Map() })
  expect(ask).toThrow('bug')
})

it('a rule without conditions permits its kinds', () => {
  expect(permits({ effects: ['native-transfer', 'fee'] }, effect.fee())).toBe(true)
})
