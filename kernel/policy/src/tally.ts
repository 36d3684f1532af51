import type { Effect } from '@countersign/intent'
import { amountUnder } from './asset-set.ts'
import { amountKinds } from './condition.ts'
import type { Facts, Layer, Reservation, WindowKey } from './decision.ts'
import { amountOf, assetsOf, isUnbounded } from './effect-fields.ts'
import { type Limit, windowKey, windowRef } from './limit.ts'
import type { Rule } from './policy.ts'
import { valueUnder } from './value-condition.ts'

/** What has been booked in each window, and by what a window is named. */
export interface Totals {
  readonly facts: Facts
  readonly used: ReadonlyMap<WindowKey, bigint>
}

/** Why a rule that matches an effect does not permit it all the same. */
export type Shortage =
  | { readonly kind: 'uncovered' }
  | { readonly kind: 'unbounded' | 'unknown' | 'subject'; readonly limit: Limit }
  | { readonly kind: 'unpriced'; readonly limit: Limit; readonly problem: string }
  | {
      readonly kind: 'spent'
      readonly limit: Limit
      readonly usedMinor: bigint
      /** What other effects of this request take out of the same window. */
      readonly pendingMinor: bigint
      readonly askedMinor: bigint
    }

interface Entry {
  readonly key: WindowKey
  readonly rule: Rule
  readonly limit: Limit
  readonly amountMinor: bigint
}

/** What one request would take out of the windows of one layer. */
export class Tally {
  readonly #options: Totals
  readonly #layer: Layer
  readonly #entries: Entry[] = []
  /** The sum of the entries of each window. */
  readonly #pending = new Map<WindowKey, bigint>()

  constructor(options: Totals, layer: Layer) {
    this.#options = options
    this.#layer = layer
  }

  /** Takes what `rule` needs to permit `effect`, or takes nothing and says why not. */
  take(rule: Rule, effect: Effect): Shortage | undefined {
    if (rule.limits.length === 0) return undefined
    if (rule.limitsAmounts && amountKinds.has(effect.kind) && !isCovered(rule, effect))
      return { kind: 'uncovered' }
    const before = this.mark()
    for (const limit of rule.limits) {
      const shortage = this.#takeOne(rule, limit, effect)
      if (shortage === undefined) continue
      this.rewind(before)
      return shortage
    }
    return undefined
  }

  mark(): number {
    return this.#entries.length
  }

  rewind(mark: number): void {
    while (this.#entries.length > mark) {
      const { key, amountMinor } = this.#entries.pop() as Entry
      this.#pending.set(key, (this.#pending.get(key) ?? 0n) - amountMinor)
    }
  }

  /** One per window. */
  reservations(): Reservation[] {
    const byKey = new Map<WindowKey, Reservation>()
    for (const { key, rule, limit, amountMinor } of this.#entries) {
      byKey.set(key, {
        ...windowRef(key, limit, this.#options.facts),
        layer: this.#layer,
        rule: rule.id,
        asset: limit.asset,
        ...(limit.prices === undefined ? {} : { currency: limit.prices.currency }),
        amountMinor: (byKey.get(key)?.amountMinor ?? 0n) + amountMinor,
        limitMinor: limit.limitMinor,
      })
    }
    return [...byKey.values()]
  }

  #takeOne(rule: Rule, limit: Limit, effect: Effect): Shortage | undefined {
    const isCount = limit.measure === 'count'
    const askedMinor = isCount ? 1n : this.#asked(rule, limit, effect)
    if (askedMinor === 'none') return undefined
    if (typeof askedMinor === 'object') return askedMinor
    const key = windowKey(limit, this.#options.facts, this.#layer, effect)
    if (key === undefined) return { kind: 'subject', limit }
    const pendingMinor = this.#pending.get(key) ?? 0n
    // A request counts once, however many of its effects the rule permits.
    if (isCount && pendingMinor > 0n) return undefined
    const usedMinor = this.#options.used.get(key)
    if (usedMinor === undefined) throw new Error(`bug: no total for the window ${key}`)
    if (usedMinor < 0n) throw new Error(`bug: negative total for the window ${key}`)
    if (usedMinor + pendingMinor + askedMinor > limit.limitMinor) {
      return { kind: 'spent', limit, usedMinor, pendingMinor, askedMinor }
    }
    this.#entries.push({ key, rule, limit, amountMinor: askedMinor })
    this.#pending.set(key, pendingMinor + askedMinor)
    return undefined
  }

  /** What the effect takes out of an amount or a value limit, at most: `none` where it is of other assets. */
  #asked(rule: Rule, limit: Limit, effect: Effect): bigint | 'none' | Shortage {
    const amountMinor = amountOf(effect)
    let worst: bigint | 'none' = 'none'
    for (const asset of assetsOf(effect)) {
      let askedMinor: bigint | undefined
      if (limit.prices === undefined) {
        if (!limit.assets.touches(asset)) continue
        askedMinor = amountUnder(asset, amountMinor)
        if (askedMinor === undefined) return { kind: isUnbounded(effect) ? 'unbounded' : 'unknown', limit }
      } else {
        if (rule.assets !== undefined && !rule.assets.covers(asset)) continue
        const { facts } = this.#options
        const value = valueUnder(asset, amountMinor, { effect, source: limit.prices, facts })
        if ('problem' in value) return { kind: 'unpriced', limit, problem: value.problem }
        askedMinor = value.highMicros
      }
      if (worst === 'none' || askedMinor > worst) worst = askedMinor
    }
    return worst
  }
}

/** Some amount limit of the rule counts all that the effect moves, under one of its readings. */
function isCovered(rule: Rule, effect: Effect): boolean {
  for (const asset of assetsOf(effect)) {
    for (const limit of rule.limits) if (limit.assets.covers(asset)) return true
  }
  return false
}
