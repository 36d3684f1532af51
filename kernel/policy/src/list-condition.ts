import { parseChainId } from '@countersign/bytes'
import type { Effect, EffectKind } from '@countersign/intent'
import type { CompileContext, Condition } from './condition.ts'
import { chainOf } from './effect-fields.ts'
import type { PolicyReasonCode } from './reasons.ts'
import type { ConditionsDocument } from './schema.ts'

/** Conditions that compare one text of the effect with a list. */
export const listConditionNames = [
  'chain',
  'selector',
  'operation',
  'unit',
  'action',
  'authority',
  'instruction',
  'digest',
] as const satisfies readonly (keyof ConditionsDocument)[]
export type ListConditionName = (typeof listConditionNames)[number]

type Fields = Readonly<Partial<Record<EffectKind, string>>>

interface Definition {
  /** The field of each kind of effect that has one. */
  readonly fields: Fields
  readonly code: PolicyReasonCode
  /** What stands before the value in a refusal. */
  readonly noun: string
  /** Why an effect of these kinds may have no such field. */
  readonly missing: string
  readonly parse: (entry: string) => string
}

const asIs = (entry: string) => entry
const lowerCase = (entry: string) => entry.toLowerCase()

const definitions: Readonly<Record<ListConditionName, Definition>> = {
  chain: {
    // Every kind that has a chain calls it so; `conditionKinds` lists them.
    fields: {},
    code: 'POLICY_CHAIN',
    noun: 'chain',
    missing: 'the bytes are not bound to a chain, and the rule names chains',
    parse: (entry) => parseChainId(entry, 'The chain'),
  },
  selector: {
    fields: {
      'token-transfer': 'selector',
      approval: 'selector',
      'contract-call': 'selector',
      batch: 'selector',
      swap: 'selector',
      'vault-deposit': 'selector',
      'vault-withdrawal': 'selector',
      wrap: 'selector',
    },
    code: 'POLICY_SELECTOR',
    noun: 'selector',
    missing: 'a signature carries no function selector, and the rule names selectors',
    parse: lowerCase,
  },
  operation: {
    fields: { 'safe-transaction': 'operation' },
    code: 'POLICY_FIELD',
    noun: 'the Safe’s operation',
    missing: 'the bytes name no operation',
    parse: asIs,
  },
  unit: {
    fields: { 'vault-deposit': 'unit', 'vault-withdrawal': 'unit' },
    code: 'POLICY_FIELD',
    noun: 'the vault’s unit',
    missing: 'the bytes name no unit',
    parse: asIs,
  },
  action: {
    fields: { stake: 'action' },
    code: 'POLICY_FIELD',
    noun: 'the stake action',
    missing: 'the bytes name no action',
    parse: asIs,
  },
  authority: {
    fields: { 'token-authority': 'authority' },
    code: 'POLICY_FIELD',
    noun: 'the authority',
    missing: 'the bytes name no authority',
    parse: asIs,
  },
  instruction: {
    fields: { 'program-call': 'instruction' },
    code: 'POLICY_INSTRUCTION',
    noun: 'instruction',
    missing: 'the instruction is none that this version knows by name',
    parse: asIs,
  },
  digest: {
    fields: {
      'raw-digest': 'digest',
      'raw-message': 'messageHash',
      message: 'messageHash',
      'user-operation': 'userOpHash',
      deploy: 'initCodeHash',
    },
    code: 'POLICY_DIGEST',
    noun: 'hash',
    missing: 'the bytes have no hash',
    parse: lowerCase,
  },
}

export function readListField(name: ListConditionName, effect: Effect): string | undefined {
  return readers[name](effect)
}

const readers = Object.fromEntries(
  listConditionNames.map((name) => [name, name === 'chain' ? chainOf : readerOf(definitions[name].fields)]),
) as Readonly<Record<ListConditionName, (effect: Effect) => string | undefined>>

function readerOf(fields: Fields): (effect: Effect) => string | undefined {
  return (effect) => {
    const field = fields[effect.kind]
    return field === undefined
      ? undefined
      : (effect as unknown as Readonly<Record<string, string | undefined>>)[field]
  }
}

export const listConditions = Object.fromEntries(
  listConditionNames.map((name) => [
    name,
    {
      fields: definitions[name].fields,
      compile: (entries: readonly string[], context: CompileContext) => compile(name, entries, context),
    },
  ]),
) as unknown as Readonly<
  Record<
    ListConditionName,
    {
      readonly fields: Fields
      readonly compile: (entries: readonly string[], context: CompileContext) => Condition
    }
  >
>

function compile(name: ListConditionName, entries: readonly string[], context: CompileContext): Condition {
  const { code, noun, missing, parse } = definitions[name]
  const read = readers[name]
  const listed = new Set(entries.map((entry, i) => context.parsed(`when.${name}[${i}]`, () => parse(entry))))
  return {
    name,
    index: { field: name, values: listed },
    judge: (effect) => {
      const value = read(effect)
      return value === undefined ? undefined : listed.has(value)
    },
    explain: (effect) => {
      const value = read(effect)
      return [{ code, message: value === undefined ? missing : `${noun} ${value} is not listed` }]
    },
  }
}
