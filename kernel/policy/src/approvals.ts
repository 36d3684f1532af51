import type { Facts, Layer, RequiredApproval } from './decision.ts'
import { parseDuration } from './duration.ts'
import type { ApprovalDocument, PolicyDocument } from './schema.ts'

/** One `approvals` entry of a rule. */
export interface ApprovalRule {
  readonly group: string
  readonly members: ReadonlySet<string>
  readonly count: number
  readonly excludeProposer: boolean
  readonly withinMs: number | undefined
}

interface Compiling {
  invalid(path: string, message: string): never
}

export type Groups = ReadonlyMap<string, ReadonlySet<string>>

export function compileGroups(
  groups: PolicyDocument['groups'],
  invalid: (path: string, message: string) => never,
): Groups {
  const out = new Map<string, ReadonlySet<string>>()
  for (const [name, { credentials }] of Object.entries(groups ?? {})) {
    const members = new Set(credentials)
    if (members.size !== credentials.length) {
      invalid(`groups.${name}.credentials`, 'a credential stands in the list twice, and would count once')
    }
    out.set(name, members)
  }
  return out
}

export function compileApprovals(
  approvals: readonly ApprovalDocument[] | undefined,
  groups: Groups,
  { invalid }: Compiling,
): ApprovalRule[] {
  const seen = new Set<string>()
  return (approvals ?? []).map(({ group, count, excludeProposer = false, within }, i) => {
    const members = groups.get(group)
    if (members === undefined) return invalid(`approvals[${i}].group`, `the policy has no group ${group}`)
    if (seen.has(group)) return invalid(`approvals[${i}].group`, `the rule asks the group ${group} already`)
    seen.add(group)
    if (count > members.size) {
      return invalid(
        `approvals[${i}].count`,
        `the group ${group} has ${members.size} members, so ${count} could never approve`,
      )
    }
    const withinMs = within === undefined ? undefined : parseDuration(within)
    if (within !== undefined && withinMs === undefined) {
      return invalid(`approvals[${i}].within`, 'the duration is longer than 366d')
    }
    return { group, members, count, excludeProposer, withinMs }
  })
}

/** How far one entry is satisfied by the approvals that the signer knows of. */
export function approvalState(
  { group, members, count, excludeProposer, withinMs }: ApprovalRule,
  { facts, layer, rule }: { facts: Facts; layer: Layer; rule: string },
): RequiredApproval {
  // A credential counts once, by the latest of its approvals.
  const latest = new Map<string, number>()
  for (const { credentialId, atMs } of facts.approvals ?? []) {
    if (!members.has(credentialId) || (excludeProposer && credentialId === facts.credentialId)) continue
    if (atMs > facts.nowMs || (withinMs !== undefined && facts.nowMs - atMs >= withinMs)) continue
    latest.set(credentialId, Math.max(atMs, latest.get(credentialId) ?? 0))
  }
  const counted = [...latest.keys()].sort()
  const eligible = [...members].filter(
    (id) => !latest.has(id) && !(excludeProposer && id === facts.credentialId),
  )
  const oldestMs = latest.size === 0 ? facts.nowMs : Math.min(...latest.values())
  return {
    layer,
    rule,
    group,
    needed: count,
    have: counted.length,
    missing: Math.max(0, count - counted.length),
    counted,
    eligible: eligible.sort(),
    expiresInMs: withinMs === undefined ? undefined : oldestMs + withinMs - facts.nowMs,
  }
}
