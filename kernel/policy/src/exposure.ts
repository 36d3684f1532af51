import {
  type AccountAddress,
  type AssetId,
  isCountersignError,
  parseAccountAddress,
} from '@countersign/bytes'
import { type EffectKind, effectKinds } from '@countersign/intent'
import { formatCoins } from './amount-text.ts'
import { collectionOf } from './asset-set.ts'
import type { Layer, RuleId } from './decision.ts'
import { formatDuration } from './duration.ts'
import type { PolicyLayer } from './evaluate.ts'
import { tightest } from './exposure-bounds.ts'
import { isTokenAsset } from './limit.ts'
import type { Limit, Rule } from './policy.ts'
import type { CalendarUnit, LimitSubject } from './schema.ts'

/**
 * The most that some credentials could have signed away of one wallet, from its policies alone. What is said holds
 * of signatures: a signed transaction or allowance can be used later than it was signed. Transfers, allowances,
 * fees and coins in deployments count; what moves by other means stands in `unbounded`. The L1 data fee of rollups
 * is not in the bytes, and comes on top.
 */
export interface Exposure {
  readonly walletId: string
  readonly credentialIds: readonly string[] | 'any'
  /** True where `unbounded` is empty: then nothing leaves but within `assets`. */
  readonly bounded: boolean
  /** Assets that no limit names are not here: where `bounded`, none of them can leave. */
  readonly assets: readonly AssetExposure[]
  /** Everybody who can receive, fees apart; `any` where some rule names none. */
  readonly recipients: readonly AccountAddress[] | 'any'
  readonly unbounded: readonly UnboundedExposure[]
}

export interface AssetExposure {
  readonly asset: AssetId
  /** Each holds by itself, the shortest window first. */
  readonly bounds: readonly ExposureBound[]
}

export interface ExposureBound {
  /** In any interval of `windowMs`, wherever it begins, no more than `amountMinor` is signed away. */
  readonly amountMinor: bigint
  readonly windowMs: number
  /** Whose limits add up to it. */
  readonly rules: readonly { readonly layer: Layer; readonly rule: RuleId }[]
}

export interface UnboundedExposure {
  readonly layer: Layer
  readonly rule: RuleId
  readonly effect: EffectKind
  readonly why: string
}

/**
 * A first, conservative bound: forbid rules, amounts per effect and counts are left out, so the truth may be less,
 * never more. A credential is taken to have whatever role a rule asks for. */
export function exposureOf(
  layers: readonly PolicyLayer[],
  walletId: string,
  credentialIds: readonly string[] | 'any',
): Exposure {
  const readings = layers.map((layer) => readLayer(layer, credentialIds))
  const kinds = effectKinds.filter(
    (kind) => readings.length > 0 && readings.every(({ rules }) => has(rules, kind)),
  )
  // An effect needs every layer, so the layer that bounds a kind bounds it for all.
  const unbounded = kinds
    .filter((kind) => readings.every((reading) => reading.unbounded.some((entry) => entry.effect === kind)))
    .flatMap((kind) =>
      readings.flatMap((reading) => reading.unbounded.filter((entry) => entry.effect === kind)),
    )
  return {
    walletId,
    credentialIds,
    bounded: unbounded.length === 0,
    assets: assetExposures(readings, kinds),
    recipients: recipientsOf(readings, kinds),
    unbounded,
  }
}

/** The exposure as sentences for people. */
export function describeExposure(exposure: Exposure): string[] {
  const lines = exposure.assets.flatMap(({ asset, bounds }) =>
    bounds.map(({ amountMinor, windowMs, rules }) => {
      const by = rules.map(({ layer, rule }) => `${rule} (${layer})`).join(', ')
      return `At most ${shown(amountMinor, asset)} in any ${formatDuration(windowMs)}, by ${rules.length === 1 ? 'rule' : 'rules'} ${by}.`
    }),
  )
  for (const { layer, rule, effect, why } of exposure.unbounded) {
    lines.push(`Unbounded: rule ${rule} (${layer}) permits ${effect}: ${why}.`)
  }
  if (lines.length === 0) return ['Nothing: no rule permits anything that could move value.']
  if (exposure.bounded)
    lines.push('Nothing else can leave, but for the L1 data fee, which rollups take on top of the fee.')
  else if (exposure.assets.length > 0) lines.push('The amounts above hold only for what is not unbounded.')
  if (exposure.recipients !== 'any' && exposure.recipients.length > 0) {
    lines.push(`Only to ${exposure.recipients.join(', ')}; fees go to whoever makes the block.`)
  }
  return lines
}

