const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** One number and one unit: "30s", "15m", "24h", "7d". */
export const durationForm = /^([1-9][0-9]{0,7})([smhd])$/

/** The longest window or expiry that a policy can name: totals over longer times are not kept. */
export const durationMsMax = 366 * unitsMs.d

/** @returns milliseconds, or undefined where the text is no duration or is over `durationMsMax`. */
export function parseDuration(text: string): number | undefined {
  const match = durationForm.exec(text)
  if (match === null) return undefined
  const durationMs = Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs]
  return durationMs <= durationMsMax ? durationMs : undefined
}

/** The inverse of `parseDuration` up to the unit: the largest that divides it, but hours up to two days. */
export function formatDuration(durationMs: number): string {
  if (durationMs % unitsMs.d === 0 && durationMs > unitsMs.d) return `${durationMs / unitsMs.d}d`
  if (durationMs % unitsMs.h === 0) return `${durationMs / unitsMs.h}h`
  if (durationMs % unitsMs.m === 0) return `${durationMs / unitsMs.m}m`
  if (durationMs % unitsMs.s === 0) return `${durationMs / unitsMs.s}s`
  return `${durationMs}ms`
}
