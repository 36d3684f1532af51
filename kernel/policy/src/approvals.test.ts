import { describe, expect, it } from 'vitest'
import type { ApprovalFact, Facts } from './decision.ts'
import { decisionToJson, explainDecision } from './decision-json.ts'
import {
  alice,
  amountLimit,
  bob,
  codes,
  decide,
  effect,
  type LooseRule,
  layersOf,
  nowMs,
  policyWith,
} from './fixtures.ts'

const groups = {
  treasurers: { credentials: ['ann', 'ben', 'cat'] },
  board: { credentials: ['cat', 'dan', 'cred_1'] },
}
const hourMs = 3_600_000
const by = (...ids: string[]): Partial<Facts> => ({
  approvals: ids.map((credentialId) => ({ credentialId, atMs: nowMs })),
})
const needs = (group: string, count: number, more: object = {}) => ({ group, count, ...more })
const rule = (...approvals: object[]): LooseRule => ({ effects: ['native-transfer'], approvals })
const ask = (rules: LooseRule | LooseRule[], facts: Partial<Facts> = {}, used = {}) =>
  decide(layersOf(policyWith({ groups }, ...[rules].flat())), { effects: [effect.native()], facts, used })

describe('approvals', () => {
  it('are waited for, and counted', () => {
    const two = rule(needs('treasurers', 2))
    const waiting = ask(two)
    expect(waiting).toMatchObject({ permitted: false, outcome: 'needs-approval', reservations: [] })
    expect(waiting.effects[0]).toMatchObject({ permittedBy: [{ layer: 'wallet', rule: 'r0' }], reasons: [] })
    expect(waiting.approvals).toEqual([
      {
        layer: 'wallet',
        rule: 'r0',
        group: 'treasurers',
        needed: 2,
        have: 0,
        missing: 2,
        counted: [],
        eligible: ['ann', 'ben', 'cat'],
        expiresInMs: undefined,
      },
    ])
    expect(codes(waiting)).toEqual(['POLICY_APPROVAL'])
    expect(ask(two, by('ann'))).toMatchObject({
      outcome: 'needs-approval',
      approvals: [{ have: 1, missing: 1, counted: ['ann'], eligible: ['ben', 'cat'] }],
    })
    expect(ask(two, by('ann', 'cat'))).toMatchObject({
      permitted: true,
      outcome: 'permitted',
      reasons: [],
      approvals: [{ have: 2, missing: 0, counted: ['ann', 'cat'] }],
    })
  })

  it('of one credential count once', () => {
    expect(ask(rule(needs('treasurers', 2)), by('ann', 'ann')).outcome).toBe('needs-approval')
  })

  it('of somebody who is not listed do not count, whatever the role', () => {
    expect(
      ask(rule(needs('treasurers', 1)), { ...by('cred_1', 'dan', 'stranger'), role: 'admin' }).outcome,
    ).toBe('needs-approval')
  })

  it('of a member of two groups count in each', () => {
    const both = rule(needs('treasurers', 1), needs('board', 1))
    expect(ask(both, by('cat')).outcome).toBe('permitted')
    expect(ask(both, by('ann')).outcome).toBe('needs-approval')
    expect(ask(both, by('ann', 'dan')).outcome).toBe('permitted')
  })

  it('of whoever asks count only where that is not excluded', () => {
    expect(ask(rule(needs('board', 1)), by('cred_1')).outcome).toBe('permitted')
    const excluded = ask(rule(needs('board', 1, { excludeProposer: true })), by('cred_1'))
    expect(excluded).toMatchObject({ outcome: 'needs-approval', approvals: [{ eligible: ['cat', 'dan'] }] })
    // Asking is no approval.
    expect(ask(rule(needs('board', 1))).outcome).toBe('needs-approval')
  })

  it('lapse, to the millisecond', () => {
    const within = rule(needs('treasurers', 1, { within: '1h' }))
    const given = (atMs: number): Partial<Facts> => ({ approvals: [{ credentialId: 'ann', atMs }] })
    expect(ask(within, given(nowMs - hourMs + 1))).toMatchObject({
      outcome: 'permitted',
      approvals: [{ expiresInMs: 1 }],
    })
    expect(ask(within, given(nowMs - hourMs))).toMatchObject({
      outcome: 'needs-approval',
      approvals: [{ expiresInMs: hourMs, eligible: ['ann', 'ben', 'cat'] }],
    })
    expect(ask(within, given(nowMs + 1)).outcome).toBe('needs-approval')
    // The latest of several by one credential counts; the first to lapse says how long it lasts.
    const several: ApprovalFact[] = [
      { credentialId: 'ann', atMs: nowMs - 3 * hourMs },
      { credentialId: 'ann', atMs: nowMs - 10 },
      { credentialId: 'ben', atMs: nowMs - 20 },
    ]
    expect(ask(within, { approvals: several }).approvals[0]).toMatchObject({
      have: 2,
      expiresInMs: hourMs - 20,
    })
  })

  it('are asked for only where everything else permits it at this moment', () => {
    const limited = { ...rule(needs('treasurers', 1)), limits: [amountLimit(100n)] }
    expect(ask(limited, {}, { 'r0|day': 0n }).outcome).toBe('needs-approval')
    expect(codes(ask(limited, {}, { 'r0|day': 1n }))).toEqual(['POLICY_WINDOW'])
    expect(codes(ask({ ...rule(needs('treasurers', 1)), when: { recipient: [bob] } }))).toEqual([
      'POLICY_RECIPIENT',
    ])
    const forbidden = [rule(needs('treasurers', 1)), { action: 'forbid', effects: ['native-transfer'] }]
    expect(ask(forbidden, by('ann'))).toMatchObject({ outcome: 'refused', approvals: [] })
    const wanting = decide(layersOf(policyWith({ groups }, rule(needs('treasurers', 1)))), {
      effects: [effect.native(), effect.fee()],
    })
    expect(wanting).toMatchObject({ outcome: 'refused', approvals: [] })
  })

  it('are not asked for where another rule permits without', () => {
    const plain = { effects: ['native-transfer'], limits: [amountLimit(100n)] }
    for (const rules of [
      [rule(needs('treasurers', 1)), plain],
      [plain, rule(needs('treasurers', 1))],
    ]) {
      const first = ask(rules)
      expect(first).toMatchObject({
        outcome: 'permitted',
        approvals: [],
        reservations: [{ amountMinor: 100n }],
      })
      // Where its window is spent, the approvals are the way.
      expect(ask(rules, {}, { day: 1n }).outcome).toBe('needs-approval')
      expect(ask(rules, by('ann'), { day: 1n })).toMatchObject({ outcome: 'permitted', reservations: [] })
    }
  })

  it('that are there already decide which rule it is, else the first does', () => {
    const rules = [rule(needs('treasurers', 1)), rule(needs('board', 1))]
    expect(ask(rules).effects[0]?.permittedBy).toEqual([{ layer: 'wallet', rule: 'r0' }])
    expect(ask(rules, by('dan')).effects[0]?.permittedBy).toEqual([{ layer: 'wallet', rule: 'r1' }])
    expect(ask(rules, by('dan')).outcome).toBe('permitted')
  })

  it('of several effects and layers are asked for together', () => {
    const wallet = policyWith({ groups }, rule(needs('treasurers', 1)), {
      effects: ['fee'],
      approvals: [needs('board', 1)],
    })
    const organisation = policyWith(
      { groups },
      { ...rule(needs('board', 2)), effects: ['native-transfer', 'fee'] },
    )
    const both = (facts: Partial<Facts>) =>
      decide(layersOf(wallet, organisation), { effects: [effect.native(), effect.fee()], facts })
    const waiting = both(by('dan'))
    expect(
      waiting.approvals.map(({ layer, rule: id, group, missing }) => [layer, id, group, missing]),
    ).toEqual([
      ['wallet', 'r0', 'treasurers', 1],
      ['wallet', 'r1', 'board', 0],
      ['organisation', 'r0', 'board', 1],
    ])
    expect(both(by('dan', 'cat')).outcome).toBe('permitted')
  })

  it('keep windows exact: two effects that need one window wait only if both fit', () => {
    const limited = policyWith({ groups }, { ...rule(needs('treasurers', 1)), limits: [amountLimit(150n)] })
    const effects = [effect.native(), effect.native({ recipient: bob })]
    expect(decide(layersOf(limited), { effects }).outcome).toBe('refused')
    expect(decide(layersOf(limited), { effects: [effect.native()] }).outcome).toBe('needs-approval')
  })

  it('read as sentences', () => {
    const waiting = ask(rule(needs('treasurers', 2)), by('ann'))
    expect(explainDecision(waiting)).toEqual([
      'Needs approval; nothing is signed yet.',
      'Rule r0: needs 2 approvals of group treasurers and has 1: 1 more, and ben, cat can approve. [POLICY_APPROVAL]',
      `Effect 1, permitted: 0.0000000000000001 native coin (eip155:8453) to ${alice} by rule r0 (wallet)`,
      'Rule r0 asks group treasurers for 2 approvals, and has 1 (ann).',
    ])
    expect(JSON.parse(JSON.stringify(decisionToJson(waiting)))).toEqual(decisionToJson(waiting))
  })

  it.each<[string, () => unknown, string]>([
    ['a group that is none', () => ask(rule(needs('nobody', 1))), 'no group'],
    ['more than there are', () => ask(rule(needs('treasurers', 4))), 'could never'],
    ['none', () => ask(rule(needs('treasurers', 0))), '1'],
    ['a group twice', () => ask(rule(needs('treasurers', 1), needs('treasurers', 2))), 'already'],
    ['a member twice', () => policyWith({ groups: { a: { credentials: ['x', 'x'] } } }), 'twice'],
    [
      'approvals of what is forbidden',
      () => ask({ ...rule(needs('treasurers', 1)), action: 'forbid' }),
      'nobody can approve',
    ],
    ['a time that is too long', () => ask(rule(needs('treasurers', 1, { within: '367d' }))), '366d'],
    ['an empty group', () => policyWith({ groups: { a: { credentials: [] } } }), '1 items'],
  ])('refuses %s', (_name, read, words) => {
    expect(read).toThrow(words)
  })
})

