import type { Effect } from '@countersign/intent'
import { actsElsewhere } from './address-condition.ts'
import type { Asked } from './condition.ts'
import type { Layer, Reason, RequiredApproval } from './decision.ts'
import { windowInWords } from './limit.ts'
import { matches } from './match.ts'
import type { Policy, Rule } from './policy.ts'
import { formatValue } from './prices.ts'
import type { PolicyReasonCode } from './reasons.ts'
import { simulationProblem } from './simulation.ts'
import type { Shortage, Tally } from './tally.ts'

/** Reasons per effect and layer; the rules that came closest stand first. */
export const reasonsMax = 64

/**
 * Rules that are looked at to find which came closest: those that name something of the effect first, then those
 * that do not, in the order of the file. All the others are counted.
 */
export const comparedMax = 128

interface Refused {
  readonly policy: Policy
  readonly effect: Effect
  readonly asked: Asked
  readonly layer: Layer
}

/** One reason per forbid rule that matches; empty where none does. */
export function forbiddenReasons({ policy, effect, asked, layer }: Refused): Reason[] {
  const reasons: Reason[] = []
  for (const rule of policy.index.forbids[effect.kind].candidates(effect, asked.facts)) {
    if (!matches(rule, effect, asked)) continue
    const unsure = rule.conditions.find((condition) => condition.judge(effect, asked.facts) === undefined)
    const why =
      unsure === undefined
        ? ''
        : ` (its condition ${unsure.name} cannot be judged on these bytes, and what cannot be judged counts as forbidden)`
    const about = rule.document.description === undefined ? '' : `: ${rule.document.description}`
    reasons.push(reason(rule.id, layer, 'POLICY_FORBIDDEN', `forbids this ${effect.kind}${why}${about}`))
    if (reasons.length === reasonsMax) break
  }
  return reasons
}

/**
 * The rule that permits the effect all the same, beside the others of a refused request, or everything that keeps each
 * permit rule of the policy from it. */
export function permitOrReasons(refused: Refused & { readonly tally: Tally }): Rule | readonly Reason[] {
  const { policy, effect, asked, layer, tally } = refused
  const { all, candidates } = permitsOf(refused)
  if (all.length === 0) {
    return [
      {
        code: 'POLICY_NO_RULE',
        layer,
        message: `No permit rule of policy ${policy.id} is about ${effect.kind}: add one if this should be signed.`,
      },
    ]
  }
  const near = new Nearest(refused)
  for (const rule of candidates) {
    const failures = near.isFull ? Number(!matches(rule, effect, asked)) : near.add(rule)
    if (failures === 0 && tally.take(rule, effect) === undefined) return rule
  }
  if (!near.isFull && candidates.length < all.length) {
    const seen = new Set(candidates)
    for (const rule of all) {
      if (near.isFull) break
      if (!seen.has(rule)) near.add(rule)
    }
  }
  return reasonsOf(near, refused, all.length)
}

function permitsOf({ policy, effect, asked }: Refused) {
  const index = policy.index.permits[effect.kind]
  return { all: index.all, candidates: index.candidates(effect, asked.facts) }
}

function reasonsOf(
  near: Nearest,
  refused: Refused & { readonly tally: Tally },
  count: number,
): readonly Reason[] {
  const listed: Reason[] = []
  let told = 0
  for (const [failures, rules] of near.byFailures.entries()) {
    for (const rule of rules) {
      const room = reasonsMax - 1 - listed.length
      // A rule has at least as many reasons as failures.
      const reasons = failures > room && listed.length > 0 ? undefined : ruleReasons(rule, refused)
      if (reasons === undefined || (listed.length > 0 && reasons.length > room)) {
        return [...listed, moreReasons(refused, count - told)]
      }
      listed.push(...reasons)
      told++
    }
  }
  return told === count ? listed : [...listed, moreReasons(refused, count - told)]
}

function moreReasons({ policy, layer }: Refused, count: number): Reason {
  const message = `${count} more permit rules of policy ${policy.id} do not permit this either.`
  return { code: 'POLICY_MORE', layer, message }
}

/**
 * Rules by the number of ways in which they fail; among equals as they were found. A rule has few conditions: one list
 * for each number sorts them without comparing.
 */
class Nearest {
  readonly byFailures: Rule[][] = []
  readonly #refused: Refused
  #count = 0

  constructor(refused: Refused) {
    this.#refused = refused
  }

  get isFull(): boolean {
    return this.#count >= comparedMax
  }

  /** @returns what about the rule does not fit; 0 where only a window can be in the way. */
  add(rule: Rule): number {
    const { effect, asked } = this.#refused
    const failures = failuresOf(rule, effect, asked)
    while (this.byFailures.length <= failures) this.byFailures.push([])
    this.byFailures[failures]?.push(rule)
    this.#count++
    return failures
  }
}

/** As `ruleReasons` would list them, only counted. */
function failuresOf(rule: Rule, effect: Effect, asked: Asked): number {
  const { facts } = asked
  let failures = 0
  if (rule.credentials !== undefined && !rule.credentials.has(facts.credentialId)) failures++
  if (rule.roles !== undefined && !rule.roles.has(facts.role)) failures++
  if ((facts.bearer === true) !== rule.bearer) failures++
  if (rule.operations !== undefined && !rule.operations.has(facts.operation)) failures++
  if (!rule.namesAccount && actsElsewhere(effect, facts)) failures++
  if (rule.during !== undefined && !rule.during.judge(facts.nowMs)) failures++
  for (const condition of rule.conditions) if (condition.judge(effect, facts) !== true) failures++
  if (rule.simulation !== undefined && simulationProblem(rule.simulation, asked) !== undefined) failures++
  return failures
}

