import { describe, expect, it } from 'vitest'
import type { CalendarUnit } from './schema.ts'
import { TimeZone, weekdayOf } from './time-zone.ts'

const hourMs = 3_600_000

function zone(name: string): TimeZone {
  const found = TimeZone.parse(name)
  if (found === undefined) throw new Error(`no zone ${name}`)
  return found
}

function period(name: string, unit: CalendarUnit, at: string) {
  const { startMs, endMs } = zone(name).period(unit, Date.parse(at))
  return [new Date(startMs).toISOString(), new Date(endMs).toISOString(), (endMs - startMs) / hourMs]
}

describe('TimeZone', () => {
  it('knows IANA zones and no others', () => {
    for (const name of ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Asia/Kathmandu']) {
      expect(TimeZone.parse(name)?.name).toBe(name)
    }
    for (const name of ['', 'Mars/Olympus', 'Europe/Berlin ', 'CEST?', '+25:00']) {
      expect(TimeZone.parse(name), name).toBeUndefined()
    }
  })

  it.each([
    ['UTC', '2026-11-21T23:59:59.999Z', 23 * 60 + 59],
    ['Europe/Berlin', '2026-07-01T22:30:00Z', 30],
    ['Asia/Kathmandu', '2026-07-01T00:00:00Z', 5 * 60 + 45],
    ['America/St_Johns', '2026-01-01T00:00:00Z', 20 * 60 + 30],
    // Before and after both changes of the clock.
    ['Europe/Berlin', '2026-03-29T00:59:59Z', 119],
    ['Europe/Berlin', '2026-03-29T01:00:00Z', 180],
    ['Europe/Berlin', '2026-10-25T00:59:59Z', 179],
    ['Europe/Berlin', '2026-10-25T01:00:00Z', 120],
  ])('reads the local clock: %s at %s', (name, at, minuteOfDay) => {
    expect(zone(name).localTime(Date.parse(at)).minuteOfDay).toBe(minuteOfDay)
  })

  it('counts weekdays from Monday', () => {
    expect(weekdayOf(0)).toBe(3)
    expect(weekdayOf(-1)).toBe(2)
    expect(weekdayOf(zone('UTC').localTime(Date.parse('2026-11-23T00:00:00Z')).day)).toBe(0)
    expect(weekdayOf(zone('Asia/Tokyo').localTime(Date.parse('2026-11-22T15:00:00Z')).day)).toBe(0)
  })

  it.each<[string, CalendarUnit, string, readonly (string | number)[]]>([
    ['UTC', 'day', '2026-11-21T00:00:00Z', ['2026-11-21T00:00:00.000Z', '2026-11-22T00:00:00.000Z', 24]],
    ['UTC', 'day', '2026-11-20T23:59:59.999Z', ['2026-11-20T00:00:00.000Z', '2026-11-21T00:00:00.000Z', 24]],
    // The day that loses an hour, and the one that has it twice.
    [
      'Europe/Berlin',
      'day',
      '2026-03-29T12:00:00Z',
      ['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z', 23],
    ],
    [
      'Europe/Berlin',
      'day',
      '2026-10-25T00:30:00Z',
      ['2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z', 25],
    ],
    [
      'Europe/Berlin',
      'day',
      '2026-10-25T01:30:00Z',
      ['2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z', 25],
    ],
    [
      'America/New_York',
      'day',
      '2026-03-08T12:00:00Z',
      ['2026-03-08T05:00:00.000Z', '2026-03-09T04:00:00.000Z', 23],
    ],
    [
      'America/New_York',
      'day',
      '2026-11-01T12:00:00Z',
      ['2026-11-01T04:00:00.000Z', '2026-11-02T05:00:00.000Z', 25],
    ],
    // Half an hour, in the other hemisphere.
    [
      'Australia/Lord_Howe',
      'day',
      '2026-04-04T20:00:00Z',
      ['2026-04-04T13:00:00.000Z', '2026-04-05T13:30:00.000Z', 24.5],
    ],
    // Clocks go forward at midnight: the day begins at one.
    [
      'Africa/Cairo',
      'day',
      '2026-04-24T12:00:00Z',
      ['2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z', 23],
    ],
    // Clocks go back at midnight: the day before has the hour twice.
    [
      'Africa/Cairo',
      'day',
      '2026-10-29T20:30:00Z',
      ['2026-10-28T21:00:00.000Z', '2026-10-29T22:00:00.000Z', 25],
    ],
    [
      'America/Havana',
      'day',
      '2026-11-01T04:30:00Z',
      ['2026-11-01T04:00:00.000Z', '2026-11-02T05:00:00.000Z', 25],
    ],
    [
      'UTC',
      'week',
      '2026-11-22T23:59:59.999Z',
      ['2026-11-16T00:00:00.000Z', '2026-11-23T00:00:00.000Z', 168],
    ],
    [
      'Europe/Berlin',
      'week',
      '2026-10-25T22:59:59.999Z',
      ['2026-10-18T22:00:00.000Z', '2026-10-25T23:00:00.000Z', 169],
    ],
    [
      'UTC',
      'month',
      '2026-02-28T23:59:59.999Z',
      ['2026-02-01T00:00:00.000Z', '2026-03-01T00:00:00.000Z', 672],
    ],
    ['UTC', 'month', '2028-02-29T12:00:00Z', ['2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z', 696]],
    [
      'UTC',
      'month',
      '2026-12-31T23:59:59.999Z',
      ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z', 744],
    ],
    [
      'Europe/Berlin',
      'month',
      '2026-10-31T22:59:59.999Z',
      ['2026-09-30T22:00:00.000Z', '2026-10-31T23:00:00.000Z', 745],
    ],
    [
      'Europe/Berlin',
      'month',
      '2026-10-31T23:00:00Z',
      ['2026-10-31T23:00:00.000Z', '2026-11-30T23:00:00.000Z', 720],
    ],
    [
      'Pacific/Kiritimati',
      'month',
      '2026-12-31T09:59:59.999Z',
      ['2026-11-30T10:00:00.000Z', '2026-12-31T10:00:00.000Z', 744],
    ],
    // The date that Samoa left out.
    [
      'Pacific/Apia',
      'day',
      '2011-12-30T09:59:59.999Z',
      ['2011-12-29T10:00:00.000Z', '2011-12-30T10:00:00.000Z', 24],
    ],
    [
      'Pacific/Apia',
      'day',
      '2011-12-30T10:00:00Z',
      ['2011-12-30T10:00:00.000Z', '2011-12-31T10:00:00.000Z', 24],
    ],
  ])('%s: the %s at %s', (name, unit, at, wanted) => {
    expect(period(name, unit, at)).toEqual(wanted)
  })

  it('periods follow on each other without gap or overlap, over all changes of the clock of two years', () => {
    for (const name of [
      'Europe/Berlin',
      'America/New_York',
      'America/Havana',
      'Africa/Cairo',
      'Australia/Lord_Howe',
      'America/St_Johns',
      'Asia/Beirut',
      'Pacific/Apia',
    ]) {
      for (const [unit, least, most] of [
        ['day', 22, 26],
        ['week', 166, 170],
        ['month', 670, 746],
      ] as const) {
        const fresh = zone(name)
        let at = Date.parse('2025-12-31T00:00:00Z')
        const until = Date.parse('2028-01-01T00:00:00Z')
        while (at < until) {
          const { startMs, endMs } = fresh.period(unit, at)
          const hours = (endMs - startMs) / hourMs
          expect(startMs <= at && at < endMs, name).toBe(true)
          expect(hours >= least && hours <= most, `${name} ${unit} of ${hours} h`).toBe(true)
          // The last millisecond is of the same period, whoever asks first; the next one is of the next.
          expect(zone(name).period(unit, endMs - 1)).toEqual({ unit, startMs, endMs })
          expect(zone(name).period(unit, endMs).startMs).toBe(endMs)
          at = endMs
        }
      }
    }
  })

  it('gives the same period whatever it was asked before', () => {
    const one = zone('Europe/Berlin')
    const late = Date.parse('2026-10-25T12:00:00Z')
    const early = Date.parse('2026-03-29T12:00:00Z')
    const first = one.period('day', early)
    one.period('day', late)
    expect(one.period('day', early)).toEqual(first)
    expect(one.localTime(late).minuteOfDay).toBe(13 * 60)
    expect(one.localTime(early).minuteOfDay).toBe(14 * 60)
  })
})
