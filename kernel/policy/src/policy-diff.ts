import { type AssetId, canonicalJson } from '@countersign/bytes'
import { formatDuration } from './duration.ts'
import { describeExposure, type Exposure, type ExposureBound, exposureOf } from './exposure.ts'
import { type LooseningReason, loosens } from './loosens.ts'
import type { Policy } from './policy.ts'
import type { RuleDocument } from './schema.ts'

/** What replacing one policy by another changes. */
export interface PolicyDiff {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
  /** Why the change may permit something that is refused now; empty: it only tightens, and would act at once. */
  readonly loosens: readonly LooseningReason[]
  /** The most that whoever may ask can move out of a wallet under this policy alone. */
  readonly exposure: { readonly before: Exposure; readonly after: Exposure }
  readonly assets: readonly AssetDiff[]
}

export interface AssetDiff {
  readonly asset: AssetId
  readonly before: readonly ExposureBound[]
  readonly after: readonly ExposureBound[]
}

/** @param before `undefined`: no policy, under which nothing is permitted. */
export function diffPolicies(before: Policy | undefined, after: Policy): PolicyDiff {
  const old = rulesOf(before)
  const now = rulesOf(after)
  const exposure = { before: exposureBy(before), after: exposureBy(after) }
  return {
    added: [...now.keys()].filter((id) => !old.has(id)),
    removed: [...old.keys()].filter((id) => !now.has(id)),
    changed: [...now].filter(([id, text]) => old.has(id) && old.get(id) !== text).map(([id]) => id),
    loosens: loosens(before, after),
    exposure,
    assets: assetDiffs(exposure.before, exposure.after),
  }
}

/** The difference as sentences for people. */
export function describePolicyDiff(diff: PolicyDiff): string[] {
  const { exposure } = diff
  const rules = (['added', 'removed', 'changed'] as const).flatMap((what) =>
    diff[what].map((id) => `Rule ${id} is ${what}.`),
  )
  const direction =
    diff.loosens.length === 0
      ? ['It only tightens: it would act at once.']
      : diff.loosens.map(
          ({ rule, why }) => `It may loosen${rule === undefined ? '' : ` by rule ${rule}`}: ${why}.`,
        )
  return [
    ...(rules.length === 0 ? ['No rule changes.'] : rules),
    ...direction,
    ...diff.assets.map(
      ({ asset, before, after }) =>
        `The most that can leave of ${asset}: ${shownBounds(before)} before, ${shownBounds(after)} after.`,
    ),
    ...unboundedLines('before', exposure.before),
    ...unboundedLines('after', exposure.after),
  ]
}

function rulesOf(policy: Policy | undefined): Map<string, string> {
  return new Map(policy?.document.rules.map((rule: RuleDocument) => [rule.id, canonicalJson(rule)]))
}

function exposureBy(policy: Policy | undefined): Exposure {
  return exposureOf([{ layer: 'wallet', policy }], 'any wallet', 'any')
}

function assetDiffs(before: Exposure, after: Exposure): AssetDiff[] {
  const assets = new Set([...before.assets, ...after.assets].map(({ asset }) => asset))
  return [...assets].sort().flatMap((asset) => {
    const pair = { asset, before: boundsOf(before, asset), after: boundsOf(after, asset) }
    return isSameBounds(pair) ? [] : [pair]
  })
}

function boundsOf({ assets }: Exposure, asset: AssetId): readonly ExposureBound[] {
  return assets.find((one) => one.asset === asset)?.bounds ?? []
}

function isSameBounds({ before, after }: AssetDiff): boolean {
  return shownBounds(before) === shownBounds(after)
}

function shownBounds(bounds: readonly ExposureBound[]): string {
  if (bounds.length === 0) return 'nothing that is bounded'
  return bounds
    .map(({ amountMinor, windowMs }) => `${amountMinor} smallest units in any ${formatDuration(windowMs)}`)
    .join(', ')
}

function unboundedLines(when: 'before' | 'after', exposure: Exposure): string[] {
  return describeExposure(exposure)
    .filter((line) => line.startsWith('Unbounded: '))
    .map((line) => `${when === 'before' ? 'Before' : 'After'}: ${line[0]?.toLowerCase()}${line.slice(1)}`)
}
