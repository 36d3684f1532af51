import { describeEffect, type Effect, type Intent } from '@countersign/intent'
import type { Decision, EffectDecision, Facts, Layer, Reason, WindowKey, WindowRef } from './decision.ts'
import { forbiddenReasons, refusalReasons } from './explain.ts'
import { isForbidden, matches } from './match.ts'
import type { Policy, Rule } from './policy.ts'
import { Tally, windowKey } from './tally.ts'

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
 * Assignments of effects to rules that are tried, per layer, where the first rule that fits each effect does not
 * fit them all together. Past it the request is refused.
 */
export const combinationsMax = 10_000

/** Every running total that `evaluate` may read for this request, whatever the clock says then. */
export function windowsNeeded(intent: Intent, facts: Facts, layers: readonly PolicyLayer[]): WindowRef[] {
  const needed = new Map<WindowKey, WindowRef>()
  for (const { layer, policy } of layers) {
    if (policy === undefined) continue
    for (const effect of intent.effects) {
      for (const rule of policy.permits[effect.kind]) {
        if (rule.limits.length === 0 || !matches(rule, effect, facts, { ignoreExpiry: true })) continue
        for (const limit of rule.limits) {
          const key = windowKey(limit, facts, layer)
          if (!needed.has(key)) needed.set(key, { key, windowMs: limit.windowMs })
        }
      }
    }
  }
  return [...needed.values()]
}

/**
 * Decides a request: permitted only if every layer permits every effect, no forbid rule matches, and every window
 * has room for all of it. Pure: the same question always has the same answer. */
export function evaluate(options: EvaluateOptions): Decision {
  const { intent, facts, layers } = options
  if (intent.operation !== facts.operation) throw new Error('bug: facts and intent name different operations')
  const whole = requestReason(options)
  if (whole !== undefined) return { permitted: false, reasons: [whole], effects: [], reservations: [] }

  const assignments: Assignment[] = []
  for (const { layer, policy } of layers) {
    if (policy === undefined || intent.effects.some((effect) => isForbidden(policy, effect, facts))) {
      return refusal(options)
    }
    const assignment = assign(options, layer, policy)
    if (assignment === undefined) return refusal(options)
    if (assignment === 'untried') return refusal(options, layer)
    assignments.push(assignment)
  }
  return {
    permitted: true,
    reasons: [],
    effects: intent.effects.map((effect, i) => ({
      effect: i,
      kind: effect.kind,
      summary: describeEffect(effect),
      permittedBy: assignments.map(({ layer, rules }) => ({ layer, rule: (rules[i] as Rule).id })),
      reasons: [],
    })),
    reservations: assignments.flatMap(({ tally }) => tally.reservations()),
  }
}

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

interface Assignment {
  readonly layer: Layer
  /** By the index of the effect. */
  readonly rules: readonly Rule[]
  readonly tally: Tally
}

/**
 * Gives each effect the first rule that permits it and has room. Where that leaves none for a later effect, the
 * other combinations are tried, so that neither the order of rules nor one rule more turns a yes into a no.
 */
function assign(options: EvaluateOptions, layer: Layer, policy: Policy): Assignment | 'untried' | undefined {
  const { intent, facts } = options
  const greedy = new Tally(options, layer)
  const rules: Rule[] = []
  for (const effect of intent.effects) {
    const rule = policy.permits[effect.kind].find(
      (candidate) => matches(candidate, effect, facts) && greedy.take(candidate, effect) === undefined,
    )
    if (rule === undefined) break
    rules.push(rule)
  }
  if (rules.length === intent.effects.length) return { layer, rules, tally: greedy }
  return rules.length === 0 ? undefined : search(options, layer, policy)
}

function search(options: EvaluateOptions, layer: Layer, policy: Policy): Assignment | 'untried' | undefined {
  const { intent, facts } = options
  const choices: Rule[][] = []
  for (const effect of intent.effects) {
    const fitting = policy.permits[effect.kind].filter((rule) => matches(rule, effect, facts))
    // A rule without limits costs nothing: no other choice can be better.
    const free = fitting.find((rule) => rule.limits.length === 0)
    if (fitting.length === 0) return undefined
    choices.push(free === undefined ? fitting : [free])
  }
  const tally = new Tally(options, layer)
  const rules: Rule[] = []
  let budget = combinationsMax
  const place = (i: number): boolean => {
    if (i === choices.length) return true
    const effect = intent.effects[i] as Effect
    for (const rule of choices[i] as Rule[]) {
      if (--budget < 0) return false
      const before = tally.mark()
      if (tally.take(rule, effect) !== undefined) continue
      rules[i] = rule
      if (place(i + 1)) return true
      tally.rewind(before)
    }
    return false
  }
  if (place(0)) return { layer, rules, tally }
  return budget < 0 ? 'untried' : undefined
}

/** The second pass, only for refusals: the same questions again, this time with their answers in words. */
function refusal(options: EvaluateOptions, untried?: Layer): Decision {
  const { intent, facts, layers } = options
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
      forbidden.push(...forbiddenReasons({ policy, effect, facts, layer }))
      const tally = tallies[l] as Tally
      const rule = policy.permits[effect.kind].find(
        (candidate) => matches(candidate, effect, facts) && tally.take(candidate, effect) === undefined,
      )
      if (rule !== undefined) permittedBy.push({ layer, rule: rule.id })
      else reasons.push(...refusalReasons({ policy, effect, facts, layer, tally }))
    })
    const refused = forbidden.length > 0 ? forbidden : reasons
    return {
      effect: i,
      kind: effect.kind,
      summary: describeEffect(effect),
      permittedBy: refused.length > 0 ? [] : permittedBy,
      reasons: refused,
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
  return { permitted: false, reasons, effects, reservations: [] }
}
