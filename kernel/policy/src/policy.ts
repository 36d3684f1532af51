import {
  type AssetId,
  canonicalJson,
  encodeHex,
  encodeUtf8,
  type Hex,
  isCountersignError,
  parseAmountMinor,
  parseAssetId,
  sha256,
} from '@countersign/bytes'
import { type EffectKind, effectKinds, type Operation } from '@countersign/intent'
import { Check } from 'typebox/value'
import { AssetSet, collectionOf, normalTokenId } from './asset-set.ts'
import { policyError } from './catalogue.ts'
import {
  amountKinds,
  type CompileContext,
  type Condition,
  type ConditionName,
  compileConditions,
  conditionKinds,
  ownTokensOnly,
} from './condition.ts'
import type { Facts, PolicyId, RuleId } from './decision.ts'
import { parseDuration } from './duration.ts'
import { FieldConditionError } from './field-condition.ts'
import { ArgumentPathError, FunctionDecoders } from './function-condition.ts'
import {
  type LimitDocument,
  type PolicyDocument,
  policyLimits,
  policySchema,
  type RuleDocument,
} from './schema.ts'
import { schemaComplaint } from './schema-complaint.ts'
import { noOpaquePermit } from './typed-data-condition.ts'

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
}

export interface Rule {
  readonly id: RuleId
  readonly action: 'permit' | 'forbid'
  readonly effects: ReadonlySet<EffectKind>
  /** `undefined`: anybody. */
  readonly credentials: ReadonlySet<string> | undefined
  readonly roles: ReadonlySet<Facts['role']> | undefined
  readonly operations: ReadonlySet<Operation> | undefined
  readonly conditions: readonly Condition[]
  readonly limits: readonly Limit[]
  /** Any of `limits` is about an amount: then every effect that the rule permits must be covered by one. */
  readonly limitsAmounts: boolean
  readonly document: RuleDocument
}

export interface Limit {
  readonly id: string
  /** What of a window key does not depend on wallet and layer. */
  readonly keySuffix: string
  readonly windowMs: number
  /** `undefined`: a count of requests. */
  readonly asset: AssetId | undefined
  readonly assets: AssetSet
  readonly limitMinor: bigint
}

/**
 * Validates, normalises and compiles a policy file.
 * @throws {CountersignError} POLICY_INVALID with `details.path`, POLICY_TOO_LARGE. */
