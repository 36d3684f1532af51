import { quoteText, readPermits } from '@countersign/intent'
import type { CompileContext, Condition, Failure } from './condition.ts'
import { compileFieldCondition } from './field-condition.ts'
import { explainPath, judgePath, type PathTest, parseFieldPath } from './field-path.ts'
import type { ConditionsDocument } from './schema.ts'

interface TypedDataField extends PathTest {
  readonly part: 'domain' | 'message'
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
      for (const book of test.books) context.books.add(book)
      fields.push({ part, path: parseFieldPath(name), test })
    }
  }
  const isPermit = context.action === 'permit'
  return {
    name: 'typedData',
    judge: (effect, facts) => {
      if (effect.kind !== 'typed-data') return undefined
      if (primaryTypes !== undefined && !primaryTypes.has(effect.primaryType)) return false
      let verdict: boolean | undefined = true
      for (const field of fields) {
        const judged = judgePath(effect[field.part], field, { isPermit, effect, facts })
        if (judged === false) return false
        if (judged === undefined) verdict = undefined
      }
      return verdict
    },
    explain: (effect, facts) => {
      if (effect.kind !== 'typed-data') return []
      const failures: Failure[] = []
      if (primaryTypes !== undefined && !primaryTypes.has(effect.primaryType)) {
        failures.push({
          code: 'POLICY_TYPED_DATA',
          message: `primary type ${quoteText(effect.primaryType)} is not listed`,
        })
      }
      const judging = { isPermit, effect, facts }
      for (const field of fields) {
        const root = effect[field.part]
        if (judgePath(root, field, judging) === true) continue
        const message = `${field.part} field ${explainPath(root, field, judging)}`
        failures.push({ code: 'POLICY_TYPED_DATA', message })
      }
      return failures
    },
  }
}

/**
 * Beside every permit rule on typed data: what is named like a permit but of which no approval could be read would slip
 * past every rule on approvals. Listing the primary type permits it, but for the permits that can be read: their names
 * stand in rules for the sake of the readable ones, and a token whose domain has no chain id takes the others too.
 * @param listed Primary types that the rule names. */
export function noOpaquePermit(listed: readonly string[] | undefined): Condition {
  const permitted = new Set(listed?.filter((name) => !readPermits.has(name)))
  return {
    name: 'typedData',
    judge: (effect) =>
      effect.kind !== 'typed-data' || effect.opaquePermit !== true || permitted.has(effect.primaryType),
    explain: (effect) => {
      const primaryType = effect.kind === 'typed-data' ? effect.primaryType : ''
      const why = readPermits.has(primaryType)
        ? 'a permit of this name must be one whose chain, token and amount can be read'
        : 'only a rule that lists its primary type can permit it'
      const message = `${quoteText(primaryType)} is named like a permit but cannot be read as one; ${why}`
      return [{ code: 'POLICY_TYPED_DATA', message }]
    },
  }
}
