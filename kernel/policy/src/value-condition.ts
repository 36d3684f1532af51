import type { AssetId } from '@countersign/bytes'
import type { Effect } from '@countersign/intent'
import type { CompiledAssets } from './asset-condition.ts'
import { amountUnder } from './asset-set.ts'
import type { CompileContext, Condition } from './condition.ts'
import type { Facts } from './decision.ts'
import { amountOf, assetsOf, isUnbounded } from './effect-fields.ts'
import { formatValue, type PriceSource, parseValue, type Valuation, worthOf } from './prices.ts'
import type { ConditionsDocument } from './schema.ts'

/**
 * Bounds on what one effect is worth. A permit must hold at every price that counts and under every reading of the
 * asset that its own list leaves open; a forbid matches where it holds at one.
 */
export function valueCondition(
  { currency, min: minText, max: maxText }: NonNullable<ConditionsDocument['value']>,
  assets: CompiledAssets | undefined,
  context: CompileContext,
): Condition {
  const source = priceSourceFor(currency, 'when.value.currency', context)
  const min = minText === undefined ? 0n : parseValue(minText)
  const max = maxText === undefined ? undefined : parseValue(maxText)
  if (max !== undefined && min > max) context.invalid('when.value', '"min" is above "max"')
  const isPermit = context.action === 'permit'
  const fits = ({ lowMicros, highMicros }: { lowMicros: bigint; highMicros: bigint }) =>
    isPermit
      ? lowMicros >= min && (max === undefined || highMicros <= max)
      : highMicros >= min && (max === undefined || lowMicros <= max)
  return {
    name: 'value',
    byClock: true,
    judge: (effect, facts) => {
      let verdict: boolean | undefined = isPermit
      for (const value of valuations(effect, { source, assets, facts, isPermit })) {
        if ('problem' in value) verdict = undefined
        else if (fits(value) !== isPermit) return !isPermit
      }
      return verdict
    },
    explain: (effect, facts) => {
      for (const value of valuations(effect, { source, assets, facts, isPermit })) {
        if ('problem' in value) return [{ code: 'POLICY_PRICE', message: value.problem }]
        if (fits(value)) continue
        const isOver = max !== undefined && value.highMicros > max
        const worth = formatValue(isOver ? value.highMicros : value.lowMicros)
        const message = isOver
          ? `it is worth up to ${worth} ${currency}, and max is ${formatValue(max)}`
          : `it is worth ${worth} ${currency} at least, and min is ${formatValue(min)}`
        return [{ code: 'POLICY_VALUE', message }]
      }
      return []
    },
  }
}

/** The policy must name who prices, and in this currency. */
export function priceSourceFor(
  currency: string,
  path: string,
  { prices, invalid }: Pick<CompileContext, 'prices' | 'invalid'>,
): PriceSource {
  if (prices === undefined) {
    return invalid(path, 'values need prices: say in the policy’s "prices" whose signed prices count')
  }
  if (prices.currency !== currency) return invalid(path, `the policy’s prices are in ${prices.currency}`)
  return prices
}

interface Valuing {
  readonly source: PriceSource
  readonly assets: CompiledAssets | undefined
  readonly facts: Facts
  readonly isPermit: boolean
}

/** Never empty: what cannot be valued is a problem. */
function valuations(effect: Effect, { source, assets, facts, isPermit }: Valuing): Valuation[] {
  const amountMinor = amountOf(effect)
  const open = assetsOf(effect).filter(
    (asset) => assets === undefined || (isPermit ? assets.set.covers(asset) : assets.set.touches(asset)),
  )
  if (open.length === 0) return [{ problem: 'it moves no asset that could be priced' }]
  return open.map((asset) => valueUnder(asset, amountMinor, { effect, source, facts }))
}

/** What the effect is worth, read as one of this asset. */
export function valueUnder(
  asset: AssetId,
  amountMinor: bigint | undefined,
  { effect, source, facts }: { effect: Effect; source: PriceSource; facts: Facts },
): Valuation {
  const amount = amountUnder(asset, amountMinor)
  if (amount !== undefined) return worthOf(source, asset, amount, facts)
  return {
    problem: isUnbounded(effect)
      ? 'an approval without bound has no greatest worth'
      : `the bytes do not say how much of ${asset} it takes`,
  }
}
