import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatKeyUri, parseKeyUri } from './index.ts'

describe('key URI', () => {
  it('is what it was made of', () => {
    const parts = fc.record({
      backend: fc.stringMatching(/^[a-z][a-z0-9]{0,31}$/),
      algorithm: fc.constantFrom('secp256k1' as const, 'ed25519' as const),
      name: fc.stringMatching(/^[a-z0-9_-]{1,64}$/),
    })
    fc.assert(
      fc.property(parts, (value) => {
        expect(parseKeyUri(formatKeyUri(value))).toEqual(value)
      }),
    )
  })

  it('is refused, or says the same thing when written again', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const text = `${a}:secp256k1:${b}`
        let parts: ReturnType<typeof parseKeyUri>
        try {
          parts = parseKeyUri(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'KEYS_URI_MALFORMED' })
          return
        }
        expect(formatKeyUri(parts)).toBe(text)
      }),
    )
  })
})
