import { parseJson } from '@countersign/bytes'
import { rawDigestIntent } from '@countersign/intent'
import { describe, expect, it } from 'vitest'
import { decisionToJson } from '../../../kernel/policy/src/decision-json.ts'
import { evaluate } from '../../../kernel/policy/src/evaluate.ts'
import { type Policy, parsePolicy } from '../../../kernel/policy/src/policy.ts'
import { CountersignRefused, errorFromAnswer } from './refused.ts'

const policy = parsePolicy({
  version: 1,
  id: 'desk',
  groups: { board: { credentials: ['cred_ann', 'cred_ben'] } },
  rules: [
    {
      id: 'digests',
      action: 'permit',
      effects: ['raw-digest'],
      approvals: [{ group: 'board', count: 2, excludeProposer: true, within: '1h' }],
    },
  ],
})

const error = { code: 'POLICY_REFUSED', message: 'no', fix: 'ask', retry: 'after-fix' }

/** The decision of the policy engine itself, as it comes over the wire. */
function answerOf(attached: Policy | undefined): unknown {
  const intent = rawDigestIntent(new Uint8Array(32).fill(1))
  const layers = [{ layer: 'wallet', policy: attached }] as const
  const facts = {
    walletId: 'wal_1',
    operation: intent.operation,
    credentialId: 'cred_agent',
    role: 'agent',
    nowMs: 1_800_000_000_000,
    approvals: [{ credentialId: 'cred_ann', atMs: 1_799_999_999_000 }],
  } as const
  const decision = decisionToJson(evaluate({ intent, facts, layers, used: new Map() }))
  return parseJson(JSON.stringify({ error, decision, journal: { index: 7 } }))
}

function refusedBy(answer: unknown): CountersignRefused {
  const found = errorFromAnswer(403, answer)
  if (!(found instanceof CountersignRefused)) throw new Error('it is no refusal')
  return found
}

describe('a refusal', () => {
  it('says that approvals alone are missing, of which group, and whose would count', () => {
    const { decision, journalIndex } = refusedBy(answerOf(policy))
    expect(journalIndex).toBe(7)
    expect(decision.outcome).toBe('needs-approval')
    expect(decision.approvals).toEqual([
      {
        layer: 'wallet',
        rule: 'digests',
        group: 'board',
        needed: 2,
        have: 1,
        missing: 1,
        counted: ['cred_ann'],
        eligible: ['cred_ben'],
        expiresInMs: 3_599_000,
      },
    ])
  })

  it('says refused, and asks nobody, where no approval could help', () => {
    const { decision } = refusedBy(answerOf(undefined))
    expect(decision).toMatchObject({ permitted: false, outcome: 'refused', approvals: [] })
  })

  it('of an older answer, or one with nonsense in it, has every field and is never less than a refusal', () => {
    const effects = [{ effect: 0, kind: 'raw-digest', summary: 's', permittedBy: [], reasons: [] }]
    const { decision } = refusedBy({ error, decision: { permitted: false, effects } })
    expect(decision).toEqual({
      permitted: false,
      outcome: 'refused',
      effects,
      reservations: [],
      approvals: [],
    })
    const odd = {
      permitted: true,
      outcome: 'permitted',
      effects,
      reservations: 'x',
      approvals: { length: 9 },
    }
    expect(refusedBy({ error, decision: odd }).decision).toEqual(decision)
    expect(refusedBy({ error: { ...error, details: { decision: odd } } }).decision).toEqual(decision)
  })

  it('is an ordinary error where no decision comes with it', () => {
    for (const decision of [undefined, null, 'no', 1, [], {}, { effects: 'none' }]) {
      const found = errorFromAnswer(403, { error, decision })
      expect(found).toMatchObject({ code: 'POLICY_REFUSED', status: 403 })
      expect(found).not.toBeInstanceOf(CountersignRefused)
    }
  })
})
