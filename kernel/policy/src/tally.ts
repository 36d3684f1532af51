import type { Effect } from '@countersign/intent'
import { amountUnder } from './asset-set.ts'
import { amountKinds, amountOf, assetsOf } from './condition.ts'
import type { Facts, Layer, Reservation, WindowKey } from './decision.ts'
import type { Limit, Rule } from './policy.ts'

/** What has been booked in each window, and by what a window is named. */
export interface Totals {
  readonly facts: Facts
  readonly used: ReadonlyMap<WindowKey, bigint>
}

export function windowKey(limit: Limit, facts: Facts, layer: Layer): WindowKey {
  return `${facts.walletId}|${layer}|${limit.keySuffix}` as WindowKey
}

/** Why a rule that matches an effect does not permit it all the same. */
export type Shortage =
  | { readonly kind: 'uncovered' }
  | { readonly kind: 'unbounded'; readonly limit: Limit }
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
  /** The sum of the entries of each limit. */
  readonly #pending = new Map<Limit, bigint>()

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
      const { limit, amountMinor } = this.#entries.pop() as Entry
      this.#pending.set(limit, (this.#pending.get(limit) ?? 0n) - amountMinor)
    }
  }

  /** One per window. */
  reservations(): Reservation[] {
    const byKey = new Map<WindowKey, Reservation>()
    for (const { key, rule, limit, amountMinor } of this.#entries) {
      byKey.set(key, {
        key,
        windowMs: limit.windowMs,
        layer: this.#layer,
        rule: rule.id,
        asset: limit.asset,
        amountMinor: (byKey.get(key)?.amountMinor ?? 0n) + amountMinor,
        limitMinor: limit.limitMinor,
      })
    }
    return [...byKey.values()]
  }

  #takeOne(rule: Rule, limit: Limit, effect: Effect): Shortage | undefined {
    const isCount = limit.asset === undefined
    const askedMinor = isCount ? 1n : amountOn(limit, effect)
    if (askedMinor === undefined) return { kind: 'unbounded', limit }
    if (askedMinor === 'none') return undefined
    const pendingMinor = this.#pending.get(limit) ?? 0n
    // A request counts once, however many of its effects the rule permits.
    if (isCount && pendingMinor > 0n) return undefined
    const key = windowKey(limit, this.#options.facts, this.#layer)
    const usedMinor = this.#options.used.get(key)
    if (usedMinor === undefined) throw new Error(`bug: no total for the window ${key}`)
    if (usedMinor < 0n) throw new Error(`bug: negative total for the window ${key}`)
    if (usedMinor + pendingMinor + askedMinor > limit.limitMinor) {
      return { kind: 'spent', limit, usedMinor, pendingMinor, askedMinor }
    }
    this.#entries.push({ key, rule, limit, amountMinor: askedMinor })
    this.#pending.set(limit, pendingMinor + askedMinor)
    return undefined
  }
}

/** Some amount limit of the rule counts all that the effect moves, under one of its readings. */
function isCovered(rule: Rule, effect: Effect): boolean {
  for (const asset of assetsOf(effect)) {
    for (const limit of rule.limits) if (limit.assets.covers(asset)) return true
  }
  return false
}

/** What the effect takes out of an amount limit, at most: `undefined` without bound, `none` where it is of other assets. */
function amountOn(limit: Limit, effect: Effect): bigint | undefined | 'none' {
  let worst: bigint | 'none' = 'none'
  for (const asset of assetsOf(effect)) {
    if (!limit.assets.touches(asset)) continue
    const amountMinor = amountUnder(asset, amountOf(effect))
    if (amountMinor === undefined) return undefined
    if (worst === 'none' || amountMinor > worst) worst = amountMinor
  }
  return worst
}
