import { type Curve, fromBigEndian, mod, multiply, type Point, sha256, sha512, sumPoints } from './curves.ts'
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
  versionString,
  wireSession,
} from './protocol.ts'

/** The five hashes of RFC 9591, sections 6.1 and 6.5. */
interface Hashes {
  readonly rho: (message: Uint8Array) => bigint
  readonly challenge: (message: Uint8Array) => bigint
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
    challenge: (message) => reduced(message),
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

function secp256k1Hashes(order: bigint): Hashes {
  const name = 'FROST-secp256k1-SHA256-v1'
  const field = (use: string) => (message: Uint8Array) =>
    mod(fromBigEndian(expand(message, `${name}${use}`)), order)
  return {
    rho: field('rho'),
    challenge: field('chal'),
    nonce: field('nonce'),
    message: (message) => sha256(Buffer.from(`${name}msg`), message),
    commitments: (message) => sha256(Buffer.from(`${name}com`), message),
  }
}

export interface FrostOrder {
  readonly suite: 2 | 3
  readonly label: string
  readonly keys: readonly KeyShare[]
  readonly seeds: ReadonlyMap<number, Uint8Array>
  readonly message: Uint8Array
  readonly instance: Uint8Array
}

/** docs/mpc-protocol.md, "FROST signature", over RFC 9591, section 5; without derivation. */
export function signFrost(order: FrostOrder): { frames: readonly Frame[]; R: Buffer; z: Buffer } {
  const { keys, message, suite } = order
  const curve = curveOf(suite)
  const hashes = suite === 2 ? ed25519Hashes(curve.order) : secp256k1Hashes(curve.order)
  const [first] = keys
  if (first === undefined) throw new Error('nobody signs')
  const S = keys.map(({ index }) => index)
  const publicKey = curve.encode(first.publicKey)
  const out = new Transcript(suite)
  const start = TH(
    'frost/start',
    versionString,
    u8(suite),
    order.label,
    first.epochId,
    publicKey,
    Buffer.alloc(0),
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
  const c = hashes.challenge(Buffer.concat([encodedR, publicKey, message]))
  let z = 0n
  for (const { key, hiding, binding } of commitments) {
    const share = mod(
      hiding + binding * factor(key.index) + lagrange(curve, S, key.index) * key.secret * c,
      curve.order,
    )
    out.send(0x62, key.index, 0, session, curve.encodeScalar(share))
    z = mod(z + share, curve.order)
  }
  return { frames: out.frames, R: encodedR, z: curve.encodeScalar(z) }
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
  const c = secp256k1Hashes(curve.order).challenge(Buffer.concat([signature.R, publicKey, message]))
  const left = multiply(curve, fromBigEndian(signature.z), curve.generator)
  const right = curve.add(curve.decode(signature.R), multiply(curve, c, curve.decode(publicKey)))
  return curve.encode(left).equals(curve.encode(right))
}
