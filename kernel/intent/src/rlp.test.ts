import { decodeHex, encodeHex } from '@countersign/bytes'
import fc from 'fast-check'
import { fromRlp, toRlp } from 'viem'
import { describe, expect, it } from 'vitest'
import { mutationsOf, unlessRefused } from '../testing/mutations.ts'
import { decodeRlp, encodeRlp, type RlpItem } from './rlp.ts'

const items = fc.letrec<{ item: RlpItem }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 4 },
    fc.uint8Array({ maxLength: 4 }),
    fc.uint8Array({ minLength: 50, maxLength: 300 }),
    fc.array(tie('item'), { maxLength: 5 }),
  ),
})).item

type HexItem = `0x${string}` | HexItem[]

function hexOf(item: RlpItem): HexItem {
  return item instanceof Uint8Array ? encodeHex(item) : item.map(hexOf)
}

describe('RLP', () => {
  it('encodes as viem does and decodes it again', () => {
    fc.assert(
      fc.property(items, (item) => {
        const encoded = encodeRlp(item)
        expect(encodeHex(encoded)).toBe(toRlp(hexOf(item)))
        expect(hexOf(decodeRlp(encoded))).toEqual(hexOf(item))
        expect(hexOf(decodeRlp(encoded))).toEqual(fromRlp(encoded, 'hex'))
      }),
      { numRuns: 300 },
    )
  })

  it('handles lengths of two and three bytes', () => {
    for (const length of [55, 56, 255, 256, 65_535, 65_536]) {
      const encoded = encodeRlp([new Uint8Array(length).fill(7)])
      expect(encodeHex(encoded)).toBe(toRlp([encodeHex(new Uint8Array(length).fill(7))]))
      expect(encodeRlp(decodeRlp(encoded))).toEqual(encoded)
    }
  })

  it.each([
    ['nothing', '0x'],
    ['a wrapped single byte', '0x8101'],
    ['a wrapped zero', '0x8100'],
    ['a wrapped 0x7f inside a list', '0xc2817f'],
    ['a short string in long form', `0xb801ff`],
    ['55 bytes in long form', `0xb837${'aa'.repeat(55)}`],
    ['a short list in long form', '0xf801ff'],
    ['an empty list in long form', '0xf800'],
    ['a length with a leading zero', `0xb90038${'aa'.repeat(56)}`],
    ['a list length with a leading zero', `0xf90038${'01'.repeat(56)}`],
    ['a byte after the end', '0xc000'],
    ['two items', '0x8080'],
    ['a string that ends too early', '0x83aabb'],
    ['a list that ends too early', '0xc3aabb'],
    ['an item longer than its list', '0xc283aabbcc'],
    ['a length that is cut', '0xb9'],
    ['a length of 8 bytes', '0xbfffffffffffffffff'],
    ['a list length of 8 bytes', '0xffffffffffffffffff'],
    ['a length near 2^32', '0xbbffffffff'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeRlp(decodeHex(hex))).toThrow(expect.objectContaining({ code: 'INTENT_RLP_INVALID' }))
  })

  it('admits exactly its limits', () => {
    const nest = (depth: number): RlpItem => (depth === 0 ? [] : [nest(depth - 1)])
    expect(() => decodeRlp(encodeRlp(nest(7)))).not.toThrow()
    const limits = { payloadBytesMax: 100, itemsMax: 5, depthMax: 2 }
    const tooLarge = expect.objectContaining({ code: 'INTENT_TOO_LARGE' })
    expect(() => decodeRlp(encodeRlp(nest(8)))).toThrow(tooLarge)
    expect(() => decodeRlp(encodeRlp([[], [], [], []]), limits)).not.toThrow()
    expect(() => decodeRlp(encodeRlp([[], [], [], [], []]), limits)).toThrow(tooLarge)
    expect(() => decodeRlp(encodeRlp(new Uint8Array(98)), limits)).not.toThrow()
    expect(() => decodeRlp(encodeRlp(new Uint8Array(99)), limits)).toThrow(tooLarge)
  })

  it('refuses what is near RLP, or reads it as exactly those bytes', () => {
    fc.assert(
      fc.property(
        items.chain((item) => mutationsOf(encodeRlp(item))),
        (bytes) => {
          const item = unlessRefused(() => decodeRlp(bytes))
          if (item !== undefined) expect(encodeHex(encodeRlp(item))).toBe(encodeHex(bytes))
        },
      ),
      { numRuns: 3_000 },
    )
  })
})
