import type { Effect } from '@countersign/intent'
import type { EffectDecision, Facts } from './decision.ts'
import { amountOf, assetsOf } from './effect-fields.ts'
import type { Rule } from './policy.ts'
import { formatValue } from './prices.ts'
import { valueUnder } from './value-condition.ts'

/** What a rule that permits the effect has valued it at, for the books; nothing where none had to. */
export function effectValue(
  effect: Effect,
  facts: Facts,
  rules: readonly Rule[],
): Pick<EffectDecision, 'value'> {
  for (const rule of rules) {
    const { prices: source } = rule
    if (source === undefined) continue
    let highMicros: bigint | undefined
    for (const asset of assetsOf(effect)) {
      if (rule.assets !== undefined && !rule.assets.covers(asset)) continue
      const value = valueUnder(asset, amountOf(effect), { effect, source, facts })
      if ('problem' in value) continue
      if (highMicros === undefined || value.highMicros > highMicros) highMicros = value.highMicros
    }
    if (highMicros !== undefined) {
      return { value: { currency: source.currency, amount: formatValue(highMicros) } }
    }
  }
  return {}
}
