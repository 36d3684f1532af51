import { copyBytes } from './byte-writer.ts'

/**
 * Matrices of bits in 32-bit words. Bit j of a row is bit j & 31 of word j >> 5, which on a little-endian machine is
 * bit j & 7 of byte j >> 3, the order of docs/mpc-protocol.md. Every platform with typed arrays in wide use is
 * little-endian; the others are refused here and not at the first wrong signature.
 */
if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) {
  throw new Error('bug: this platform is big-endian, and the bit order of these matrices is not')
}

/** A copy, because bytes of a message need not be aligned. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  if (bytes.length % 4 !== 0) throw new Error('bug: bytes that are no words')
  return new Uint32Array(copyBytes(bytes).buffer)
}

/** The same memory as bytes. */
export function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
}

/** All ones for a set bit, else 0: what secrets select with instead of a branch. */
export function bitMask(bytes: Uint8Array, bit: number): number {
  return -(((bytes[bit >> 3] as number) >> (bit & 7)) & 1)
}

const block = new Uint32Array(32)

/**
 * Transposes in blocks of 32 x 32 bits: the same steps whatever the bits.
 * @param matrix `rows` rows of `columns` bits, both multiples of 32.
 * @returns `columns` rows of `rows` bits. */
export function transpose(matrix: Uint32Array, rows: number, columns: number): Uint32Array {
  const rowWords = columns >> 5
  const outWords = rows >> 5
  if (rows % 32 !== 0 || columns % 32 !== 0 || matrix.length !== rows * rowWords) {
    throw new Error('bug: the matrix has other dimensions')
  }
  const out = new Uint32Array(columns * outWords)
  for (let down = 0; down < outWords; down++) {
    for (let right = 0; right < rowWords; right++) {
      for (let i = 0, at = 32 * down * rowWords + right; i < 32; i++, at += rowWords) {
        block[i] = matrix[at] as number
      }
      transposeBlock(block)
      for (let i = 0, at = 32 * right * outWords + down; i < 32; i++, at += outWords) {
        out[at] = block[i] as number
      }
    }
  }
  block.fill(0)
  return out
}

/** Swaps the off-diagonal quarters of ever smaller squares (Warren, Hacker's Delight, section 7-3). */
function transposeBlock(a: Uint32Array): void {
  let mask = 0x0000ffff
  for (let half = 16; half !== 0; half >>= 1, mask ^= mask << half) {
    for (let k = 0; k < 32; k = (k + half + 1) & ~half) {
      const swap = (((a[k] as number) >>> half) ^ (a[k + half] as number)) & mask
      a[k + half] = (a[k + half] as number) ^ swap
      a[k] = (a[k] as number) ^ (swap << half)
    }
  }
}
