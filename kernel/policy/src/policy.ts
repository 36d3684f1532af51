import {
  canonicalJson,
  encodeHex,
  encodeUtf8,
  type Hex,
  isCountersignError,
  sha256,
} from '@countersign/bytes'
import { type EffectKind, effectKinds, type Operation } from '@countersign/intent'
import { Check } from 'typebox/value'
import { ownSharesOnly, ownTokensOnly } from './address-condition.ts'
import { type ApprovalRule, compileApprovals, compileGroups, type Groups } from './approvals.ts'
import { compileAssets } from './asset-condition.ts'
import type { AssetSet } from './asset-set.ts'
import { policyError } from './catalogue.ts'
import {
  type CompileContext,
  type Condition,
  type ConditionName,
  compileConditions,
  conditionKinds,
  permitOnly,
} from './condition.ts'
import type { Facts, PolicyId, RuleId } from './decision.ts'
import { compileDuring, type During, DuringError } from './during.ts'
import { FieldConditionError } from './field-condition.ts'
import { ArgumentPathError, FunctionDecoders } from './function-condition.ts'
import { compileLimits, type Limit } from './limit.ts'
import { compilePrices, type PriceSource } from './prices.ts'
import { RuleIndex } from './rule-index.ts'
import { type PolicyDocument, policyLimits, policySchema, type RuleDocument } from './schema.ts'
import { complaintOf } from './schema-complaint.ts'
import { compileSimulation, type SimulationRequirement } from './simulation.ts'
import { noOpaquePermit } from './typed-data-condition.ts'

export type { Limit } from './limit.ts'

/** A parsed policy: what `evaluate` works on. */
export interface Policy {
  readonly id: PolicyId
  /** `policyHash` of the document. */
  readonly hash: Hex
  readonly document: PolicyDocument
  readonly rules: readonly Rule[]
  /** Rules by the kind of effect, in the order of the file. */
  readonly forbids: Readonly<Record<EffectKind, readonly Rule[]>>
  readonly permits: Readonly<Record<EffectKind, readonly Rule[]>>
  readonly index: {
    readonly forbids: Readonly<Record<EffectKind, RuleIndex>>
    readonly permits: Readonly<Record<EffectKind, RuleIndex>>
  }
  /** Ids of the address books that rules refer to; each must be in `Facts.books`, or those rules cannot be judged. */
  readonly books: readonly string[]
  /** Whose prices count; `undefined`: no rule values anything. */
  readonly prices: PriceSource | undefined
  /** Members by group of approvers. */
  readonly groups: Groups
  readonly hasApprovals: boolean
}

export interface Rule {
  readonly id: RuleId
  /** Place in the file. */
  readonly order: number
  readonly action: 'permit' | 'forbid'
  readonly effects: ReadonlySet<EffectKind>
  /** `undefined`: anybody. */
  readonly credentials: ReadonlySet<string> | undefined
  readonly roles: ReadonlySet<Facts['role']> | undefined
  /** Only bearer credentials. */
  readonly bearer: boolean
  readonly operations: ReadonlySet<Operation> | undefined
  /** Has an `account` condition: without one a permit covers the wallet's own effects only. */
  readonly namesAccount: boolean
  readonly conditions: readonly Condition[]
  /** Of its `asset` condition. */
  readonly assets: AssetSet | undefined
  readonly during: During | undefined
  readonly simulation: SimulationRequirement | undefined
  readonly approvals: readonly ApprovalRule[]
  readonly limits: readonly Limit[]
  /** Any of `limits` is about an amount: then every effect that the rule permits must be covered by one. */
  readonly limitsAmounts: boolean
  /** Whose prices it values effects by; `undefined`: it values none. */
  readonly prices: PriceSource | undefined
  readonly document: RuleDocument
}

/**
 * Validates, normalises and compiles a policy file.
 * @throws {CountersignError} POLICY_INVALID with `details.path`, POLICY_TOO_LARGE. */
export function parsePolicy(value: unknown): Policy {
  const document = checkSchema(value)
  const hash = policyHash(document)
  const refuse = (path: string, message: string): never => {
    throw invalid(path, message)
  }
  const groups = compileGroups(document.groups, refuse)
  const file: File = {
    policyId: document.id,
    decoders: new FunctionDecoders(),
    books: new Set(),
    prices: compilePriceSource(document),
    groups,
  }
  const standards = new Map<string, string>()
  const ruleIds = new Set<string>()
  const rules = document.rules.map((rule, order) => {
    const path = `rules[${order}]`
    if (ruleIds.has(rule.id)) {
      throw invalid(`${path}.id`, `another rule has the id ${JSON.stringify(rule.id)}; give each its own`)
    }
    ruleIds.add(rule.id)
    checkStandards(rule, path, standards)
    return compileRule(rule, order, path, file)
  })
  const forbids = rulesByKind(rules, 'forbid')
  const permits = rulesByKind(rules, 'permit')
  return {
    id: document.id as PolicyId,
    hash,
    document,
    rules,
    forbids,
    permits,
    index: { forbids: indexesOf(forbids, false), permits: indexesOf(permits, true) },
    books: [...file.books].sort(),
    prices: file.prices,
    groups,
    hasApprovals: rules.some(({ approvals }) => approvals.length > 0),
  }
}

