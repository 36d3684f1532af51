import { isCountersignError } from '@countersign/bytes'
import { concatBytes, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import type { Point, Secp256k1Group } from './group.ts'
import { platformRandom } from './random-source.ts'
import { readUint256, secp256k1Scalars } from './scalar-field.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'

/** The part of secp256k1's bindings that is used here; the package has no types of its own. */
interface Bindings {
  contextRandomize(seed: Uint8Array): void
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean
  publicKeyCreate(secretKey: Uint8Array, compressed: boolean): Uint8Array
  publicKeyConvert(publicKey: Uint8Array, compressed: boolean): Uint8Array
  publicKeyNegate(publicKey: Uint8Array, compressed: boolean): Uint8Array
  publicKeyCombine(publicKeys: readonly Uint8Array[], compressed: boolean): Uint8Array
  publicKeyTweakMul(publicKey: Uint8Array, tweak: Uint8Array, compressed: boolean): Uint8Array
  ecdh(
    publicKey: Uint8Array,
    secretKey: Uint8Array,
    options: { hashfn: (x: Uint8Array, y: Uint8Array) => Uint8Array; xbuf: Uint8Array; ybuf: Uint8Array },
    output: Uint8Array,
  ): Uint8Array
}

/**
 * libsecp256k1 through its N-API addon, in Node only.
 * Only `bindings.js` is ever loaded: the package's main module falls back without a word to elliptic, which accepted
 * invalid points (GHSA-584q-6j8j-r5pm) and whose ECDSA can leak keys (CVE-2025-14505). There is no fallback here:
 * a caller that can live with noble catches the error and says so.
 * @throws {CountersignError} MPC_NATIVE_UNAVAILABLE */
export async function loadNativeSecp256k1Group(): Promise<Secp256k1Group> {
  let bindings: Bindings
  try {
    // @ts-expect-error the package has no types of its own
    bindings = ((await import('secp256k1/bindings.js')) as { default: Bindings }).default
    // Blinds multiplications by the generator (libsecp256k1, secp256k1_context_randomize).
    bindings.contextRandomize(platformRandom(32))
  } catch (cause) {
    throw mpcError('MPC_NATIVE_UNAVAILABLE', 'The native secp256k1 addon does not load.', { cause })
  }
  const group = nativeGroup(bindings)
  checkAnswers(group)
  return group
}

/** 65 bytes uncompressed, which spare a square root per use; undefined is the identity, which libsecp256k1 has not. */
class NativePoint {
  readonly bytes: Uint8Array | undefined
  constructor(bytes: Uint8Array | undefined) {
    this.bytes = bytes
  }
}

function nativeGroup(bindings: Bindings): Secp256k1Group {
  const { encode: encodeScalar } = secp256k1Scalars
  const wrap = (bytes: Uint8Array | undefined) => new NativePoint(bytes) as unknown as Point
  const unwrap = (point: Point) => (point as unknown as NativePoint).bytes
  const identity = wrap(undefined)

  /** Scalars are secret: the bytes that libsecp256k1 needs of them do not outlive the call. */
  function withScalar<T>(k: bigint, use: (bytes: Uint8Array) => T): T {
    const bytes = encodeScalar(k)
    try {
      return use(bytes)
    } finally {
      bytes.fill(0)
    }
  }

  const multiplyBase = (k: bigint) =>
    k === 0n ? identity : withScalar(k, (bytes) => wrap(bindings.publicKeyCreate(bytes, false)))

  const negate = (point: Point) => {
    const bytes = unwrap(point)
    return bytes === undefined ? identity : wrap(bindings.publicKeyNegate(bytes, false))
  }

  function equals(a: Point, b: Point): boolean {
    const [left, right] = [unwrap(a), unwrap(b)]
    if (left === undefined || right === undefined) return left === right
    return equalBytes(left, right)
  }

  function decode(bytes: Uint8Array): Point {
    // libsecp256k1 reads the uncompressed and hybrid forms too; they would be second encodings.
    if (!(bytes instanceof Uint8Array) || bytes.length !== 33) {
      throw mpcError('MPC_POINT_INVALID', 'A point of secp256k1 is 33 bytes long.')
    }
    try {
      return wrap(bindings.publicKeyConvert(bytes, false))
    } catch {
      throw mpcError('MPC_POINT_INVALID', 'The bytes are not a compressed point of secp256k1.')
    }
  }

  function known(point: Point): Uint8Array {
    const bytes = unwrap(point)
    if (bytes === undefined) throw new Error('bug: the identity has no encoding')
    return bytes
  }

  const encode = (point: Point) => bindings.publicKeyConvert(known(point), true)

  return {
    name: 'secp256k1',
    backend: 'native',
    scalars: secp256k1Scalars,
    pointBytes: 33,
    identity,
    generator: multiplyBase(1n),
    multiplyBase,
    negate,
    equals,
    decode,
    encode,
    isIdentity: (point) => unwrap(point) === undefined,

    // ECDH is libsecp256k1's only constant-time multiplication of a point; with this hash it returns the point.
    multiply(point, k) {
      const bytes = unwrap(point)
      if (bytes === undefined || k === 0n) return identity
      const product = new Uint8Array(65)
      product[0] = 4
      withScalar(k, (secret) =>
        bindings.ecdh(
          bytes,
          secret,
          {
            hashfn(x, y) {
              product.set(x, 1)
              product.set(y, 33)
              return x
            },
            xbuf: new Uint8Array(32),
            ybuf: new Uint8Array(32),
          },
          new Uint8Array(32),
        ),
      )
      return wrap(product)
    },

    multiplyPublic(point, k) {
      const bytes = unwrap(point)
      if (bytes === undefined || k === 0n) return identity
      return withScalar(k, (tweak) => wrap(bindings.publicKeyTweakMul(bytes, tweak, false)))
    },

    add(a, b) {
      const [left, right] = [unwrap(a), unwrap(b)]
      if (left === undefined) return b
      if (right === undefined) return a
      // Same x, other y: libsecp256k1 refuses a sum that is the identity.
      if (equalBytes(left.subarray(0, 33), right.subarray(0, 33)) && !equalBytes(left, right)) return identity
      return wrap(bindings.publicKeyCombine([left, right], false))
    },

    // libsecp256k1 has no hash to curve.
    hashToCurve(message, domain) {
      return decode(nobleSecp256k1Group.encode(nobleSecp256k1Group.hashToCurve(message, domain)))
    },

    coordinates(point) {
      const bytes = known(point)
      return { x: readUint256(bytes.subarray(1, 33), false), y: readUint256(bytes.subarray(33, 65), false) }
    },

    verify(digest, signature, publicKey) {
      const key = unwrap(publicKey)
      if (digest.length !== 32 || signature.length !== 64 || key === undefined) return false
      try {
        return bindings.ecdsaVerify(signature, digest, key)
      } catch {
        return false
      }
    },
  }
}

/** A build that computes, reads or verifies wrongly must not get as far as a key. */
function checkAnswers(group: Secp256k1Group): void {
  let problem: string | undefined
  try {
    problem = wrongAnswer(group)
  } catch (cause) {
    throw mpcError('MPC_NATIVE_UNAVAILABLE', 'The native secp256k1 addon lacks a function or fails.', {
      cause,
    })
  }
  if (problem === undefined) return
  throw mpcError('MPC_NATIVE_UNAVAILABLE', `The native secp256k1 addon ${problem}.`)
}

/** What it does wrong; every function of the bindings has a part in it. */
function wrongAnswer(group: Secp256k1Group): string | undefined {
  const noble = nobleSecp256k1Group
  const { scalars } = noble
  const [a, b] = [scalars.random(platformRandom), scalars.random(platformRandom)]
  const [base, other] = [group.multiplyBase(a), group.multiplyBase(b)]
  const product = noble.multiplyBase(scalars.multiply(a, b))
  const pairs: readonly (readonly [Point, Point])[] = [
    [base, noble.multiplyBase(a)],
    [group.multiply(base, b), product],
    [group.multiplyPublic(base, b), product],
    [group.add(base, other), noble.multiplyBase(scalars.add(a, b))],
    [group.add(base, base), noble.multiplyBase(scalars.add(a, a))],
    [group.negate(base), noble.multiplyBase(scalars.subtract(0n, a))],
  ]
  for (const [made, wanted] of pairs) {
    const encoded = noble.encode(wanted)
    const isRight = equalBytes(group.encode(made), encoded) && group.equals(made, group.decode(encoded))
    if (!isRight) return 'computes wrong points'
  }
  for (let x = 0; x < 16; x++) {
    // Half of them are on the curve; the last is not below the field's prime.
    const bytes = new Uint8Array(33).fill(x === 15 ? 0xff : 0)
    bytes.set(x === 15 ? [2] : [2, ...new Uint8Array(31), x])
    if (isPoint(group, bytes) !== isPoint(noble, bytes)) return 'reads points that are none'
  }
  const digest = platformRandom(32)
  const r = scalars.mod(group.coordinates(other).x)
  const s = scalars.multiply(scalars.invert(b), scalars.add(scalars.reduce(digest), scalars.multiply(r, a)))
  const [low, high] = s > scalars.order / 2n ? [scalars.order - s, s] : [s, scalars.order - s]
  const signed = (k: bigint) => concatBytes(scalars.encode(r), scalars.encode(k))
  const isVerifier =
    group.verify(digest, signed(low), base) &&
    !group.verify(digest, signed(high), base) &&
    !group.verify(digest, signed(low), other) &&
    !group.verify(platformRandom(32), signed(low), base)
  return isVerifier ? undefined : 'does not verify signatures as it should'
}

function isPoint(group: Secp256k1Group, bytes: Uint8Array): boolean {
  try {
    group.decode(bytes)
    return true
  } catch (error) {
    if (isCountersignError(error)) return false
    throw error
  }
}