function ruleReasons(
  rule: Rule,
  { effect, asked, layer, tally }: Refused & { readonly tally: Tally },
): Reason[] {
  const { facts } = asked
  const reasons: Reason[] = []
  const add = (code: PolicyReasonCode, text: string) => reasons.push(reason(rule.id, layer, code, text))
  if (rule.credentials !== undefined && !rule.credentials.has(facts.credentialId)) {
    add('POLICY_WHO', `credential ${facts.credentialId} is not among those it is for`)
  }
  if (rule.roles !== undefined && !rule.roles.has(facts.role)) {
    add('POLICY_WHO', `the asker's role is ${facts.role}, and it is for ${[...rule.roles].join(' or ')}`)
  }
  if ((facts.bearer === true) !== rule.bearer) {
    add(
      'POLICY_WHO',
      rule.bearer
        ? 'it is for bearer credentials, and the asker’s is none'
        : 'the asker’s credential is a bearer key, and only a rule with "bearer" is for those',
    )
  }
  if (rule.operations !== undefined && !rule.operations.has(facts.operation)) {
    const wanted = [...rule.operations].join(' or ')
    add('POLICY_OPERATION', `${facts.operation} was asked for, and it is for ${wanted}`)
  }
  if (!rule.namesAccount && actsElsewhere(effect, facts)) {
    const { account } = effect as { readonly account?: string }
    add(
      'POLICY_ACCOUNT',
      `the account ${account} acts here; without an "account" condition it covers only what the wallet itself does`,
    )
  }
  if (rule.during !== undefined && !rule.during.judge(facts.nowMs)) {
    add('POLICY_TIME', rule.during.explain(facts.nowMs))
  }
  for (const condition of rule.conditions) {
    if (condition.judge(effect, facts) === true) continue
    for (const { code, message } of condition.explain(effect, facts)) add(code, message)
  }
  if (rule.simulation !== undefined) {
    const problem = simulationProblem(rule.simulation, asked)
    if (problem !== undefined) add('POLICY_SIMULATION', problem)
  }
  // A window is the asker's business only where nothing else stands in the way.
  if (reasons.length > 0) return reasons
  const shortage = tally.take(rule, effect)
  if (shortage === undefined) throw new Error(`bug: rule ${rule.id} permits what is being refused`)
  return [reason(rule.id, layer, ...shortageInWords(shortage, rule))]
}

function shortageInWords(shortage: Shortage, rule: Rule): [PolicyReasonCode, string] {
  if (shortage.kind === 'uncovered') {
    const assets = rule.limits.flatMap((limit) => (limit.asset === undefined ? [] : [limit.asset]))
    return ['POLICY_LIMIT_ASSET', `it limits ${assets.join(', ')} only, and this moves something else`]
  }
  const { limit } = shortage
  switch (shortage.kind) {
    case 'unbounded':
      return [
        'POLICY_LIMIT_UNBOUNDED',
        `an approval without bound does not fit limit ${limit.id} of ${limit.limitMinor}`,
      ]
    case 'unknown':
      return [
        'POLICY_LIMIT_UNKNOWN',
        `the bytes do not say how much this takes, so it does not fit limit ${limit.id}`,
      ]
    case 'subject':
      return [
        'POLICY_LIMIT_SUBJECT',
        `limit ${limit.id} counts per ${limit.per}, and this request has no ${limit.per}`,
      ]
    case 'unpriced':
      return ['POLICY_PRICE', `limit ${limit.id} counts what things are worth, and ${shortage.problem}`]
    case 'spent':
      return spentInWords(shortage)
  }
}

function spentInWords({
  limit,
  usedMinor,
  pendingMinor,
  askedMinor,
}: Extract<Shortage, { kind: 'spent' }>): [PolicyReasonCode, string] {
  const per = `${windowInWords(limit)}${limit.per === 'wallet' ? '' : ` and ${limit.per}`}`
  if (limit.measure === 'count') {
    return [
      'POLICY_COUNT',
      `limit ${limit.id} permits ${limit.limitMinor} requests per ${per}, and ${usedMinor} are used`,
    ]
  }
  const takenMinor = usedMinor + pendingMinor
  const leftMinor = takenMinor > limit.limitMinor ? 0n : limit.limitMinor - takenMinor
  const shown = limit.prices === undefined ? String : formatValue
  const unit = limit.prices?.currency ?? limit.asset
  const others = pendingMinor > 0n ? ` and other effects of this request ask ${shown(pendingMinor)}` : ''
  return [
    'POLICY_WINDOW',
    `limit ${limit.id} permits ${shown(limit.limitMinor)} of ${unit} per ${per}; ${shown(usedMinor)} are used${others}, ${shown(leftMinor)} are left, ${shown(askedMinor)} are asked, ${shown(askedMinor - leftMinor)} too many`,
  ]
}

/** Why a request waits: one sentence for each group that is still asked. */
export function approvalReason(approval: RequiredApproval): Reason {
  const { layer, rule, group, needed, have, missing, eligible } = approval
  const who = eligible.length === 0 ? 'nobody is left who could' : `${eligible.join(', ')} can`
  return reason(
    rule,
    layer,
    'POLICY_APPROVAL',
    `needs ${needed} ${needed === 1 ? 'approval' : 'approvals'} of group ${group} and has ${have}: ${missing} more, and ${who} approve`,
  )
}

function reason(rule: string, layer: Layer, code: PolicyReasonCode, text: string): Reason {
  const end = text.at(-1)
  const message = `Rule ${rule}: ${text}${end === '.' || end === '!' || end === '?' ? '' : '.'}`
  return { code, layer, rule, message }
}
