import {
  type Curve,
  fromBigEndian,
  inverse,
  mod,
  multiply,
  type Point,
  sha256,
  sha512,
  sumPoints,
  times,
} from './curves.ts'
import {
  curveOf,
  type Frame,
  type KeyShare,
  lagrange,
  Stream,
  TH,
  Transcript,
  u8,
  u16,
  u32,
  versionString,
  wireSession,
} from './protocol.ts'
import { derive } from './signature.ts'

/** The five hashes of RFC 9591, sections 6.1 and 6.5; the challenge is of R, key and message. */
interface Hashes {
  readonly rho: (message: Uint8Array) => bigint
  readonly challenge: (R: Buffer, key: Buffer, message: Uint8Array) => bigint
  readonly nonce: (message: Uint8Array) => bigint
  readonly message: (message: Uint8Array) => Buffer
  readonly commitments: (message: Uint8Array) => Buffer
}

function ed25519Hashes(order: bigint): Hashes {
  const name = Buffer.from('FROST-ED25519-SHA512-v1')
  const reduced = (...parts: Uint8Array[]) =>
    mod(fromBigEndian(Buffer.from(sha512(...parts)).reverse()), order)
  return {
    rho: (message) => reduced(name, Buffer.from('rho'), message),
    // RFC 8032's own challenge, so that ordinary verifiers accept.
    challenge: (R, key, message) => reduced(R, key, message),
    nonce: (message) => reduced(name, Buffer.from('nonce'), message),
    message: (message) => sha512(name, Buffer.from('msg'), message),
    commitments: (message) => sha512(name, Buffer.from('com'), message),
  }
}

/** RFC 9380, section 5.3.1, with SHA-256, for 48 bytes: two blocks. */
function expand(message: Uint8Array, dst: string): Buffer {
  const tail = Buffer.concat([Buffer.from(dst), u8(dst.length)])
  const b0 = sha256(Buffer.alloc(64), message, u16(48), u8(0), tail)
  const b1 = sha256(b0, u8(1), tail)
  const b2 = sha256(Buffer.from(b0.map((byte, i) => byte ^ (b1[i] as number))), u8(2), tail)
  return Buffer.concat([b1, b2]).subarray(0, 48)
}

function secp256k1Hashes(order: bigint, name = 'FROST-secp256k1-SHA256-v1'): Hashes {
  const field = (use: string) => (message: Uint8Array) =>
    mod(fromBigEndian(expand(message, `${name}${use}`)), order)
  return {
    rho: field('rho'),
    challenge: (R, key, message) => field('chal')(Buffer.concat([R, key, message])),
    nonce: field('nonce'),
    message: (message) => sha256(Buffer.from(`${name}msg`), message),
    commitments: (message) => sha256(Buffer.from(`${name}com`), message),
  }
}

/** BIP-340, "Tagged hashes". */
function tagged(tag: string, ...parts: Uint8Array[]): Buffer {
  const t = sha256(Buffer.from(tag, 'ascii'))
  return sha256(t, t, ...parts)
}

function bip340Hashes(order: bigint): Hashes {
  return {
    ...secp256k1Hashes(order, 'FROST-secp256k1-SHA256-TR-v1'),
    challenge: (R, key, message) =>
      mod(fromBigEndian(tagged('BIP0340/challenge', R.subarray(1, 33), key.subarray(1, 33), message)), order),
  }
}

function hashesOf(suite: 2 | 3 | 4, order: bigint): Hashes {
  if (suite === 2) return ed25519Hashes(order)
  return suite === 3 ? secp256k1Hashes(order) : bip340Hashes(order)
}

const hasEvenY = (curve: Curve, point: Point) => curve.encode(point)[0] === 2

/** The key that signs is Q, and its secret is g (gacc x + tacc), as in BIP-327, "Tweaking the Aggregate Public Key". */
interface TweakedKey {
  readonly Q: Buffer
  readonly g: 1n | -1n
  readonly gacc: 1n | -1n
  readonly tacc: bigint
  /** t of BIP-341, or no bytes. */
  readonly taproot: Buffer
  /** Suite 4: whether y was odd, of the derived key and of the output. */
  readonly isOdd: readonly boolean[]
}

function tweakedKey(key: KeyShare, order: Pick<FrostOrder, 'suite' | 'path' | 'merkleRoot'>): TweakedKey {
  const curve = curveOf(order.suite)
  const none = Buffer.alloc(0)
  if (order.suite === 2)
    return { Q: curve.encode(key.publicKey), g: 1n, gacc: 1n, tacc: 0n, taproot: none, isOdd: [] }
  const { tweak, publicKey } = derive(key, order.path ?? [])
  if (order.suite === 3)
    return { Q: curve.encode(publicKey), g: 1n, gacc: 1n, tacc: tweak, taproot: none, isOdd: [] }
  const sign = (point: Point) => (hasEvenY(curve, point) ? 1n : -1n)
  const even = (point: Point) => (hasEvenY(curve, point) ? point : curve.negate(point))
  if (order.merkleRoot === undefined) {
    const g = sign(publicKey)
    return { Q: curve.encode(even(publicKey)), g, gacc: 1n, tacc: tweak, taproot: none, isOdd: [g < 0n] }
  }
  const first = sign(publicKey)
  const taproot = tagged('TapTweak', curve.encode(publicKey).subarray(1), order.merkleRoot)
  const output = curve.add(even(publicKey), times(curve, fromBigEndian(taproot)))
  return {
    Q: curve.encode(even(output)),
    g: sign(output),
    gacc: first,
    tacc: mod(fromBigEndian(taproot) + first * tweak, curve.order),
    taproot,
    isOdd: [first < 0n, sign(output) < 0n],
  }
}

