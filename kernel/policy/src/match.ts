import type { Effect } from '@countersign/intent'
import { actsElsewhere } from './address-condition.ts'
import type { Asked } from './condition.ts'
import type { Policy, Rule } from './policy.ts'
import { simulationProblem } from './simulation.ts'

/**
 * Permit: who, operation and every condition are surely so. Forbid: none is surely not so.
 * @param clock `ignored` leaves out what the clock alone can change. */
export function matches(rule: Rule, effect: Effect, asked: Asked, clock?: 'ignored'): boolean {
  const ignoreClock = clock === 'ignored'
  const { facts } = asked
  const isPermit = rule.action === 'permit'
  if (rule.credentials !== undefined && !rule.credentials.has(facts.credentialId)) return false
  if (rule.roles !== undefined && !rule.roles.has(facts.role)) return false
  // A permit for anybody is none for whoever has seen a bearer's secret.
  if (facts.bearer === true ? isPermit && !rule.bearer : rule.bearer) return false
  if (rule.operations !== undefined && !rule.operations.has(facts.operation)) return false
  if (isPermit && !rule.namesAccount && actsElsewhere(effect, facts)) return false
  if (rule.during !== undefined && !ignoreClock && !rule.during.judge(facts.nowMs)) return false
  for (const condition of rule.conditions) {
    if (ignoreClock && condition.byClock === true) continue
    const judged = condition.judge(effect, facts)
    if (judged === false || (judged === undefined && isPermit)) return false
  }
  if (rule.simulation === undefined || ignoreClock) return true
  return simulationProblem(rule.simulation, asked) === undefined
}

export function isForbidden(policy: Policy, effect: Effect, asked: Asked): boolean {
  if (policy.forbids[effect.kind].length === 0) return false
  for (const rule of policy.index.forbids[effect.kind].candidates(effect, asked.facts)) {
    if (matches(rule, effect, asked)) return true
  }
  return false
}
