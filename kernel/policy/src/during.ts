import { type DuringDocument, weekdays } from './schema.ts'
import { TimeZone, weekdayOf } from './time-zone.ts'

/** When a rule applies. */
export interface During {
  judge(atMs: number): boolean
  /** Half a sentence that follows "Rule x:"; for instants that `judge` refused. */
  explain(atMs: number): string
}

interface Hours {
  /** Minutes of the local day; `to` is not included, and not after `from` where the interval crosses midnight. */
  readonly from: number
  readonly to: number
}

const dayMinutes = 24 * 60

/** @throws {DuringError} with where in `during` and what is wrong. */
export function compileDuring(document: DuringDocument): During {
  const { timeZone, days, hours, notBefore, until } = document
  const notBeforeMs = notBefore === undefined ? Number.NEGATIVE_INFINITY : instantOf(notBefore, 'notBefore')
  const untilMs = until === undefined ? Number.POSITIVE_INFINITY : instantOf(until, 'until')
  if (notBeforeMs >= untilMs) throw new DuringError('until', 'it is not after "notBefore"')
  const isLocal = days !== undefined || hours !== undefined
  if (isLocal && timeZone === undefined) {
    throw new DuringError('', '"days" and "hours" need a "timeZone", for example "UTC"')
  }
  if (!isLocal && timeZone !== undefined) {
    throw new DuringError('timeZone', 'it says nothing without "days" or "hours"')
  }
  const zone = timeZone === undefined ? undefined : parseZone(timeZone, 'timeZone')
  const listed = days === undefined ? undefined : new Set(days.map((day) => weekdays.indexOf(day)))
  const intervals = hours?.map(({ from, to }, i) => compileHours({ from, to }, i))
  const isDay = (day: number) => listed === undefined || listed.has(weekdayOf(day))
  const fits = (atMs: number): boolean => {
    if (zone === undefined) return true
    const { day, minuteOfDay } = zone.localTime(atMs)
    if (intervals === undefined) return isDay(day)
    return intervals.some(({ from, to }) =>
      from < to
        ? isDay(day) && minuteOfDay >= from && minuteOfDay < to
        : // The day is the one on which the interval begins.
          (isDay(day) && minuteOfDay >= from) || (isDay(day - 1) && minuteOfDay < to),
    )
  }
  return {
    judge: (atMs) => atMs >= notBeforeMs && atMs < untilMs && fits(atMs),
    explain: (atMs) => {
      if (atMs < notBeforeMs) return `it applies from ${notBefore} on`
      if (atMs >= untilMs) return `it applied until ${until}`
      return `it applies ${wanted(document)}, and it is ${zone === undefined ? '' : shownTime(zone, atMs)} there`
    },
  }
}

export class DuringError extends Error {
  readonly path: string

  constructor(path: string, message: string) {
    super(message)
    this.path = path
  }
}

/** @throws {DuringError} */
export function parseZone(name: string, path: string): TimeZone {
  const zone = TimeZone.parse(name)
  if (zone === undefined) {
    throw new DuringError(path, `${JSON.stringify(name)} is no IANA time zone that is known here`)
  }
  return zone
}

function compileHours({ from, to }: { from: string; to: string }, i: number): Hours {
  const interval = { from: minutesOf(from), to: minutesOf(to) }
  if (interval.from === interval.to) {
    throw new DuringError(`hours[${i}]`, 'it begins where it ends; for the whole day write 00:00 to 24:00')
  }
  return interval
}

function minutesOf(time: string): number {
  const minutes = Number(time.slice(0, 2)) * 60 + Number(time.slice(3))
  return Math.min(minutes, dayMinutes)
}

/** The schema has seen to the form; whether there is such a date, Date knows by rolling others over. */
function instantOf(text: string, path: string): number {
  const atMs = Date.parse(text)
  const offset = /([+-])(\d\d):(\d\d)$/.exec(text)
  const offsetMs =
    offset === null ? 0 : (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3])) * 60_000
  if (Number.isNaN(atMs) || new Date(atMs + offsetMs).toISOString().slice(0, 16) !== text.slice(0, 16)) {
    throw new DuringError(path, `${JSON.stringify(text)} is no date that there is`)
  }
  return atMs
}

function wanted({ timeZone, days, hours }: DuringDocument): string {
  const parts = [
    ...(days === undefined ? [] : [`on ${days.join(', ')}`]),
    ...(hours === undefined ? [] : [hours.map(({ from, to }) => `from ${from} to ${to}`).join(', ')]),
  ]
  return `${parts.join(' ')} in ${timeZone}`
}

function shownTime(zone: TimeZone, atMs: number): string {
  const { day, minuteOfDay } = zone.localTime(atMs)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${weekdays[weekdayOf(day)]} ${two(Math.floor(minuteOfDay / 60))}:${two(minuteOfDay % 60)}`
}
