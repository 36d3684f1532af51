import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { mpcError } from './catalogue.ts'
import type { Point, Secp256k1Group } from './group.ts'
import { secp256k1Scalars, writeUint256 } from './scalar-field.ts'

type NoblePoint = typeof secp256k1.Point.BASE
const { BASE, ZERO } = secp256k1.Point

const wrap = (point: NoblePoint) => point as unknown as Point
const unwrap = (point: Point) => point as unknown as NoblePoint

/**
 * k times a point by 64 odd digits from -15 to 15, most significant first (Joye and Tunstall, "Exponent recoding and
 * regular exponentiation algorithms", 2009). The operations and their order are the same for every k, every entry of
 * the table is read for each digit, and no digit is 0: adding the identity would be faster, as its coordinates are
 * zeros. noble's own `multiply` works on k plus a random multiple of the order instead, which is half as long again.
 * That also hides a scalar whose leaks add up over many uses; here each is of one session and multiplies one point.
 * Long-lived secrets multiply the generator only, and that is noble's function. */
function multiplyOnce(point: NoblePoint, k: bigint): NoblePoint {
  // Only an odd scalar has such digits: the order is odd, so k or its negative is.
  const isOdd = Number(k & 1n)
  const odd = [secp256k1Scalars.order - k, k][isOdd] as bigint
  const bytes = writeUint256(odd, true)
  const nibble = (at: number) => ((bytes[at >> 1] as number) >> (4 * (at & 1))) & 15
  const twice = point.double()
  const table = [point]
  for (let i = 1; i < 8; i++) table.push((table[i - 1] as NoblePoint).add(twice))
  let product = select(table, nibble(63) | 1)
  for (let at = 62; at >= 0; at--) {
    for (let i = 0; i < 4; i++) product = product.double()
    product = product.add(select(table, (nibble(at) | 1) - 16 * (1 - (nibble(at + 1) & 1))))
  }
  bytes.fill(0)
  return [product.negate(), product][isOdd] as NoblePoint
}

/** @param table 1, 3, .. 15 times a point. @param digit Odd. */
function select(table: readonly NoblePoint[], digit: number): NoblePoint {
  const wanted = (Math.abs(digit) - 1) >> 1
  let found = table[0] as NoblePoint
  for (let i = 1; i < 8; i++) found = i === wanted ? (table[i] as NoblePoint) : found
  return [found, found.negate()][digit < 0 ? 1 : 0] as NoblePoint
}

/** Pure JavaScript: works everywhere. Constant time as far as JavaScript allows. */
export const nobleSecp256k1Group: Secp256k1Group = {
  name: 'secp256k1',
  backend: 'noble',
  scalars: secp256k1Scalars,
  pointBytes: 33,
  identity: wrap(ZERO),
  generator: wrap(BASE),

  // noble refuses 0, which is a value that the protocol rejects by name.
  multiplyBase: (k) => wrap(k === 0n ? ZERO : BASE.multiply(k)),
  multiply: (point, k) => wrap(multiplyOnce(unwrap(point), k)),
  multiplyPublic: (point, k) => wrap(unwrap(point).multiplyUnsafe(k)),
  add: (a, b) => wrap(unwrap(a).add(unwrap(b))),
  negate: (point) => wrap(unwrap(point).negate()),
  equals: (a, b) => unwrap(a).equals(unwrap(b)),
  isIdentity: (point) => unwrap(point).is0(),

  decode(bytes) {
    // 33 bytes: noble reads the uncompressed form too, which would be a second encoding.
    if (!(bytes instanceof Uint8Array) || bytes.length !== 33) {
      throw mpcError('MPC_POINT_INVALID', 'A point of secp256k1 is 33 bytes long.')
    }
    try {
      const point = secp256k1.Point.fromBytes(bytes)
      point.assertValidity()
      return wrap(point)
    } catch {
      throw mpcError('MPC_POINT_INVALID', 'The bytes are not a compressed point of secp256k1.')
    }
  },

  encode: (point) => unwrap(point).toBytes(true),
  hashToCurve: (message, domain) => wrap(secp256k1_hasher.hashToCurve(message, { DST: domain })),

  coordinates(point) {
    // noble would give 0, 0.
    if (unwrap(point).is0()) throw new Error('bug: the identity has no coordinates')
    return unwrap(point).toAffine()
  },

  verify(digest, signature, publicKey) {
    if (digest.length !== 32 || signature.length !== 64) return false
    try {
      // Uncompressed: reading it back takes no square root.
      const key = unwrap(publicKey).toBytes(false)
      return secp256k1.verify(signature, digest, key, { prehash: false, lowS: true, format: 'compact' })
    } catch {
      return false
    }
  },
}
