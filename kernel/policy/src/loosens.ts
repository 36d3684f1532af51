import { canonicalJson } from '@countersign/bytes'
import type { RuleId } from './decision.ts'
import {
  isDurationWithin,
  isDuringWithin,
  isListWithin,
  isSame,
  microsOf,
  wideningCondition,
} from './narrower.ts'
import type { Policy } from './policy.ts'
import type { ApprovalDocument, LimitDocument, PolicyDocument, RuleDocument } from './schema.ts'

/** Why a change may permit something that was refused before. */
export interface LooseningReason {
  /** The rule that it lies in; left out where it is about the policy as a whole. */
  readonly rule?: RuleId
  readonly why: string
}

/** Rules without limits that a rule is compared with, besides its own former version. */
const candidatesMax = 100

/**
 * Whether `after` may permit a request that `before` refuses, with windows as they stand: every reason why that could
 * not be ruled out. Nothing is said only where each permit rule of `after` lies within one of `before`, and each
 * forbid rule of `before` within one of `after`. What is not recognised loosens.
 * @param before `undefined`: no policy, which permits nothing. */
export function loosens(before: Policy | undefined, after: Policy | undefined): readonly LooseningReason[] {
  if (after === undefined || before?.hash === after.hash) return []
  if (before === undefined) {
    const first = after.document.rules.find(({ action }) => action === 'permit')
    return first === undefined
      ? []
      : [{ rule: first.id, why: 'there was no policy before, so nothing was permitted' }]
  }
  const pair = { before: before.document, after: after.document }
  return [...policyReasons(pair), ...forbidReasons(pair), ...permitReasons(pair)]
}

interface Pair {
  readonly before: PolicyDocument
  readonly after: PolicyDocument
}

/** Members of the file that decide nothing. */
const labels: ReadonlySet<string> = new Set(['$schema', 'version', 'id', 'name', 'description', 'rules'])

function policyReasons({ before, after }: Pair): LooseningReason[] {
  const reasons: LooseningReason[] = []
  const members = new Set([...Object.keys(before), ...Object.keys(after)])
  for (const member of members) {
    if (labels.has(member) || isSame(read(before, member), read(after, member))) continue
    // Nothing that was there before can have used what is new; groups are compared where rules use them.
    const isNew = read(before, member) === undefined
    if (member === 'groups' || (member === 'prices' && isNew)) continue
    reasons.push({ why: `its "${member}" changes` })
  }
  return reasons
}

function read(document: PolicyDocument, member: string): unknown {
  return (document as Readonly<Record<string, unknown>>)[member]
}

function forbidReasons({ before, after }: Pair): LooseningReason[] {
  const kept = new Rules(after.rules.filter(({ action }) => action === 'forbid'))
  return before.rules.flatMap((rule) => {
    if (rule.action !== 'forbid') return []
    const problem = kept.problem(rule, (candidate) => forbidProblem(rule, candidate))
    if (problem === undefined) return []
    return [
      { rule: rule.id, why: problem === 'none' ? 'a forbid rule is gone' : `the forbid rule: ${problem}` },
    ]
  })
}

function permitReasons({ before, after }: Pair): LooseningReason[] {
  const known = new Rules(before.rules.filter(({ action }) => action === 'permit'))
  const context: PermitContext = { before, after, isSamePolicy: before.id === after.id }
  return after.rules.flatMap((rule) => {
    if (rule.action !== 'permit') return []
    const problem = known.problem(rule, (candidate) => permitProblem(rule, candidate, context))
    if (problem === undefined) return []
    return [{ rule: rule.id, why: problem === 'none' ? 'a permit rule is new' : problem }]
  })
}

/** Rules of one action, found by id, by content, and by trying those that keep no totals. */
class Rules {
  readonly #byId = new Map<string, RuleDocument>()
  readonly #byContent = new Map<string, RuleDocument>()
  readonly #candidates: readonly RuleDocument[]

  constructor(rules: readonly RuleDocument[]) {
    for (const rule of rules) {
      this.#byId.set(rule.id, rule)
      this.#byContent.set(contentOf(rule), rule)
    }
    this.#candidates = rules.filter(({ limits }) => limits === undefined).slice(0, candidatesMax)
  }

  /** @returns undefined where some rule has no problem; that of the namesake; `none` where there is no namesake. */
  problem(
    rule: RuleDocument,
    problemWith: (candidate: RuleDocument) => string | undefined,
  ): string | undefined {
    const namesake = this.#byId.get(rule.id)
    const problem = namesake === undefined ? 'none' : problemWith(namesake)
    if (problem === undefined) return undefined
    const twin = this.#byContent.get(contentOf(rule))
    if (twin !== undefined && problemWith(twin) === undefined) return undefined
    return this.#candidates.some((candidate) => problemWith(candidate) === undefined) ? undefined : problem
  }
}

function contentOf({ id: _, description: __, ...content }: RuleDocument): string {
  return canonicalJson(content)
}

/** @returns why `narrow` may forbid something that `wide` does not. */
function forbidProblem(narrow: RuleDocument, wide: RuleDocument): string | undefined {
  const problem = matchProblem(narrow, wide)
  if (problem !== undefined) return problem
  const bearer = wide.who?.bearer
  return bearer === undefined || bearer === narrow.who?.bearer ? undefined : 'it covers fewer credentials'
}

interface PermitContext extends Pair {
  readonly isSamePolicy: boolean
}

