import { mpcError } from './catalogue.ts'
import { drawBytes, type RandomSource } from './random-source.ts'

export const scalarBytes = 32

/** A correct source needs two draws on average at worst; 128 in a row say that it is not random. */
const drawsMax = 128

/**
 * Arithmetic modulo a group's prime order on BigInt. BigInt is not constant time: its running time depends on the
 * size of the operands. What this library controls is that no branch and no early exit depends on a secret. */
export interface ScalarField {
  readonly order: bigint
  /** @param k 0 <= k < order. @returns 32 bytes in the suite's byte order. */
  encode(k: bigint): Uint8Array
  /** 0 is allowed. @throws {CountersignError} MPC_SCALAR_INVALID */
  decode(bytes: Uint8Array): bigint
  /** @throws {CountersignError} MPC_SCALAR_INVALID, also for 0. */
  decodeNonZero(bytes: Uint8Array): bigint
  /** The remainder of a big-endian integer of any length, on every suite. */
  reduce(wide: Uint8Array): bigint
  /** 1 <= k < order: 32 bytes as a big-endian integer, bits above the order's length cleared, drawn again when
   * 0 or not below the order. @throws {CountersignError} MPC_RANDOM_UNAVAILABLE */
  random(random: RandomSource): bigint
  /** @param k Any integer. @returns its remainder in 0..order-1. */
  mod(k: bigint): bigint
  add(a: bigint, b: bigint): bigint
  subtract(a: bigint, b: bigint): bigint
  multiply(a: bigint, b: bigint): bigint
  /** @throws for 0, which has no inverse: a bug in the caller. */
  invert(k: bigint): bigint
}

interface FieldOptions {
  readonly order: bigint
  readonly littleEndian: boolean
}

export function scalarFieldOf({ order, littleEndian }: FieldOptions): ScalarField {
  const mask = (1n << BigInt(order.toString(2).length)) - 1n

  function mod(k: bigint): bigint {
    const remainder = k % order
    return remainder < 0n ? remainder + order : remainder
  }

  function decode(bytes: Uint8Array): bigint {
    if (!(bytes instanceof Uint8Array) || bytes.length !== scalarBytes) {
      throw mpcError('MPC_SCALAR_INVALID', `A scalar is ${scalarBytes} bytes long.`)
    }
    const k = readUint256(bytes, littleEndian)
    if (k >= order) throw mpcError('MPC_SCALAR_INVALID', 'A scalar is not below the group order.')
    return k
  }

  return {
    order,
    mod,
    decode,

    encode(k) {
      if (k < 0n || k >= order) throw new Error('bug: a scalar out of range')
      return writeUint256(k, littleEndian)
    },

    decodeNonZero(bytes) {
      const k = decode(bytes)
      if (k === 0n) throw mpcError('MPC_SCALAR_INVALID', 'A scalar is zero.')
      return k
    },

    reduce(wide) {
      let k = 0n
      for (const byte of wide.subarray(0, wide.length % 32)) k = (k << 8n) | BigInt(byte)
      for (let at = wide.length % 32; at < wide.length; at += 32) {
        k = (k << 256n) | readUint256(wide.subarray(at, at + 32), false)
      }
      return k % order
    },

    random(random) {
      for (let draw = 0; draw < drawsMax; draw++) {
        const bytes = drawBytes(random, scalarBytes)
        const k = readUint256(bytes, false) & mask
        bytes.fill(0)
        if (k > 0n && k < order) return k
      }
      throw mpcError('MPC_RANDOM_UNAVAILABLE', `The random source gave ${drawsMax} unusable draws in a row.`)
    },

    add: (a, b) => mod(a + b),
    subtract: (a, b) => mod(a - b),
    multiply: (a, b) => mod(a * b),

    invert(k) {
      let [a, b] = [mod(k), order]
      let [u, v] = [1n, 0n]
      if (a === 0n) throw new Error('bug: zero has no inverse')
      while (a > 1n) {
        const quotient = b / a
        ;[a, b] = [b - quotient * a, a]
        ;[u, v] = [v - quotient * u, u]
      }
      return mod(u)
    },
  }
}

/** SEC 2 section 2.4.1; big endian as everywhere in ECDSA. */
export const secp256k1Scalars = scalarFieldOf({
  order: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
  littleEndian: false,
})

/** RFC 8032 section 5.1; little endian, as RFC 9591 section 6.1 has it. */
export const ed25519Scalars = scalarFieldOf({
  order: 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn,
  littleEndian: true,
})

/** Four 64-bit reads: half the time of a detour through hexadecimal. */
export function readUint256(bytes: Uint8Array, littleEndian: boolean): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, scalarBytes)
  const [first, second, third, fourth] = littleEndian ? [24, 16, 8, 0] : [0, 8, 16, 24]
  return (
    (view.getBigUint64(first as number, littleEndian) << 192n) |
    (view.getBigUint64(second as number, littleEndian) << 128n) |
    (view.getBigUint64(third as number, littleEndian) << 64n) |
    view.getBigUint64(fourth as number, littleEndian)
  )
}

/** @param k 0 <= k < 2^256. @returns 32 bytes. */
export function writeUint256(k: bigint, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(scalarBytes)
  const view = new DataView(bytes.buffer)
  const [first, second, third, fourth] = littleEndian ? [24, 16, 8, 0] : [0, 8, 16, 24]
  view.setBigUint64(first as number, k >> 192n, littleEndian)
  // setBigUint64 keeps the low 64 bits (ECMA-262, ToBigUint64).
  view.setBigUint64(second as number, k >> 128n, littleEndian)
  view.setBigUint64(third as number, k >> 64n, littleEndian)
  view.setBigUint64(fourth as number, k, littleEndian)
  return bytes
}
