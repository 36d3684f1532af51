import { base64, base64urlnopad } from '@scure/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from './hex.ts'
import { canonicalJson } from './json.ts'

const forms = [
  ['base64', encodeBase64, decodeBase64, base64],
  ['base64url', encodeBase64Url, decodeBase64Url, base64urlnopad],
] as const

/** Node's own decoder skips what it does not know; what is taken here is what the strict one takes. */
describe.each(forms)('%s by the platform', (_name, encode, decode, strict) => {
  const attempt = (read: (text: string) => Uint8Array, text: string) => {
    try {
      return [...read(text)]
    } catch {
      return 'refused'
    }
  }

  it('writes what the strict coder writes, also from the middle of a buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(10), (bytes, from) => {
        const part = bytes.subarray(Math.min(from, bytes.length))
        expect(encode(part)).toBe(strict.encode(part))
        expect([...decode(encode(part))]).toEqual([...part])
      }),
      { numRuns: 300 },
    )
  })

  it('reads what the strict coder reads, and refuses the rest', () => {
    const letters = fc.constantFrom('A', 'Q', 'g', 'w', '/', '+', '-', '_', '=', ' ', '\n', 'é', '%')
    const texts = fc.oneof(
      fc.string({ unit: letters, maxLength: 12 }),
      fc
        .tuple(fc.uint8Array({ maxLength: 9 }), fc.nat(12), letters)
        .map(([bytes, at, letter]) => encode(bytes).slice(0, at) + letter + encode(bytes).slice(at + 1)),
    )
    fc.assert(
      fc.property(texts, (text) => {
        expect(attempt(decode, text)).toEqual(attempt(strict.decode, text))
      }),
      { numRuns: 2_000 },
    )
  })
})

it('strings of canonical JSON are those of JSON.stringify', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      expect(canonicalJson(text)).toBe(JSON.stringify(text))
      expect(canonicalJson({ [text]: text })).toBe(JSON.stringify({ [text]: text }))
    }),
    { numRuns: 500 },
  )
})

it('keys of canonical JSON are strings like any other, however often they come', () => {
  for (let i = 0; i < 3; i++) {
    expect(() => canonicalJson({ '\ud800': 1 })).toThrow('lone surrogate')
    for (const key of ['__proto__', 'constructor', '\u2028', 'é', '"', 'k'.repeat(200)]) {
      const value = JSON.parse(`{${JSON.stringify(key)}:1}`)
      expect(canonicalJson(value)).toBe(JSON.stringify(value))
    }
  }
})
