import fc from 'fast-check'
import { expect, it } from 'vitest'
import { plainLine } from './plain-text.ts'

it('lets nothing move the cursor, hide text or turn it around', () => {
  // Up one line, clear it, and write something else there.
  expect(plainLine('agent\u001b[1A\u001b[2Kpays nobody')).toBe('agent\\u{1b}[1A\\u{1b}[2Kpays nobody')
  expect(plainLine('\r\u0008\u009b')).toBe('\\u{d}\\u{8}\\u{9b}')
  expect(plainLine('\u202e\u2066\u200b\u2028\u{e0041}')).toBe(
    '\\u{202e}\\u{2066}\\u{200b}\\u{2028}\\u{e0041}',
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(plainLine(text)).not.toMatch(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/u)
    }),
  )
})

it('leaves lines, tabs and every alphabet as they are', () => {
  const text = 'a\tb\n"Grüße, 世界" 1\u00a0000 🙂'
  expect(plainLine(text)).toBe(text)
})
