import { describeEffect, type Intent } from '@countersign/intent'
import { type Assignment, assign, combinationsMax } from './assignment.ts'
import type { Decision, EffectDecision, Facts, Layer, Reason, WindowKey, WindowRef } from './decision.ts'
import { effectValue } from './effect-value.ts'
import { approvalReason, forbiddenReasons, permitOrReasons } from './explain.ts'
import { windowKey, windowRef } from './limit.ts'
import { isForbidden, matches } from './match.ts'
import type { Policy, Rule } from './policy.ts'
import { Tally } from './tally.ts'

export { combinationsMax }

/** One policy that applies to a request; `undefined` refuses it. */
export interface PolicyLayer {
  readonly layer: Layer
  readonly policy: Policy | undefined
}

export interface Question {
  readonly intent: Intent
  readonly facts: Facts
  /** Every one of them must permit every effect. */
  readonly layers: readonly PolicyLayer[]
}

export interface EvaluateOptions extends Question {
  /** What has been booked in each window that ends now; needs an entry for each of `windowsNeeded`. */
  readonly used: ReadonlyMap<WindowKey, bigint>
}

/**
 * Every running total that `evaluate` may read for this request with these facts: for another time the periods of
 * calendar windows are others, and `evaluate` would throw rather than count in a period that is over. */
export function windowsNeeded(intent: Intent, facts: Facts, layers: readonly PolicyLayer[]): WindowRef[] {
  const needed = new Map<WindowKey, WindowRef>()
  const asked = { intent, facts }
  for (const { layer, policy } of layers) {
    if (policy === undefined) continue
    for (const effect of intent.effects) {
      for (const rule of policy.index.permits[effect.kind].candidates(effect, facts)) {
        if (rule.limits.length === 0 || !matches(rule, effect, asked, 'ignored')) continue
        for (const limit of rule.limits) {
          const key = windowKey(limit, facts, layer, effect)
          if (key !== undefined && !needed.has(key)) needed.set(key, windowRef(key, limit, facts))
        }
      }
    }
  }
  return [...needed.values()]
}

/**
 * Decides a request: permitted only if every layer permits every effect, no forbid rule matches, every window has
 * room for all of it, and the approvals that the rules ask for are there. Pure: the same question always has the
 * same answer. */
export function evaluate(options: EvaluateOptions): Decision {
  const { intent, facts, layers } = options
  if (intent.operation !== facts.operation) throw new Error('bug: facts and intent name different operations')
  const whole = requestReason(options)
  if (whole !== undefined) return { ...refused, reasons: [whole], effects: [] }

  const assignments: Assignment[] = []
  for (const { layer, policy } of layers) {
    if (policy === undefined) return refusal(options)
    for (const effect of intent.effects) if (isForbidden(policy, effect, options)) return refusal(options)
    const assignment = assign(options, layer, policy)
    if (assignment === undefined) return refusal(options)
    if (assignment === 'untried') return refusal(options, layer)
    assignments.push(assignment)
  }
  const approvals = layers.some(({ policy }) => policy?.hasApprovals === true)
    ? assignments.flatMap((assignment) => assignment.approvals)
    : []
  const missing = approvals.filter((approval) => approval.missing > 0)
  const permitted = missing.length === 0
  const isValued = layers.some(({ policy }) => policy?.prices !== undefined)
  return {
    permitted,
    outcome: permitted ? 'permitted' : 'needs-approval',
    reasons: missing.map(approvalReason),
    effects: intent.effects.map((effect, i): EffectDecision => {
      const decided = {
        effect: i,
        kind: effect.kind,
        summary: describeEffect(effect),
        permittedBy: assignments.map(({ layer, rules }) => ({ layer, rule: (rules[i] as Rule).id })),
        reasons: [],
      }
      if (!isValued) return decided
      const rules = assignments.map((assignment) => assignment.rules[i] as Rule)
      return { ...decided, ...effectValue(effect, facts, rules) }
    }),
    reservations: permitted ? assignments.flatMap(({ tally }) => tally.reservations()) : [],
    approvals,
  }
}

const refused = { permitted: false, outcome: 'refused', reservations: [], approvals: [] } as const

function requestReason({ intent, layers }: Question): Reason | undefined {
  const layer = layers[0]?.layer ?? 'wallet'
  if (layers.length === 0) {
    return { code: 'POLICY_NONE', layer, message: 'No policy applies to this wallet: attach one.' }
  }
  if (intent.effects.length === 0) {
    return { code: 'POLICY_NO_EFFECTS', layer, message: 'The bytes have no effect that a rule could permit.' }
  }
  return undefined
}

/** The second pass, only for refusals: the same questions again, this time with their answers in words. */
function refusal(options: EvaluateOptions, untried?: Layer): Decision {
  const { intent, layers } = options
  const tallies = layers.map(({ layer }) => new Tally(options, layer))
  const effects = intent.effects.map((effect, i): EffectDecision => {
    const permittedBy: { layer: Layer; rule: string }[] = []
    const forbidden: Reason[] = []
    const reasons: Reason[] = []
    layers.forEach(({ layer, policy }, l) => {
      if (policy === undefined) {
        reasons.push({
          code: 'POLICY_NONE',
          layer,
          message: `The ${layer} has no policy, and without one everything is refused: attach one.`,
        })
        return
      }
      forbidden.push(...forbiddenReasons({ policy, effect, asked: options, layer }))
      const tally = tallies[l] as Tally
      const found = permitOrReasons({ policy, effect, asked: options, layer, tally })
      if ('id' in found) permittedBy.push({ layer, rule: found.id })
      else reasons.push(...found)
    })
    const all = forbidden.length > 0 ? forbidden : reasons
    return {
      effect: i,
      kind: effect.kind,
      summary: describeEffect(effect),
      permittedBy: all.length > 0 ? [] : permittedBy,
      reasons: all,
    }
  })
  const reasons: Reason[] =
    untried === undefined
      ? []
      : [
          {
            code: 'POLICY_COMBINATION',
            layer: untried,
            message: `The effects of this request share windows in more ways than the ${combinationsMax} that are tried: split it into smaller requests.`,
          },
        ]
  return { ...refused, reasons, effects }
}
