import { type AssetId, parseAmountMinor, parseAssetId } from '@countersign/bytes'
import type { Effect, EffectKind } from '@countersign/intent'
import { AssetSet, collectionOf, normalTokenId } from './asset-set.ts'
import { amountKinds, type CompileContext } from './condition.ts'
import type { Facts, Layer, WindowKey, WindowRef } from './decision.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { DuringError, parseZone } from './during.ts'
import { gainerOf } from './effect-fields.ts'
import { type PriceSource, parseValue } from './prices.ts'
import type { CalendarUnit, LimitDocument, LimitSubject, RuleDocument, WindowDocument } from './schema.ts'
import type { TimeZone } from './time-zone.ts'
import { priceSourceFor } from './value-condition.ts'

/** A running total of a rule. */
export interface Limit {
  readonly id: string
  readonly measure: 'count' | 'amount' | 'value'
  /** What of a window key does not depend on subject, layer and period. */
  readonly keySuffix: string
  /** The plain key that was made last. */
  readonly last: { walletId: string; layer: Layer; key: WindowKey }
  /** Rolling: the length. Calendar: the longest that a period can be. */
  readonly windowMs: number
  readonly calendar: { readonly unit: CalendarUnit; readonly zone: TimeZone } | undefined
  readonly per: LimitSubject
  /** `undefined`: a count of requests, or a value. */
  readonly asset: AssetId | undefined
  readonly assets: AssetSet
  /** Only of values. */
  readonly prices: PriceSource | undefined
  /** Requests, smallest units, or millionths of the currency. */
  readonly limitMinor: bigint
}

const hourMs = 3_600_000
/** With an hour or two for clocks that are set back. */
const longestPeriodMs: Readonly<Record<CalendarUnit, number>> = {
  day: 26 * hourMs,
  week: (7 * 24 + 2) * hourMs,
  month: (31 * 24 + 2) * hourMs,
}

type Place = Pick<CompileContext, 'rule' | 'prices' | 'invalid' | 'parsed'> & { readonly policyId: string }

export function compileLimits(place: Place): Limit[] {
  const { rule, invalid } = place
  const limits = rule.limits ?? []
  if (limits.length > 0 && rule.action === 'forbid') {
    return invalid(
      'limits',
      'a forbid rule has nothing to count; put the limit on the permit rules, or drop it',
    )
  }
  const ids = new Set<string>()
  return limits.map((limit, i) => {
    const path = `limits[${i}]`
    if (ids.has(limit.id)) {
      invalid(`${path}.id`, `another limit of the rule has the id ${JSON.stringify(limit.id)}`)
    }
    ids.add(limit.id)
    return compileLimit(limit, path, place)
  })
}

function compileLimit(limit: LimitDocument, path: string, place: Place): Limit {
  const { rule, policyId, parsed } = place
  const { per = 'wallet' } = limit
  checkSubject(per, path, place)
  const shared = {
    id: limit.id,
    keySuffix: `${policyId}|${rule.id}|${limit.id}`,
    last: { walletId: '', layer: 'wallet' as Layer, key: '' as WindowKey },
    ...compileWindow(limit.window, `${path}.window`, place),
    per,
    asset: undefined,
    assets: new AssetSet([]),
    prices: undefined,
  }
  if ('count' in limit) return { ...shared, measure: 'count', limitMinor: BigInt(limit.count) }
  if ('value' in limit) {
    checkCounts(rule, path, place)
    const prices = priceSourceFor(limit.currency, `${path}.currency`, place)
    return { ...shared, measure: 'value', prices, limitMinor: parseValue(limit.value) }
  }
  const asset = parsed(`${path}.asset`, () => normalTokenId(parseAssetId(limit.asset, 'The asset')))
  checkCounts(rule, path, place)
  checkAsset(asset, path, place)
  const limitMinor = parsed(`${path}.amount`, () => parseAmountMinor(limit.amount, 'The amount'))
  return { ...shared, measure: 'amount', asset, assets: new AssetSet([asset]), limitMinor }
}

function compileWindow(
  { rolling, calendar, timeZone }: WindowDocument,
  path: string,
  { invalid }: Place,
): Pick<Limit, 'windowMs' | 'calendar'> {
  if ((rolling === undefined) === (calendar === undefined)) {
    return invalid(path, 'it needs exactly one of "rolling" and "calendar"')
  }
  if (calendar === undefined) {
    if (timeZone !== undefined) return invalid(`${path}.timeZone`, 'a rolling window has no time zone')
    const windowMs = parseDuration(rolling ?? '')
    if (windowMs === undefined) return invalid(`${path}.rolling`, 'the window is longer than 366d')
    return { windowMs, calendar: undefined }
  }
  if (timeZone === undefined) {
    return invalid(
      path,
      'a calendar window needs a "timeZone", for example "UTC": days begin at other times elsewhere',
    )
  }
  try {
    const zone = parseZone(timeZone, 'timeZone')
    return { windowMs: longestPeriodMs[calendar], calendar: { unit: calendar, zone } }
  } catch (error) {
    if (error instanceof DuringError) return invalid(`${path}.${error.path}`, error.message)
    throw error
  }
}

