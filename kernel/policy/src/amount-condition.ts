import { parseAmountMinor } from '@countersign/bytes'
import type { CompiledAssets } from './asset-condition.ts'
import { amountUnder } from './asset-set.ts'
import type { CompileContext, Condition } from './condition.ts'
import { amountOf, assetsOf, isUnbounded } from './effect-fields.ts'
import type { ConditionsDocument } from './schema.ts'

/**
 * Where the bytes fit two standards, the amounts differ: a permit must hold under each that its own asset
 * condition leaves open, a forbid matches under any. An amount that the bytes do not say cannot be judged.
 */
export function amountCondition(
  { min: minText, max: maxText }: NonNullable<ConditionsDocument['amount']>,
  assets: CompiledAssets | undefined,
  context: CompileContext,
): Condition {
  checkUnits(context)
  const min = context.parsed('when.amount.min', () => parseAmountMinor(minText ?? '0', 'The amount'))
  const max =
    maxText === undefined
      ? undefined
      : context.parsed('when.amount.max', () => parseAmountMinor(maxText, 'The amount'))
  if (max !== undefined && min > max) context.invalid('when.amount', '"min" is above "max"')
  const isPermit = context.action === 'permit'
  const isInside = (amountMinor: bigint | undefined) =>
    amountMinor === undefined
      ? max === undefined
      : amountMinor >= min && (max === undefined || amountMinor <= max)
  return {
    name: 'amount',
    judge: (effect) => {
      const amountMinor = amountOf(effect)
      if (amountMinor === undefined && !isUnbounded(effect)) return undefined
      // Only these fit several standards, or count tokens that are not alike.
      if (effect.kind !== 'token-transfer' && effect.kind !== 'approval') return isInside(amountMinor)
      const candidates = effect.assets
      if (candidates.length < 2) {
        const only = candidates[0]
        return isInside(only === undefined ? amountMinor : amountUnder(only, amountMinor))
      }
      let judged = false
      for (const asset of candidates) {
        if (assets !== undefined && !(isPermit ? assets.set.covers(asset) : assets.set.touches(asset)))
          continue
        judged = true
        if (isInside(amountUnder(asset, amountMinor)) !== isPermit) return !isPermit
      }
      return judged ? isPermit : isInside(amountMinor)
    },
    explain: (effect) => {
      const amountMinor = amountOf(effect)
      const unit = assetsOf(effect)[0] ?? ('unit' in effect ? effect.unit : 'the asset')
      if (amountMinor === undefined) {
        const message = isUnbounded(effect)
          ? `the amount of ${unit} has no bound, and max is ${max}`
          : `the bytes do not say how much of ${unit} it takes`
        return [{ code: 'POLICY_AMOUNT', message }]
      }
      if (max !== undefined && amountMinor > max) {
        const message = `amount ${amountMinor} of ${unit} is over max ${max} by ${amountMinor - max}`
        return [{ code: 'POLICY_AMOUNT', message }]
      }
      if (amountMinor < min) {
        const message = `amount ${amountMinor} of ${unit} is under min ${min} by ${min - amountMinor}`
        return [{ code: 'POLICY_AMOUNT', message }]
      }
      const message = `the amount of ${assetsOf(effect).join(' or ')} is outside ${min} to ${max} under one of these readings`
      return [{ code: 'POLICY_AMOUNT', message }]
    },
  }
}

/** A share can be worth a million assets, or the reverse: one bound for both would bound neither. */
function checkUnits({ rule, invalid }: CompileContext): void {
  const isVault = rule.effects.some((kind) => kind === 'vault-deposit' || kind === 'vault-withdrawal')
  if (isVault && rule.when?.unit?.length !== 1) {
    invalid('when.amount', 'the amount of a vault counts assets or shares; say which by "unit", one of them')
  }
  if (isVault && rule.effects.some((kind) => kind !== 'vault-deposit' && kind !== 'vault-withdrawal')) {
    invalid('when.amount', 'the amount of a vault has another unit; give vaults a rule of their own')
  }
}

/** Exact in integers: received / spent >= a / b exactly where received * b >= spent * a. */
export function minReceivedCondition(
  { amount, rate }: NonNullable<ConditionsDocument['minReceived']>,
  context: CompileContext,
): Condition {
  const { when = {} } = context.rule
  const leastMinor =
    amount === undefined
      ? 0n
      : context.parsed('when.minReceived.amount', () => parseAmountMinor(amount, 'The amount'))
  const least =
    rate === undefined
      ? undefined
      : {
          received: context.parsed('when.minReceived.rate.received', () => parseAmountMinor(rate.received)),
          spent: context.parsed('when.minReceived.rate.spent', () => parseAmountMinor(rate.spent)),
        }
  if (least !== undefined && (when.asset?.length !== 1 || when.received?.length !== 1)) {
    context.invalid(
      'when.minReceived.rate',
      'a rate is one between two assets: name exactly one in "asset" and one in "received"',
    )
  }
  if (least?.spent === 0n) context.invalid('when.minReceived.rate.spent', 'a rate for nothing bounds nothing')
  if (amount !== undefined && when.received?.length !== 1) {
    context.invalid('when.minReceived.amount', 'it is one of one asset: name exactly one in "received"')
  }
  return {
    name: 'minReceived',
    judge: (effect) => {
      if (effect.kind !== 'swap') return undefined
      const { amountMinor, receivedMinor } = effect
      if (receivedMinor < leastMinor) return false
      return least === undefined || receivedMinor * least.spent >= amountMinor * least.received
    },
    explain: (effect) => {
      if (effect.kind !== 'swap') return []
      const { amountMinor, receivedMinor, receivedAsset } = effect
      if (receivedMinor < leastMinor) {
        const message = `at least ${receivedMinor} of ${receivedAsset} come in, and the rule asks for ${leastMinor}`
        return [{ code: 'POLICY_RECEIVED', message }]
      }
      const { spent, received } = least ?? { spent: 1n, received: 0n }
      const needed = (amountMinor * received + spent - 1n) / spent
      const message = `at least ${receivedMinor} of ${receivedAsset} come in for ${amountMinor}, and the rule’s rate of ${received} for ${spent} asks for ${needed}`
      return [{ code: 'POLICY_RECEIVED', message }]
    },
  }
}
