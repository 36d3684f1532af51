import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bigintRowAlgebra, gadgetOf, type RowAlgebra } from './row-algebra.ts'
import { loadWasmRowAlgebra } from './row-algebra-wasm.ts'
import { rowAlgebra } from './row-algebras.ts'
import { readUint256, secp256k1Scalars, writeUint256 } from './scalar-field.ts'
import { seededRandom } from './testing/index.ts'

const { order, mod } = secp256k1Scalars
const rows = 512
const gadget = gadgetOf(new Uint8Array(32).fill(3), 1, 2)
// Node has WebAssembly and its vectors: here it must load.
const algebras: readonly RowAlgebra[] = [bigintRowAlgebra, loadWasmRowAlgebra() as RowAlgebra]

const edges = [
  0n,
  1n,
  2n,
  order - 2n,
  order - 1n,
  order,
  order + 1n,
  2n ** 256n - 1n,
  2n ** 255n,
  2n ** 29n - 1n,
]
const number = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }))
const scalar = fc.oneof(
  fc.constantFrom(...edges.filter((edge) => edge < order)),
  fc.bigInt({ min: 0n, max: order - 1n }),
)
/** Many numbers from a few: edges and random ones meet each other. */
const numbers = fc
  .array(number, { minLength: 3, maxLength: 40 })
  .map((few) =>
    encodeAll(Array.from({ length: 3 * rows }, (_, i) => few[(i * i + i) % few.length] as bigint)),
  )
const scalars = fc
  .array(scalar, { minLength: 3, maxLength: 40 })
  .map((few) =>
    encodeAll(Array.from({ length: 3 * rows }, (_, i) => few[(i * i + i) % few.length] as bigint)),
  )

function encodeAll(values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(32 * values.length)
  for (const [i, value] of values.entries()) bytes.set(writeUint256(value, false), 32 * i)
  return bytes
}

const at = (bytes: Uint8Array, i: number) => readUint256(bytes.subarray(32 * i, 32 * i + 32), false)

describe.each(algebras)('rows in $name', (algebra) => {
  it('has alice’s values by the formulas', () => {
    fc.assert(
      fc.property(
        numbers,
        numbers,
        fc.tuple(scalar, scalar, scalar),
        fc.tuple(scalar, scalar),
        (zero, one, inputs, challenges) => {
          const made = algebra.alice({ zero, one, inputs, gadget, challenge: () => challenges })
          const [theta1, theta2] = challenges
          let [c1, c2] = [0n, 0n]
          for (let j = 0; j < rows; j++) {
            const values = [0, 1, 2].map((l) => at(zero, 3 * j + l)) as [bigint, bigint, bigint]
            for (const [l, value] of values.entries()) {
              const wanted = mod(value - at(one, 3 * j + l) + (inputs[l] as bigint))
              if (at(made.at, 3 * j + l) !== wanted) expect(at(made.at, 3 * j + l)).toBe(wanted)
            }
            const mu = mod(values[2] + theta1 * values[0] + theta2 * values[1])
            if (at(made.mus, j) !== mu) expect(at(made.mus, j)).toBe(mu)
            const g = gadget.values[j] as bigint
            c1 -= g * values[0]
            c2 -= g * values[1]
          }
          expect(made.shares).toEqual([mod(c1), mod(c2)])
        },
      ),
      { numRuns: 12 },
    )
  })

  it('has bob’s values by the formulas', () => {
    const bits = fc.uint8Array({ minLength: 64, maxLength: 64 })
    fc.assert(
      fc.property(
        numbers,
        scalars,
        bits,
        scalar,
        fc.tuple(scalar, scalar),
        (own, other, beta, eta, challenges) => {
          const made = algebra.bob({ rows: own, at: other, beta, eta, challenges, gadget })
          const [theta1, theta2] = challenges
          let [d1, d2] = [0n, 0n]
          for (let j = 0; j < rows; j++) {
            const bit = BigInt(((beta[j >> 3] as number) >> (j & 7)) & 1)
            const values = [0, 1, 2].map((l) => at(own, 3 * j + l) + bit * at(other, 3 * j + l)) as [
              bigint,
              bigint,
              bigint,
            ]
            const mu = mod(values[2] + theta1 * values[0] + theta2 * values[1] - bit * eta)
            if (at(made.mus, j) !== mu) expect(at(made.mus, j)).toBe(mu)
            const g = gadget.values[j] as bigint
            d1 += g * values[0]
            d2 += g * values[1]
          }
          expect(made.shares).toEqual([mod(d1), mod(d2)])
        },
      ),
      { numRuns: 12 },
    )
  })

  it('sums the selected weights', () => {
    for (const beta of [
      new Uint8Array(64),
      new Uint8Array(64).fill(255),
      seededRandom(new Uint8Array(32))(64),
    ]) {
      const wanted = gadget.values.reduce(
        (sum, g, j) => (((beta[j >> 3] as number) >> (j & 7)) & 1 ? sum + g : sum),
        0n,
      )
      expect(algebra.sumSelected(gadget, beta)).toBe(mod(wanted))
    }
  })

  it('knows scalars from numbers that are none', () => {
    const good = encodeAll([0n, 1n, order - 1n, order - 2n ** 128n])
    expect(algebra.areCanonical(good)).toBe(true)
    for (const bad of [order, order + 1n, 2n ** 256n - 1n, order + 2n ** 64n]) {
      for (const place of [0, 1, 3]) {
        const bytes = good.slice()
        bytes.set(writeUint256(bad, false), 32 * place)
        expect(algebra.areCanonical(bytes)).toBe(false)
      }
    }
  })
})

it('takes the fastest', () => {
  expect(rowAlgebra().name).toBe('wasm')
})