/**
 * SHA-256 of the RFC 8785 canonical JSON of the file as written: what `expected` names when a policy is replaced.
 * @throws {CountersignError} POLICY_INVALID where the value has no canonical JSON. */
export function policyHash(document: PolicyDocument): Hex {
  return encodeHex(sha256(encodeUtf8(canonicalText(document))))
}

function checkSchema(value: unknown): PolicyDocument {
  if (!Check(policySchema, value)) {
    const { path, message, tooLarge } = complaintOf(policySchema, value)
    if (!tooLarge) throw invalid(path, message)
    throw policyError('POLICY_TOO_LARGE', `At ${path}: ${message}.`, { details: { path } })
  }
  const { length } = canonicalText(value)
  if (length > policyLimits.textCharsMax) {
    const message = `The policy has ${length} characters; ${policyLimits.textCharsMax} are allowed.`
    throw policyError('POLICY_TOO_LARGE', message)
  }
  return value
}

function canonicalText(document: unknown): string {
  try {
    return canonicalJson(document)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw policyError(
      'POLICY_INVALID',
      'The policy is not plain JSON: a text in it is not well-formed Unicode.',
      {
        details: { path: '' },
        cause,
      },
    )
  }
}

function invalid(path: string, message: string, cause?: unknown) {
  const where = path === '' ? 'The policy' : `At ${path}`
  return policyError('POLICY_INVALID', `${where}: ${message}.`, { details: { path }, cause })
}

function compilePriceSource({ prices }: PolicyDocument): PriceSource | undefined {
  if (prices === undefined) return undefined
  const source = compilePrices(prices)
  if (source !== undefined) return source
  const path = (prices.count ?? 1) > new Set(prices.by).size ? 'prices.count' : 'prices.maxAge'
  throw invalid(
    path,
    path === 'prices.count'
      ? 'it asks for more credentials than "by" names'
      : 'the duration is longer than 366d',
  )
}

/** What all rules of one file share. */
interface File {
  readonly policyId: string
  readonly decoders: FunctionDecoders
  readonly books: Set<string>
  readonly prices: PriceSource | undefined
  readonly groups: Groups
}

function compileRule(rule: RuleDocument, order: number, path: string, file: File): Rule {
  const at = (inner: string) => `${path}.${inner}`
  const context: CompileContext = {
    action: rule.action,
    rule,
    decoders: file.decoders,
    prices: file.prices,
    books: file.books,
    invalid: (inner, message) => {
      throw invalid(at(inner), message)
    },
    parsed: (inner, parse) => parsed(at(inner), parse),
  }
  checkConditionsApply(rule, path)
  checkPermitOnly(rule, path)
  const conditions = compileConditions(rule.when ?? {}, context)
  const effects = new Set<EffectKind>(rule.effects)
  if (rule.action === 'permit') conditions.push(...unsaid(rule, effects))
  const limits = compileLimits({ ...context, policyId: file.policyId })
  return {
    id: rule.id,
    order,
    action: rule.action,
    effects,
    credentials: setOf(rule.who?.credentials),
    roles: setOf(rule.who?.roles),
    bearer: rule.who?.bearer === true,
    operations: setOf(rule.operations),
    namesAccount: rule.when?.account !== undefined,
    conditions,
    assets: rule.when?.asset === undefined ? undefined : compileAssets('asset', rule.when.asset, context).set,
    during: compileTimes(rule, path),
    simulation:
      rule.requires === undefined ? undefined : compileSimulation(rule.requires.simulation, context),
    approvals: compileApprovals(rule.approvals, file.groups, context),
    limits,
    limitsAmounts: limits.some(({ measure }) => measure === 'amount'),
    prices:
      rule.when?.value !== undefined || limits.some(({ measure }) => measure === 'value')
        ? file.prices
        : undefined,
    document: rule,
  }
}

