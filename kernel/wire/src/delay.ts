const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `0s`, or a number and a unit: "30m", "24h", "7d". */
export const delayForm = /^(?:0s|([1-9][0-9]{0,6})([smhd]))$/

/** Longer would lock out those who set it by mistake: taking a delay back waits it out too. */
export const delayMsMax = 90 * unitsMs.d

/** How long a change that loosens waits; with another maximum, any time from now on.
 * @returns milliseconds, or undefined where the text is no delay or over the maximum. */
export function parseDelay(text: string, maxMs: number = delayMsMax): number | undefined {
  const match = delayForm.exec(text)
  if (match === null) return undefined
  const [, number, unit] = match
  if (number === undefined) return 0
  const delayMs = Number(number) * unitsMs[unit as keyof typeof unitsMs]
  return delayMs <= maxMs ? delayMs : undefined
}

/** The inverse, in the largest unit that divides it, but 24h for a day. */
export function formatDelay(delayMs: number): string {
  if (delayMs % unitsMs.d === 0 && delayMs > unitsMs.d) return `${delayMs / unitsMs.d}d`
  if (delayMs % unitsMs.h === 0 && delayMs > 0) return `${delayMs / unitsMs.h}h`
  if (delayMs % unitsMs.m === 0 && delayMs > 0) return `${delayMs / unitsMs.m}m`
  return `${delayMs / unitsMs.s}s`
}
