import type { Effect } from '@countersign/intent'
import type { CompileContext, Condition } from './condition.ts'
import { compileFieldCondition } from './field-condition.ts'
import type { ConditionsDocument } from './schema.ts'

/** The text of a message or a memo. */
export function textCondition(
  condition: NonNullable<ConditionsDocument['text']>,
  context: CompileContext,
): Condition {
  const test = context.parsed('when.text', () => compileFieldCondition(condition, 'text'))
  return {
    name: 'text',
    judge: (effect, facts) => test.judge(textOf(effect), effect, facts),
    explain: (effect, facts) => {
      const text = textOf(effect)
      const noun = effect.kind === 'memo' ? 'memo' : 'message'
      const message =
        text === undefined ? `the ${noun} is not UTF-8 text` : `the ${noun} ${test.explain(text, facts)}`
      return [{ code: 'POLICY_TEXT', message }]
    },
  }
}

function textOf(effect: Effect): string | undefined {
  return effect.kind === 'message' || effect.kind === 'memo' ? effect.text : undefined
}