const gainingKinds: ReadonlySet<EffectKind> = new Set([
  'native-transfer',
  'token-transfer',
  'approval',
  'swap',
  'vault-deposit',
  'vault-withdrawal',
])

function checkSubject(per: LimitSubject, path: string, { rule, invalid }: Place): void {
  if (per !== 'recipient') return
  const misfit = rule.effects.find((kind) => !gainingKinds.has(kind))
  if (misfit !== undefined) {
    invalid(
      `${path}.per`,
      `the effect "${misfit}" names no recipient to count by; give "${misfit}" a rule of its own`,
    )
  }
}

function checkCounts(rule: RuleDocument, path: string, { invalid }: Place): void {
  const countless = rule.effects.find((kind) => !amountKinds.has(kind))
  if (countless !== undefined) {
    invalid(
      path,
      `the effect "${countless}" carries no amount of an asset, so this would not limit it; give "${countless}" a rule of its own`,
    )
  }
}

function checkAsset(asset: AssetId, path: string, { rule, invalid, parsed }: Place): void {
  const isToken = isTokenAsset(asset)
  const misfit = rule.effects.find((kind) => movesTokens(kind) === !isToken)
  if (
    misfit !== undefined &&
    !rule.limits?.some((other) => 'asset' in other && isTokenAsset(other.asset) !== isToken)
  ) {
    invalid(
      `${path}.asset`,
      `the effect "${misfit}" never moves ${asset}; give it a limit on what it moves, or a rule of its own`,
    )
  }
  const chains = rule.when?.chain
  const chain = asset.slice(0, asset.indexOf('/'))
  if (chains !== undefined && !chains.includes(chain)) {
    invalid(`${path}.asset`, `the rule is not about chain ${chain}, so the limit would never count`)
  }
  const listed = rule.when?.asset
  if (listed === undefined) return
  const parsedAssets = listed.map((other) =>
    normalTokenId(parsed(`${path}.asset`, () => parseAssetId(other))),
  )
  const overlaps =
    new AssetSet(parsedAssets).touches(asset) || parsedAssets.some((other) => collectionOf(other) === asset)
  if (!overlaps) {
    invalid(`${path}.asset`, `${asset} is not in the rule's "asset" list, so the limit would never count`)
  }
}

/** ERC-20, ERC-721, ERC-1155 and SPL tokens; everything else is a chain's own coin. */
export function isTokenAsset(asset: string): boolean {
  return asset.includes('/erc') || asset.includes('/token:')
}

/** `undefined`: coins or tokens, as it comes; a Safe can be asked to refund its gas in a token. */
function movesTokens(kind: EffectKind): boolean | undefined {
  if (kind === 'swap' || kind === 'wrap' || kind === 'fee') return undefined
  return kind === 'token-transfer' || kind === 'approval'
}

/** `undefined`: the request has no subject that the limit counts by. */
export function windowKey(limit: Limit, facts: Facts, layer: Layer, effect: Effect): WindowKey | undefined {
  if (limit.per === 'wallet' && limit.calendar === undefined) return plainKey(limit, facts.walletId, layer)
  const subject = subjectOf(limit.per, facts, effect)
  if (subject === undefined) return undefined
  const key = keyOf(limit, subject, layer)
  if (limit.calendar === undefined) return key
  const { unit, zone } = limit.calendar
  return `${key}|${unit}:${zone.period(unit, facts.nowMs).startMs}` as WindowKey
}

/** The commonest key is asked for again and again while one request is decided: it is made once. */
function plainKey(limit: Limit, walletId: string, layer: Layer): WindowKey {
  const { last } = limit
  if (last.walletId !== walletId || last.layer !== layer) {
    last.walletId = walletId
    last.layer = layer
    last.key = keyOf(limit, walletId, layer)
  }
  return last.key
}

function keyOf({ keySuffix }: Limit, subject: string, layer: Layer): WindowKey {
  return `${subject}|${layer}|${keySuffix}` as WindowKey
}

export function windowRef(key: WindowKey, limit: Limit, facts: Facts): WindowRef {
  if (limit.calendar === undefined) return { key, windowMs: limit.windowMs }
  const { unit, zone } = limit.calendar
  const period = zone.period(unit, facts.nowMs)
  return { key, windowMs: period.endMs - period.startMs, period }
}

function subjectOf(per: LimitSubject, facts: Facts, effect: Effect): string | undefined {
  switch (per) {
    case 'wallet':
      return facts.walletId
    case 'credential':
      return `credential:${facts.credentialId}`
    case 'grant':
      return facts.grantId === undefined ? undefined : `grant:${facts.grantId}`
    case 'group':
      return facts.groupId === undefined ? undefined : `group:${facts.groupId}`
    case 'organisation':
      return 'organisation'
    case 'recipient': {
      const gainer = gainerOf(effect)
      return gainer === undefined ? undefined : `recipient:${gainer}`
    }
  }
}

/** "24h", or "calendar day in Europe/Berlin"; follows "per". */
export function windowInWords({ windowMs, calendar }: Pick<Limit, 'windowMs' | 'calendar'>): string {
  return calendar === undefined
    ? formatDuration(windowMs)
    : `calendar ${calendar.unit} in ${calendar.zone.name}`
}