interface LayerReading {
  readonly layer: Layer
  readonly rules: readonly Rule[]
  readonly unbounded: readonly UnboundedExposure[]
}

function readLayer({ layer, policy }: PolicyLayer, credentialIds: readonly string[] | 'any'): LayerReading {
  const rules = (policy?.rules ?? []).filter(
    ({ action, credentials }) =>
      action === 'permit' &&
      (credentialIds === 'any' ||
        credentials === undefined ||
        credentialIds.some((id) => credentials.has(id))),
  )
  const unbounded = rules.flatMap((rule) =>
    [...rule.effects].flatMap((effect) => {
      const why = unboundedReason(rule, effect)
      return why === undefined ? [] : [{ layer, rule: rule.id, effect, why }]
    }),
  )
  return { layer, rules, unbounded }
}

function has(rules: readonly Rule[], kind: EffectKind): boolean {
  return rules.some((rule) => rule.effects.has(kind))
}

const unboundedKinds: Readonly<Partial<Record<EffectKind, string>>> = {
  'contract-call': 'what a call moves is up to the contract',
  'unknown-calldata': 'nobody can say what calldata does that does not decode',
  delegation: 'the delegate’s code can move everything',
  batch: 'calls that the batch contract makes count, but not what its code could do besides',
  delegatecall: 'the code runs with every right of the account',
  'user-operation': 'the entry point and the account’s code are trusted to do only what the operation says',
  'safe-transaction': 'a Safe moves what its owners sign',
  'delegation-grant': 'what the delegate may do is up to the caveats’ enforcers',
  swap: 'what a swap brings back is not counted, and the router is trusted',
  'vault-deposit': 'the bytes do not name what the vault takes',
  'vault-withdrawal': 'the bytes do not name what the vault gives',
  wrap: 'the wrapped coin’s contract is trusted',
  'program-call': 'what an instruction moves is up to the program',
  'account-creation': 'the program that owns the account moves what is in it',
  'token-authority': 'whoever has an authority can move or mint',
  stake: 'stake moves by other ways than it came',
  memo: 'a memo can be an order somewhere else',
  'data-output': 'data can be an order somewhere else',
  message: 'a message can be an order or a login somewhere else',
  'typed-data': 'typed data can be an order or an allowance somewhere else',
  'raw-digest': 'a digest can be that of any transaction',
  'raw-message': 'the bytes can be any transaction or order',
}

function unboundedReason(rule: Rule, effect: EffectKind): string | undefined {
  const always = unboundedKinds[effect]
  if (always !== undefined) return always
  if (rule.namesAccount) return 'it may be of another account, whose coins and tokens are not this wallet’s'
  if (!rule.limitsAmounts)
    return effect === 'approval' ? 'allowances have no amount limit' : 'it has no amount limit'
  if (boundsAmounts(rule)) return undefined
  return 'its amount limits count per credential, grant or recipient, of which there can be many'
}

/** One total for the wallet, or for more than the wallet. */
const boundingSubjects: ReadonlySet<LimitSubject> = new Set(['wallet', 'group', 'organisation'])

function isBounding({ measure, per }: Limit): boolean {
  return measure === 'amount' && boundingSubjects.has(per)
}

/** Whatever the rule permits is counted by a limit that has one total for all of it. */
function boundsAmounts({ limits, limitsAmounts }: Rule): boolean {
  return (
    limitsAmounts &&
    limits.every(
      ({ measure, asset }) =>
        measure !== 'amount' ||
        limits.some((other) => isBounding(other) && asset !== undefined && other.assets.covers(asset)),
    )
  )
}

