import { concatBytes, decodeHex, type Hex } from '@countersign/bytes'
import { p256 } from '@noble/curves/nist.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDerSignature } from './ecdsa-der.ts'
import { encodeDer } from './testing/authenticator.ts'
import { codeOf } from './testing/signed-request.ts'

const malformed = 'WIRE_PASSKEY_MALFORMED'
const hex = (text: string) => decodeHex(`0x${text.replaceAll(' ', '')}` as Hex)
const scalar = (last: number) => concatBytes(new Uint8Array(31), Uint8Array.of(last))

describe('parseDerSignature', () => {
  it('reads short, padded and full integers', () => {
    expect(parseDerSignature(hex('3006 020101 020102'))).toEqual(concatBytes(scalar(1), scalar(2)))
    expect(parseDerSignature(hex('3007 02020080 020102'))).toEqual(concatBytes(scalar(0x80), scalar(2)))
    const full = hex(`3046 022100${'ff'.repeat(32)} 022100${'80'.repeat(32)}`)
    expect(parseDerSignature(full)).toEqual(hex('ff'.repeat(32) + '80'.repeat(32)))
  })

  it.each([
    ['nothing', ''],
    ['64 bytes as they are', '11'.repeat(64)],
    ['another tag', '3106 020101 020102'],
    ['a length that is too short', '3005 020101 020102'],
    ['a length that is too long', '3007 020101 020102'],
    ['a long form of the length', '308106 020101 020102'],
    ['something after its end', '3006 020101 020102 00'],
    ['something within, after the integers', '3007 020101 020102 00'],
    ['one integer', '3003 020101'],
    ['three integers', '3009 020101 020102 020103'],
    ['no integer', '3000'],
    ['an integer without bytes', '3005 0200 020102'],
    ['a negative r', '3006 020180 020102'],
    ['a negative s', '3006 020101 020180'],
    ['an r that is zero', '3006 020100 020102'],
    ['an s that is zero', '3006 020101 020100'],
    ['a padded r', '3007 02020001 020102'],
    ['a padded s', '3007 020101 02020001'],
    ['an r of 33 bytes', `3026 0221${'11'.repeat(33)} 020102`.replace('3026', '3028')],
    ['an integer that ends after the signature', '3006 020101 020402'],
    ['another type within', '3006 030101 020102'],
  ])('refuses %s', (_what, text) => {
    expect(codeOf(() => parseDerSignature(hex(text)))).toBe(malformed)
  })

  it('reads what noble writes, low s and high', () => {
    const secret = new Uint8Array(32).fill(9)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 32 }), fc.boolean(), (message, lowS) => {
        const signature = p256.sign(message, secret, { lowS })
        const der = p256.sign(message, secret, { lowS, format: 'der' })
        expect(parseDerSignature(der)).toEqual(signature)
        expect(encodeDer(signature)).toEqual(der)
      }),
      { numRuns: 30 },
    )
  })

  it('takes no bytes but those that it would be written in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 74 }), fc.nat(), (bytes, at) => {
        const good = encodeDer(concatBytes(scalar(200), scalar(5)))
        const changed = good.slice()
        changed[at % good.length] = bytes[0] ?? 0
        for (const one of [bytes, changed]) {
          let read: Uint8Array
          try {
            read = parseDerSignature(one)
          } catch (error) {
            expect((error as { code: string }).code).toBe(malformed)
            continue
          }
          expect(encodeDer(read)).toEqual(one)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
