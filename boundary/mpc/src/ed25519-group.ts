import { ed25519 } from '@noble/curves/ed25519.js'
import { mpcError } from './catalogue.ts'
import type { Group, Point } from './group.ts'
import { ed25519Scalars } from './scalar-field.ts'

type NoblePoint = typeof ed25519.Point.BASE
const { BASE, ZERO } = ed25519.Point

const wrap = (point: NoblePoint) => point as unknown as Point
const unwrap = (point: Point) => point as unknown as NoblePoint

/** The prime-order subgroup of edwards25519 (RFC 8032). */
export const ed25519Group: Group = {
  name: 'ed25519',
  backend: 'noble',
  scalars: ed25519Scalars,
  pointBytes: 32,
  identity: wrap(ZERO),
  generator: wrap(BASE),

  multiplyBase: (k) => wrap(k === 0n ? ZERO : BASE.multiply(k)),
  multiply: (point, k) => wrap(k === 0n || unwrap(point).is0() ? ZERO : unwrap(point).multiply(k)),
  multiplyPublic: (point, k) => wrap(unwrap(point).multiplyUnsafe(k)),
  add: (a, b) => wrap(unwrap(a).add(unwrap(b))),
  negate: (point) => wrap(unwrap(point).negate()),
  equals: (a, b) => unwrap(a).equals(unwrap(b)),
  isIdentity: (point) => unwrap(point).is0(),

  decode(bytes) {
    if (!(bytes instanceof Uint8Array) || bytes.length !== 32) {
      throw mpcError('MPC_POINT_INVALID', 'A point of edwards25519 is 32 bytes long.')
    }
    let point: NoblePoint
    try {
      // RFC 8032 decoding, not ZIP 215: y below p, one sign for x = 0.
      point = ed25519.Point.fromBytes(bytes, false)
    } catch {
      throw mpcError('MPC_POINT_INVALID', 'The bytes are not a canonical point of edwards25519.')
    }
    // RFC 9591 section 6.1: DeserializeElement refuses the identity and what is outside the subgroup.
    if (point.is0() || !point.isTorsionFree()) {
      throw mpcError('MPC_POINT_INVALID', 'The point is the identity or outside the prime-order subgroup.')
    }
    return wrap(point)
  },

  encode(point) {
    if (unwrap(point).is0()) throw new Error('bug: the identity has no encoding')
    return unwrap(point).toBytes()
  },
}
