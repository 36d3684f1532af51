import { expect, it } from 'vitest'
import { transpose } from './bit-matrix.ts'
import { combineBlocks, combineElements } from './gf128.ts'
import { xi } from './messages.ts'
import { platformRandom } from './random-source.ts'
import { bigintRowAlgebra, type Gadget, type RowAlgebra } from './row-algebra.ts'
import { loadWasmRowAlgebra } from './row-algebra-wasm.ts'
import { readUint256, secp256k1Scalars, writeUint256 } from './scalar-field.ts'
import { jsSha256Kernel } from './sha256-kernel.ts'
import { loadSimdSha256Kernel } from './sha256-simd.ts'

/**
 * The kernels on numbers that a peer would choose: at the order, at 2^256, at the seams of limbs. A kernel that is wrong
 * on one of them lets whoever sends it make honest parties burn each other. Against each other, and against the formulas
 * in plain BigInt.
 */
const { order } = secp256k1Scalars
const limbs = Array.from({ length: 9 }, (_, k) => 1n << BigInt(29 * k + 28)).reduce((sum, bit) => sum | bit)
const top = (1n << 256n) - 1n
const edges = [
  ...[0n, 1n, order - 1n, order, order + 1n, top, top - 1n, 1n << 255n, (1n << 232n) - 1n, 1n << 232n],
  ...[limbs & top, top ^ (limbs & top), 1n << 128n, top + 1n - order, order - (1n << 128n)],
]

type Pick = () => bigint
const anyEdge: Pick = () => edges[(platformRandom(1)[0] as number) % edges.length] as bigint
const anyNumber: Pick = () => readUint256(platformRandom(32), false)
const either: Pick = () => ((platformRandom(1)[0] as number) & 1 ? anyEdge() : anyNumber())
const picks: readonly Pick[] = [anyEdge, anyNumber, either, ...edges.map((edge) => () => edge)]

const mod =
  (pick: Pick): Pick =>
  () =>
    pick() % order
function list(count: number, pick: Pick): Uint8Array {
  const out = new Uint8Array(32 * count)
  for (let i = 0; i < count; i++) out.set(writeUint256(pick(), false), 32 * i)
  return out
}
function gadgetFrom(pick: Pick): Gadget {
  const bytes = list(xi, mod(pick))
  return { values: Array.from({ length: xi }, (_, j) => read(bytes, j)), bytes }
}
const read = (bytes: Uint8Array, i: number) => readUint256(bytes.subarray(32 * i, 32 * i + 32), false)
const bit = (bytes: Uint8Array, i: number) => ((bytes[i >> 3] as number) >> (i & 7)) & 1
const text = (value: unknown) => String(value)

it('rows: WebAssembly, BigInt and the formulas agree at every seam', () => {
  const wasm = loadWasmRowAlgebra() as RowAlgebra
  expect(wasm.name).toBe('wasm')
  for (const [at, pick] of [...picks, ...picks, ...picks].entries()) {
    const other = picks[at % 3] as Pick
    const gadget = gadgetFrom(at % 4 === 0 ? () => order - 1n : other)
    const [zero, one] = [list(3 * xi, pick), list(3 * xi, at % 2 ? pick : other)]
    const scalar = mod(at % 2 ? pick : other)
    const inputs = [scalar(), scalar(), scalar()] as const
    const challenges = [scalar(), mod(pick)()] as const
    const sent = [wasm, bigintRowAlgebra].map((each) =>
      each.alice({ zero, one, inputs, gadget, challenge: () => challenges }),
    ) as [ReturnType<RowAlgebra['alice']>, ReturnType<RowAlgebra['alice']>]
    expect(text([sent[0].at, sent[0].mus, sent[0].shares])).toBe(
      text([sent[1].at, sent[1].mus, sent[1].shares]),
    )
    let c = 0n
    for (let j = 0; j < xi; j++) c -= (gadget.values[j] as bigint) * read(zero, 3 * j)
    expect(sent[0].shares[0]).toBe(secp256k1Scalars.mod(c))
    const last = 3 * xi - 1
    expect(read(sent[0].at, last)).toBe(secp256k1Scalars.mod(read(zero, last) - read(one, last) + inputs[2]))

    const beta = [new Uint8Array(64).fill(255), new Uint8Array(64), platformRandom(64)][at % 3] as Uint8Array
    const payload = list(3 * xi, mod(pick))
    const input = { rows: zero, beta, at: payload, eta: scalar(), challenges, gadget }
    const got = [wasm, bigintRowAlgebra].map((each) => each.bob(input)) as [
      ReturnType<RowAlgebra['bob']>,
      ReturnType<RowAlgebra['bob']>,
    ]
    expect(text([got[0].mus, got[0].shares])).toBe(text([got[1].mus, got[1].shares]))
    let [d, b] = [0n, 0n]
    for (let j = 0; j < xi; j++) {
      const [g, choice] = [gadget.values[j] as bigint, BigInt(bit(beta, j))]
      d += g * (read(zero, 3 * j) + choice * read(payload, 3 * j))
      b += g * choice
    }
    expect(got[0].shares[0]).toBe(d % order)
    for (const each of [wasm, bigintRowAlgebra]) expect(each.sumSelected(gadget, beta)).toBe(b % order)
  }
})

