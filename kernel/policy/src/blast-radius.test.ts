import { describe, expect, it } from 'vitest'
import {
  type BlastRadiusQuestion,
  blastRadius,
  describeBlastRadius,
  type OwnedCredential,
} from './blast-radius.ts'
import { alice, amountLimit, coin, layersOf, policy, policyWith } from './fixtures.ts'
import { describePolicyDiff, diffPolicies } from './policy-diff.ts'

const agent: OwnedCredential = { subject: 'cred_1', role: 'agent', bearer: false }
const question: BlastRadiusQuestion = {
  walletId: 'wal_1',
  layers: [],
  owned: [agent],
  quorum: { needed: 2, looseningDelayMs: 0 },
  ownsKey: false,
}
const pay = (more: Record<string, unknown> = {}) => ({
  effects: ['native-transfer'],
  when: { recipient: [alice] },
  limits: [amountLimit(100n)],
  ...more,
})
const groups = { groups: { board: { credentials: ['ann', 'bob', 'cat'] } } }

const radius = (change: Partial<BlastRadiusQuestion>) => blastRadius({ ...question, ...change })
const boundOf = (change: Partial<BlastRadiusQuestion>) =>
  radius(change).exposure.assets[0]?.bounds[0]?.amountMinor

describe('blastRadius', () => {
  it('is nothing for who has nothing, and the limit for who may ask', () => {
    const layers = layersOf(policy(pay()))
    expect(radius({ layers, owned: [] })).toMatchObject({ bounded: true, exposure: { assets: [] } })
    expect(describeBlastRadius(radius({ layers, owned: [] }))[0]).toMatch(/^Nothing/)
    expect(boundOf({ layers })).toBe(100n)
  })

  it('adds up what several credentials may do, and counts a shared limit once', () => {
    const own = (id: string) => pay({ who: { credentials: [id] } })
    const layers = layersOf(policy(own('cred_1'), own('cred_2')))
    const other = { ...agent, subject: 'cred_2' }
    expect(boundOf({ layers })).toBe(100n)
    expect(boundOf({ layers, owned: [agent, other] })).toBe(200n)
    expect(boundOf({ layers: layersOf(policy(pay())), owned: [agent, other] })).toBe(100n)
    expect(radius({ layers }).unusable).toEqual([
      { layer: 'wallet', rule: 'r1', why: 'it names credentials that the attacker does not have' },
    ])
  })

  it('knows roles and API keys', () => {
    const layers = layersOf(policy(pay({ who: { roles: ['admin'] } })))
    expect(boundOf({ layers })).toBeUndefined()
    expect(boundOf({ layers, owned: [{ ...agent, role: 'admin' }] })).toBe(100n)
    const granted = layersOf(policy(pay({ who: { bearer: true } })))
    expect(boundOf({ layers: granted })).toBeUndefined()
    expect(boundOf({ layers: granted, owned: [{ ...agent, bearer: true }] })).toBe(100n)
    expect(boundOf({ layers: layersOf(policy(pay())), owned: [{ ...agent, bearer: true }] })).toBeUndefined()
  })

  it('counts a rule that needs approvals only where the attacker has them all', () => {
    const needs = (more: object = {}) =>
      layersOf(policyWith(groups, pay({ approvals: [{ group: 'board', count: 2, ...more }] })))
    const member = (subject: string): OwnedCredential => ({ subject, role: 'approver', bearer: false })
    expect(boundOf({ layers: needs() })).toBeUndefined()
    expect(radius({ layers: needs(), owned: [agent, member('ann')] }).unusable[0]?.why).toBe(
      'it needs 2 approvals of the group board, of which the attacker has 1',
    )
    expect(boundOf({ layers: needs(), owned: [agent, member('ann'), member('bob')] })).toBe(100n)
    // A bearer's secret approves nothing, whoever it is listed as.
    expect(
      boundOf({ layers: needs(), owned: [agent, member('ann'), { ...member('bob'), bearer: true }] }),
    ).toBeUndefined()
    const excluding = needs({ excludeProposer: true })
    expect(boundOf({ layers: excluding, owned: [member('ann'), member('bob')] })).toBeUndefined()
    expect(boundOf({ layers: excluding, owned: [member('ann'), member('bob'), member('cat')] })).toBe(100n)
  })

  it('says “unbounded” with the rule that causes it', () => {
    const rules = [
      [{ effects: ['native-transfer'] }, 'it has no amount limit'],
      [{ effects: ['approval'], when: { spender: [alice] } }, 'allowances have no amount limit'],
      [{ effects: ['raw-digest'] }, 'a digest can be that of any transaction'],
    ] as const
    for (const [rule, why] of rules) {
      const found = radius({ layers: layersOf(policy(rule)) })
      expect(found.bounded).toBe(false)
      expect(describeBlastRadius(found)[0]).toContain('Unbounded: rule r0 (wallet)')
      expect(describeBlastRadius(found)[0]).toContain(why)
    }
  })

  it('is unbounded for the key’s own process and for a quorum of admins, whatever the policy says', () => {
    const layers = layersOf(policy(pay()))
    const admins = ['ann', 'bob'].map(
      (subject): OwnedCredential => ({ subject, role: 'admin', bearer: false }),
    )
    expect(radius({ layers, ownsKey: true })).toMatchObject({ bounded: false })
    expect(radius({ layers, owned: admins })).toMatchObject({ bounded: false })
    expect(radius({ layers, owned: admins.slice(1) })).toMatchObject({ bounded: true })
    // Two keys of one admin are one admin.
    expect(radius({ layers, owned: [admins[0], admins[0]] as OwnedCredential[] })).toMatchObject({
      bounded: true,
    })
    const delayed = { needed: 2, looseningDelayMs: 86_400_000 }
    expect(describeBlastRadius(radius({ layers, owned: admins, quorum: delayed }))[0]).toBe(
      'Unbounded: 2 admins are the quorum of 2: they can change every policy, after 24h, in which any other admin can veto or freeze.',
    )
  })
})

describe('diffPolicies', () => {
  it('shows rules, direction and the change of what can leave', () => {
    const before = policy(pay(), { effects: ['fee'], limits: [amountLimit(5n)] })
    const after = policy(pay({ limits: [amountLimit(300n)] }))
    const diff = diffPolicies(before, after)
    expect(diff).toMatchObject({ added: [], removed: ['r1'], changed: ['r0'] })
    expect(diff.loosens).toHaveLength(1)
    expect(describePolicyDiff(diff)).toEqual([
      'Rule r1 is removed.',
      'Rule r0 is changed.',
      expect.stringContaining('It may loosen by rule r0'),
      `The most that can leave of ${coin}: 105 smallest units in any 24h before, 300 smallest units in any 24h after.`,
    ])
    expect(describePolicyDiff(diffPolicies(after, after))).toEqual([
      'No rule changes.',
      'It only tightens: it would act at once.',
    ])
    const lines = describePolicyDiff(diffPolicies(undefined, policy({ effects: ['raw-digest'] })))
    expect(lines.at(-1)).toMatch(/^After: unbounded: rule r0/)
  })
})