function assetExposures(readings: readonly LayerReading[], kinds: readonly EffectKind[]): AssetExposure[] {
  const assets = new Set<AssetId>()
  for (const { rules } of readings) {
    for (const { asset } of rules.flatMap((rule) => rule.limits)) if (asset !== undefined) assets.add(asset)
  }
  return [...assets].sort().flatMap((asset): AssetExposure[] => {
    const moving = (isTokenAsset(asset) ? tokenKinds : coinKinds).filter((kind) => kinds.includes(kind))
    const bounds = tightest(assetBounds(readings, moving, asset))
    return bounds.length === 0 ? [] : [{ asset, bounds }]
  })
}

const coinKinds: readonly EffectKind[] = ['native-transfer', 'deploy', 'fee']
const tokenKinds: readonly EffectKind[] = ['token-transfer', 'approval', 'fee']

/** Which kinds of effect a layer is trusted to bound, in one way of bounding an asset. */
type Share = { readonly reading: LayerReading; readonly kinds: readonly EffectKind[] }

function assetBounds(
  readings: readonly LayerReading[],
  moving: readonly EffectKind[],
  asset: AssetId,
): ExposureBound[] {
  const judging = readings.filter((reading) => !namesOtherwise(reading, asset))
  const bounded = moving.filter((kind) => judging.some((reading) => isBoundedBy(reading, kind)))
  if (bounded.length === 0) return []
  const alone: Share[][] = judging
    .filter((reading) => bounded.every((kind) => isBoundedBy(reading, kind)))
    .map((reading) => [{ reading, kinds: bounded }])
  const ways = alone.length > 0 ? alone : [shared(judging, bounded)]
  const windows = new Set(
    readings.flatMap(({ rules }) =>
      rules.flatMap(({ limits }) =>
        limits.filter((limit) => isAbout(limit, asset)).map(({ windowMs }) => windowMs),
      ),
    ),
  )
  return [...windows].flatMap((windowMs) => ways.map((way) => wayBound(way, asset, windowMs)))
}

/** No layer bounds all kinds: each kind goes to the first that bounds it, and the layers' sums add up. */
function shared(judging: readonly LayerReading[], kinds: readonly EffectKind[]): Share[] {
  return judging
    .map((reading) => ({
      reading,
      kinds: kinds.filter((kind) => judging.find((other) => isBoundedBy(other, kind)) === reading),
    }))
    .filter((share) => share.kinds.length > 0)
}

/** Every rule of the layer on this kind limits amounts, and so covers by a limit whatever it permits. */
function isBoundedBy({ rules }: LayerReading, kind: EffectKind): boolean {
  return rules.every((rule) => !rule.effects.has(kind) || boundsAmounts(rule))
}

/** A layer that takes the contract for one of another standard counts it in other units. */
function namesOtherwise({ rules }: LayerReading, asset: AssetId): boolean {
  const contract = contractOf(asset)
  if (contract === undefined) return false
  return rules.some(({ limits }) =>
    limits.some(
      (limit) =>
        limit.asset !== undefined &&
        contractOf(limit.asset)?.key === contract.key &&
        contractOf(limit.asset)?.standard !== contract.standard,
    ),
  )
}

function contractOf(asset: AssetId): { readonly key: string; readonly standard: string } | undefined {
  const match = /^(.*)\/(erc\d+):(0x[0-9a-f]{40})/.exec(asset)
  return match === null ? undefined : { key: `${match[1]}/${match[3]}`, standard: match[2] as string }
}

/** The sum over the rules of the least that the limits of each leave. */
function wayBound(way: readonly Share[], asset: AssetId, windowMs: number): ExposureBound {
  let amountMinor = 0n
  const drawn: { layer: Layer; rule: RuleId }[] = []
  for (const { reading, kinds } of way) {
    for (const rule of reading.rules) {
      if (!kinds.some((kind) => rule.effects.has(kind))) continue
      const bound = ruleBound(rule, asset, windowMs)
      if (bound === 0n) continue
      amountMinor += bound
      drawn.push({ layer: reading.layer, rule: rule.id })
    }
  }
  return { amountMinor, windowMs, rules: drawn }
}

