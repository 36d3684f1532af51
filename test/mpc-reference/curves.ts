import { createHash } from 'node:crypto'

/**
 * Curve arithmetic of the slow reference: schoolbook formulas on BigInt, nothing shared with boundary/mpc. It is for
 * comparing transcripts, never for keys: nothing here is constant time.
 */
export interface Curve {
  /** Order of the group. */
  readonly order: bigint
  readonly pointBytes: number
  readonly generator: Point
  readonly identity: Point
  add(a: Point, b: Point): Point
  negate(a: Point): Point
  encode(a: Point): Buffer
  decode(bytes: Uint8Array): Point
  encodeScalar(scalar: bigint): Buffer
  decodeScalar(bytes: Uint8Array): bigint
}

/** Projective: x = X / Z and y = Y / Z; the identity of secp256k1 has Z = 0. */
export interface Point {
  readonly X: bigint
  readonly Y: bigint
  readonly Z: bigint
}

export function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

export function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = mod(base, modulus)
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

/** Fermat; the modulus is prime. */
export function inverse(value: bigint, modulus: bigint): bigint {
  if (mod(value, modulus) === 0n) throw new Error('no inverse of 0')
  return power(value, modulus - 2n, modulus)
}

/** Left to right, doubling by adding a point to itself. */
export function multiply(curve: Curve, scalar: bigint, point: Point): Point {
  let result = curve.identity
  for (const bit of mod(scalar, curve.order).toString(2)) {
    result = curve.add(result, result)
    if (bit === '1') result = curve.add(result, point)
  }
  return result
}

export function times(curve: Curve, scalar: bigint): Point {
  return multiply(curve, scalar, curve.generator)
}

export function sumPoints(curve: Curve, points: readonly Point[]): Point {
  return points.reduce((sum, point) => curve.add(sum, point), curve.identity)
}

export function bigEndian(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex')
}

export function fromBigEndian(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function littleEndian(value: bigint, length: number): Buffer {
  return bigEndian(value, length).reverse()
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return fromBigEndian(Buffer.from(bytes).reverse())
}

const p = 2n ** 256n - 2n ** 32n - 977n
const q = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** SEC 2, section 2.4.1: y^2 = x^3 + 7. */
export const secp256k1: Curve = {
  order: q,
  pointBytes: 33,
  generator: {
    X: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
    Y: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
    Z: 1n,
  },
  identity: { X: 0n, Y: 1n, Z: 0n },
  add(a, b) {
    if (a.Z === 0n) return b
    if (b.Z === 0n) return a
    // Chord and tangent, cleared of denominators.
    const u = mod(b.Y * a.Z - a.Y * b.Z, p)
    const v = mod(b.X * a.Z - a.X * b.Z, p)
    if (v === 0n && u !== 0n) return this.identity
    if (v === 0n) {
      const w = mod(3n * a.X * a.X, p)
      const s = mod(a.Y * a.Z, p)
      const t = mod(a.X * a.Y * s, p)
      const h = mod(w * w - 8n * t, p)
      const ys = mod(a.Y * s, p)
      return { X: mod(2n * h * s, p), Y: mod(w * (4n * t - h) - 8n * ys * ys, p), Z: mod(8n * s * s * s, p) }
    }
    const v2 = mod(v * v, p)
    const v3 = mod(v2 * v, p)
    const zz = mod(a.Z * b.Z, p)
    const h = mod(u * u * zz - v3 - 2n * v2 * a.X * b.Z, p)
    return { X: mod(v * h, p), Y: mod(u * (v2 * a.X * b.Z - h) - v3 * a.Y * b.Z, p), Z: mod(v3 * zz, p) }
  },
  negate: (a) => ({ X: a.X, Y: mod(-a.Y, p), Z: a.Z }),
  encode(a) {
    if (a.Z === 0n) throw new Error('the identity has no encoding')
    const z = inverse(a.Z, p)
    const x = mod(a.X * z, p)
    const y = mod(a.Y * z, p)
    return Buffer.concat([Buffer.from([2 + Number(y & 1n)]), bigEndian(x, 32)])
  },
  decode(bytes) {
    const x = fromBigEndian(bytes.subarray(1))
    const square = mod(x * x * x + 7n, p)
    const root = power(square, (p + 1n) / 4n, p)
    if (bytes.length !== 33 || x >= p || mod(root * root, p) !== square) throw new Error('no point')
    return { X: x, Y: Number(root & 1n) === (bytes[0] as number) - 2 ? root : p - root, Z: 1n }
  },
  encodeScalar: (scalar) => bigEndian(scalar, 32),
  decodeScalar: fromBigEndian,
}

const p25519 = 2n ** 255n - 19n
const d = mod(-121665n * inverse(121666n, p25519), p25519)

/** RFC 8032, section 5.1: -x^2 + y^2 = 1 + d x^2 y^2. */
export const ed25519: Curve = {
  order: 2n ** 252n + 27742317777372353535851937790883648493n,
  pointBytes: 32,
  generator: {
    X: 15112221349535400772501151409588531511454012693041857206046113283949847762202n,
    Y: 46316835694926478169428394003475163141307993866256225615783033603165251855960n,
    Z: 1n,
  },
  identity: { X: 0n, Y: 1n, Z: 1n },
  add(a, b) {
    // The affine addition law of twisted Edwards curves with a = -1, cleared of denominators.
    const m = p25519
    const z = mod(a.Z * b.Z, m)
    const z2 = mod(z * z, m)
    const x = mod(a.X * b.X, m)
    const y = mod(a.Y * b.Y, m)
    const e = mod(d * x * y, m)
    const f = mod(z2 - e, m)
    const g = mod(z2 + e, m)
    return {
      X: mod(z * f * (a.X * b.Y + a.Y * b.X), m),
      Y: mod(z * g * (y + x), m),
      Z: mod(f * g, m),
    }
  },
  negate: (a) => ({ X: mod(-a.X, p25519), Y: a.Y, Z: a.Z }),
  encode(a) {
    const z = inverse(a.Z, p25519)
    const x = mod(a.X * z, p25519)
    const y = mod(a.Y * z, p25519)
    return littleEndian(y | ((x & 1n) << 255n), 32)
  },
  decode(bytes) {
    const whole = fromLittleEndian(bytes)
    const y = whole & (2n ** 255n - 1n)
    const square = mod((y * y - 1n) * inverse(d * y * y + 1n, p25519), p25519)
    let x = power(square, (p25519 + 3n) / 8n, p25519)
    if (mod(x * x - square, p25519) !== 0n) x = mod(x * power(2n, (p25519 - 1n) / 4n, p25519), p25519)
    if (bytes.length !== 32 || y >= p25519 || mod(x * x - square, p25519) !== 0n) throw new Error('no point')
    if ((x & 1n) !== whole >> 255n) x = mod(-x, p25519)
    return { X: x, Y: y, Z: 1n }
  },
  encodeScalar: (scalar) => littleEndian(scalar, 32),
  decodeScalar: fromLittleEndian,
}

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export function sha512(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
