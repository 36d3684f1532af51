import type { ScalarField } from './scalar-field.ts'

declare const pointOfGroup: unique symbol

/** A point of the prime-order group, the identity among them. Only the group that made it reads it. */
export interface Point {
  readonly [pointOfGroup]: never
}

/**
 * A prime-order group. Scalars are reduced: 0 <= k < order. Implementations agree on every byte;
 * testing/group-suite.ts is the suite that each must pass. */
export interface Group {
  readonly name: 'secp256k1' | 'ed25519'
  readonly backend: 'noble' | 'native'
  readonly scalars: ScalarField
  /** Length of an encoded point. */
  readonly pointBytes: 32 | 33
  readonly identity: Point
  readonly generator: Point
  /** k times the generator, for a secret k. */
  multiplyBase(k: bigint): Point
  /** For a secret k of one session: as free of timing differences as the backend can. */
  multiply(point: Point, k: bigint): Point
  /** For k and a point that everybody may know: faster, and its time depends on k. */
  multiplyPublic(point: Point, k: bigint): Point
  add(a: Point, b: Point): Point
  negate(point: Point): Point
  equals(a: Point, b: Point): boolean
  isIdentity(point: Point): boolean
  /** The canonical encoding of a point of the prime-order group other than the identity, and nothing else.
   * @throws {CountersignError} MPC_POINT_INVALID */
  decode(bytes: Uint8Array): Point
  /** The identity has no encoding: a caller that gets here with it has skipped a check. */
  encode(point: Point): Uint8Array
}

/** What threshold ECDSA needs beyond a group. */
export interface Secp256k1Group extends Group {
  readonly name: 'secp256k1'
  readonly pointBytes: 33
  /** RFC 9380, secp256k1_XMD:SHA-256_SSWU_RO_. */
  hashToCurve(message: Uint8Array, domain: string): Point
  /** Affine coordinates of a point other than the identity. */
  coordinates(point: Point): { readonly x: bigint; readonly y: bigint }
  /** ECDSA over a 32-byte digest, signature r||s; false for a high s and for anything malformed. */
  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Point): boolean
}

export function sumPoints(group: Group, points: Iterable<Point>): Point {
  let sum = group.identity
  for (const point of points) sum = group.add(sum, point)
  return sum
}
