import type { ApprovalRule } from './approvals.ts'
import type { Facts, Layer, RuleId } from './decision.ts'
import { formatDuration } from './duration.ts'
import type { PolicyLayer } from './evaluate.ts'
import { describeExposure, type Exposure, exposureOf } from './exposure.ts'
import { sumOfExposures, tighterOfExposures } from './exposure-bounds.ts'
import { grantedLayer, type HeldGrant } from './granted-layer.ts'
import type { Rule } from './policy.ts'

/** A credential that the attacker has. */
export interface OwnedCredential {
  /** The id by which policies and quorums know it: the first of its rotation chain. */
  readonly subject: string
  readonly role: Facts['role']
  /** A secret that whoever sees it has: it may do only what a rule grants to bearers, and approves nothing. */
  readonly bearer: boolean
  /** It may ask for this wallet under one of `grants` only. */
  readonly onlyUnderGrants?: boolean
}

export interface BlastRadiusQuestion {
  readonly walletId: string
  readonly layers: readonly PolicyLayer[]
  readonly owned: readonly OwnedCredential[]
  /** Over this wallet, to owned credentials. */
  readonly grants?: readonly HeldGrant[]
  /** How changes are made, and so what a majority of admins could make of the policies. */
  readonly quorum: { readonly needed: number; readonly looseningDelayMs: number }
  /** The attacker runs code where the key is: the signer's process, its user, its machine. */
  readonly ownsKey: boolean
}

/** What a break-in can move out of one wallet, at most, and how that was found. */
export interface BlastRadius {
  readonly walletId: string
  readonly owned: readonly string[]
  /** True only where nothing below is unbounded. */
  readonly bounded: boolean
  /** Why the policies bound nothing for this attacker; empty where they do. */
  readonly beyondPolicy: readonly string[]
  /** Within the policies as they stand. */
  readonly exposure: Exposure
  /** Permit rules that the attacker cannot use, and why: the figures do not count them. */
  readonly unusable: readonly UnusableRule[]
}

export interface UnusableRule {
  readonly layer: Layer
  readonly rule: RuleId
  readonly why: string
}

/**
 * An upper bound per asset and window, from the policies alone: each rule that some owned credential may use counts
 * in full, together; honest people approve nothing, for their approval is theirs to give. Forbid rules, amounts per
 * effect, counts, uses of grants, times, worths and required simulations are left out, so the truth may be less, never
 * more. */
export function blastRadius(question: BlastRadiusQuestion): BlastRadius {
  const { walletId, owned, grants = [] } = question
  const free = owned.filter(({ onlyUnderGrants }) => onlyUnderGrants !== true)
  const held = grants.filter(({ to }) => owned.some((one) => one.subject === to && one.onlyUnderGrants))
  const bound = owned.filter(
    ({ subject, onlyUnderGrants }) => onlyUnderGrants && held.some(({ to }) => to === subject),
  )
  const granted = [...question.layers, grantedLayer(held)]
  const usable = (layers: readonly PolicyLayer[], askers: readonly OwnedCredential[]) =>
    usableLayers(layers, askers, owned)
  // Who may use a rule has been judged; by exposureOf's own reading everybody may.
  const exposureTo = ({ layers }: UsableLayers) => exposureOf(layers, walletId, 'any')
  const all = usable(free.length > 0 ? question.layers : granted, [...free, ...bound])
  // Two figures for those who ask freely and those who do not: by the totals that they share, and each by its own.
  const exposure =
    free.length === 0 || bound.length === 0
      ? exposureTo(all)
      : tighterOfExposures(
          exposureTo(all),
          sumOfExposures(exposureTo(usable(question.layers, free)), exposureTo(usable(granted, bound))),
        )
  const beyondPolicy = reasonsBeyondPolicy(question)
  return {
    walletId,
    owned: [...new Set(owned.map(({ subject }) => subject))].sort(),
    bounded: beyondPolicy.length === 0 && exposure.bounded,
    beyondPolicy,
    exposure,
    unusable: all.unusable,
  }
}

interface UsableLayers {
  readonly layers: readonly PolicyLayer[]
  readonly unusable: readonly UnusableRule[]
}