it('rows: a scalar is canonical below the order, wherever it stands', () => {
  for (const algebra of [loadWasmRowAlgebra() as RowAlgebra, bigintRowAlgebra]) {
    for (const edge of edges) {
      for (const place of [0, 1, 3 * xi - 1]) {
        const scalars = list(3 * xi, mod(anyEdge))
        scalars.set(writeUint256(edge, false), 32 * place)
        expect(algebra.areCanonical(scalars)).toBe(edge < order)
      }
    }
  }
})

it('SHA-256: lanes, batches and lengths of every remainder', () => {
  const simd = loadSimdSha256Kernel()
  if (simd === undefined) throw new Error('no vectors here')
  const hashAll = (kernel: typeof simd, midstate: Uint32Array, tails: Uint8Array, tailBytes: number) => {
    const out = new Uint8Array((tailBytes === 0 ? 1 : tails.length / tailBytes) * 32)
    kernel.hashTails(midstate, tails, tailBytes, out)
    return text(out)
  }
  const counts = [1, 2, 3, 4, 5, 1023, 1024, 1025, 2049]
  for (let tailBytes = 0; tailBytes <= 55; tailBytes++) {
    const midstate = jsSha256Kernel.midstate(platformRandom(64))
    const count = counts[tailBytes % counts.length] as number
    const tails = platformRandom(tailBytes * (tailBytes === 0 ? 0 : count))
    const made = hashAll(simd, midstate, tails, tailBytes)
    expect(made).toBe(hashAll(jsSha256Kernel, midstate, tails, tailBytes))
    const rest = platformRandom(tailBytes + 64 * (tailBytes % 5))
    expect(simd.finish(midstate, rest)).toEqual(jsSha256Kernel.finish(midstate, rest))
  }
  const long = platformRandom(64 * 2048 + 55)
  const midstate = jsSha256Kernel.midstate(platformRandom(64))
  expect(simd.finish(midstate, long)).toEqual(jsSha256Kernel.finish(midstate, long))
})

const element = (bytes: Uint8Array) =>
  Array.from({ length: 128 }, (_, i) => BigInt(bit(bytes, i)) << BigInt(i)).reduce((sum, one) => sum | one)

/** Shift and add, then divide by x^128 + x^7 + x^2 + x + 1 from the top. */
function product(a: bigint, b: bigint): bigint {
  let wide = 0n
  for (let i = 0n; i < 128n; i++) if ((b >> i) & 1n) wide ^= a << i
  for (let i = 255n; i >= 128n; i--) if ((wide >> i) & 1n) wide ^= ((1n << 128n) | 0x87n) << (i - 128n)
  return wide
}

it('GF(2^128) and the transposition: all ones, single bits and random ones, one element after the other', () => {
  const kinds: readonly ((length: number) => Uint8Array)[] = [
    (length) => new Uint8Array(length).fill(255),
    (length) => new Uint8Array(length).fill(0x80),
    (length) => new Uint8Array(length).fill(1),
    platformRandom,
  ]
  for (const [at, kind] of kinds.entries()) {
    const factors = Array.from({ length: 4 }, () => (kinds[3 - at] as typeof kind)(16))
    const combined = (blocks: Uint8Array) =>
      factors.reduce(
        (sum, factor, k) => sum ^ product(element(factor), element(blocks.subarray(16 * k, 16 * k + 16))),
        element(blocks.subarray(64)),
      )
    const single = kind(80)
    const sum = combineElements(factors, new Uint32Array(single.slice().buffer))
    expect(element(new Uint8Array(sum.buffer, sum.byteOffset, 16))).toBe(combined(single))
    const flat = kind(128 * 80)
    const rows = transpose(new Uint32Array(flat.slice().buffer), 128, 640)
    const rowBytes = new Uint8Array(rows.buffer)
    for (let row = 0; row < 640; row += 31) {
      for (let o = 0; o < 128; o++) expect(bit(rowBytes, 128 * row + o)).toBe(bit(flat, 640 * o + row))
    }
    const back = new Uint8Array(transpose(combineBlocks(factors, rows), 128, 128).buffer)
    for (let o = 0; o < 128; o += 9) {
      expect(element(back.subarray(16 * o))).toBe(combined(flat.subarray(80 * o, 80 * o + 80)))
    }
  }
})
