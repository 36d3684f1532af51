import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf, transpose, wordsOf } from './bit-matrix.ts'
import { combineBlocks, combineElements } from './gf128.ts'

const element = fc.uint8Array({ minLength: 16, maxLength: 16 })
const zero = new Uint8Array(16)
const one = Uint8Array.of(1, ...new Uint8Array(15))

/** By the definition: polynomials over GF(2), then the remainder. */
function product(a: Uint8Array, b: Uint8Array): Uint8Array {
  const read = (bytes: Uint8Array) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  let [x, y, sum] = [read(a), read(b), 0n]
  for (; y > 0n; y >>= 1n, x <<= 1n) if (y & 1n) sum ^= x
  const modulus = (1n << 128n) | 0x87n
  for (let bit = 255n; bit >= 128n; bit--) if ((sum >> bit) & 1n) sum ^= modulus << (bit - 128n)
  return Uint8Array.from({ length: 16 }, (_, i) => Number((sum >> BigInt(8 * i)) & 255n))
}

const multiply = (a: Uint8Array, b: Uint8Array) => bytesOf(combineElements([a], wordsOf(concat(b, zero))))

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(a, (byte, i) => byte ^ (b[i] as number))
}

describe('GF(2^128)', () => {
  it('multiplies as the definition says', () => {
    fc.assert(
      fc.property(element, element, (a, b) => {
        expect(multiply(a, b)).toEqual(product(a, b))
        expect(multiply(b, a)).toEqual(multiply(a, b))
        expect(multiply(a, one)).toEqual(a)
        expect(multiply(a, zero)).toEqual(zero)
      }),
    )
  })

  it('has 2^128 elements: x^(2^128) = x', () => {
    fc.assert(
      fc.property(element, (a) => {
        let power = Uint8Array.from(a)
        for (let i = 0; i < 128; i++) power = Uint8Array.from(multiply(power, power))
        expect(power).toEqual(a)
      }),
      { numRuns: 10 },
    )
  })

  it('combines several elements with the last', () => {
    fc.assert(
      fc.property(fc.array(element, { minLength: 9, maxLength: 9 }), (all) => {
        const [factors, elements] = [all.slice(0, 4), all.slice(4)]
        const wanted = factors.reduce<Uint8Array>(
          (sum, factor, k) => xor(sum, product(factor, elements[k]!)),
          Uint8Array.from(elements[4]!),
        )
        expect(bytesOf(combineElements(factors, wordsOf(concat(...elements))))).toEqual(wanted)
      }),
    )
  })

  it('combines 128 elements at once as one by one, bit-sliced', () => {
    fc.assert(
      fc.property(
        fc.array(element, { minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 128 * 80, maxLength: 128 * 80 }),
        (factors, rows) => {
          const sliced = combineBlocks(factors, transpose(wordsOf(rows), 128, 640))
          const made = bytesOf(transpose(sliced, 128, 128))
          for (let o = 0; o < 128; o += 9) {
            const single = combineElements(factors, wordsOf(rows.subarray(80 * o, 80 * o + 80)))
            expect(made.subarray(16 * o, 16 * o + 16)).toEqual(bytesOf(single))
          }
        },
      ),
      { numRuns: 10 },
    )
  })

  it('reduces the highest coefficient of all', () => {
    const top = Uint8Array.of(...new Uint8Array(15), 128)
    const rows = new Uint32Array(2 * 128 * 4)
    rows.fill(0xffffffff, 127 * 4, 128 * 4)
    const made = bytesOf(transpose(combineBlocks([top], rows), 128, 128))
    expect(made.subarray(0, 16)).toEqual(product(top, top))
  })

  it('refuses blocks that do not fit the factors', () => {
    expect(() => combineBlocks([one], new Uint32Array(512))).toThrow('fit')
    expect(() => combineElements([one], new Uint32Array(4))).toThrow('fit')
  })
})
