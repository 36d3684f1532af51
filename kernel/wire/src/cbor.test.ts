import { concatBytes, decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cborDepthMax, cborItemsMax, decodeCbor, decodeCborItem } from './cbor.ts'
import { type Cbor, cborHead, encodeCbor } from './testing/authenticator.ts'
import { codeOf } from './testing/signed-request.ts'

const malformed = 'WIRE_PASSKEY_MALFORMED'
const hex = (text: string) => decodeHex(`0x${text}` as Hex)

describe('decodeCbor', () => {
  // RFC 8949 appendix A, those of its examples that are in the subset.
  it.each<[string, unknown]>([
    ['00', 0],
    ['0a', 10],
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1000],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['20', -1],
    ['3863', -100],
    ['3903e7', -1000],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['40', new Uint8Array()],
    ['4401020304', Uint8Array.of(1, 2, 3, 4)],
    ['60', ''],
    ['6449455446', 'IETF'],
    ['62c3bc', 'ü'],
    ['64f0908591', '\u{10151}'],
    ['80', []],
    ['8301820203820405', [1, [2, 3], [4, 5]]],
    ['a0', new Map()],
    [
      'a201020304',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    [
      'a26161016162820203',
      new Map<string, unknown>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    ],
  ])('reads %s', (text, value) => {
    expect(decodeCbor(hex(text))).toEqual(value)
  })

  it.each([
    ['nothing', ''],
    ['a number that could be shorter', '1817'],
    ['the same in two bytes', '1900ff'],
    ['in four', '1a0000ffff'],
    ['in eight', '1b00000000ffffffff'],
    ['an integer beyond 2^53', '1b0020000000000000'],
    ['a negative one', '3b0020000000000000'],
    ['the largest', '1bffffffffffffffff'],
    ['a reserved length', '1c'],
    ['bytes of indefinite length', '5f42010243030405ff'],
    ['a map of indefinite length', 'bf61610161629f0203ffff'],
    ['a tag', 'c074323031332d30332d32315432303a30343a30305a'],
    ['half a float', 'f90000'],
    ['a float', 'fb3ff199999999999a'],
    ['undefined', 'f7'],
    ['a simple value', 'f0'],
    ['a simple value of two bytes', 'f8ff'],
    ['a break', 'ff'],
    ['bytes that end too early', '4401'],
    ['an announced length beyond everything', '5b001fffffffffffff'],
    ['an array that ends too early', '8201'],
    ['a map without its last value', 'a101'],
    ['text that is not UTF-8', '61ff'],
    ['a key that stands twice', 'a201020103'],
    ['keys in another order', 'a203040102'],
    ['keys by length in another order', 'a262616101616202'],
    ['a negative key before a positive one', 'a220010102'],
    ['a key of bytes', 'a1410102'],
    ['a map as key', 'a1a00102'],
    ['something after its end', '0000'],
  ])('refuses %s', (_what, text) => {
    expect(codeOf(() => decodeCbor(hex(text)))).toBe(malformed)
  })

  it('takes keys in another order only where it is told to, and never twice', () => {
    expect(decodeCbor(hex('a203040102'), { sortedKeys: false })).toEqual(
      new Map([
        [3, 4],
        [1, 2],
      ]),
    )
    expect(codeOf(() => decodeCbor(hex('a201020103'), { sortedKeys: false }))).toBe(malformed)
  })

  it('nests and counts up to its limits and no further', () => {
    const nested = (depth: number) => hex(`${'81'.repeat(depth)}00`)
    expect(() => decodeCbor(nested(cborDepthMax))).not.toThrow()
    expect(codeOf(() => decodeCbor(nested(cborDepthMax + 1)))).toBe(malformed)
    const long = (items: number) => concatBytes(cborHead(4, items), new Uint8Array(items))
    expect(decodeCbor(long(cborItemsMax))).toHaveLength(cborItemsMax)
    expect(codeOf(() => decodeCbor(long(cborItemsMax + 1)))).toBe(malformed)
    const two = concatBytes(hex('82'), long(64), long(63))
    expect(codeOf(() => decodeCbor(two))).toBe(malformed)
  })

  it('says where an item ends', () => {
    expect(decodeCborItem(hex('ff820102ff'), 1)).toEqual({ value: [1, 2], end: 4 })
  })
})

const leaf = fc.oneof(
  fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  fc.string({ maxLength: 8 }),
  fc.uint8Array({ maxLength: 8 }),
  fc.boolean(),
  fc.constant(null),
)
const value = fc.oneof(leaf, fc.array(fc.oneof(leaf, fc.array(leaf, { maxLength: 3 })), { maxLength: 5 }))

describe('decodeCbor, for all values', () => {
  it('reads what was encoded, and encodes again to the same bytes', () => {
    fc.assert(
      fc.property(value, (one) => {
        const bytes = encodeCbor(one as Cbor)
        const read = decodeCbor(bytes)
        expect(read).toEqual(one)
        expect(encodeHex(encodeCbor(read as Cbor))).toBe(encodeHex(bytes))
      }),
    )
  })

  it('whatever bytes come: a value that has only these bytes, or a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let read: Cbor
        try {
          read = decodeCbor(bytes) as Cbor
        } catch (error) {
          expect((error as { code: string }).code).toBe(malformed)
          return
        }
        expect(encodeHex(encodeCbor(read))).toBe(encodeHex(bytes))
      }),
      { numRuns: 5_000 },
    )
  })
})
