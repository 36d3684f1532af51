import { describe, expect, it } from 'vitest'
import { decisionToJson, explainDecision, policyRefused } from './decision-json.ts'
import { alice, amountLimit, coin, countLimit, decide, effect, layersOf, policy } from './fixtures.ts'

const layers = layersOf(
  policy({ id: 'pay', effects: ['native-transfer'], limits: [amountLimit(1000n), countLimit(3)] }),
)

describe('decisionToJson', () => {
  it('writes amounts as decimal strings and nothing that JSON does not have', () => {
    const json = decisionToJson(decide(layers, { effects: [effect.native()] }))
    expect(JSON.parse(JSON.stringify(json))).toEqual(json)
    expect(json.reservations).toMatchObject([
      { asset: coin, amountMinor: '100', limitMinor: '1000' },
      { amountMinor: '1', limitMinor: '3' },
    ])
    expect(json.reservations[1]).not.toHaveProperty('asset')
  })
})

describe('explainDecision', () => {
  it('of a permit', () => {
    expect(explainDecision(decide(layers, { effects: [effect.native()] }))).toEqual([
      'Permitted.',
      `Effect 1, permitted: 0.0000000000000001 native coin (eip155:8453) to ${alice} by rule pay (wallet)`,
      'Takes 0.0000000000000001 native coin (eip155:8453) of the 0.000000000000001 native coin (eip155:8453) per 24h of rule pay.',
      'Counts as 1 of the 3 requests per 24h of rule pay.',
    ])
  })

  it('of a refusal', () => {
    expect(explainDecision(decide(layers, { effects: [effect.native(), effect.fee()] }))).toEqual([
      'Refused; nothing is signed.',
      `Effect 1, permitted: 0.0000000000000001 native coin (eip155:8453) to ${alice} by rule pay (wallet)`,
      'Effect 2, refused: Fee of at most 0.00000000000000001 native coin (eip155:8453)',
      '  - wallet: No permit rule of policy test is about fee: add one if this should be signed. [POLICY_NO_RULE]',
    ])
    expect(explainDecision(decide([], { effects: [effect.fee()] }))).toEqual([
      'Refused; nothing is signed.',
      'No policy applies to this wallet: attach one. [POLICY_NONE]',
    ])
  })
})

describe('policyRefused', () => {
  it('is the refusal as an error, with the whole decision', () => {
    const decision = decide(layers, { effects: [effect.fee(), effect.fee()] })
    const error = policyRefused(decision)
    expect(error).toMatchObject({ code: 'POLICY_REFUSED', status: 403 })
    expect(error.message).toContain('No permit rule of policy test is about fee')
    expect(error.message).toContain('and 1 more')
    expect(error.details).toEqual({ decision: decisionToJson(decision) })
    expect(() => JSON.stringify(error)).not.toThrow()
  })
})
