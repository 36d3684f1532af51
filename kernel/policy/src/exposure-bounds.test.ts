import { describe, expect, it } from 'vitest'
import type { Layer, RuleId } from './decision.ts'
import { type Exposure, exposureOf } from './exposure.ts'
import { sumOfExposures, tighterOfExposures } from './exposure-bounds.ts'
import { alice, amountLimit, bob, coin, layersOf, policy } from './fixtures.ts'

const hourMs = 3_600_000
const exposed = (...limits: object[]) =>
  exposureOf(
    layersOf(policy({ effects: ['native-transfer'], when: { recipient: [alice] }, limits })),
    'wal_1',
    'any',
  )
const toBob = exposureOf(
  layersOf(policy({ effects: ['native-transfer'], when: { recipient: [bob] }, limits: [amountLimit(5n)] })),
  'wal_1',
  'any',
)
const unbounded = exposureOf(layersOf(policy({ effects: ['native-transfer'] })), 'wal_1', 'any')
const nothing = exposureOf([], 'wal_1', 'any')
const boundsOf = ({ assets }: Exposure) =>
  assets.flatMap(({ bounds }) => bounds.map(({ amountMinor, windowMs }) => [amountMinor, windowMs / hourMs]))

describe('the sum of two exposures', () => {
  it('adds up in each window what the bounds of both leave in it', () => {
    const hourly = exposed(amountLimit(10n, coin, '1h', 'hour'))
    const daily = exposed(amountLimit(100n))
    expect(boundsOf(sumOfExposures(hourly, daily))).toEqual([
      [110n, 1],
      [340n, 24],
    ])
    expect(boundsOf(sumOfExposures(hourly, nothing))).toEqual([[10n, 1]])
    expect(boundsOf(sumOfExposures(nothing, nothing))).toEqual([])
  })

  it('names rules once, everybody who can receive, and whatever is unbounded in either', () => {
    const one = exposed(amountLimit(10n))
    const [asset] = sumOfExposures(one, one).assets
    expect(asset?.bounds).toMatchObject([
      { amountMinor: 20n, rules: [{ layer: 'wallet' as Layer, rule: 'r0' as RuleId }] },
    ])
    expect(sumOfExposures(one, toBob).recipients).toEqual([alice, bob].sort())
    expect(sumOfExposures(one, unbounded)).toMatchObject({
      bounded: false,
      recipients: 'any',
      unbounded: [{ effect: 'native-transfer' }],
    })
  })
})

describe('the tighter of two exposures', () => {
  it('keeps every bound that the other does not make superfluous', () => {
    const hourly = exposed(amountLimit(10n, coin, '1h', 'hour'))
    const daily = exposed(amountLimit(100n))
    expect(boundsOf(tighterOfExposures(hourly, daily))).toEqual([
      [10n, 1],
      [100n, 24],
    ])
    expect(boundsOf(tighterOfExposures(exposed(amountLimit(7n)), daily))).toEqual([[7n, 24]])
    expect(tighterOfExposures(exposed(amountLimit(7n)), toBob).recipients).toEqual([])
  })

  it('is the bounded one where only one is', () => {
    const daily = exposed(amountLimit(100n))
    expect(tighterOfExposures(unbounded, daily)).toBe(daily)
    expect(tighterOfExposures(daily, unbounded)).toBe(daily)
    expect(tighterOfExposures(unbounded, unbounded)).toBe(unbounded)
  })
})
