import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { mpcError } from './catalogue.ts'
import type { Point, Secp256k1Group } from './group.ts'
import { secp256k1Scalars } from './scalar-field.ts'

type NoblePoint = typeof secp256k1.Point.BASE
const { BASE, ZERO } = secp256k1.Point

const wrap = (point: NoblePoint) => point as unknown as Point
const unwrap = (point: Point) => point as unknown as NoblePoint

/** Pure JavaScript: works everywhere. noble's multiply is constant time as far as JavaScript allows. */
export const nobleSecp256k1Group: Secp256k1Group = {
  name: 'secp256k1',
  backend: 'noble',
  scalars: secp256k1Scalars,
  pointBytes: 33,
  identity: wrap(ZERO),
  generator: wrap(BASE),

  // noble refuses 0 and does not multiply the identity; both are values that the protocol rejects by name.
  multiplyBase: (k) => wrap(k === 0n ? ZERO : BASE.multiply(k)),
  multiply: (point, k) => wrap(k === 0n || unwrap(point).is0() ? ZERO : unwrap(point).multiply(k)),
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
      const key = unwrap(publicKey).toBytes(true)
      return secp256k1.verify(signature, digest, key, { prehash: false, lowS: true, format: 'compact' })
    } catch {
      return false
    }
  },
}
