import { describe, expect, it } from 'vitest'
import { codes, decide, effect, layersOf, permits, policy } from './fixtures.ts'

const during = (value: Record<string, unknown>) => ({ effects: ['native-transfer'], during: value })
const at = (text: string) => ({ nowMs: Date.parse(text) })
const ask = (value: Record<string, unknown>, time: string) =>
  permits(during(value), effect.native(), at(time))

const office = { timeZone: 'Europe/Berlin', days: ['mon', 'fri'], hours: [{ from: '09:00', to: '17:30' }] }
const night = { timeZone: 'Europe/Berlin', days: ['fri'], hours: [{ from: '22:00', to: '06:00' }] }

describe('during', () => {
  it('hours of listed days, to the millisecond', () => {
    // 2026-11-23 is a Monday; Berlin is an hour ahead.
    expect(ask(office, '2026-11-23T07:59:59.999Z')).toBe(false)
    expect(ask(office, '2026-11-23T08:00:00Z')).toBe(true)
    expect(ask(office, '2026-11-23T16:29:59.999Z')).toBe(true)
    expect(ask(office, '2026-11-23T16:30:00Z')).toBe(false)
    expect(ask(office, '2026-11-24T12:00:00Z')).toBe(false)
    expect(ask(office, '2026-11-27T12:00:00Z')).toBe(true)
  })

  it('an interval that crosses midnight is of the day on which it begins', () => {
    expect(ask(night, '2026-11-27T20:59:59Z')).toBe(false)
    expect(ask(night, '2026-11-27T21:00:00Z')).toBe(true)
    expect(ask(night, '2026-11-28T04:59:59Z')).toBe(true)
    expect(ask(night, '2026-11-28T05:00:00Z')).toBe(false)
    // The early hours of Friday are Thursday's.
    expect(ask(night, '2026-11-27T03:00:00Z')).toBe(false)
    expect(ask(night, '2026-11-28T21:00:00Z')).toBe(false)
    // Sunday's night is Monday's morning: the week wraps around.
    const sunday = { ...night, days: ['sun'] }
    expect(ask(sunday, '2026-11-30T03:00:00Z')).toBe(true)
    expect(ask(sunday, '2026-11-29T03:00:00Z')).toBe(false)
  })

  it('days without hours, hours without days, until midnight', () => {
    expect(ask({ timeZone: 'Asia/Tokyo', days: ['sat'] }, '2026-11-20T15:00:00Z')).toBe(true)
    expect(ask({ timeZone: 'Asia/Tokyo', days: ['sat'] }, '2026-11-20T14:59:59Z')).toBe(false)
    const evening = { timeZone: 'UTC', hours: [{ from: '18:00', to: '24:00' }] }
    expect(ask(evening, '2026-11-20T23:59:59.999Z')).toBe(true)
    expect(ask(evening, '2026-11-21T00:00:00Z')).toBe(false)
    const two = {
      timeZone: 'UTC',
      hours: [
        { from: '01:00', to: '02:00' },
        { from: '03:00', to: '04:00' },
      ],
    }
    expect(ask(two, '2026-11-20T02:30:00Z')).toBe(false)
    expect(ask(two, '2026-11-20T03:30:00Z')).toBe(true)
  })

  it('goes by the wall clock where it changes', () => {
    const small = { timeZone: 'Europe/Berlin', hours: [{ from: '02:00', to: '03:00' }] }
    // The hour is not there in spring, and there twice in autumn.
    expect(ask(small, '2026-03-29T00:59:59Z')).toBe(false)
    expect(ask(small, '2026-03-29T01:00:00Z')).toBe(false)
    expect(ask(small, '2026-10-25T00:00:00Z')).toBe(true)
    expect(ask(small, '2026-10-25T01:00:00Z')).toBe(true)
    expect(ask(small, '2026-10-25T01:59:59Z')).toBe(true)
    expect(ask(small, '2026-10-25T02:00:00Z')).toBe(false)
    const york = { timeZone: 'America/New_York', hours: [{ from: '09:00', to: '10:00' }] }
    expect(ask(york, '2026-03-07T14:00:00Z')).toBe(true)
    expect(ask(york, '2026-03-08T14:00:00Z')).toBe(false)
    expect(ask(york, '2026-03-08T13:00:00Z')).toBe(true)
  })

  it('instants', () => {
    const span = { notBefore: '2026-12-01T00:00:00Z', until: '2027-01-01T00:00:00+01:00' }
    expect(ask(span, '2026-11-30T23:59:59.999Z')).toBe(false)
    expect(ask(span, '2026-12-01T00:00:00Z')).toBe(true)
    expect(ask(span, '2026-12-31T22:59:59.999Z')).toBe(true)
    expect(ask(span, '2026-12-31T23:00:00Z')).toBe(false)
  })

  it('on a forbid rule, forbids during that time', () => {
    const layers = layersOf(
      policy(
        { effects: ['native-transfer'] },
        { ...during({ timeZone: 'UTC', days: ['sat', 'sun'] }), action: 'forbid' },
      ),
    )
    const asked = (time: string) => codes(decide(layers, { effects: [effect.native()], facts: at(time) }))
    expect(asked('2026-11-21T12:00:00Z')).toEqual(['POLICY_FORBIDDEN'])
    expect(asked('2026-11-23T12:00:00Z')).toEqual([])
  })

  it('says when it would apply', () => {
    const reason = (value: Record<string, unknown>, time: string) =>
      decide(layersOf(policy(during(value))), { effects: [effect.native()], facts: at(time) }).effects[0]
        ?.reasons[0]
    expect(reason(office, '2026-11-24T12:05:00Z')).toMatchObject({
      code: 'POLICY_TIME',
      message:
        'Rule r0: it applies on mon, fri from 09:00 to 17:30 in Europe/Berlin, and it is tue 13:05 there.',
    })
    expect(reason({ until: '2026-01-01T00:00:00Z' }, '2026-11-24T12:05:00Z')?.message).toContain(
      'until 2026-01-01',
    )
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['hours without a time zone', { hours: [{ from: '09:00', to: '10:00' }] }, 'timeZone'],
    ['a time zone without hours', { timeZone: 'UTC' }, 'says nothing'],
    ['a time zone that is none', { timeZone: 'Europe/Bonn', days: ['mon'] }, 'IANA'],
    ['an offset for a zone', { timeZone: '+01:00', days: ['mon'] }, 'pattern'],
    [
      'an interval that is empty',
      { timeZone: 'UTC', hours: [{ from: '09:00', to: '09:00' }] },
      'begins where it ends',
    ],
    ['an hour that is none', { timeZone: 'UTC', hours: [{ from: '24:00', to: '09:00' }] }, 'pattern'],
    ['a day that is none', { timeZone: 'UTC', days: ['Monday'] }, 'one of mon'],
    [
      'an end before its beginning',
      { notBefore: '2026-12-01T00:00:00Z', until: '2026-12-01T00:00:00Z' },
      'not after',
    ],
    ['a date that there is not', { until: '2026-02-30T00:00:00Z' }, 'no date'],
    ['a date that there is not, elsewhere', { until: '2026-02-29T23:30:00-05:00' }, 'no date'],
    ['an instant without offset', { until: '2026-12-01T00:00:00' }, 'pattern'],
    ['nothing', {}, '1 properties'],
  ])('refuses %s', (_name, value, words) => {
    expect(() => policy(during(value))).toThrow(words)
  })
})
