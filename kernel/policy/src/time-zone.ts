import type { CalendarUnit } from './schema.ts'

/** One calendar day, week or month of a time zone, as instants: [startMs, endMs). */
export interface Period {
  readonly unit: CalendarUnit
  readonly startMs: number
  readonly endMs: number
}

export interface LocalTime {
  /** Days since 1970-01-01 of the local date. */
  readonly day: number
  readonly minuteOfDay: number
}

const secondMs = 1_000
const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/**
 * A local date and time by the time zone database of the runtime (Intl). Zones change their offset at whole minutes,
 * so what is asked twice within a minute is looked up once.
 */
export class TimeZone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat
  #minute = Number.NaN
  #local: LocalTime = { day: 0, minuteOfDay: 0 }
  readonly #periods: Partial<Record<CalendarUnit, Period>> = {}

  private constructor(name: string, format: Intl.DateTimeFormat) {
    this.name = name
    this.#format = format
  }

  /** @returns undefined where the runtime knows no such zone. */
  static parse(name: string): TimeZone | undefined {
    try {
      const format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        calendar: 'iso8601',
        numberingSystem: 'latn',
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      })
      return new TimeZone(name, format)
    } catch (error) {
      if (error instanceof RangeError) return undefined
      throw error
    }
  }

  localTime(atMs: number): LocalTime {
    const minute = Math.floor(atMs / minuteMs)
    if (minute !== this.#minute) {
      const localMs = this.#localMs(minute * minuteMs)
      const day = Math.floor(localMs / dayMs)
      this.#local = { day, minuteOfDay: Math.floor((localMs - day * dayMs) / minuteMs) }
      this.#minute = minute
    }
    return this.#local
  }

  /** The period that holds `atMs`. Periods of one unit follow on each other without gap or overlap. */
  period(unit: CalendarUnit, atMs: number): Period {
    const known = this.#periods[unit]
    if (known !== undefined && known.startMs <= atMs && atMs < known.endMs) return known
    let first = firstDayOf(unit, this.localTime(atMs).day)
    let startMs = this.#dayStartMs(first)
    // Where clocks are set back over midnight, a date is left and entered again: it began when it was first entered.
    while (atMs < startMs) {
      first = firstDayOf(unit, first - 1)
      startMs = this.#dayStartMs(first)
    }
    let next = nextDayOf(unit, first)
    let endMs = this.#dayStartMs(next)
    while (atMs >= endMs) {
      startMs = endMs
      next = nextDayOf(unit, next)
      endMs = this.#dayStartMs(next)
    }
    const period = { unit, startMs, endMs }
    this.#periods[unit] = period
    return period
  }

  /** The instant at which the local clock first shows this date or a later one: midnight is not in every day. */
  #dayStartMs(day: number): number {
    const midnight = day * (dayMs / secondMs)
    // Local time is between 14 hours ahead of and 12 hours behind UTC; with room for what zones may still do.
    let before = midnight - (16 * hourMs) / secondMs
    let after = midnight + (14 * hourMs) / secondMs
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2)
      if (this.#localMs(middle * secondMs) >= midnight * secondMs) after = middle
      else before = middle
    }
    return after * secondMs
  }

  /** The local clock, read as if it were UTC. */
  #localMs(atMs: number): number {
    const at: Record<string, number> = {}
    for (const { type, value } of this.#format.formatToParts(new Date(atMs))) at[type] = Number(value)
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = at
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }
}

/** Monday is 0. */
export function weekdayOf(day: number): number {
  // 1970-01-01 was a Thursday.
  return (((day + 3) % 7) + 7) % 7
}

function firstDayOf(unit: CalendarUnit, day: number): number {
  switch (unit) {
    case 'day':
      return day
    case 'week':
      return day - weekdayOf(day)
    case 'month':
      return day - new Date(day * dayMs).getUTCDate() + 1
  }
}

function nextDayOf(unit: CalendarUnit, first: number): number {
  switch (unit) {
    case 'day':
      return first + 1
    case 'week':
      return first + 7
    case 'month': {
      const date = new Date(first * dayMs)
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / dayMs
    }
  }
}
