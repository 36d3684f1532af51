import type { Effect } from '@countersign/intent'
import type { Facts } from './decision.ts'
import type { Policy, Rule } from './policy.ts'

/** Permit: who, operation and every condition are surely so. Forbid: none is surely not so. */
export function matches(rule: Rule, effect: Effect, facts: Facts, { ignoreExpiry = false } = {}): boolean {
  if (rule.credentials !== undefined && !rule.credentials.has(facts.credentialId)) return false
  if (rule.roles !== undefined && !rule.roles.has(facts.role)) return false
  if (rule.operations !== undefined && !rule.operations.has(facts.operation)) return false
  const isPermit = rule.action === 'permit'
  for (const condition of rule.conditions) {
    if (ignoreExpiry && condition.name === 'expiresWithin') continue
    const judged = condition.judge(effect, facts)
    if (judged === false || (judged === undefined && isPermit)) return false
  }
  return true
}

export function isForbidden(policy: Policy, effect: Effect, facts: Facts): boolean {
  for (const rule of policy.forbids[effect.kind]) if (matches(rule, effect, facts)) return true
  return false
}
