import type { Reservation, WindowKey, WindowRef } from '@countersign/policy'
import type { LedgerTx } from './ledger.ts'
import type { BookedReservation } from './records.ts'

/** A window is cut into at most this many buckets, none shorter than a second. */
const bucketsMax = 86_400
const bucketMsMin = 1_000
const bucketDigits = 12
const expiredAtOnceMax = 4_096

/**
 * What each window holds now. Amounts leave a rolling window by whole buckets, and only when the bucket's last
 * millisecond is older than the window: a total is never too low, and too high by one bucket at most.
 * Cost: constant, plus one row for each bucket that has just run out. */
export async function usedInWindows(
  tx: LedgerTx,
  refs: readonly WindowRef[],
): Promise<Map<WindowKey, bigint>> {
  const used = new Map<WindowKey, bigint>()
  for (const ref of refs) used.set(ref.key, await usedInWindow(tx, ref))
  return used
}

async function usedInWindow(tx: LedgerTx, ref: WindowRef): Promise<bigint> {
  const name = windowName(ref)
  const record = await tx.get('window', name)
  if (record === undefined) return 0n
  const firstLive = Math.floor((tx.nowMs - ref.windowMs) / bucketMs(ref))
  if (record.oldest === null || record.oldest >= firstLive) return BigInt(record.sumMinor)
  const expired = await tx.range(
    'bucket',
    bucketKey(name, record.oldest),
    bucketKey(name, firstLive),
    expiredAtOnceMax,
  )
  let sumMinor = BigInt(record.sumMinor)
  for (const { key, value } of expired) {
    sumMinor -= BigInt(value.amountMinor)
    tx.delete('bucket', key)
  }
  // Where more have run out than are read at once, the rest still counts, until the next request.
  const [first] = await tx.range(
    'bucket',
    bucketKey(name, record.oldest),
    bucketKey(name, Number.MAX_SAFE_INTEGER),
    1,
  )
  const oldest = first === undefined ? null : Number(first.key.slice(-bucketDigits))
  tx.put('window', name, { sumMinor: String(sumMinor), oldest })
  return sumMinor
}

/** Books what a decision takes. Call in the transaction that appends the permit, after `usedInWindows`. */
export async function book(tx: LedgerTx, reservations: readonly Reservation[]): Promise<BookedReservation[]> {
  const booked: BookedReservation[] = []
  for (const reservation of reservations) {
    const window = windowName(reservation)
    const bucket = Math.floor(tx.nowMs / bucketMs(reservation))
    await add(tx, { window, bucket, amountMinor: reservation.amountMinor })
    booked.push({ window, bucket, amountMinor: String(reservation.amountMinor) })
  }
  return booked
}

/** Undoes a booking whose signature never left the signer. What has run out meanwhile is gone already. */
export async function unbook(tx: LedgerTx, booked: readonly BookedReservation[]): Promise<void> {
  for (const { window, bucket, amountMinor } of booked) {
    if ((await tx.get('bucket', bucketKey(window, bucket))) === undefined) continue
    await add(tx, { window, bucket, amountMinor: -BigInt(amountMinor) })
  }
}

async function add(
  tx: LedgerTx,
  change: { window: string; bucket: number; amountMinor: bigint },
): Promise<void> {
  const { window, bucket, amountMinor } = change
  const record = (await tx.get('window', window)) ?? { sumMinor: '0', oldest: null }
  const key = bucketKey(window, bucket)
  const before = (await tx.get('bucket', key)) ?? { amountMinor: '0' }
  const sumMinor = BigInt(record.sumMinor) + amountMinor
  const bucketMinor = BigInt(before.amountMinor) + amountMinor
  if (sumMinor < 0n || bucketMinor < 0n) throw new Error(`bug: window ${window} went below zero`)
  tx.put('bucket', key, { amountMinor: String(bucketMinor) })
  tx.put('window', window, {
    sumMinor: String(sumMinor),
    oldest: record.oldest === null ? bucket : Math.min(record.oldest, bucket),
  })
}

function bucketMs(ref: WindowRef): number {
  return Math.max(bucketMsMin, Math.ceil(ref.windowMs / bucketsMax))
}

/** The window's length is part of the name: buckets of two lengths do not mix. */
function windowName(ref: WindowRef): string {
  return `${ref.key}|${ref.windowMs}`
}

function bucketKey(window: string, bucket: number): string {
  return `${window}|${String(Math.min(bucket, 10 ** bucketDigits - 1)).padStart(bucketDigits, '0')}`
}