/** @returns why `narrow`, a rule of the policy after, may permit something that `wide`, one of the policy before, refuses. */
function permitProblem(narrow: RuleDocument, wide: RuleDocument, context: PermitContext): string | undefined {
  const problem = matchProblem(narrow, wide)
  if (problem !== undefined) return problem
  if (narrow.who?.bearer !== wide.who?.bearer) return 'it covers other credentials ("who.bearer")'
  if (wide.requires !== undefined && !isSame(narrow.requires, wide.requires)) return 'its "requires" changes'
  return limitsProblem(narrow, wide, context) ?? approvalsProblem(narrow, wide, context)
}

/** Members of a rule that are compared one by one; any other must be the same. */
const compared: ReadonlySet<string> = new Set([
  'id',
  'action',
  'description',
  'who',
  'operations',
  'effects',
  'when',
  'during',
  'requires',
  'approvals',
  'limits',
])

function matchProblem(narrow: RuleDocument, wide: RuleDocument): string | undefined {
  for (const member of new Set([...Object.keys(narrow), ...Object.keys(wide)])) {
    const [a, b] = [narrow, wide].map((rule) => (rule as Readonly<Record<string, unknown>>)[member])
    if (!compared.has(member) && !isSame(a, b)) return `its "${member}" changes`
  }
  const who = { ...narrow.who, bearer: undefined }
  const wideWho = { ...wide.who, bearer: undefined }
  for (const member of new Set([...Object.keys(who), ...Object.keys(wideWho)])) {
    const [a, b] = [who, wideWho].map((one) => (one as Readonly<Record<string, unknown>>)[member])
    const isList = member === 'credentials' || member === 'roles'
    const fits = isList ? isListWithin(a as unknown[] | undefined, b as unknown[] | undefined) : isSame(a, b)
    if (!fits) return `it covers more credentials ("who.${member}")`
  }
  if (!isListWithin(narrow.operations, wide.operations)) return 'it covers more operations'
  if (!isListWithin(narrow.effects, wide.effects)) return 'it covers more kinds of effect'
  const limitsValues = (wide.limits ?? []).some((limit) => 'value' in limit)
  const condition = wideningCondition(narrow.when ?? {}, wide.when ?? {}, {
    action: wide.action,
    limitsValues,
  })
  if (condition !== undefined) return `its condition "${condition}" may cover more`
  return isDuringWithin(narrow.during, wide.during) ? undefined : 'it may apply at more times'
}

/**
 * Every total that bounds the wide rule must bound the narrow one, be the same total, and be no higher. A total is
 * named by policy, rule and limit and kept for its window: under another name or over another time it starts empty.
 */
function limitsProblem(narrow: RuleDocument, wide: RuleDocument, context: PermitContext): string | undefined {
  const before = wide.limits ?? []
  const after = narrow.limits ?? []
  if (before.length > 0 && (!context.isSamePolicy || narrow.id !== wide.id)) {
    return 'its running totals start anew, because they go by the ids of policy and rule'
  }
  for (const limit of before) {
    const own = after.find(({ id }) => id === limit.id)
    if (own === undefined) return `its limit "${limit.id}" is gone`
    if (!isLimitWithin(own, limit)) return `its limit "${limit.id}" is higher, or another one`
  }
  // Where amounts are limited, what no limit covers is refused: a limit on one more asset lets it in.
  if (before.every((limit) => 'count' in limit)) return undefined
  const assets = before.flatMap((limit) => ('asset' in limit ? [spelledOnce(limit.asset)] : []))
  const opening = after.find(
    (limit) =>
      !('count' in limit) &&
      !before.some(({ id }) => id === limit.id) &&
      !('asset' in limit && assets.includes(spelledOnce(limit.asset))),
  )
  return opening === undefined ? undefined : `its limit "${opening.id}" may cover assets that were refused`
}

/** Addresses of EVM chains have many spellings; elsewhere another case is another asset. */
function spelledOnce(asset: string): string {
  return asset.startsWith('eip155:') ? asset.toLowerCase() : asset
}

function isLimitWithin(narrow: LimitDocument, wide: LimitDocument): boolean {
  const { amount, count, value, ...rest } = narrow as LooseLimit
  const { amount: amountMax, count: countMax, value: valueMax, ...wideRest } = wide as LooseLimit
  if (!isSame(rest, wideRest)) return false
  if (amountMax !== undefined) return amount !== undefined && BigInt(amount) <= BigInt(amountMax)
  if (countMax !== undefined) return count !== undefined && count <= countMax
  return value !== undefined && valueMax !== undefined && microsOf(value) <= microsOf(valueMax)
}

type LooseLimit = Pick<LimitDocument, 'id' | 'window'> & {
  readonly amount?: string
  readonly count?: number
  readonly value?: string
}

/** Each approval that was needed is needed still: of the same group, of no more members, and of no fewer of them. */
function approvalsProblem(
  narrow: RuleDocument,
  wide: RuleDocument,
  context: PermitContext,
): string | undefined {
  for (const needed of wide.approvals ?? []) {
    if (!narrow.approvals?.some((approval) => isApprovalWithin(approval, needed))) {
      return `it needs fewer approvals of "${needed.group}", or by others`
    }
    const members = context.after.groups?.[needed.group]?.credentials
    if (!isListWithin(members, context.before.groups?.[needed.group]?.credentials ?? [])) {
      return `more credentials can approve it: the group "${needed.group}" grows`
    }
  }
  return undefined
}

function isApprovalWithin(narrow: ApprovalDocument, wide: ApprovalDocument): boolean {
  const { count, within, excludeProposer, ...rest } = narrow
  const { count: countMin, within: withinMax, excludeProposer: excludes, ...wideRest } = wide
  return (
    isSame(rest, wideRest) &&
    count >= countMin &&
    (excludes !== true || excludeProposer === true) &&
    (withinMax === undefined || isDurationWithin(within, withinMax))
  )
}
