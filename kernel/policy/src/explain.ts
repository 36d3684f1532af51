import type { Effect } from '@countersign/intent'
import type { Facts, Layer, Reason } from './decision.ts'
import { formatDuration } from './duration.ts'
import { matches } from './match.ts'
import type { Policy, Rule } from './policy.ts'
import type { PolicyReasonCode } from './reasons.ts'
import type { Shortage, Tally } from './tally.ts'

/** Reasons per effect and layer; the rules that came closest stand first. */
export const reasonsMax = 64

interface Refused {
  readonly policy: Policy
  readonly effect: Effect
  readonly facts: Facts
  readonly layer: Layer
}

/** One reason per forbid rule that matches; empty where none does. */
export function forbiddenReasons({ policy, effect, facts, layer }: Refused): Reason[] {
  const reasons: Reason[] = []
  for (const rule of policy.forbids[effect.kind]) {
    if (!matches(rule, effect, facts)) continue
    const unsure = rule.conditions.find((condition) => condition.judge(effect, facts) === undefined)
    const why =
      unsure === undefined
        ? ''
        : ` (its condition ${unsure.name} cannot be judged on these bytes, and what cannot be judged counts as forbidden)`
    const about = rule.document.description === undefined ? '' : `: ${rule.document.description}`
    reasons.push(reason(rule, layer, 'POLICY_FORBIDDEN', `forbids this ${effect.kind}${why}${about}`))
    if (reasons.length === reasonsMax) break
  }
  return reasons
}

/** Everything that keeps each permit rule of the policy from permitting an effect that none permits. */
export function refusalReasons(refused: Refused & { readonly tally: Tally }): Reason[] {
  const { policy, effect, layer } = refused
  const rules = policy.permits[effect.kind]
  if (rules.length === 0) {
    return [
      {
        code: 'POLICY_NO_RULE',
        layer,
        message: `No permit rule of policy ${policy.id} is about ${effect.kind}: add one if this should be signed.`,
      },
    ]
  }
  const byRule = rules.map((rule) => ruleReasons(rule, refused))
  byRule.sort((a, b) => a.length - b.length)
  const listed: Reason[] = []
  for (const [i, reasons] of byRule.entries()) {
    if (listed.length > 0 && listed.length + reasons.length > reasonsMax - 1) {
      const message = `${byRule.length - i} more permit rules of policy ${policy.id} do not permit this either.`
      return [...listed, { code: 'POLICY_MORE', layer, message }]
    }
    listed.push(...reasons)
  }
  return listed
}

function ruleReasons(
  rule: Rule,
  { effect, facts, layer, tally }: Refused & { readonly tally: Tally },
): Reason[] {
  const reasons: Reason[] = []
  if (rule.credentials !== undefined && !rule.credentials.has(facts.credentialId)) {
    reasons.push(
      reason(rule, layer, 'POLICY_WHO', `credential ${facts.credentialId} is not among those it is for`),
    )
  }
  if (rule.roles !== undefined && !rule.roles.has(facts.role)) {
    const wanted = [...rule.roles].join(' or ')
    reasons.push(
      reason(rule, layer, 'POLICY_WHO', `the asker's role is ${facts.role}, and it is for ${wanted}`),
    )
  }
  if (rule.operations !== undefined && !rule.operations.has(facts.operation)) {
    const wanted = [...rule.operations].join(' or ')
    reasons.push(
      reason(rule, layer, 'POLICY_OPERATION', `${facts.operation} was asked for, and it is for ${wanted}`),
    )
  }
  for (const condition of rule.conditions) {
    if (condition.judge(effect, facts) === true) continue
    for (const { code, message } of condition.explain(effect, facts))
      reasons.push(reason(rule, layer, code, message))
  }
  // A window is the asker's business only where nothing else stands in the way.
  if (reasons.length > 0) return reasons
  const shortage = tally.take(rule, effect)
  if (shortage === undefined) throw new Error(`bug: rule ${rule.id} permits what is being refused`)
  return [reason(rule, layer, ...shortageInWords(shortage, rule))]
}

function shortageInWords(shortage: Shortage, rule: Rule): [PolicyReasonCode, string] {
  if (shortage.kind === 'uncovered') {
    const assets = rule.limits.flatMap((limit) => (limit.asset === undefined ? [] : [limit.asset]))
    return ['POLICY_LIMIT_ASSET', `it limits ${assets.join(', ')} only, and this moves something else`]
  }
  const { limit } = shortage
  if (shortage.kind === 'unbounded') {
    return [
      'POLICY_LIMIT_UNBOUNDED',
      `an approval without bound does not fit limit ${limit.id} of ${limit.limitMinor}`,
    ]
  }
  const { usedMinor, pendingMinor, askedMinor } = shortage
  const per = formatDuration(limit.windowMs)
  const takenMinor = usedMinor + pendingMinor
  const leftMinor = takenMinor > limit.limitMinor ? 0n : limit.limitMinor - takenMinor
  const others = pendingMinor > 0n ? ` and other effects of this request ask ${pendingMinor}` : ''
  if (limit.asset === undefined) {
    return [
      'POLICY_COUNT',
      `limit ${limit.id} permits ${limit.limitMinor} requests per ${per}, and ${usedMinor} are used`,
    ]
  }
  return [
    'POLICY_WINDOW',
    `limit ${limit.id} permits ${limit.limitMinor} of ${limit.asset} per ${per}; ${usedMinor} are used${others}, ${leftMinor} are left, ${askedMinor} are asked, ${askedMinor - leftMinor} too many`,
  ]
}

function reason(rule: Rule, layer: Layer, code: PolicyReasonCode, text: string): Reason {
  const message = `Rule ${rule.id}: ${text}${/[.!?]$/.test(text) ? '' : '.'}`
  return { code, layer, rule: rule.id, message }
}
