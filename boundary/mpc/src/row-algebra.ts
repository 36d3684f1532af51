import { bitMask } from './bit-matrix.ts'
import { encodeU16, encodeU32 } from './byte-writer.ts'
import { xi } from './messages.ts'
import { oracleWidth } from './ot-extension.ts'
import type { PartyIndex } from './parties.ts'
import { readUint256, secp256k1Scalars } from './scalar-field.ts'
import { hashToScalar } from './tagged-hash.ts'

/** The public vector g of one epoch and ordered pair. */
export interface Gadget {
  readonly values: readonly bigint[]
  /** The same, 32 bytes each, big endian. */
  readonly bytes: Uint8Array
}

/** @param alice Sender of the multiplication. */
export function gadgetOf(epochId: Uint8Array, alice: PartyIndex, bob: PartyIndex): Gadget {
  const values = Array.from({ length: xi }, (_, i) =>
    hashToScalar(
      secp256k1Scalars,
      'rvole/gadget',
      epochId,
      encodeU16(alice),
      encodeU16(bob),
      encodeU32(i + 1),
    ),
  )
  const bytes = new Uint8Array(xi * 32)
  for (const [i, value] of values.entries()) bytes.set(secp256k1Scalars.encode(value), 32 * i)
  return { values, bytes }
}

export type Challenges = readonly [theta1: bigint, theta2: bigint]

export interface AliceRowsInput {
  /** RO(j, l, q_j) and RO(j, l, q_j xor Delta): for each j, for l = 1..3, 32 bytes, big endian, not reduced. */
  readonly zero: Uint8Array
  readonly one: Uint8Array
  /** a_1, a_2, ahat. */
  readonly inputs: readonly [bigint, bigint, bigint]
  readonly gadget: Gadget
  /** theta, from the finished `at`. */
  readonly challenge: (at: Uint8Array) => Challenges
}

export interface AliceRows {
  /** 49,152 bytes: canonical scalars. */
  readonly at: Uint8Array
  readonly challenges: Challenges
  /** mu_1 || .. || mu_512: canonical scalars. */
  readonly mus: Uint8Array
  /** c_1, c_2. */
  readonly shares: readonly [bigint, bigint]
}

export interface BobRowsInput {
  /** RO(j, l, t_j), as above. */
  readonly rows: Uint8Array
  /** 512 choice bits. */
  readonly beta: Uint8Array
  /** Of alice: canonical scalars, which the caller has checked. */
  readonly at: Uint8Array
  readonly eta: bigint
  readonly challenges: Challenges
  readonly gadget: Gadget
}

export interface BobRows {
  readonly mus: Uint8Array
  /** d_1, d_2. */
  readonly shares: readonly [bigint, bigint]
}

/**
 * The arithmetic of one multiplication modulo the order of secp256k1, about four thousand products each way.
 * Implementations agree on every byte: row-algebra.test.ts is their suite. */
export interface RowAlgebra {
  readonly name: string
  alice(input: AliceRowsInput): AliceRows
  bob(input: BobRowsInput): BobRows
  /** True if each 32 bytes are below the order. */
  areCanonical(scalars: Uint8Array): boolean
  /** b = sum of g_j over the set bits. */
  sumSelected(gadget: Gadget, bits: Uint8Array): bigint
}

const { order } = secp256k1Scalars
const rowBytes = oracleWidth * 32

