import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bitMask, bytesOf, transpose, wordsOf } from './bit-matrix.ts'

const bit = (words: Uint32Array, rowWords: number, row: number, column: number) =>
  ((words[row * rowWords + (column >> 5)] as number) >>> (column & 31)) & 1

describe('matrices of bits', () => {
  it.each([
    [32, 32],
    [128, 640],
    [640, 128],
    [64, 96],
  ])('transposes %i by %i', (rows, columns) => {
    const words = (rows * columns) / 32
    fc.assert(
      fc.property(fc.uint32Array({ minLength: words, maxLength: words }), (matrix) => {
        const turned = transpose(matrix, rows, columns)
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < columns; column += 7) {
            if (bit(matrix, columns / 32, row, column) !== bit(turned, rows / 32, column, row)) {
              throw new Error(`bit ${row}, ${column} is elsewhere`)
            }
          }
        }
        expect(transpose(turned, columns, rows)).toEqual(matrix)
      }),
      { numRuns: 10 },
    )
  })

  it('refuses other dimensions', () => {
    for (const [words, rows, columns] of [
      [31, 32, 32],
      [33, 32, 32],
      [32, 31, 32],
      [32, 32, 33],
      [0, 32, 32],
    ] as const) {
      expect(() => transpose(new Uint32Array(words), rows, columns)).toThrow('dimensions')
    }
  })

  it('has the document’s order of bits', () => {
    const bytes = Uint8Array.of(0b0000_0010, 0, 0b1000_0000, 0, 1, 0, 0, 0)
    const set = Array.from({ length: 64 }, (_, i) => i).filter((i) => bitMask(bytes, i) === -1)
    expect(set).toEqual([1, 23, 32])
    expect(Array.from({ length: 64 }, (_, i) => i).filter((i) => bit(wordsOf(bytes), 2, 0, i) === 1)).toEqual(
      set,
    )
  })

  it('copies bytes to words, and shares words with bytes', () => {
    const bytes = Uint8Array.of(9, 1, 2, 3, 4).subarray(1)
    const words = wordsOf(bytes)
    bytesOf(words)[0] = 77
    expect(bytes[0]).toBe(1)
    expect(words[0]).toBe(0x0403024d)
    expect(() => wordsOf(new Uint8Array(3))).toThrow('no words')
  })
})