describe('bearer credentials', () => {
  const open = { effects: ['native-transfer'] }
  const bearer = { ...open, who: { bearer: true } }
  const asBearer = { bearer: true }

  it('are matched only by permit rules that say so, and by those for nobody else', () => {
    expect(codes(ask(open, asBearer))).toEqual(['POLICY_WHO'])
    expect(codes(ask({ ...open, who: { credentials: ['cred_1'], roles: ['agent'] } }, asBearer))).toEqual([
      'POLICY_WHO',
    ])
    expect(codes(ask(bearer, asBearer))).toEqual([])
    expect(codes(ask(bearer))).toEqual(['POLICY_WHO'])
    expect(codes(ask({ ...open, who: { bearer: true, credentials: ['other'] } }, asBearer))).toEqual([
      'POLICY_WHO',
    ])
  })

  it('are matched by every forbid rule', () => {
    expect(codes(ask([bearer, { ...open, action: 'forbid' }], asBearer))).toEqual(['POLICY_FORBIDDEN'])
    const forBearers = [open, { ...bearer, action: 'forbid' }, { ...bearer, id: 'x' }]
    expect(codes(ask(forBearers, asBearer))).toEqual(['POLICY_FORBIDDEN'])
    expect(codes(ask(forBearers))).toEqual([])
  })
})
