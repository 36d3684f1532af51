import type { AssetId } from '@countersign/bytes'
import type { Facts } from './decision.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { valueScale } from './fact.ts'
import type { PricesDocument } from './schema.ts'

/** Whose prices a policy takes. */
export interface PriceSource {
  readonly currency: string
  readonly by: ReadonlySet<string>
  readonly maxAgeMs: number
  readonly count: number
}

/** What an amount is worth, in millionths of the currency: at least, and at most. */
export type Valuation =
  | { readonly lowMicros: bigint; readonly highMicros: bigint }
  | { readonly problem: string }

const valueForm = /^(\d+)(?:\.(\d{1,6}))?$/

/** @returns undefined where `maxAge` is too long or `count` asks for more than there are. */
export function compilePrices({ currency, by, maxAge, count = 1 }: PricesDocument): PriceSource | undefined {
  const maxAgeMs = parseDuration(maxAge)
  const named = new Set(by)
  if (maxAgeMs === undefined || count > named.size) return undefined
  return { currency, by: named, maxAgeMs, count }
}

/** "99.5" -> 99500000 millionths. The schema has seen to the form. */
export function parseValue(text: string): bigint {
  const match = valueForm.exec(text)
  if (match === null) throw new Error(`bug: ${text} is no value`)
  return BigInt(`${match[1]}${(match[2] ?? '').padEnd(valueScale, '0')}`)
}

export function formatValue(micros: bigint): string {
  const digits = micros.toString().padStart(valueScale + 1, '0')
  const fraction = digits.slice(-valueScale).replace(/0+$/, '')
  const whole = digits.slice(0, -valueScale)
  return fraction === '' ? whole : `${whole}.${fraction}`
}

/**
 * Every price that counts is taken for possible: the amount is worth at most what the highest says, rounded up, and
 * at least what the lowest says, rounded down. Whoever hands prices in cannot gain by adding one.
 */
export function worthOf(source: PriceSource, asset: AssetId, amountMinor: bigint, facts: Facts): Valuation {
  // Nothing is worth nothing, whatever the price.
  if (amountMinor === 0n) return { lowMicros: 0n, highMicros: 0n }
  let lowMicros: bigint | undefined
  let highMicros = 0n
  let outdated: string | undefined
  const counted = new Set<string>()
  for (const fact of facts.prices ?? []) {
    if (fact.asset !== asset || fact.currency !== source.currency || !source.by.has(fact.credentialId))
      continue
    // A price from the future is none: its age cannot be told.
    if (
      facts.nowMs >= fact.expiresAtMs ||
      fact.atMs > facts.nowMs ||
      facts.nowMs - fact.atMs > source.maxAgeMs
    ) {
      outdated = fact.credentialId
      continue
    }
    counted.add(fact.credentialId)
    const worth = amountMinor * fact.numerator
    const low = worth / fact.denominator
    const high = (worth + fact.denominator - 1n) / fact.denominator
    if (lowMicros === undefined || low < lowMicros) lowMicros = low
    if (high > highMicros) highMicros = high
  }
  if (lowMicros !== undefined && counted.size >= source.count) return { lowMicros, highMicros }
  const price = `price of ${asset} in ${source.currency}`
  if (counted.size > 0) {
    return {
      problem: `only ${counted.size} of the ${source.count} credentials needed give a ${price} that counts`,
    }
  }
  return {
    problem:
      outdated === undefined
        ? `there is no ${price} by a credential that the policy names`
        : `the ${price} by ${outdated} has expired, or is not of the last ${formatDuration(source.maxAgeMs)}`,
  }
}