/**
 * The least that the limits of one rule leave. A limit of `a` per `w` leaves `ceil(W / w) * a` in any interval of
 * length W: that many intervals of length w cover it.
 */
function ruleBound(rule: Rule, asset: AssetId, windowMs: number): bigint {
  let whole: bigint | undefined
  const parts = new Map<AssetId, bigint>()
  for (const limit of rule.limits) {
    if (limit.asset === undefined || !isBounding(limit)) continue
    const left = limit.limitMinor * BigInt(periodsWithin(windowMs, limit))
    if (limit.assets.covers(asset)) {
      if (whole === undefined || left < whole) whole = left
    } else if (collectionOf(limit.asset) === asset) {
      const known = parts.get(limit.asset)
      if (known === undefined || left < known) parts.set(limit.asset, left)
    }
  }
  // Limits on single tokens bound the collection together: a token that no limit names does not move.
  return whole ?? [...parts.values()].reduce((sum, part) => sum + part, 0n)
}

const hourMs = 3_600_000
/** With room for clocks that are set forward. */
const shortestPeriodMs: Readonly<Record<CalendarUnit, number>> = {
  day: 22 * hourMs,
  week: (7 * 24 - 2) * hourMs,
  month: (28 * 24 - 2) * hourMs,
}

/**
 * Rolling: that many intervals of the limit's length cover the window. Calendar: an interval can begin at the end of
 * one period and reach into one more than fit into it.
 */
function periodsWithin(windowMs: number, { windowMs: ownMs, calendar }: Limit): number {
  if (calendar === undefined) return Math.ceil(windowMs / ownMs)
  return Math.floor(windowMs / shortestPeriodMs[calendar.unit]) + 2
}

function isAbout({ asset: limited, assets }: Limit, asset: AssetId): boolean {
  return limited !== undefined && (assets.covers(asset) || collectionOf(limited) === asset)
}

/** Kinds that name who receives; a fee goes to the block's maker and names nobody. */
const receivingKinds: ReadonlySet<EffectKind> = new Set(['native-transfer', 'token-transfer'])

function recipientsOf(
  readings: readonly LayerReading[],
  kinds: readonly EffectKind[],
): readonly AccountAddress[] | 'any' {
  const receiving = kinds.filter((kind) => kind !== 'fee')
  if (receiving.length === 0) return []
  if (receiving.some((kind) => !receivingKinds.has(kind))) return 'any'
  let all: ReadonlySet<AccountAddress> | undefined
  for (const { rules } of readings) {
    const listed = layerRecipients(rules.filter((rule) => receiving.some((kind) => rule.effects.has(kind))))
    if (listed === undefined) continue
    const before: ReadonlySet<AccountAddress> | undefined = all
    all = before === undefined ? listed : new Set([...listed].filter((address) => before.has(address)))
  }
  return all === undefined ? 'any' : [...all].sort()
}

/** `undefined`: anybody, or whoever stands in a book now or later. */
function layerRecipients(rules: readonly Rule[]): ReadonlySet<AccountAddress> | undefined {
  const listed = new Set<AccountAddress>()
  for (const { document } of rules) {
    if (document.when?.recipient === undefined) return undefined
    for (const entry of document.when.recipient) {
      const address = readRecipient(entry)
      if (address === undefined) return undefined
      listed.add(address)
    }
  }
  return listed
}

function readRecipient(entry: string): AccountAddress | undefined {
  try {
    return parseAccountAddress(entry)
  } catch (error) {
    if (isCountersignError(error)) return undefined
    throw error
  }
}

function shown(amountMinor: bigint, asset: AssetId): string {
  return asset.endsWith('/slip44:60')
    ? `${formatCoins(amountMinor)} of ${asset} (${amountMinor} smallest units)`
    : `${amountMinor} smallest units of ${asset}`
}
