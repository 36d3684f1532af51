import { mod, type Point, times } from './curves.ts'
import {
  type Committee,
  context,
  curveOf,
  type Frame,
  type KeyShare,
  lagrange,
  Stream,
  TH,
  Transcript,
  u16,
} from './protocol.ts'

/** docs/mpc-protocol.md, "Recovery of a lost share".
 * @param helpers As many as the threshold, ascending. */
export function recoverShare(
  committee: Committee,
  instance: Uint8Array,
  { helpers, lost }: { helpers: readonly KeyShare[]; lost: number },
): { frames: readonly Frame[]; secret: bigint } {
  const curve = curveOf(committee.suite)
  const [key] = helpers
  if (key === undefined) throw new Error('nobody helps')
  const T = helpers.map(({ index }) => index)
  const subject = TH(
    'recover/subject',
    key.epochId,
    curve.encode(key.publicKey),
    key.chainCode,
    u16(lost),
    u16(T.length),
    ...T.map(u16),
  )
  const ctx0 = context(committee, 0x30, instance, subject)
  const out = new Transcript(committee.suite)
  const highest = T.at(-1) as number
  const summands = new Map<number, Map<number, bigint>>()
  for (const helper of helpers) {
    const member = committee.members.find(({ index }) => index === helper.index)
    const stream = new Stream(member?.seed as Uint8Array)
    const to = new Map<number, bigint>()
    let rest = mod(lagrange(curve, T, helper.index, lost) * helper.secret, curve.order)
    for (const k of T) {
      if (k === highest) continue
      const summand = stream.scalar(curve.order)
      to.set(k, summand)
      rest = mod(rest - summand, curve.order)
    }
    to.set(highest, rest)
    summands.set(helper.index, to)
    for (const k of T) {
      if (k !== helper.index) out.send(0x31, helper.index, k, ctx0, curve.encodeScalar(to.get(k) as bigint))
    }
  }
  let secret = 0n
  for (const helper of helpers) {
    const sum = mod(
      T.reduce((total, j) => total + (summands.get(j)?.get(helper.index) as bigint), 0n),
      curve.order,
    )
    secret = mod(secret + sum, curve.order)
    const everyone = committee.members.map(({ index }) => index)
    out.send(
      0x32,
      helper.index,
      lost,
      ctx0,
      Buffer.concat([
        curve.encodeScalar(sum),
        helper.epochId,
        helper.chainCode,
        curve.encode(helper.publicKey),
        u16(everyone.length),
        ...everyone.flatMap((j) => [u16(j), curve.encode(helper.publicShares.get(j) as Point)]),
      ]),
    )
  }
  const expected = curve.encode(key.publicShares.get(lost) as Point)
  if (!curve.encode(times(curve, secret)).equals(expected)) throw new Error('not the lost share')
  return { frames: out.frames, secret }
}
