import { quoteText } from '@countersign/intent'
import type { CompileContext, Condition, Failure } from './condition.ts'
import { compileFieldCondition, type FieldTest, fieldAt } from './field-condition.ts'
import type { ConditionsDocument } from './schema.ts'

interface TypedDataField {
  readonly part: 'domain' | 'message'
  readonly name: string
  readonly path: readonly string[]
  readonly test: FieldTest
}

export function compileTypedDataCondition(
  { primaryType, domain, message }: NonNullable<ConditionsDocument['typedData']>,
  context: CompileContext,
): Condition {
  const primaryTypes = primaryType === undefined ? undefined : new Set(primaryType)
  const fields: TypedDataField[] = []
  for (const [part, conditions] of [
    ['domain', domain],
    ['message', message],
  ] as const) {
    for (const [name, condition] of Object.entries(conditions ?? {})) {
      const test = context.parsed(`when.typedData.${part}["${name}"]`, () =>
        compileFieldCondition(condition, 'any'),
      )
      fields.push({ part, name, path: name.split('.'), test })
    }
  }
  return {
    name: 'typedData',
    judge: (effect) => {
      if (effect.kind !== 'typed-data') return undefined
      if (primaryTypes !== undefined && !primaryTypes.has(effect.primaryType)) return false
      let verdict: boolean | undefined = true
      for (const { part, path, test } of fields) {
        const judged = test.judge(fieldAt(effect[part], path))
        if (judged === false) return false
        if (judged === undefined) verdict = undefined
      }
      return verdict
    },
    explain: (effect) => {
      if (effect.kind !== 'typed-data') return []
      const failures: Failure[] = []
      if (primaryTypes !== undefined && !primaryTypes.has(effect.primaryType)) {
        failures.push({
          code: 'POLICY_TYPED_DATA',
          message: `primary type ${quoteText(effect.primaryType)} is not listed`,
        })
      }
      for (const { part, name, path, test } of fields) {
        const actual = fieldAt(effect[part], path)
        if (test.judge(actual) === true) continue
        failures.push({ code: 'POLICY_TYPED_DATA', message: `${part} field ${name} ${test.explain(actual)}` })
      }
      return failures
    },
  }
}

/**
 * Stands in for a missing `typedData.primaryType` on permit rules: data that is named like a permit but of which
 * no approval could be read would slip past every rule on approvals.
 */
export const noOpaquePermit: Condition = {
  name: 'typedData',
  judge: (effect) => effect.kind !== 'typed-data' || effect.opaquePermit !== true,
  explain: (effect) => [
    {
      code: 'POLICY_TYPED_DATA',
      message: `${effect.kind === 'typed-data' ? quoteText(effect.primaryType) : 'the data'} is named like a permit but cannot be read as one; only a rule that lists its primary type can permit it`,
    },
  ],
}
