import type { Effect } from '@countersign/intent'
import { approvalState } from './approvals.ts'
import type { Asked } from './condition.ts'
import type { Layer, RequiredApproval } from './decision.ts'
import { matches } from './match.ts'
import type { Policy, Rule } from './policy.ts'
import { Tally, type Totals } from './tally.ts'

/**
 * Assignments of effects to rules that are tried, per layer, where the first rule that fits each effect does not
 * fit them all together. Past it the request is refused.
 */
export const combinationsMax = 10_000

/** Which rule of one layer permits each effect. */
export interface Assignment {
  readonly layer: Layer
  /** By the index of the effect. */
  readonly rules: readonly Rule[]
  readonly tally: Tally
  /** Approvals that its rules ask for. */
  readonly approvals: readonly RequiredApproval[]
}

interface Assigning extends Asked, Totals {}

/**
 * Gives each effect the first rule that permits it and has room. Where that leaves none for a later effect, the
 * other combinations are tried, so that neither the order of rules nor one rule more turns a yes into a no.
 * Rules whose approvals are missing come in only where no combination of the others permits everything.
 */
export function assign(options: Assigning, layer: Layer, policy: Policy): Assignment | 'untried' | undefined {
  if (!policy.hasApprovals) return fit({ options, layer, policy, approvals: undefined }, false)
  const approvals = new Approvals(options, layer)
  const ready = fit({ options, layer, policy, approvals }, false)
  if (ready !== undefined && ready !== 'untried') return ready
  return fit({ options, layer, policy, approvals }, true) ?? ready
}

/** What the rules of a layer ask for, looked up once for each rule. */
export class Approvals {
  readonly #asked: Asked
  readonly #layer: Layer
  readonly #known = new Map<Rule, readonly RequiredApproval[]>()

  constructor(asked: Asked, layer: Layer) {
    this.#asked = asked
    this.#layer = layer
  }

  of(rule: Rule): readonly RequiredApproval[] {
    const known = this.#known.get(rule)
    if (known !== undefined) return known
    const { facts } = this.#asked
    const states = rule.approvals.map((one) =>
      approvalState(one, { facts, layer: this.#layer, rule: rule.id }),
    )
    this.#known.set(rule, states)
    return states
  }

  areThere(rule: Rule): boolean {
    return rule.approvals.length === 0 || this.of(rule).every(({ missing }) => missing === 0)
  }
}

interface Fitting {
  readonly options: Assigning
  readonly layer: Layer
  readonly policy: Policy
  /** `undefined`: no rule of the policy asks for any. */
  readonly approvals: Approvals | undefined
}

function fit(fitting: Fitting, withMissing: boolean): Assignment | 'untried' | undefined {
  const { options, layer } = fitting
  const { intent } = options
  const greedy = new Tally(options, layer)
  const rules: Rule[] = []
  for (const effect of intent.effects) {
    let rule: Rule | undefined
    for (const candidate of candidatesOf(effect, fitting, withMissing)) {
      if (!matches(candidate, effect, options) || greedy.take(candidate, effect) !== undefined) continue
      rule = candidate
      break
    }
    if (rule === undefined) break
    rules.push(rule)
  }
  if (rules.length === intent.effects.length) return made(fitting, rules, greedy)
  // Where the first effect has no rule with an empty tally, no combination gives it one.
  return rules.length === 0 ? undefined : search(fitting, withMissing)
}

function search(fitting: Fitting, withMissing: boolean): Assignment | 'untried' | undefined {
  const { options, layer } = fitting
  const { intent } = options
  const choices: Rule[][] = []
  for (const effect of intent.effects) {
    const matching = candidatesOf(effect, fitting, withMissing).filter((rule) =>
      matches(rule, effect, options),
    )
    if (matching.length === 0) return undefined
    // A rule without limits, whose approvals are there, costs nothing: no other choice can be better.
    const free = matching.find((rule) => rule.limits.length === 0 && isReady(rule, fitting))
    choices.push(free === undefined ? matching : [free])
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
  if (place(0)) return made(fitting, rules, tally)
  return budget < 0 ? 'untried' : undefined
}

function isReady(rule: Rule, { approvals }: Fitting): boolean {
  return approvals === undefined || approvals.areThere(rule)
}

/** Rules that ask for nothing stand first, then those whose approvals are there, then the others; else as in the file. */
function candidatesOf(effect: Effect, { options, policy, approvals }: Fitting, withMissing: boolean) {
  const candidates = policy.index.permits[effect.kind].candidates(effect, options.facts)
  if (approvals === undefined) return candidates
  if (candidates.every((rule) => rule.approvals.length === 0)) return candidates
  const plain = candidates.filter((rule) => rule.approvals.length === 0)
  const asking = candidates.filter((rule) => rule.approvals.length > 0)
  const there = asking.filter((rule) => approvals.areThere(rule))
  const missing = withMissing ? asking.filter((rule) => !approvals.areThere(rule)) : []
  return [...plain, ...there, ...missing]
}

function made({ layer, approvals }: Fitting, rules: readonly Rule[], tally: Tally): Assignment {
  if (approvals === undefined) return { layer, rules, tally, approvals: [] }
  const asking = [...new Set(rules)].filter((rule) => rule.approvals.length > 0)
  return { layer, rules, tally, approvals: asking.flatMap((rule) => approvals.of(rule)) }
}
