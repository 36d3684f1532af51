import { concatBytes, encodeU8, encodeU16 } from './byte-writer.ts'
import type { Point, Secp256k1Group } from './group.ts'
import { transferKeyBytes } from './key-share.ts'
import { kappa } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { drawBytes, type RandomSource } from './random-source.ts'
import { taggedHash } from './tagged-hash.ts'
import { fullTag } from './tags.ts'

/**
 * Base oblivious transfer: Masny-Rindal (ePrint 2019/706, figure 8), endemic, 128 instances for each ordered pair of
 * parties; docs/mpc-protocol.md, "Base oblivious transfer". The group operation is the curve's, and the hash maps to
 * the curve: read as XOR of encodings, the same figure tells the sender seven of eight choice bits ("Devious
 * Transfer", 2024).
 */
export interface TransferContext {
  readonly group: Secp256k1Group
  /** 32 bytes, of one session and one ordered pair. */
  readonly osid: Uint8Array
}

/** The id of alice's transfers with bob. Alice chooses; she will be the sender of multiplications. */
export function transferId(sid: Uint8Array, alice: PartyIndex, bob: PartyIndex): Uint8Array {
  return taggedHash('ot/sid', sid, encodeU16(alice), encodeU16(bob))
}

/** What alice keeps between her message and bob's answer. */
export interface AliceChoice {
  /** 16 bytes: choice bit o-1 of transfer o. */
  readonly delta: Uint8Array
  readonly t: readonly bigint[]
  /** R_0 and R_1 of every transfer, as sent. */
  readonly message: Uint8Array
}

interface AliceDraws {
  readonly delta: Uint8Array
  readonly t: bigint[]
  readonly other: bigint[]
}

/** Draws, in this order: delta; for each transfer t and the scalar of the point that is not chosen. */
export function drawChoice({ scalars }: Secp256k1Group, random: RandomSource): AliceDraws {
  const delta = drawBytes(random, kappa / 8)
  const t: bigint[] = []
  const other: bigint[] = []
  for (let o = 0; o < kappa; o++) {
    t.push(scalars.random(random))
    other.push(scalars.random(random))
  }
  return { delta, t, other }
}

/** Step 1, alice: the point that she chose hides behind a hash of the other, which is random. */
export function chooseTransfers(context: TransferContext, draws: AliceDraws): AliceChoice {
  const { group } = context
  const { pointBytes } = group
  const message = new Uint8Array(kappa * 2 * pointBytes)
  for (let o = 0; o < kappa; o++) {
    const choice = bitOf(draws.delta, o)
    const other = group.encode(group.multiplyBase(draws.other[o] as bigint))
    const shield = hashPoint(context, { o, b: choice, point: other })
    const chosen = group.encode(group.add(group.multiplyBase(draws.t[o] as bigint), group.negate(shield)))
    // The other hash is of no use; it is computed so that both choices take the same work.
    hashPoint(context, { o, b: 1 - choice, point: chosen })
    const at = o * 2 * pointBytes
    // Choice 0: chosen first. Both orders write the same bytes of memory.
    const mask = -choice & 0xff
    for (let i = 0; i < pointBytes; i++) {
      const [mine, random] = [chosen[i] as number, other[i] as number]
      const swap = (mine ^ random) & mask
      message[at + i] = mine ^ swap
      message[at + pointBytes + i] = random ^ swap
    }
  }
  return { delta: draws.delta, t: draws.t, message }
}

/** Draws s_0 and s_1 of each transfer. */
export function drawAnswer({ scalars }: Secp256k1Group, random: RandomSource): bigint[] {
  return Array.from({ length: 2 * kappa }, () => scalars.random(random))
}

export interface BobAnswer {
  /** M_0 and M_1 of every transfer. */
  readonly message: Uint8Array
  /** k_0 and k_1 of every transfer, 16 bytes each. */
  readonly keys: Uint8Array
}

