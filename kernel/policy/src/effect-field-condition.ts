import type { CompileContext, Condition, Failure } from './condition.ts'
import { effectFields } from './effect-fields.ts'
import { compileFieldCondition, type FieldType } from './field-condition.ts'
import { explainPath, judgePath, type PathTest, parseFieldPath } from './field-path.ts'
import type { ConditionsDocument } from './schema.ts'

/** Conditions on whatever else is decoded, by the names of kernel/intent's effects. */
export function fieldsCondition(
  fields: NonNullable<ConditionsDocument['field']>,
  context: CompileContext,
): Condition {
  const tests = Object.entries(fields).map(([name, condition]): PathTest => {
    const place = `when.field["${name}"]`
    const path = parseFieldPath(name)
    const type = fieldType(name, path.segments, place, context)
    const test = context.parsed(place, () => compileFieldCondition(condition, type))
    for (const book of test.books) context.books.add(book)
    return { path, test }
  })
  const isPermit = context.action === 'permit'
  return {
    name: 'field',
    judge: (effect, facts) => {
      let verdict: boolean | undefined = true
      for (const test of tests) {
        const judged = judgePath(effect, test, { isPermit, effect, facts })
        if (judged === false) return false
        if (judged === undefined) verdict = undefined
      }
      return verdict
    },
    explain: (effect, facts) => {
      const failures: Failure[] = []
      const judging = { isPermit, effect, facts }
      for (const test of tests) {
        if (judgePath(effect, test, judging) === true) continue
        failures.push({ code: 'POLICY_FIELD', message: `field ${explainPath(effect, test, judging)}` })
      }
      return failures
    },
  }
}

/** Every kind that the rule names must have the field, and as the same type. */
function fieldType(
  name: string,
  segments: readonly string[],
  place: string,
  { rule, invalid }: CompileContext,
): FieldType {
  const [field = '', ...inner] = segments
  let type: FieldType | undefined
  for (const kind of rule.effects) {
    const known: Readonly<Record<string, FieldType>> = effectFields[kind]
    const here = Object.hasOwn(known, field) ? known[field] : undefined
    if (here === undefined) {
      return invalid(
        place,
        `the effect "${kind}" has no field ${JSON.stringify(field)}; it has ${Object.keys(known).join(', ')}`,
      )
    }
    if (type !== undefined && type !== here) {
      return invalid(place, `the effects of the rule have fields of that name with different types`)
    }
    type = here
  }
  if (inner.length > 0 && type !== 'any') {
    return invalid(place, `${JSON.stringify(name)} reaches into ${field}, which has nothing inside`)
  }
  return inner.length > 0 || type === undefined ? 'any' : type
}
