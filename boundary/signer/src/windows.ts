import type { Reservation, WindowKey, WindowRef } from '@countersign/policy'
import type { LedgerTx } from './ledger.ts'
import type { BookedReservation } from './records.ts'

/** A window is cut into at most this many buckets, none shorter than a second. */
const bucketsMax = 86_400
const bucketMsMin = 1_000
const bucketDigits = 12
const expiredAtOnceMax = 4_096

/** How long the total of a calendar window outlives its period: a permit of its last moment may still be undone. */
const calendarRetentionMs = 7 * 24 * 60 * 60 * 1000

/**
 * What each window holds now. Amounts leave a rolling window by whole buckets, and only when the bucket's last
 * millisecond is older than the window: a total is never too low, and too high by one bucket at most. A calendar
 * window is one total for each of its periods, whose beginning stands in the key: exact, and nothing ever leaves it.
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
  if (ref.period !== undefined) return BigInt(record.sumMinor)
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
    const { period, amountMinor } = reservation
    if (period !== undefined) {
      // Decided and booked in one commit, with one time: it cannot be another period's.
      if (tx.nowMs < period.startMs || tx.nowMs >= period.endMs)
        throw new Error(`bug: ${window} is over, or not yet`)
      await addToPeriod(tx, { window, endMs: period.endMs, amountMinor })
      booked.push({ window, endMs: period.endMs, amountMinor: String(amountMinor) })
      continue
    }
    const bucket = Math.floor(tx.nowMs / bucketMs(reservation))
    await add(tx, { window, bucket, amountMinor })
    booked.push({ window, bucket, amountMinor: String(amountMinor) })
  }
  return booked
}

/** Undoes a booking whose signature never left the signer. What has run out meanwhile is gone already. */
export async function unbook(tx: LedgerTx, booked: readonly BookedReservation[]): Promise<void> {
  for (const one of booked) {
    const { window } = one
    const amountMinor = -BigInt(one.amountMinor)
    if ('endMs' in one) {
      if ((await tx.get('window', window)) !== undefined)
        await addToPeriod(tx, { window, endMs: one.endMs, amountMinor })
      continue
    }
    const { bucket } = one
    if ((await tx.get('bucket', bucketKey(window, bucket))) === undefined) continue
    await add(tx, { window, bucket, amountMinor })
  }
}

async function addToPeriod(
  tx: LedgerTx,
  { window, endMs, amountMinor }: { window: string; endMs: number; amountMinor: bigint },
): Promise<void> {
  const record = await tx.get('window', window)
  const sumMinor = BigInt(record?.sumMinor ?? '0') + amountMinor
  if (sumMinor < 0n) throw new Error(`bug: window ${window} went below zero`)
  tx.put('window', window, { sumMinor: String(sumMinor), oldest: null }, endMs + calendarRetentionMs)
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

/**
 * The length of a rolling window is part of its name: buckets of two lengths do not mix. That of a calendar window is
 * not: where a time zone's rules are corrected while a period runs, its total stays.
 */
function windowName({ key, windowMs, period }: WindowRef): string {
  return period === undefined ? `${key}|${windowMs}` : `${key}|calendar`
}

function bucketKey(window: string, bucket: number): string {
  return `${window}|${String(Math.min(bucket, 10 ** bucketDigits - 1)).padStart(bucketDigits, '0')}`
}