/** What a permit rule does not say, it does not permit: other people's tokens and shares, and unreadable permits. */
function unsaid({ when }: RuleDocument, effects: ReadonlySet<EffectKind>): Condition[] {
  const conditions: Condition[] = []
  if (when?.from === undefined && effects.has('token-transfer')) conditions.push(ownTokensOnly)
  if (when?.owner === undefined && effects.has('vault-withdrawal')) conditions.push(ownSharesOnly)
  if (effects.has('typed-data')) conditions.push(noOpaquePermit(when?.typedData?.primaryType))
  return conditions
}

function compileTimes({ during }: RuleDocument, path: string): During | undefined {
  if (during === undefined) return undefined
  try {
    return compileDuring(during)
  } catch (error) {
    if (!(error instanceof DuringError)) throw error
    throw invalid(`${path}.during${error.path === '' ? '' : `.${error.path}`}`, error.message)
  }
}

function setOf<T>(list: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return list === undefined ? undefined : new Set(list)
}

/** All conditions of a rule must hold, so one that a kind of effect does not have would silently undo the rule for it. */
function checkConditionsApply(rule: RuleDocument, path: string): void {
  for (const name of Object.keys(rule.when ?? {}) as ConditionName[]) {
    const kinds: readonly EffectKind[] = conditionKinds[name]
    const misfit = rule.effects.find((kind) => !kinds.includes(kind))
    if (misfit !== undefined) {
      throw invalid(
        `${path}.when.${name}`,
        `the effect "${misfit}" has no ${name}; give "${misfit}" a rule of its own (${name} applies to ${kinds.join(', ')})`,
      )
    }
  }
}

function checkPermitOnly(rule: RuleDocument, path: string): void {
  if (rule.action === 'permit') return
  for (const name of Object.keys(rule.when ?? {}) as ConditionName[]) {
    const why = permitOnly[name]
    if (why !== undefined) {
      throw invalid(`${path}.when.${name}`, `on a forbid rule ${why}; write it on the permit rule`)
    }
  }
  if (rule.requires !== undefined) {
    throw invalid(`${path}.requires`, 'a forbid rule needs nothing to forbid; write it on the permit rule')
  }
  if (rule.approvals !== undefined) {
    throw invalid(
      `${path}.approvals`,
      'nobody can approve what is forbidden; write the approvals on a permit rule, and no forbid rule on the same',
    )
  }
}

/**
 * transferFrom and approve have one form for ERC-20 and ERC-721, and the bytes do not say which: the policy does,
 * by naming the asset. So it must not name one contract as both.
 */
function checkStandards(rule: RuleDocument, path: string, standards: Map<string, string>): void {
  const limitAssets = (rule.limits ?? []).flatMap((limit, i) =>
    'asset' in limit ? [[`${path}.limits[${i}].asset`, limit.asset] as const] : [],
  )
  const listed = (rule.when?.asset ?? []).map((asset, i) => [`${path}.when.asset[${i}]`, asset] as const)
  for (const [place, asset] of [...listed, ...limitAssets]) {
    const match = /^(eip155:\d+)\/(erc\d+):(0x[0-9a-f]{40})/.exec(asset.toLowerCase())
    if (match === null) continue
    const [, chain, standard, contract] = match
    const contractKey = `${chain}/${contract}`
    const known = standards.get(contractKey)
    if (known !== undefined && known !== standard) {
      throw invalid(
        place,
        `the contract ${contract} is ${known} elsewhere in this policy; name it by one standard`,
      )
    }
    standards.set(contractKey, standard as string)
  }
}

function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    if (isCountersignError(cause)) {
      if (cause.code === 'POLICY_INVALID') throw cause
      throw policyError('POLICY_INVALID', `At ${path}: ${cause.message}`, {
        details: { path },
        fix: cause.fix,
        cause,
      })
    }
    if (cause instanceof FieldConditionError) throw invalid(path, `the condition ${cause.message}`, cause)
    if (cause instanceof ArgumentPathError) throw invalid(path, cause.message, cause)
    throw cause
  }
}

function rulesByKind(rules: readonly Rule[], action: Rule['action']) {
  const byKind = Object.fromEntries(effectKinds.map((kind) => [kind, [] as Rule[]])) as Record<
    EffectKind,
    Rule[]
  >
  for (const rule of rules) {
    if (rule.action !== action) continue
    for (const kind of rule.effects) byKind[kind].push(rule)
  }
  return byKind
}

function indexesOf(byKind: Readonly<Record<EffectKind, readonly Rule[]>>, isPermit: boolean) {
  return Object.fromEntries(
    effectKinds.map((kind) => [kind, new RuleIndex(byKind[kind], isPermit)]),
  ) as Record<EffectKind, RuleIndex>
}