/** The permit rules that some asker may use with no more approvals than the attacker can give. */
function usableLayers(
  all: readonly PolicyLayer[],
  askers: readonly OwnedCredential[],
  owned: readonly OwnedCredential[],
): UsableLayers {
  const unusable: UnusableRule[] = []
  const layers = all.map(({ layer, policy }): PolicyLayer => {
    if (policy === undefined) return { layer, policy }
    const rules = policy.rules.filter((rule) => {
      if (rule.action !== 'permit') return true
      const why = uselessBecause(rule, askers, owned)
      if (why !== undefined) unusable.push({ layer, rule: rule.id, why })
      return why === undefined
    })
    return { layer, policy: { ...policy, rules } }
  })
  return { layers, unusable }
}

/** The blast radius as sentences for people: first what could leave, then how that was found. */
export function describeBlastRadius({ beyondPolicy, exposure, unusable }: BlastRadius): string[] {
  return [
    ...beyondPolicy.map((why) => `Unbounded: ${why}.`),
    ...(beyondPolicy.length > 0 ? ['Within the policies as they stand:'] : []),
    ...describeExposure(exposure),
    ...unusable.map(({ layer, rule, why }) => `Not counted: rule ${rule} (${layer}): ${why}.`),
  ]
}

function reasonsBeyondPolicy({ owned, ownsKey, quorum }: BlastRadiusQuestion): string[] {
  const reasons: string[] = []
  if (ownsKey) reasons.push('whoever has the signer’s process has the key, and needs no policy')
  const admins = new Set(owned.filter(({ role }) => role === 'admin').map(({ subject }) => subject))
  if (quorum.needed > 0 && admins.size >= quorum.needed) {
    const { looseningDelayMs } = quorum
    const when =
      looseningDelayMs === 0
        ? 'at once'
        : `after ${formatDuration(looseningDelayMs)}, in which any other admin can veto or freeze`
    reasons.push(
      `${admins.size} admins are the quorum of ${quorum.needed}: they can change every policy, ${when}`,
    )
  }
  return reasons
}

/** @returns undefined where some asker may use the rule by what the attacker has alone. */
function uselessBecause(
  rule: Rule,
  all: readonly OwnedCredential[],
  owned: readonly OwnedCredential[],
): string | undefined {
  const askers = all.filter((one) => mayAsk(rule, one))
  if (askers.length === 0) {
    if (owned.some((one) => mayAsk(rule, one))) return 'who may ask by it needs a grant, and has none'
    return whyNobodyAsks(rule)
  }
  const { approvals } = rule
  if (approvals.length === 0) return undefined
  const voters = new Set(owned.filter(({ bearer }) => !bearer).map(({ subject }) => subject))
  const isApproved = askers.some((asker) =>
    approvals.every((approval) => votesOf(approval, voters, asker.subject) >= approval.count),
  )
  if (isApproved) return undefined
  const short = approvals.find((approval) => votesOf(approval, voters, undefined) < approval.count)
  if (short === undefined) return 'it needs the approval of others than the one who asks'
  const votes = votesOf(short, voters, undefined)
  return `it needs ${short.count} approvals of the group ${short.group}, of which the attacker has ${votes}`
}

function votesOf(
  { members, excludeProposer }: ApprovalRule,
  voters: ReadonlySet<string>,
  proposer: string | undefined,
): number {
  let votes = 0
  for (const member of members) {
    if (voters.has(member) && !(excludeProposer && member === proposer)) votes++
  }
  return votes
}

/** As `matches` decides who; operation, times and conditions are the attacker's to choose. */
function mayAsk(rule: Rule, { subject, role, bearer }: OwnedCredential): boolean {
  if (rule.credentials !== undefined && !rule.credentials.has(subject)) return false
  if (rule.roles !== undefined && !rule.roles.has(role)) return false
  return rule.bearer === bearer
}

function whyNobodyAsks({ credentials, roles, bearer }: Rule): string {
  if (bearer) return 'it is for API keys, and the attacker has none that it names'
  if (credentials !== undefined) return 'it names credentials that the attacker does not have'
  if (roles !== undefined)
    return `it is for the role ${[...roles].join(' or ')}, which no owned credential has`
  return 'no owned credential may ask by it'
}
