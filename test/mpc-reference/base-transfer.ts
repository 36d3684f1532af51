import { secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { secp256k1 as curve, multiply, type Point, times } from './curves.ts'
import { bit, type Stream, TH, u8, u16 } from './protocol.ts'

/** Masny-Rindal endemic oblivious transfer, 128 instances; docs/mpc-protocol.md, "Base oblivious transfer". */
export const transfers = 128

/**
 * RFC 9380 is checked by its own vectors in boundary/mpc; this one primitive is noble's here too.
 */
function hashToCurve(osid: Uint8Array, o: number, b: number, point: Point): Point {
  const input = Buffer.concat([osid, u16(o), u8(b), curve.encode(point)])
  const DST = 'countersign/dkls/v1/ot/hp/secp256k1_XMD:SHA-256_SSWU_RO_'
  return curve.decode(secp256k1_hasher.hashToCurve(input, { DST }).toBytes(true))
}

export function transferSession(sid: Uint8Array, alice: number, bob: number): Buffer {
  return TH('ot/sid', sid, u16(alice), u16(bob))
}

export interface AliceDraws {
  readonly delta: Buffer
  readonly t: readonly bigint[]
  readonly w: readonly bigint[]
}

export function drawAlice(stream: Stream): AliceDraws {
  const delta = stream.bytes(16)
  const t: bigint[] = []
  const w: bigint[] = []
  for (let o = 1; o <= transfers; o++) {
    t.push(stream.scalar(curve.order))
    w.push(stream.scalar(curve.order))
  }
  return { delta, t, w }
}

/** Message 1: R_0, R_1 of each instance. */
export function aliceMessage(osid: Uint8Array, { delta, t, w }: AliceDraws): Buffer {
  const parts: Buffer[] = []
  for (let o = 1; o <= transfers; o++) {
    const choice = bit(delta, o - 1)
    const other = times(curve, w[o - 1] as bigint)
    const chosen = curve.add(
      times(curve, t[o - 1] as bigint),
      curve.negate(hashToCurve(osid, o, choice, other)),
    )
    const [first, second] = choice === 0 ? [chosen, other] : [other, chosen]
    parts.push(curve.encode(first), curve.encode(second))
  }
  return Buffer.concat(parts)
}

export function drawBob(stream: Stream): (readonly [bigint, bigint])[] {
  return Array.from({ length: transfers }, () => {
    const s0 = stream.scalar(curve.order)
    return [s0, stream.scalar(curve.order)] as const
  })
}

const pair = (message: Buffer, o: number): [Buffer, Buffer] => [
  message.subarray(66 * (o - 1), 66 * (o - 1) + 33),
  message.subarray(66 * (o - 1) + 33, 66 * o),
]

interface KeyPlace {
  readonly osid: Uint8Array
  readonly o: number
  readonly b: number
  readonly R: readonly [Buffer, Buffer]
}

function keyOf({ osid, o, b, R }: KeyPlace, M: Buffer, shared: Point): Buffer {
  return TH('ot/key', osid, u16(o), u8(b), R[0], R[1], M, curve.encode(shared)).subarray(0, 16)
}

/** Message 2 (M_0, M_1 of each instance) and both keys. */
export function bobAnswer(
  osid: Uint8Array,
  message: Buffer,
  draws: readonly (readonly [bigint, bigint])[],
): { message: Buffer; keys: [Buffer, Buffer][] } {
  const parts: Buffer[] = []
  const keys: [Buffer, Buffer][] = []
  for (let o = 1; o <= transfers; o++) {
    const R = pair(message, o)
    const both = ([0, 1] as const).map((b) => {
      const A = curve.add(curve.decode(R[b]), hashToCurve(osid, o, b, curve.decode(R[1 - b] as Buffer)))
      const s = (draws[o - 1] as readonly [bigint, bigint])[b]
      const M = curve.encode(times(curve, s))
      parts.push(M)
      return keyOf({ osid, o, b, R }, M, multiply(curve, s, A))
    })
    keys.push(both as [Buffer, Buffer])
  }
  return { message: Buffer.concat(parts), keys }
}

export function aliceKeys(osid: Uint8Array, draws: AliceDraws, sent: Buffer, answer: Buffer): Buffer[] {
  const keys: Buffer[] = []
  for (let o = 1; o <= transfers; o++) {
    const b = bit(draws.delta, o - 1)
    const M = pair(answer, o)[b] as Buffer
    const shared = multiply(curve, draws.t[o - 1] as bigint, curve.decode(M))
    keys.push(keyOf({ osid, o, b, R: pair(sent, o) }, M, shared))
  }
  return keys
}
