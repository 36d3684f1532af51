import { describe, expect, it } from 'vitest'
import { parseFact, type SimulationFact } from './fact.ts'
import {
  codes,
  coin,
  decide,
  effect,
  type LooseRule,
  layersOf,
  nowMs,
  permits,
  policy,
  token,
  wallet,
} from './fixtures.ts'

const digest = `0x${'00'.repeat(32)}`
const minuteMs = 60_000

function simulation(change: Record<string, unknown> = {}): SimulationFact {
  const fact = parseFact({
    v: 1,
    type: 'simulation',
    payloadDigest: digest,
    account: wallet,
    outcome: 'success',
    atMs: nowMs - minuteMs,
    expiresAtMs: nowMs + minuteMs,
    credentialId: 'sim',
    ...change,
  })
  if (fact.type !== 'simulation') throw new Error('another fact')
  return fact
}

const rule = (more: Record<string, unknown> = {}): LooseRule => ({
  effects: ['native-transfer', 'approval'],
  requires: { simulation: { by: ['sim', 'other'], ...more } },
})
const ask = (required: LooseRule, ...simulations: SimulationFact[]) =>
  codes(
    decide(layersOf(policy(required)), {
      effects: [effect.native({ amountMinor: 100n })],
      facts: { simulations },
    }),
  )
const leaving = (amount: string, asset: string = coin) => simulation({ maxOutflows: [{ asset, amount }] })

describe('a required simulation', () => {
  it('must be there, of these bytes, successful, fresh, and by somebody who is named', () => {
    expect(ask(rule(), simulation())).toEqual([])
    expect(ask(rule())).toEqual(['POLICY_SIMULATION'])
    expect(permits(rule(), effect.native())).toBe(false)
    for (const change of [
      { payloadDigest: `0x${'01'.repeat(32)}` },
      { account: `0x${'0b'.repeat(20)}` },
      { credentialId: 'stranger' },
      { outcome: 'revert' },
      { expiresAtMs: nowMs },
      { atMs: nowMs + 1 },
    ]) {
      expect(ask(rule(), simulation(change)), JSON.stringify(change)).toEqual(['POLICY_SIMULATION'])
    }
    expect(ask(rule({ maxAge: '1m' }), simulation())).toEqual([])
    expect(ask(rule({ maxAge: '1m' }), simulation({ atMs: nowMs - minuteMs - 1 }))).toEqual([
      'POLICY_SIMULATION',
    ])
  })

  it('is refused where another one says worse', () => {
    expect(ask(rule(), simulation(), simulation({ credentialId: 'other', outcome: 'revert' }))).toEqual([
      'POLICY_SIMULATION',
    ])
    expect(ask(rule(), simulation(), simulation({ credentialId: 'stranger', outcome: 'revert' }))).toEqual([])
    expect(ask(rule(), simulation(), leaving('101'))).toEqual(['POLICY_SIMULATION'])
  })

  it('must not see more leave than the effects say, to the unit', () => {
    expect(ask(rule(), leaving('100'))).toEqual([])
    expect(ask(rule(), leaving('101'))).toEqual(['POLICY_SIMULATION'])
    expect(ask(rule(), leaving('1', token))).toEqual(['POLICY_SIMULATION'])
    const twice = simulation({
      maxOutflows: [
        { asset: coin, amount: '60' },
        { asset: coin, amount: '41' },
      ],
    })
    expect(ask(rule(), twice)).toEqual(['POLICY_SIMULATION'])
  })

  it('may see more leave where the rule says so, and then must say what leaves', () => {
    const tolerant = rule({ maxOutflows: [{ asset: token, amount: '5' }] })
    expect(ask(tolerant, leaving('5', token))).toEqual([])
    expect(ask(tolerant, leaving('6', token))).toEqual(['POLICY_SIMULATION'])
    expect(ask(tolerant, simulation())).toEqual(['POLICY_SIMULATION'])
  })

  it('adds up what the effects of a request say', () => {
    const layers = layersOf(policy(rule()))
    const asked = (amount: string, asset: string, approved: bigint | undefined) =>
      decide(layers, {
        effects: [effect.native(), effect.native(), effect.approval({ amountMinor: approved })],
        facts: { simulations: [leaving(amount, asset)] },
      }).permitted
    expect(asked('200', coin, 1n)).toBe(true)
    expect(asked('201', coin, 1n)).toBe(false)
    expect(asked('7', token, 7n)).toBe(true)
    expect(asked('8', token, 7n)).toBe(false)
    expect(asked('8', token, undefined)).toBe(true)
  })

  it('only tightens: with it, nothing is permitted that would not be without', () => {
    const others = { ...rule(), when: { recipient: [`0x${'22'.repeat(20)}`] }, effects: ['native-transfer'] }
    expect(ask(others, simulation())).toEqual(['POLICY_RECIPIENT'])
  })

  it('is refused on a forbid rule', () => {
    expect(() => policy({ ...rule(), action: 'forbid' })).toThrow('needs nothing to forbid')
    expect(() => policy(rule({ maxAge: '367d' }))).toThrow('366d')
    expect(() =>
      policy(
        rule({
          maxOutflows: [
            { asset: token, amount: '1' },
            { asset: token, amount: '2' },
          ],
        }),
      ),
    ).toThrow('already')
  })
})