/** BigInt: works everywhere, and its time depends on the size of numbers (docs/mpc-protocol.md says so). */
export const bigintRowAlgebra: RowAlgebra = {
  name: 'bigint',

  alice({ zero, one, inputs, gadget, challenge }) {
    const at = new Uint8Array(zero.length)
    const view = new DataView(at.buffer)
    const firsts = readAll(zero)
    for (const [i, first] of firsts.entries()) {
      const second = readUint256(one.subarray(32 * i, 32 * i + 32), false)
      // Both are below 2^256 < 2 order: one remainder of a positive sum.
      write(view, 32 * i, (first - second + (inputs[i % oracleWidth] as bigint) + 2n * order) % order)
    }
    const challenges = challenge(at)
    return { at, challenges, ...sums(firsts, gadget, challenges, -1n) }
  },

  bob({ rows, beta, at, eta, challenges, gadget }) {
    // The check takes the third value of a row less beta eta; nothing else does.
    const negated = secp256k1Scalars.encode(secp256k1Scalars.mod(-eta))
    const ds: bigint[] = []
    const sum = new Uint32Array(9)
    const left = new DataView(rows.buffer, rows.byteOffset)
    const right = new DataView(at.buffer, at.byteOffset)
    const third = new DataView(negated.buffer)
    for (let j = 0; j < xi; j++) {
      const mask = bitMask(beta, j) >>> 0
      for (let l = 0; l < oracleWidth; l++) {
        const start = j * rowBytes + 32 * l
        loadWords(sum, left, start)
        addMasked(sum, right, start, mask)
        if (l === oracleWidth - 1) addMasked(sum, third, 0, mask)
        ds.push(wordsToBigInt(sum))
      }
    }
    sum.fill(0)
    return sums(ds, gadget, challenges, 1n)
  },

  areCanonical(scalars) {
    let isEveryBelow = true
    for (let at = 0; at < scalars.length; at += 32) {
      const isBelow = readUint256(scalars.subarray(at, at + 32), false) < order
      isEveryBelow &&= isBelow
    }
    return isEveryBelow
  },

  sumSelected(gadget, bits) {
    const view = new DataView(gadget.bytes.buffer, gadget.bytes.byteOffset)
    // Sums of 512 words stay below 2^41, which a double holds exactly.
    const columns = new Float64Array(8)
    for (let j = 0; j < xi; j++) {
      const mask = bitMask(bits, j)
      for (let w = 0; w < 8; w++) {
        columns[w] = (columns[w] as number) + ((view.getUint32(32 * j + 4 * w) & mask) >>> 0)
      }
    }
    let sum = 0n
    for (const column of columns) sum = (sum << 32n) + BigInt(column)
    columns.fill(0)
    return sum % order
  },
}

function readAll(bytes: Uint8Array): bigint[] {
  const values: bigint[] = []
  for (let at = 0; at < bytes.length; at += 32) values.push(readUint256(bytes.subarray(at, at + 32), false))
  return values
}

/** mu_j = third + theta_1 first + theta_2 second, and sign times the sums of g_j first, g_j second:
 * one remainder each, at the end. */
function sums(
  values: readonly bigint[],
  gadget: Gadget,
  [theta1, theta2]: Challenges,
  sign: 1n | -1n,
): { mus: Uint8Array; shares: readonly [bigint, bigint] } {
  const mus = new Uint8Array(xi * 32)
  const view = new DataView(mus.buffer)
  let [first, second] = [0n, 0n]
  for (let j = 0; j < xi; j++) {
    const [x, y, z] = [values[3 * j], values[3 * j + 1], values[3 * j + 2]] as [bigint, bigint, bigint]
    const g = gadget.values[j] as bigint
    write(view, 32 * j, (z + theta1 * x + theta2 * y) % order)
    first += g * x
    second += g * y
  }
  return { mus, shares: [secp256k1Scalars.mod(sign * first), secp256k1Scalars.mod(sign * second)] }
}

function write(view: DataView, at: number, k: bigint): void {
  view.setBigUint64(at, k >> 192n)
  view.setBigUint64(at + 8, k >> 128n)
  view.setBigUint64(at + 16, k >> 64n)
  view.setBigUint64(at + 24, k)
}

/** Nine 32-bit words, lowest first, from 32 bytes big endian. */
function loadWords(words: Uint32Array, view: DataView, at: number): void {
  for (let w = 0; w < 8; w++) words[w] = view.getUint32(at + 28 - 4 * w)
  words[8] = 0
}

/** Adds the 32 bytes, or 0 where the mask is 0: the same additions either way. */
function addMasked(words: Uint32Array, view: DataView, at: number, mask: number): void {
  let carry = 0
  for (let w = 0; w < 8; w++) {
    const sum = (words[w] as number) + ((view.getUint32(at + 28 - 4 * w) & mask) >>> 0) + carry
    words[w] = sum
    carry = sum > 0xffffffff ? 1 : 0
  }
  words[8] = (words[8] as number) + carry
}

function wordsToBigInt(words: Uint32Array): bigint {
  const low = new BigUint64Array(words.buffer, 0, 4)
  return (
    (BigInt(words[8] as number) << 256n) |
    ((low[3] as bigint) << 192n) |
    ((low[2] as bigint) << 128n) |
    ((low[1] as bigint) << 64n) |
    (low[0] as bigint)
  )
}
