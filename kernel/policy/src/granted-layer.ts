import type { RuleId } from './decision.ts'
import type { PolicyLayer } from './evaluate.ts'
import type { Limit, Policy, Rule } from './policy.ts'

/** Rules under which one credential may ask, besides the other layers. */
export interface HeldGrant {
  readonly id: string
  /** The id by which policies know the credential that it is for. */
  readonly to: string
  readonly policy: Policy
}

/**
 * All of them as one layer, for figures only: whatever is permitted under one of them is permitted by it, and it leaves
 * no more than all of them together. Their forbid rules are left out, so that it can only be too wide.
 */
export function grantedLayer(grants: readonly HeldGrant[]): PolicyLayer {
  const [first] = grants
  // Without any, a layer that permits nothing.
  if (first === undefined) return { layer: 'grant', policy: undefined }
  const rules = grants.flatMap((grant) =>
    grant.policy.rules.filter(({ action }) => action === 'permit').map((rule) => heldRule(rule, grant)),
  )
  return { layer: 'grant', policy: { ...first.policy, rules } }
}

function heldRule(rule: Rule, { id, to }: HeldGrant): Rule {
  const isForHolder = rule.credentials === undefined || rule.credentials.has(to)
  return {
    ...rule,
    id: `${id}:${rule.id}` as RuleId,
    credentials: new Set(isForHolder ? [to] : []),
    limits: rule.limits.map(ofWallet),
  }
}

/** Of one grant there is one grantee and one total, over all of its wallets, which bounds what each of them loses. */
function ofWallet(limit: Limit): Limit {
  return limit.per === 'grant' || limit.per === 'credential' ? { ...limit, per: 'wallet' } : limit
}