export interface FrostOrder {
  readonly suite: 2 | 3 | 4
  readonly label: string
  readonly keys: readonly KeyShare[]
  readonly seeds: ReadonlyMap<number, Uint8Array>
  readonly message: Uint8Array
  readonly instance: Uint8Array
  /** Suites 3 and 4. */
  readonly path?: readonly number[]
  /** Suite 4: no bytes for an output without scripts; absent for the key itself. */
  readonly merkleRoot?: Uint8Array
}

export interface FrostSigned {
  readonly frames: readonly Frame[]
  /** As the curve encodes it; on suite 4 its x alone goes into the signature. */
  readonly R: Buffer
  readonly z: Buffer
  readonly publicKey: Buffer
  readonly isOdd: readonly boolean[]
}

/** docs/mpc-protocol.md, "FROST signature", over RFC 9591, section 5. */
export function signFrost(order: FrostOrder): FrostSigned {
  const { keys, message, suite } = order
  const curve = curveOf(suite)
  const hashes = hashesOf(suite, curve.order)
  const [first] = keys
  if (first === undefined) throw new Error('nobody signs')
  const S = keys.map(({ index }) => index)
  const { Q: publicKey, g, gacc, tacc, taproot, isOdd } = tweakedKey(first, order)
  const out = new Transcript(suite)
  const start = TH(
    'frost/start',
    versionString,
    u8(suite),
    order.label,
    first.epochId,
    publicKey,
    Buffer.concat((order.path ?? []).map(u32)),
    ...(suite === 4 ? [taproot] : []),
    u16(S.length),
    ...S.map(u16),
    message,
    order.instance,
  )
  const commitments = keys.map((key) => {
    const stream = new Stream(order.seeds.get(key.index) as Uint8Array)
    const secret = curve.encodeScalar(key.secret)
    const hiding = hashes.nonce(Buffer.concat([stream.bytes(32), secret]))
    const binding = hashes.nonce(Buffer.concat([stream.bytes(32), secret]))
    const D = multiply(curve, hiding, curve.generator)
    const E = multiply(curve, binding, curve.generator)
    out.send(0x61, key.index, 0, start, Buffer.concat([curve.encode(D), curve.encode(E)]))
    return { key, hiding, binding, D, E }
  })
  const id = TH(
    'frost/id',
    start,
    u16(S.length),
    ...commitments.flatMap(({ key, D, E }) => [u16(key.index), curve.encode(D), curve.encode(E)]),
  )
  const session = wireSession(start, id)
  const list = Buffer.concat(
    commitments.map(({ key, D, E }) =>
      Buffer.concat([curve.encodeScalar(BigInt(key.index)), curve.encode(D), curve.encode(E)]),
    ),
  )
  const prefix = Buffer.concat([publicKey, hashes.message(message), hashes.commitments(list)])
  const factor = (index: number) => hashes.rho(Buffer.concat([prefix, curve.encodeScalar(BigInt(index))]))
  const R = groupCommitment(
    curve,
    commitments.map(({ key, D, E }) => ({ D, E, factor: factor(key.index) })),
  )
  const encodedR = curve.encode(R)
  const c = hashes.challenge(encodedR, publicKey, message)
  const flip = suite === 4 && !hasEvenY(curve, R) ? -1n : 1n
  let z = 0n
  for (const { key, hiding, binding } of commitments) {
    const x = g * (gacc * key.secret + tacc)
    const share = mod(
      flip * (hiding + binding * factor(key.index)) + lagrange(curve, S, key.index) * x * c,
      curve.order,
    )
    out.send(0x62, key.index, 0, session, curve.encodeScalar(share))
    z = mod(z + share, curve.order)
  }
  return { frames: out.frames, R: encodedR, z: curve.encodeScalar(z), publicKey, isOdd }
}

function groupCommitment(
  curve: Curve,
  parts: readonly { readonly D: Point; readonly E: Point; readonly factor: bigint }[],
): Point {
  return sumPoints(
    curve,
    parts.flatMap(({ D, E, factor }) => [D, multiply(curve, factor, E)]),
  )
}

/** What a FROST(secp256k1, SHA-256) verifier checks: z G = R + c Y. */
export function verifyFrostSecp256k1(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: { readonly R: Uint8Array; readonly z: Uint8Array },
): boolean {
  const curve = curveOf(3)
  const [R, key] = [Buffer.from(signature.R), Buffer.from(publicKey)]
  const c = secp256k1Hashes(curve.order).challenge(R, key, message)
  const left = multiply(curve, fromBigEndian(signature.z), curve.generator)
  const right = curve.add(curve.decode(signature.R), multiply(curve, c, curve.decode(publicKey)))
  return curve.encode(left).equals(curve.encode(right))
}

/** BIP-340, "Verification". */
export function verifyBip340(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const curve = curveOf(4)
  const p = 2n ** 256n - 2n ** 32n - 977n
  const [r, s] = [fromBigEndian(signature.subarray(0, 32)), fromBigEndian(signature.subarray(32))]
  if (publicKey.length !== 32 || signature.length !== 64 || r >= p || s >= curve.order) return false
  let P: Point
  try {
    P = curve.decode(Buffer.concat([Buffer.from([2]), publicKey]))
  } catch {
    return false
  }
  const hash = tagged('BIP0340/challenge', signature.subarray(0, 32), publicKey, message)
  const e = mod(fromBigEndian(hash), curve.order)
  const R = curve.add(times(curve, s), curve.negate(multiply(curve, e, P)))
  if (R.Z === 0n) return false
  const x = mod(R.X * inverse(R.Z, p), p)
  return hasEvenY(curve, R) && x === r
}
