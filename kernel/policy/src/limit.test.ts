import { describe, expect, it } from 'vitest'
import { explainDecision } from './decision-json.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
import {
  alice,
  amountLimit,
  bob,
  codes,
  coin,
  countLimit,
  decide,
  effect,
  facts,
  intent,
  layersOf,
  policy,
} from './fixtures.ts'

const limited = (more: Record<string, unknown>, limit: Record<string, unknown> = amountLimit(1000n)) => ({
  effects: ['native-transfer'],
  limits: [{ ...limit, ...more }],
})
const at = (text: string) => ({ nowMs: Date.parse(text) })
const calendar = (unit: string, timeZone = 'Europe/Berlin') => ({ window: { calendar: unit, timeZone } })

describe('calendar windows', () => {
  const layers = layersOf(policy(limited(calendar('month'))))
  const windowAt = (time: string) => windowsNeeded(intent([effect.native()]), facts(at(time)), layers)

  it('say which period they are, for the signer to count in', () => {
    const startMs = Date.parse('2026-09-30T22:00:00Z')
    const endMs = Date.parse('2026-10-31T23:00:00Z')
    expect(windowAt('2026-10-31T22:59:59.999Z')).toEqual([
      {
        key: `wal_1|wallet|test|r0|day|month:${startMs}`,
        windowMs: endMs - startMs,
        period: { unit: 'month', startMs, endMs },
      },
    ])
    expect(windowAt('2026-10-31T23:00:00Z')[0]).toMatchObject({
      key: `wal_1|wallet|test|r0|day|month:${endMs}`,
      period: { startMs: endMs },
    })
  })

  it('fit to the last unit and not one more, and begin anew', () => {
    const used = { [`month:${Date.parse('2026-09-30T22:00:00Z')}`]: 900n }
    const ask = (amountMinor: bigint, time: string) =>
      decide(layers, { effects: [effect.native({ amountMinor })], facts: at(time), used })
    const decision = ask(100n, '2026-10-31T22:59:59.999Z')
    expect(decision.reservations).toMatchObject([{ amountMinor: 100n, period: { unit: 'month' } }])
    expect(explainDecision(decision).at(-1)).toContain('per calendar month of rule r0')
    const refused = ask(101n, '2026-10-31T22:59:59.999Z')
    expect(codes(refused)).toEqual(['POLICY_WINDOW'])
    expect(refused.effects[0]?.reasons[0]?.message).toContain(
      'per calendar month in Europe/Berlin; 900 are used',
    )
    expect(ask(1000n, '2026-10-31T23:00:00Z').permitted).toBe(true)
    expect(ask(1001n, '2026-10-31T23:00:00Z').permitted).toBe(false)
  })

  it('on the days on which clocks change', () => {
    const daily = layersOf(policy(limited(calendar('day'))))
    const keys = (time: string) =>
      windowsNeeded(intent([effect.native()]), facts(at(time)), daily).map(({ key, windowMs }) => [
        key,
        windowMs / 3_600_000,
      ])
    const spring = keys('2026-03-28T23:00:00Z')
    expect(spring[0]?.[1]).toBe(23)
    expect(keys('2026-03-29T21:59:59Z')).toEqual(spring)
    expect(keys('2026-03-29T22:00:00Z')).not.toEqual(spring)
    const autumn = keys('2026-10-24T22:00:00Z')
    expect(autumn[0]?.[1]).toBe(25)
    expect(keys('2026-10-25T22:59:59Z')).toEqual(autumn)
    expect(keys('2026-10-25T23:00:00Z')).not.toEqual(autumn)
  })

  it('of a time that is over count for nothing: a total of another period is a bug, and no decision', () => {
    const used = new Map(windowAt('2026-10-31T22:59:59Z').map(({ key }) => [key, 0n]))
    const ask = (time: string) => () =>
      evaluate({ intent: intent([effect.native()]), facts: facts(at(time)), layers, used })
    expect(ask('2026-10-31T22:59:59.999Z')().permitted).toBe(true)
    expect(ask('2026-10-31T23:00:00Z')).toThrow('bug: no total')
  })

  it('count requests too', () => {
    const counted = layersOf(policy(limited(calendar('week', 'UTC'), countLimit(2))))
    const monday = Date.parse('2026-11-16T00:00:00Z')
    const ask = (used: bigint) =>
      decide(counted, {
        effects: [effect.native()],
        facts: at('2026-11-22T23:59:59Z'),
        used: { [`week:${monday}`]: used },
      })
    expect(ask(1n).permitted).toBe(true)
    expect(codes(ask(2n))).toEqual(['POLICY_COUNT'])
  })
})

