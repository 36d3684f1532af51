import type { Effect, EffectKind, Intent } from '@countersign/intent'
import { addressConditionNames, addressConditions } from './address-condition.ts'
import { amountCondition, minReceivedCondition } from './amount-condition.ts'
import { assetCondition, compileAssets, receivedCondition } from './asset-condition.ts'
import type { Facts } from './decision.ts'
import { fieldsCondition } from './effect-field-condition.ts'
import { enforcerCondition } from './enforcer-condition.ts'
import { expiryCondition } from './expiry-condition.ts'
import { compileFunctionCondition, type FunctionDecoders } from './function-condition.ts'
import { listConditionNames, listConditions } from './list-condition.ts'
import type { PriceSource } from './prices.ts'
import type { PolicyReasonCode } from './reasons.ts'
import type { ConditionsDocument, RuleDocument } from './schema.ts'
import { textCondition } from './text-condition.ts'
import { compileTypedDataCondition } from './typed-data-condition.ts'
import { valueCondition } from './value-condition.ts'

export type ConditionName = keyof ConditionsDocument

/** What is being asked: everything that a rule can be matched against, but for the windows. */
export interface Asked {
  readonly intent: Intent
  readonly facts: Facts
}

export interface Failure {
  readonly code: PolicyReasonCode
  /** Half a sentence that follows "Rule x:". */
  readonly message: string
}

/** One compiled condition of one rule. */
export interface Condition {
  readonly name: ConditionName
  /**
   * `undefined`: cannot be judged (the effect lacks the field, arguments do not decode, a book or a price is
   * missing). A permit rule then does not match and a forbid rule does: both fail closed.
   */
  judge(effect: Effect, facts: Facts): boolean | undefined
  /** Called for permit rules where `judge` was not true. */
  explain(effect: Effect, facts: Facts): readonly Failure[]
  /** The judgement can change with the clock alone. */
  readonly byClock?: true
  /**
   * The rule can match only effects whose field of this name is one of these, so that rules can be found by it.
   * Left out where the facts have a say too.
   */
  readonly index?: { readonly field: IndexField; readonly values: Iterable<string> }
}

/** What rules are looked up by; each is read from an effect as its condition reads it. */
export type IndexField = ConditionName | 'credential'

/** Where in the file a condition stands, and what it may need from the rest of the file. */
export interface CompileContext {
  readonly action: RuleDocument['action']
  readonly rule: RuleDocument
  readonly decoders: FunctionDecoders
  /** Whose prices count; `undefined`: the policy names nobody. */
  readonly prices: PriceSource | undefined
  /** Collects the address books that the policy refers to. */
  readonly books: Set<string>
  /** @throws always: POLICY_INVALID at `path`, relative to the rule. */
  invalid(path: string, message: string): never
  /** Runs a parser of kernel/bytes and turns its refusal into POLICY_INVALID at `path`. */
  parsed<T>(path: string, parse: () => T): T
}

const evmKinds = [
  'native-transfer',
  'token-transfer',
  'approval',
  'contract-call',
  'unknown-calldata',
  'deploy',
  'delegation',
  'fee',
  'batch',
  'delegatecall',
  'user-operation',
  'safe-transaction',
  'delegation-grant',
  'swap',
  'vault-deposit',
  'vault-withdrawal',
  'wrap',
] as const satisfies readonly EffectKind[]
const solanaKinds = [
  'program-call',
  'account-creation',
  'token-authority',
  'stake',
  'memo',
] as const satisfies readonly EffectKind[]

/** Kinds that move an amount of a known asset: only these can draw on an amount or a value limit. */
export const limitKinds = [
  'native-transfer',
  'token-transfer',
  'approval',
  'deploy',
  'fee',
  'swap',
  'wrap',
  'account-creation',
  'stake',
  'data-output',
] as const satisfies readonly EffectKind[]

/** To which kinds of effect each condition can apply; a rule with any other kind is refused when it is parsed. */
export const conditionKinds: Readonly<Record<ConditionName, readonly EffectKind[]>> = {
  ...(Object.fromEntries(
    addressConditionNames.map((name) => [name, Object.keys(addressConditions[name].fields)]),
  ) as unknown as Record<(typeof addressConditionNames)[number], readonly EffectKind[]>),
  ...(Object.fromEntries(
    listConditionNames.map((name) => [name, Object.keys(listConditions[name].fields)]),
  ) as unknown as Record<(typeof listConditionNames)[number], readonly EffectKind[]>),
  chain: [...evmKinds, ...solanaKinds, 'data-output', 'typed-data'],
  account: [...evmKinds, 'account-creation', 'token-authority', 'stake', 'message', 'raw-digest'],
  asset: limitKinds,
  function: ['contract-call'],
  typedData: ['typed-data'],
  amount: [...limitKinds, 'vault-deposit', 'vault-withdrawal'],
  value: limitKinds,
  received: ['swap'],
  minReceived: ['swap'],
  enforcers: ['delegation-grant'],
  expiresWithin: ['approval', 'swap'],
  text: ['message', 'memo'],
  field: [...evmKinds, ...solanaKinds, 'data-output', 'message', 'typed-data', 'raw-digest', 'raw-message'],
}

/** Kinds that carry an amount of an asset. */
export const amountKinds: ReadonlySet<EffectKind> = new Set(limitKinds)

/** Conditions that would refuse the careful and let the careless through, were they written on a forbid rule. */
export const permitOnly: Readonly<Partial<Record<ConditionName, string>>> = {
  expiresWithin: 'this would forbid the short-lived approvals',
  minReceived: 'this would forbid the good swaps',
  enforcers: 'this would forbid the careful delegations',
}

/** @returns in the order in which they are cheap to judge. */
export function compileConditions(when: ConditionsDocument, context: CompileContext): Condition[] {
  const out: Condition[] = []
  const assets = when.asset === undefined ? undefined : compileAssets('asset', when.asset, context)
  for (const name of listConditionNames) {
    const entries = when[name]
    if (entries !== undefined) out.push(listConditions[name].compile(entries, context))
  }
  if (assets !== undefined) out.push(assetCondition(assets, context))
  for (const name of addressConditionNames) {
    const entries = when[name]
    if (entries !== undefined) out.push(addressConditions[name].compile(entries, context))
  }
  if (when.received !== undefined) out.push(receivedCondition(when.received, context))
  if (when.amount !== undefined) out.push(amountCondition(when.amount, assets, context))
  if (when.minReceived !== undefined) out.push(minReceivedCondition(when.minReceived, context))
  if (when.expiresWithin !== undefined) out.push(expiryCondition(when.expiresWithin, context))
  if (when.text !== undefined) out.push(textCondition(when.text, context))
  if (when.field !== undefined) out.push(fieldsCondition(when.field, context))
  if (when.enforcers !== undefined) out.push(enforcerCondition(when.enforcers, context))
  if (when.typedData !== undefined) out.push(compileTypedDataCondition(when.typedData, context))
  if (when.function !== undefined) out.push(compileFunctionCondition(when.function, context))
  if (when.value !== undefined) out.push(valueCondition(when.value, assets, context))
  return out
}