/**
 * Step 2, bob: a key for each choice, of which alice can compute one.
 * @param scalars As `drawAnswer` gives them.
 * @returns undefined where A_b is the identity: only an alice who wants that makes it so.
 * @throws {CountersignError} MPC_POINT_INVALID: a point does not decode. */
export function answerTransfers(
  context: TransferContext,
  choice: Uint8Array,
  scalars: readonly bigint[],
): BobAnswer | undefined {
  const { group, osid } = context
  const { pointBytes } = group
  const message = new Uint8Array(kappa * 2 * pointBytes)
  const keys = new Uint8Array(2 * kappa * transferKeyBytes)
  for (let o = 0; o < kappa; o++) {
    const R = pairAt(choice, o, pointBytes)
    const points = R.map((bytes) => group.decode(bytes))
    for (const b of [0, 1] as const) {
      const A = group.add(points[b] as Point, hashPoint(context, { o, b, point: R[1 - b] as Uint8Array }))
      if (group.isIdentity(A)) return undefined
      const s = scalars[2 * o + b] as bigint
      const M = group.encode(group.multiplyBase(s))
      message.set(M, (2 * o + b) * pointBytes)
      const key = transferKey(osid, { o, b, R, M, shared: group.encode(group.multiply(A, s)) })
      keys.set(key, (2 * o + b) * transferKeyBytes)
      key.fill(0)
    }
  }
  return { message, keys }
}

/** @throws {CountersignError} MPC_POINT_INVALID: one of the points of bob's answer does not decode. */
export function checkAnswer(group: Secp256k1Group, answer: Uint8Array): void {
  for (let at = 0; at < answer.length; at += group.pointBytes) {
    group.decode(answer.subarray(at, at + group.pointBytes))
  }
}

/** Step 3, alice: the key of each choice, 16 bytes each. */
export function finishTransfers(
  context: TransferContext,
  { delta, t, message }: AliceChoice,
  answer: Uint8Array,
): Uint8Array {
  const { group, osid } = context
  const { pointBytes } = group
  const keys = new Uint8Array(kappa * transferKeyBytes)
  for (let o = 0; o < kappa; o++) {
    const choice = bitOf(delta, o)
    const [first, second] = pairAt(answer, o, pointBytes)
    const mask = -choice & 0xff
    const M = first.map((byte, i) => byte ^ ((byte ^ (second[i] as number)) & mask))
    const shared = group.encode(group.multiply(group.decode(M), t[o] as bigint))
    const R = pairAt(message, o, pointBytes)
    const key = transferKey(osid, { o, b: choice, R, M, shared })
    keys.set(key, o * transferKeyBytes)
    key.fill(0)
  }
  return keys
}

function bitOf(bits: Uint8Array, index: number): number {
  return ((bits[index >> 3] as number) >> (index & 7)) & 1
}

function pairAt(message: Uint8Array, o: number, pointBytes: number): [Uint8Array, Uint8Array] {
  const at = 2 * o * pointBytes
  return [message.subarray(at, at + pointBytes), message.subarray(at + pointBytes, at + 2 * pointBytes)]
}

const domain = fullTag('ot/hp/secp256k1_XMD:SHA-256_SSWU_RO_')

interface HashedPoint {
  /** From 0; the wire counts from 1. */
  readonly o: number
  readonly b: number
  readonly point: Uint8Array
}

function hashPoint({ group, osid }: TransferContext, { o, b, point }: HashedPoint): Point {
  return group.hashToCurve(concatBytes(osid, encodeU16(o + 1), encodeU8(b), point), domain)
}

interface KeyInput {
  readonly o: number
  readonly b: number
  readonly R: readonly [Uint8Array, Uint8Array]
  readonly M: Uint8Array
  readonly shared: Uint8Array
}

/** Bound to the whole transcript of the transfer; half a digest is the key. */
function transferKey(osid: Uint8Array, { o, b, R, M, shared }: KeyInput): Uint8Array {
  const digest = taggedHash('ot/key', osid, encodeU16(o + 1), encodeU8(b), R[0], R[1], M, shared)
  return digest.subarray(0, transferKeyBytes)
}
