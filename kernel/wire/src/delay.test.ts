import fc from 'fast-check'
import { expect, it } from 'vitest'
import { delayMsMax, formatDelay, parseDelay } from './delay.ts'

it.each([
  ['0s', 0],
  ['1s', 1_000],
  ['15m', 900_000],
  ['24h', 86_400_000],
  ['90d', delayMsMax],
])('reads %s', (text, delayMs) => expect(parseDelay(text)).toBe(delayMs))

it.each([
  '',
  '0',
  '0h',
  '00s',
  '1',
  's',
  '-1s',
  '1.5h',
  '1 h',
  '1w',
  '91d',
  '2161h',
  '99999999s',
  '1H',
  '٣s',
])('refuses %j', (text) => expect(parseDelay(text)).toBeUndefined())

it('writes what it reads', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: delayMsMax / 1000 }), (seconds) => {
      expect(parseDelay(formatDelay(seconds * 1000))).toBe(seconds * 1000)
    }),
  )
})
