import type { JsonObject } from '@countersign/bytes'
import type { RpcRequest } from './json-rpc.ts'

/** One payment, for an accountant. Every value is text; empty: not known, or not there. */
export const paymentColumns = [
  'time',
  'journal_index',
  'wallet',
  'address',
  'chain',
  'kind',
  'asset',
  'amount',
  'amount_unit',
  'amount_minor',
  'recipient',
  'from',
  'fee_asset',
  'fee_cap',
  'fee_paid',
  'status',
  'transaction_hash',
  'request_id',
  'credential',
  'agent',
  'workflow',
  'operator',
  'fiat_currency',
  'fiat_value',
  'fiat_price',
  'fiat_price_at',
  'fiat_price_by',
] as const
export type PaymentColumn = (typeof paymentColumns)[number]
export type PaymentRow = Readonly<Record<PaymentColumn, string>>

export interface PaymentSources {
  readonly rpcs: ReadonlyMap<string, RpcRequest>
  /** By asset id, from the command line. */
  readonly decimals: ReadonlyMap<string, number>
}

export interface SignedEntry {
  readonly index: number
  /** Whole (`wholeEntry`), of type `signed`. */
  readonly entry: JsonObject
  /** Whole too: it has the price facts that the decision counted on. */
  readonly permit: JsonObject | undefined
}

/** SLIP-44 numbers of coins, and the decimals that their chains count them in. */
const coinDecimals: Readonly<Record<string, number>> = { 0: 8, 60: 18, 501: 9 }
const decimalsMax = 77

interface Payment {
  readonly kind: string
  /** Index into the entry's effects. */
  readonly effect: number
  readonly asset: string
  readonly recipient: string
  readonly amountMinor: string
  readonly from?: string
}

interface Fee {
  readonly asset?: string
  readonly maxMinor?: string
}

/** @param entries Oldest first. */
export async function listPayments(
  entries: readonly SignedEntry[],
  sources: PaymentSources,
): Promise<readonly PaymentRow[]> {
  const rows: PaymentRow[] = []
  const decimals = new Map(sources.decimals)
  for (const signed of entries) {
    const { entry } = signed
    const payments = listOf<Payment>(entry.payments)
    const fees = listOf<Fee>(entry.fees)
    const isTransaction = typeof entry.transactionHash === 'string' || typeof entry.userOpHash === 'string'
    if (payments.length === 0 && !(isTransaction && fees.length > 0)) continue
    const fee = await feeOf(entry, fees, sources)
    for (const [i, payment] of (payments.length > 0 ? payments : [noPayment]).entries()) {
      const places = await decimalsOf(payment.asset, decimals, sources)
      // A transaction has one fee, so it stands on its first line only: columns can be added up.
      const ownFee = i === 0 ? fee : { ...noFee, status: fee.status }
      rows.push({ ...rowOf(signed, payment, places), ...ownFee })
    }
  }
  return rows
}

const noPayment: Payment = { kind: 'call', effect: -1, asset: '', recipient: '', amountMinor: '' }
const noFee = { fee_asset: '', fee_cap: '', fee_paid: '', status: '' }

function rowOf({ index, entry, permit }: SignedEntry, payment: Payment, decimals?: number): PaymentRow {
  const attribution = (entry.attribution ?? {}) as Record<string, unknown>
  const { asset, amountMinor, kind, recipient, from = '' } = payment
  const isKnown = decimals !== undefined && amountMinor !== ''
  return {
    ...noFee,
    time: textOf(entry.at),
    journal_index: String(index),
    wallet: textOf(entry.wallet),
    address: textOf(entry.address),
    chain: asset.split('/')[0] || chainOf(entry),
    kind,
    asset,
    amount: isKnown ? formatUnits(amountMinor, decimals) : amountMinor,
    amount_unit: amountMinor === '' ? '' : isKnown ? 'decimal' : 'minor',
    amount_minor: amountMinor,
    recipient,
    from,
    transaction_hash: textOf(entry.transactionHash) || textOf(entry.userOpHash),
    request_id: textOf(entry.requestId),
    credential: textOf(entry.credential),
    agent: textOf(attribution.agent),
    workflow: textOf(attribution.workflow),
    operator: textOf(attribution.operator),
    ...fiatOf({ entry, permit }, payment),
  }
}

interface Value {
  readonly effect: number
  readonly currency: string
  readonly amount: string
}

interface PriceDocument {
  readonly type: string
  readonly asset: string
  readonly currency: string
  readonly price: string
  readonly atMs: number
  readonly credentialId: string
}

/**
 * What the decision counted the payment as, at most, where a rule had it priced; and the signed prices that it had for
 * that. Nothing is looked up: where no price was used, the cells are empty.
 */
