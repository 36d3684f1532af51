import {
  type AliceDraws,
  aliceKeys,
  aliceMessage,
  bobAnswer,
  drawAlice,
  drawBob,
  transferSession,
} from './base-transfer.ts'
import { mod, multiply, type Point, sumPoints, times } from './curves.ts'
import {
  type Committee,
  context,
  curveOf,
  evaluate,
  type Frame,
  HS,
  type KeyShare,
  lagrange,
  type PairState,
  Stream,
  TH,
  Transcript,
  u16,
  wireSession,
} from './protocol.ts'

export interface Reshare {
  /** The new committee, with its threshold, seeds and identities. */
  readonly committee: Committee
  /** As many as the old threshold, ascending. Nobody here is in both committees: each has a stream of its own. */
  readonly old: readonly {
    readonly key: KeyShare
    readonly identity: Uint8Array
    readonly seed: Uint8Array
  }[]
  readonly instance: Uint8Array
  /** 0x70 is an import: from one party that has the whole key. */
  readonly ceremony?: 0x40 | 0x70
}

/** docs/mpc-protocol.md, "Reshare", with everybody in one loop. */
export function reshareKey({ committee, old, instance, ceremony = 0x40 }: Reshare): {
  frames: readonly Frame[]
  keys: ReadonlyMap<number, KeyShare>
} {
  const { suite, t, members } = committee
  const curve = curveOf(suite)
  const withTransfers = suite === 1
  const [anyOld] = old
  if (anyOld === undefined) throw new Error('nobody hands over')
  const { publicKey, chainCode, epochId, publicShares } = anyOld.key
  const T = old.map(({ key }) => key.index)
  const subject = TH(
    'reshare/subject',
    epochId,
    curve.encode(publicKey),
    chainCode,
    u16(T.length),
    ...old.flatMap(({ key, identity }) => [
      u16(key.index),
      identity,
      curve.encode(publicShares.get(key.index) as Point),
    ]),
  )
  const ctx0 = context(committee, ceremony, instance, subject)
  const out = new Transcript(suite)
  const ks = Array.from({ length: t }, (_, k) => k)
  const n = u16(members.length)

  // Round 1.
  const givers = old.map(({ key, seed }) => {
    const stream = new Stream(seed)
    const constant = mod(lagrange(curve, T, key.index) * key.secret, curve.order)
    const coefficients = [constant, ...ks.slice(1).map(() => stream.scalar(curve.order))]
    const F = coefficients.map((a) => times(curve, a))
    const sid = stream.bytes(32)
    const rho = stream.bytes(32)
    const C = TH(
      'reshare/com',
      ctx0,
      u16(key.index),
      sid,
      u16(t),
      ...F.map((point) => curve.encode(point)),
      rho,
    )
    out.send(0x41, key.index, 0, ctx0, Buffer.concat([sid, C]))
    return { i: key.index, stream, coefficients, F, sid, rho, C, broadcast: Buffer.alloc(0) }
  })
  const takers = members.map(({ index: j, seed }) => {
    const stream = new Stream(seed)
    const nonce = stream.bytes(32)
    out.send(0x49, j, 0, ctx0, nonce)
    return {
      j,
      stream,
      nonce,
      zeroTo: new Map<number, Buffer>(),
      alice: new Map<number, AliceDraws>(),
      aliceSent: new Map<number, Buffer>(),
      bobKeys: new Map<number, [Buffer, Buffer][]>(),
      bobSent: new Map<number, Buffer>(),
    }
  })
  type Taker = (typeof takers)[number]
  const sid = TH(
    'reshare/sid',
    ctx0,
    u16(T.length),
    ...givers.flatMap((giver) => [u16(giver.i), giver.sid, giver.C]),
    n,
    ...takers.flatMap((taker) => [u16(taker.j), taker.nonce]),
  )
  const session = wireSession(ctx0, sid)

  // Round 2.
  for (const giver of givers) {
    const nonces = ks.map(() => giver.stream.scalar(curve.order))
    const proofs = ks.map((k) => {
      const nonce = nonces[k] as bigint
      const A = curve.encode(times(curve, nonce))
      const e = HS(curve.order, 'dkg/pok', sid, u16(giver.i), u16(k), curve.encode(giver.F[k] as Point), A)
      const z = mod(nonce + e * (giver.coefficients[k] as bigint), curve.order)
      return Buffer.concat([A, curve.encodeScalar(z)])
    })
    giver.broadcast = Buffer.concat([...giver.F.map((point) => curve.encode(point)), giver.rho, ...proofs])
    out.send(0x42, giver.i, 0, session, giver.broadcast)
    for (const { j } of takers) {
      const value = curve.encodeScalar(evaluate(curve, giver.coefficients, j))
      out.send(0x42, giver.i, j, session, value)
    }
  }
  const othersOf = (taker: Taker) => takers.filter((other) => other !== taker)
  if (withTransfers) {
    for (const taker of takers) {
      for (const { j: l } of othersOf(taker)) {
        taker.zeroTo.set(l, taker.stream.bytes(32))
        taker.alice.set(l, drawAlice(taker.stream))
      }
      for (const { j: l } of othersOf(taker)) {
        const sent = aliceMessage(transferSession(sid, taker.j, l), taker.alice.get(l) as AliceDraws)
        taker.aliceSent.set(l, sent)
        const payload = Buffer.concat([taker.zeroTo.get(l) as Buffer, sent])
        out.send(0x4a, taker.j, l, session, payload)
      }
    }
  }

  // Round 3.
  const echo = TH(
    'dkg/echo',
    sid,
    u16(T.length),
    ...givers.flatMap((giver) => [u16(giver.i), giver.broadcast]),
  )
  for (const giver of givers) out.send(0x43, giver.i, 0, session, echo)
  for (const taker of takers) {
    out.send(0x4b, taker.j, 0, session, echo)
    if (!withTransfers) continue
    const draws = new Map(othersOf(taker).map(({ j }) => [j, drawBob(taker.stream)]))
    for (const alice of othersOf(taker)) {
      const answer = bobAnswer(
        transferSession(sid, alice.j, taker.j),
        alice.aliceSent.get(taker.j) as Buffer,
        draws.get(alice.j) as [bigint, bigint][],
      )
      taker.bobKeys.set(alice.j, answer.keys)
      taker.bobSent.set(alice.j, answer.message)
      out.send(0x4b, taker.j, alice.j, session, answer.message)
    }
  }

  // Round 4.
  const newEpoch = TH('dkg/epoch', sid, echo)
  const newShares = new Map<number, Point>(
    members.map(({ index }) => [
      index,
      sumPoints(
        curve,
        givers.flatMap(({ F }) => F.map((point, k) => multiply(curve, BigInt(index) ** BigInt(k), point))),
      ),
    ]),
  )
  const ok = TH(
    'dkg/ok',
    newEpoch,
    curve.encode(publicKey),
    n,
    ...members.flatMap(({ index }) => [u16(index), curve.encode(newShares.get(index) as Point)]),
    chainCode,
  )
  const confirmations: Buffer[] = []
  const keys = new Map<number, KeyShare>()
  for (const taker of takers) {
    const secret = mod(
      givers.reduce((sum, { coefficients }) => sum + evaluate(curve, coefficients, taker.j), 0n),
      curve.order,
    )
    const X = curve.encode(newShares.get(taker.j) as Point)
    if (!curve.encode(times(curve, secret)).equals(X)) throw new Error('a new share is wrong')
    const nonce = taker.stream.scalar(curve.order)
    const A = curve.encode(times(curve, nonce))
    const e = HS(curve.order, 'dkg/share-pok', newEpoch, u16(taker.j), X, A)
    const z = curve.encodeScalar(mod(nonce + e * secret, curve.order))
    const confirmation = Buffer.concat([ok, A, z])
    confirmations.push(confirmation)
    out.send(0x4c, taker.j, 0, session, confirmation)
    const pairs = new Map<number, PairState>()
    if (withTransfers) {
      for (const peer of othersOf(taker)) {
        const [low, high] = taker.j < peer.j ? [taker, peer] : [peer, taker]
        const draws = taker.alice.get(peer.j) as AliceDraws
        pairs.set(peer.j, {
          bobKeys: taker.bobKeys.get(peer.j) as [Buffer, Buffer][],
          delta: draws.delta,
          aliceKeys: aliceKeys(
            transferSession(sid, taker.j, peer.j),
            draws,
            taker.aliceSent.get(peer.j) as Buffer,
            peer.bobSent.get(taker.j) as Buffer,
          ),
          zeroSeed: TH(
            'dkg/zero',
            sid,
            u16(low.j),
            u16(high.j),
            low.zeroTo.get(high.j) as Buffer,
            high.zeroTo.get(low.j) as Buffer,
          ),
        })
      }
    }
    keys.set(taker.j, {
      index: taker.j,
      secret,
      publicShares: newShares,
      publicKey,
      chainCode,
      epochId: newEpoch,
      pairs,
    })
  }

  // Round 5.
  const retire = TH(
    'reshare/retire',
    epochId,
    newEpoch,
    n,
    ...members.flatMap(({ index }, at) => [u16(index), confirmations[at] as Buffer]),
  )
  for (const giver of givers) out.send(0x45, giver.i, 0, session, retire)
  return { frames: out.frames, keys }
}