describe('whose total', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['wallet', {}, 'wal_1'],
    ['credential', {}, 'credential:cred_1'],
    ['recipient', {}, `recipient:${alice}`],
    ['grant', { grantId: 'grt_1' }, 'grant:grt_1'],
    ['group', { groupId: 'desk' }, 'group:desk'],
    ['organisation', {}, 'organisation'],
  ])('per %s', (per, more, subject) => {
    const layers = layersOf(policy(limited({ per })))
    const needed = windowsNeeded(intent([effect.native()]), facts(more), layers)
    expect(needed.map(({ key }) => key)).toEqual([`${subject}|wallet|test|r0|day`])
    const decision = decide(layers, { effects: [effect.native()], facts: more, used: { [subject]: 901n } })
    expect(decision.permitted).toBe(true)
    const full = decide(layers, { effects: [effect.native()], facts: more, used: { 'r0|day': 901n } })
    expect(codes(full)).toEqual(['POLICY_WINDOW'])
  })

  it.each(['grant', 'group'])('per %s refuses where there is none', (per) => {
    const layers = layersOf(policy(limited({ per })))
    expect(windowsNeeded(intent([effect.native()]), facts(), layers)).toEqual([])
    const refused = decide(layers, { effects: [effect.native()] })
    expect(codes(refused)).toEqual(['POLICY_LIMIT_SUBJECT'])
    expect(refused.effects[0]?.reasons[0]?.message).toBe(
      `Rule r0: limit day counts per ${per}, and this request has no ${per}.`,
    )
  })

  it('each recipient has its own, in one request too', () => {
    const layers = layersOf(policy(limited({ per: 'recipient' })))
    const to = (recipient: typeof alice, amountMinor: bigint) => effect.native({ recipient, amountMinor })
    const both = decide(layers, { effects: [to(alice, 1000n), to(bob, 1000n)] })
    expect(both.reservations.map(({ key, amountMinor }) => [key, amountMinor])).toEqual([
      [`recipient:${alice}|wallet|test|r0|day`, 1000n],
      [`recipient:${bob}|wallet|test|r0|day`, 1000n],
    ])
    const twice = decide(layers, { effects: [to(alice, 600n), to(bob, 1000n), to(alice, 401n)] })
    expect(twice.effects.map(({ reasons }) => reasons.map(({ code }) => code))).toEqual([
      [],
      [],
      ['POLICY_WINDOW'],
    ])
    expect(twice.effects[2]?.reasons[0]?.message).toContain(
      'per 24h and recipient; 0 are used and other effects of this request ask 600',
    )
  })

  it('a request counts once for each recipient', () => {
    const layers = layersOf(policy(limited({ per: 'recipient' }, countLimit(2))))
    const effects = [effect.native(), effect.native(), effect.native({ recipient: bob })]
    const used = { [`recipient:${alice}|wallet|test|r0|count`]: 1n }
    expect(decide(layers, { effects, used }).reservations.map(({ amountMinor }) => amountMinor)).toEqual([
      1n,
      1n,
    ])
    expect(codes(decide(layers, { effects, used: { 'r0|count': 2n } }))).toContain('POLICY_COUNT')
  })

  it('several limits of one rule can have several subjects', () => {
    const layers = layersOf(
      policy({
        effects: ['native-transfer'],
        limits: [
          { ...amountLimit(100n, coin, '24h', 'each'), per: 'recipient' },
          { ...amountLimit(150n, coin, '24h', 'all'), per: 'organisation' },
        ],
      }),
    )
    const effects = [
      effect.native({ amountMinor: 100n }),
      effect.native({ recipient: bob, amountMinor: 50n }),
    ]
    expect(decide(layers, { effects }).reservations).toHaveLength(3)
    expect(codes(decide(layers, { effects, used: { 'organisation|wallet|test|r0|all': 1n } }))).toEqual([
      'POLICY_WINDOW',
    ])
  })
})