export function parsePolicy(value: unknown): Policy {
  const document = checkSchema(value)
  const hash = policyHash(document)
  const decoders = new FunctionDecoders()
  const standards = new Map<string, string>()
  const ruleIds = new Set<string>()
  const rules = document.rules.map((rule, i) => {
    const path = `rules[${i}]`
    if (ruleIds.has(rule.id)) {
      throw invalid(`${path}.id`, `another rule has the id ${JSON.stringify(rule.id)}; give each its own`)
    }
    ruleIds.add(rule.id)
    checkStandards(rule, path, standards)
    return compileRule(rule, { path, policyId: document.id, decoders })
  })
  return {
    id: document.id as PolicyId,
    hash,
    document,
    rules,
    forbids: rulesByKind(rules, 'forbid'),
    permits: rulesByKind(rules, 'permit'),
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
    const { path, message, tooLarge } = schemaComplaint(value)
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

interface RulePlace {
  readonly path: string
  readonly policyId: string
  readonly decoders: FunctionDecoders
}

function compileRule(rule: RuleDocument, { path, policyId, decoders }: RulePlace): Rule {
  const at = (inner: string) => `${path}.${inner}`
  const context: CompileContext = {
    action: rule.action,
    decoders,
    invalid: (inner, message) => {
      throw invalid(at(inner), message)
    },
    parsed: (inner, parse) => parsed(at(inner), parse),
  }
  checkConditionsApply(rule, path)
  const conditions = compileConditions(rule.when ?? {}, context)
  const effects = new Set<EffectKind>(rule.effects)
  if (rule.action === 'permit' && rule.when?.from === undefined && effects.has('token-transfer')) {
    conditions.push(ownTokensOnly)
  }
  if (rule.action === 'permit' && effects.has('typed-data')) {
    conditions.push(noOpaquePermit(rule.when?.typedData?.primaryType))
  }
  const limits = compileLimits(rule, { path, policyId })
  return {
    id: rule.id,
    action: rule.action,
    effects,
    credentials: setOf(rule.who?.credentials),
    roles: setOf(rule.who?.roles),
    operations: setOf(rule.operations),
    conditions,
    limits,
    limitsAmounts: limits.some((limit) => limit.asset !== undefined),
    document: rule,
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
  if (rule.action === 'forbid' && rule.when?.expiresWithin !== undefined) {
    throw invalid(
      `${path}.when.expiresWithin`,
      'on a forbid rule this would forbid the short-lived approvals; write it on the permit rule',
    )
  }
}

function compileLimits(rule: RuleDocument, place: { path: string; policyId: string }): Limit[] {
  const limits = rule.limits ?? []
  if (limits.length > 0 && rule.action === 'forbid') {
    throw invalid(
      `${place.path}.limits`,
      'a forbid rule has nothing to count; put the limit on the permit rules, or drop it',
    )
  }
  const ids = new Set<string>()
  return limits.map((limit, i) => {
    const path = `${place.path}.limits[${i}]`
    if (ids.has(limit.id)) {
      throw invalid(`${path}.id`, `another limit of the rule has the id ${JSON.stringify(limit.id)}`)
    }
    ids.add(limit.id)
    return compileLimit(limit, { ...place, path, rule })
  })
}

function compileLimit(
  limit: LimitDocument,
  place: { path: string; policyId: string; rule: RuleDocument },
): Limit {
  const { path, policyId, rule } = place
  const windowMs = parseDuration(limit.window.rolling)
  if (windowMs === undefined) throw invalid(`${path}.window.rolling`, 'the window is longer than 366d')
  const shared = { id: limit.id, keySuffix: `${policyId}|${rule.id}|${limit.id}`, windowMs }
  if ('count' in limit) {
    return { ...shared, asset: undefined, assets: new AssetSet([]), limitMinor: BigInt(limit.count) }
  }
  const asset = parsed(`${path}.asset`, () => normalTokenId(parseAssetId(limit.asset, 'The asset')))
  checkLimitApplies(asset, rule, path)
  const limitMinor = parsed(`${path}.amount`, () => parseAmountMinor(limit.amount, 'The amount'))
  return { ...shared, asset, assets: new AssetSet([asset]), limitMinor }
}

function checkLimitApplies(asset: AssetId, rule: RuleDocument, path: string): void {
  const countless = rule.effects.find((kind) => !amountKinds.has(kind))
  if (countless !== undefined) {
    throw invalid(
      path,
      `the effect "${countless}" carries no amount, so an amount limit would not limit it; give "${countless}" a rule of its own`,
    )
  }
  const isToken = asset.includes('/erc')
  const moves = (kind: EffectKind) => (kind === 'token-transfer' || kind === 'approval' ? isToken : !isToken)
  const misfit = rule.effects.find((kind) => !moves(kind))
  if (
    misfit !== undefined &&
    !rule.limits?.some((other) => 'asset' in other && coversOther(other.asset, isToken))
  ) {
    throw invalid(
      `${path}.asset`,
      `the effect "${misfit}" never moves ${asset}; give it a limit on what it moves, or a rule of its own`,
    )
  }
  const chains = rule.when?.chain
  const chain = asset.slice(0, asset.indexOf('/'))
  if (chains !== undefined && !chains.includes(chain)) {
    throw invalid(`${path}.asset`, `the rule is not about chain ${chain}, so the limit would never count`)
  }
  const listed = rule.when?.asset
  if (listed === undefined) return
  const parsedAssets = listed.map((other) =>
    normalTokenId(parsed(`${path}.asset`, () => parseAssetId(other))),
  )
  const overlaps =
    new AssetSet(parsedAssets).touches(asset) || parsedAssets.some((other) => collectionOf(other) === asset)
  if (!overlaps) {
    throw invalid(
      `${path}.asset`,
      `${asset} is not in the rule's "asset" list, so the limit would never count`,
    )
  }
}

/** A rule on coins and tokens together needs a limit for each. */
function coversOther(asset: string, isToken: boolean): boolean {
  return asset.includes('/erc') !== isToken
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
