import type { AccountAddress } from '@countersign/bytes'
import type { AssetExposure, Exposure, ExposureBound } from './exposure.ts'

/** Drops what cannot leave, and every bound that another makes superfluous: no more in a window no shorter. */
export function tightest(bounds: readonly ExposureBound[]): ExposureBound[] {
  if (bounds.some(({ amountMinor }) => amountMinor === 0n)) return []
  return bounds
    .filter(
      (bound, i) =>
        !bounds.some(
          (other, o) =>
            o !== i &&
            other.windowMs >= bound.windowMs &&
            other.amountMinor <= bound.amountMinor &&
            (other.windowMs > bound.windowMs || other.amountMinor < bound.amountMinor || o < i),
        ),
    )
    .sort((a, b) => a.windowMs - b.windowMs)
}

/** What two attackers get of one wallet who share nothing: at most what each gets, added up. */
export function sumOfExposures(one: Exposure, other: Exposure): Exposure {
  const credentialIds =
    one.credentialIds === 'any' || other.credentialIds === 'any'
      ? 'any'
      : [...new Set([...one.credentialIds, ...other.credentialIds])]
  return {
    walletId: one.walletId,
    credentialIds,
    bounded: one.bounded && other.bounded,
    assets: eachAsset(one, other, (a, b) => tightest(sumOfBounds(a, b))),
    recipients: united(one.recipients, other.recipients),
    unbounded: [...one.unbounded, ...other.unbounded],
  }
}

/** Of two figures for the same thing, each of which holds, what holds by both. */
export function tighterOfExposures(one: Exposure, other: Exposure): Exposure {
  // The amounts of a figure leave out what is unbounded in it, so that they say nothing about another.
  if (!one.bounded || !other.bounded) return other.bounded ? other : one
  return {
    ...one,
    assets: eachAsset(one, other, (a, b) => tightest([...a, ...b])),
    recipients: shared(one.recipients, other.recipients),
  }
}

type Bounds = readonly ExposureBound[]

function eachAsset(one: Exposure, other: Exposure, both: (a: Bounds, b: Bounds) => Bounds): AssetExposure[] {
  const found = new Map(one.assets.map(({ asset, bounds }) => [asset, bounds]))
  for (const { asset, bounds } of other.assets) {
    const known = found.get(asset)
    found.set(asset, known === undefined ? bounds : both(known, bounds))
  }
  return [...found].map(([asset, bounds]) => ({ asset, bounds })).sort((a, b) => (a.asset < b.asset ? -1 : 1))
}

function sumOfBounds(one: Bounds, other: Bounds): ExposureBound[] {
  const windows = new Set([...one, ...other].map(({ windowMs }) => windowMs))
  return [...windows].flatMap((windowMs) => {
    const [a, b] = [within(one, windowMs), within(other, windowMs)]
    if (a === undefined || b === undefined) return []
    return [
      { windowMs, amountMinor: a.amountMinor + b.amountMinor, rules: distinct([...a.rules, ...b.rules]) },
    ]
  })
}

/** The least that the bounds leave in any interval of this length: so many intervals of their own length cover it. */
function within(bounds: Bounds, windowMs: number): ExposureBound | undefined {
  return bounds
    .map((bound) => ({
      ...bound,
      windowMs,
      amountMinor: bound.amountMinor * BigInt(Math.ceil(windowMs / bound.windowMs)),
    }))
    .sort((a, b) => (a.amountMinor < b.amountMinor ? -1 : a.amountMinor > b.amountMinor ? 1 : 0))[0]
}

function distinct(rules: ExposureBound['rules']): ExposureBound['rules'] {
  return [...new Map(rules.map((one) => [`${one.layer} ${one.rule}`, one])).values()]
}

type Recipients = readonly AccountAddress[] | 'any'

function united(one: Recipients, other: Recipients): Recipients {
  if (one === 'any' || other === 'any') return 'any'
  return [...new Set([...one, ...other])].sort()
}

function shared(one: Recipients, other: Recipients): Recipients {
  if (one === 'any' || other === 'any') return one === 'any' ? other : one
  return one.filter((address) => other.includes(address))
}
