import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeExactly } from './byte-reader.ts'
import { concatBytes, encodeU8, encodeU16, encodeU32, equalBytes } from './byte-writer.ts'
import { nobleSecp256k1Group as group } from './secp256k1-noble.ts'

const malformed = expect.objectContaining({ code: 'MPC_MALFORMED' })

describe('reading', () => {
  const fields = concatBytes(encodeU8(7), encodeU16(0x0102), encodeU32(0xfffefdfc), Uint8Array.of(9, 8))
  const read = (bytes: Uint8Array) =>
    decodeExactly(bytes, (reader) => [reader.u8(), reader.u16(), reader.u32(), [...reader.take(2)]])

  it('gives the fields', () => {
    expect(read(fields)).toEqual([7, 0x0102, 0xfffefdfc, [9, 8]])
  })

  it('refuses one byte less, every byte less, and one byte more', () => {
    for (let length = 0; length < fields.length; length++) {
      expect(() => read(fields.subarray(0, length))).toThrow(malformed)
    }
    expect(() => read(concatBytes(fields, Uint8Array.of(0)))).toThrow(malformed)
  })

  it('refuses what is no scalar and no point', () => {
    const scalar = (bytes: Uint8Array) => decodeExactly(bytes, (reader) => reader.scalar(group))
    const point = (bytes: Uint8Array) => decodeExactly(bytes, (reader) => reader.point(group))
    expect(scalar(group.scalars.encode(5n))).toBe(5n)
    expect(group.equals(point(group.encode(group.generator)), group.generator)).toBe(true)
    expect(() => scalar(new Uint8Array(32).fill(0xff))).toThrow(
      expect.objectContaining({ code: 'MPC_SCALAR_INVALID' }),
    )
    expect(() => point(new Uint8Array(33))).toThrow(expect.objectContaining({ code: 'MPC_POINT_INVALID' }))
    expect(() => scalar(new Uint8Array(31))).toThrow(malformed)
    expect(() => point(new Uint8Array(32))).toThrow(malformed)
  })

  it('take copies, view does not', () => {
    const bytes = Uint8Array.of(1, 2)
    const [copy, view] = decodeExactly(bytes, (reader) => [reader.take(1), reader.view(1)])
    bytes.fill(9)
    expect([copy?.[0], view?.[0]]).toEqual([1, 9])
  })
})

describe('writing', () => {
  it('never truncates a number', () => {
    expect([...encodeU16(257)]).toEqual([1, 1])
    expect([...encodeU32(65_536)]).toEqual([0, 1, 0, 0])
    for (const [encode, over] of [
      [encodeU8, 256],
      [encodeU16, 65_536],
      [encodeU32, 2 ** 32],
    ] as const) {
      expect(() => encode(over - 1)).not.toThrow()
      for (const wrong of [over, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => encode(wrong)).toThrow(/does not fit/)
      }
    }
  })

  it('compares content', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), (bytes, at) => {
        const other = bytes.slice()
        expect(equalBytes(bytes, other)).toBe(true)
        other[at % other.length] = (other[at % other.length] as number) ^ 0x80
        expect(equalBytes(bytes, other)).toBe(false)
        expect(equalBytes(bytes, bytes.subarray(1))).toBe(false)
      }),
    )
  })
})