function fiatOf({ entry, permit }: Pick<SignedEntry, 'entry' | 'permit'>, { effect, asset }: Payment) {
  const value = listOf<Value>(entry.values).find((one) => one.effect === effect)
  if (value === undefined)
    return { fiat_currency: '', fiat_value: '', fiat_price: '', fiat_price_at: '', fiat_price_by: '' }
  const assets = asset.split(' or ').map((one) => one.toLowerCase())
  const prices = listOf<{ fact?: PriceDocument }>(permit?.facts).flatMap(({ fact }) =>
    fact?.type === 'price' && fact.currency === value.currency && assets.includes(fact.asset.toLowerCase())
      ? [fact]
      : [],
  )
  const joined = (of: (price: PriceDocument) => string) => prices.map(of).join(' ')
  return {
    fiat_currency: textOf(value.currency),
    fiat_value: textOf(value.amount),
    fiat_price: joined(({ price }) => price),
    fiat_price_at: joined(({ atMs }) => new Date(atMs).toISOString()),
    fiat_price_by: joined(({ credentialId }) => credentialId),
  }
}

async function feeOf(entry: JsonObject, fees: readonly Fee[], { rpcs, decimals }: PaymentSources) {
  const asset = fees[0]?.asset ?? ''
  const cap = fees.reduce((sum, fee) => (fee.asset === asset ? sum + BigInt(fee.maxMinor ?? '0') : sum), 0n)
  const places = decimals.get(asset) ?? decimalsOfCoin(asset)
  const shown = (minor: bigint) => (places === undefined ? String(minor) : formatUnits(String(minor), places))
  const paid = await paidFor(entry, rpcs)
  return {
    fee_asset: asset,
    fee_cap: fees.length === 0 ? '' : shown(cap),
    fee_paid: paid?.fee === undefined ? '' : shown(paid.fee),
    status: paid?.status ?? '',
  }
}

/** What the chain took, beside execution also for blobs and, on rollups, for the layer below. */
async function paidFor(entry: JsonObject, rpcs: PaymentSources['rpcs']) {
  const request = rpcs.get(chainOf(entry))
  const { transactionHash } = entry
  if (request === undefined || typeof transactionHash !== 'string') return undefined
  const answer = await request('eth_getTransactionReceipt', [transactionHash])
  if (answer === null) return { status: 'not mined', fee: undefined }
  const receipt = answer as Readonly<Record<string, unknown>>
  const fee =
    quantity(receipt.gasUsed) * quantity(receipt.effectiveGasPrice) +
    quantity(receipt.blobGasUsed) * quantity(receipt.blobGasPrice) +
    quantity(receipt.l1Fee)
  return { status: receipt.status === '0x1' ? 'mined' : 'reverted', fee }
}

/** What a chain has no word for costs nothing there. */
function quantity(value: unknown): bigint {
  return typeof value === 'string' && /^0x[0-9a-fA-F]{1,64}$/.test(value) ? BigInt(value) : 0n
}

function chainOf({ transaction, userOperation }: JsonObject): string {
  return textOf(((transaction ?? userOperation) as { chain?: unknown } | undefined)?.chain)
}

async function decimalsOf(
  asset: string,
  known: Map<string, number>,
  { rpcs }: PaymentSources,
): Promise<number | undefined> {
  const found = known.get(asset.toLowerCase()) ?? decimalsOfCoin(asset)
  if (found !== undefined) return found
  const [, chain, contract] = /^(eip155:\d+)\/erc20:(0x[0-9a-fA-F]{40})$/.exec(asset) ?? []
  const request = chain === undefined ? undefined : rpcs.get(chain)
  if (request === undefined || contract === undefined) return undefined
  // decimals() of ERC-20; what is no contract, or has none, is shown in its smallest unit.
  const answer = await request('eth_call', [{ to: contract, data: '0x313ce567' }, 'latest']).catch(() => '0x')
  const decimals = /^0x[0-9a-f]{64}$/.test(String(answer)) ? Number(BigInt(String(answer))) : Number.NaN
  if (!(decimals >= 0 && decimals <= decimalsMax)) return undefined
  known.set(asset.toLowerCase(), decimals)
  return decimals
}

function decimalsOfCoin(asset: string): number | undefined {
  return coinDecimals[/\/slip44:(\d+)$/.exec(asset)?.[1] ?? '']
}

/** Digits, never a float: as exact as the journal has it. */
function formatUnits(minor: string, decimals: number): string {
  const digits = minor.padStart(decimals + 1, '0')
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  const whole = digits.slice(0, digits.length - decimals)
  return decimals === 0 || fraction === '' ? whole : `${whole}.${fraction}`
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? (value as T[]) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
