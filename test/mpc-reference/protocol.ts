import {
  bigEndian,
  type Curve,
  ed25519,
  fromBigEndian,
  mod,
  type Point,
  secp256k1,
  sha256,
} from './curves.ts'

/** What all ceremonies of docs/mpc-protocol.md share: hashes, drawing, frames, Lagrange coefficients. */
export const versionString = 'countersign/dkls/v1/kappa128/sigma128/xi512/rho1'

export type Suite = 1 | 2 | 3 | 4

export function curveOf(suite: Suite): Curve {
  return suite === 2 ? ed25519 : secp256k1
}

export type Field = Uint8Array | string

export const u8 = (value: number) => Buffer.from([value])
export const u16 = (value: number) => bigEndian(BigInt(value), 2)
export const u32 = (value: number) => bigEndian(BigInt(value), 4)

function bytesOf(field: Field): Buffer {
  return typeof field === 'string' ? Buffer.from(field, 'utf8') : Buffer.from(field)
}

export function TH(tag: string, ...fields: readonly Field[]): Buffer {
  const t = sha256(Buffer.from(`countersign/dkls/v1/${tag}`))
  return sha256(t, t, ...fields.flatMap((field) => [u32(bytesOf(field).length), bytesOf(field)]))
}

export function HS(order: bigint, tag: string, ...fields: readonly Field[]): bigint {
  const wide = Buffer.concat([TH(`${tag}/0`, ...fields), TH(`${tag}/1`, ...fields)])
  return mod(fromBigEndian(wide), order)
}

export function BH(tag: string, head: Uint8Array, rest: Uint8Array): Buffer {
  return sha256(sha256(Buffer.from(`countersign/dkls/v1/${tag}`)), head, rest)
}

/** The seeded stream of the document; one for each party. */
export class Stream {
  #seed: Uint8Array
  #counter = 0
  #left: Buffer = Buffer.alloc(0)
  constructor(seed: Uint8Array) {
    this.#seed = seed
  }
  bytes(length: number): Buffer {
    while (this.#left.length < length) {
      const block = sha256(Buffer.from('countersign-test-random-1'), this.#seed, u32(this.#counter++))
      this.#left = Buffer.concat([this.#left, block])
    }
    const drawn = this.#left.subarray(0, length)
    this.#left = this.#left.subarray(length)
    return Buffer.from(drawn)
  }
  scalar(order: bigint): bigint {
    const bits = order.toString(2).length
    for (;;) {
      const value = fromBigEndian(this.bytes(32)) & (2n ** BigInt(bits) - 1n)
      if (value > 0n && value < order) return value
    }
  }
}

export interface Frame {
  readonly code: number
  readonly sender: number
  /** 0: broadcast. */
  readonly receiver: number
  readonly bytes: Buffer
}

export class Transcript {
  readonly frames: Frame[] = []
  readonly #suite: Suite
  constructor(suite: Suite) {
    this.#suite = suite
  }
  send(code: number, from: number, to: number, session: Uint8Array, payload: Uint8Array): void {
    const bytes = Buffer.concat([
      u8(1),
      u8(this.#suite),
      u8(code),
      u16(from),
      u16(to),
      session,
      u16(payload.length),
      payload,
    ])
    this.frames.push({ code, sender: from, receiver: to, bytes })
  }
}

/** The session id on the wire from round 2 on. */
export function wireSession(start: Uint8Array, id: Uint8Array): Buffer {
  return Buffer.concat([start.subarray(0, 4), id.subarray(0, 28)])
}

/** Product of (x - j) / (i - j) over the others of S. */
export function lagrange(curve: Curve, parties: readonly number[], i: number, x = 0): bigint {
  let top = 1n
  let bottom = 1n
  for (const j of parties) {
    if (j === i) continue
    top = mod(top * BigInt(x - j), curve.order)
    bottom = mod(bottom * BigInt(i - j), curve.order)
  }
  let inverse = 1n
  let square = bottom
  for (let rest = curve.order - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) inverse = mod(inverse * square, curve.order)
    square = mod(square * square, curve.order)
  }
  return mod(top * inverse, curve.order)
}

/** Coefficients lowest first. */
export function evaluate(curve: Curve, coefficients: readonly bigint[], x: number): bigint {
  let sum = 0n
  coefficients.forEach((a, k) => {
    sum = mod(sum + a * BigInt(x) ** BigInt(k), curve.order)
  })
  return sum
}

export interface Committee {
  readonly suite: Suite
  readonly label: string
  readonly t: number
  /** In ascending order of index. */
  readonly members: readonly {
    readonly index: number
    readonly identity: Uint8Array
    readonly seed: Uint8Array
  }[]
}

export function context(
  { suite, label, t, members }: Committee,
  ceremony: number,
  instance: Uint8Array,
  subject: Uint8Array,
): Buffer {
  return TH(
    'ctx',
    versionString,
    u8(suite),
    u8(ceremony),
    label,
    instance,
    subject,
    u16(t),
    u16(members.length),
    ...members.flatMap(({ index, identity }) => [u16(index), identity]),
  )
}

export interface PairState {
  /** As bob toward the peer: both keys of each base transfer. */
  readonly bobKeys: readonly (readonly [Buffer, Buffer])[]
  /** As alice toward the peer. */
  readonly delta: Buffer
  readonly aliceKeys: readonly Buffer[]
  readonly zeroSeed: Buffer
}

export interface KeyShare {
  readonly index: number
  readonly secret: bigint
  readonly publicShares: ReadonlyMap<number, Point>
  readonly publicKey: Point
  readonly chainCode: Buffer
  readonly epochId: Buffer
  readonly pairs: ReadonlyMap<number, PairState>
}

export function bit(bytes: Uint8Array, index: number): number {
  return ((bytes[index >> 3] as number) >> (index & 7)) & 1
}
