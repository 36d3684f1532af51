import { bitMask } from './bit-matrix.ts'
import { sigma } from './messages.ts'

/**
 * GF(2^128) = GF(2)[x]/(x^128 + x^7 + x^2 + x + 1); bit j of an element is the coefficient of x^j.
 * One factor of every product here is public (a challenge): loops and branches follow its bits, never the other's.
 */
const words = sigma / 32

/** The challenges of one check: its public factors. @param bytes 16 bytes each. */
function listExponents(factor: Uint8Array): number[] {
  const exponents: number[] = []
  for (let i = 0; i < sigma; i++) if (bitMask(factor, i) !== 0) exponents.push(i)
  return exponents
}

/**
 * For 128 elements at once, bit-sliced: row p holds the coefficient of x^p of all of them, four words.
 * @param factors Public, 16 bytes each.
 * @param rows One block of 128 rows for each factor, and one more.
 * @returns sum of factor k times block k, plus the last block: 128 rows. */
export function combineBlocks(factors: readonly Uint8Array[], rows: Uint32Array): Uint32Array {
  const blockWords = sigma * words
  if (rows.length !== (factors.length + 1) * blockWords) throw new Error('bug: blocks do not fit the factors')
  const wide = new Uint32Array(2 * blockWords)
  for (const [k, factor] of factors.entries()) {
    const source = k * blockWords
    for (const exponent of listExponents(factor)) {
      const target = exponent * words
      for (let i = 0; i < blockWords; i++) {
        wide[target + i] = (wide[target + i] as number) ^ (rows[source + i] as number)
      }
    }
  }
  // From the top: what x^p folds into may itself lie above x^127.
  for (let i = 2 * blockWords - 1; i >= blockWords; i--) {
    const word = wide[i] as number
    for (const exponent of [0, 1, 2, 7]) {
      const target = i - blockWords + exponent * words
      wide[target] = (wide[target] as number) ^ word
    }
  }
  const out = wide.slice(0, blockWords)
  wide.fill(0)
  const last = factors.length * blockWords
  for (let i = 0; i < blockWords; i++) out[i] = (out[i] as number) ^ (rows[last + i] as number)
  return out
}

/** The same for one element per block: sum of factor k times element k, plus the last element.
 * @param elements Four words each. @returns four words. */
export function combineElements(factors: readonly Uint8Array[], elements: Uint32Array): Uint32Array {
  if (elements.length !== (factors.length + 1) * words)
    throw new Error('bug: elements do not fit the factors')
  const sum = elements.slice(factors.length * words)
  const power = new Uint32Array(words)
  for (const [k, factor] of factors.entries()) {
    power.set(elements.subarray(k * words, (k + 1) * words))
    for (let i = 0; i < sigma; i++) {
      // The factor is public; a mask serves all the same.
      const mask = bitMask(factor, i)
      for (let w = 0; w < words; w++) sum[w] = (sum[w] as number) ^ ((power[w] as number) & mask)
      timesX(power)
    }
  }
  power.fill(0)
  return sum
}

function timesX(element: Uint32Array): void {
  const carry = -((element[words - 1] as number) >>> 31)
  for (let w = words - 1; w > 0; w--) {
    element[w] = ((element[w] as number) << 1) | ((element[w - 1] as number) >>> 31)
  }
  element[0] = ((element[0] as number) << 1) ^ (carry & 0x87)
}
