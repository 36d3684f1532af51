import {
  type AliceDraws,
  aliceKeys,
  aliceMessage,
  bobAnswer,
  drawAlice,
  drawBob,
  transferSession,
} from './base-transfer.ts'
import { type Curve, mod, multiply, type Point, sumPoints, times } from './curves.ts'
import {
  type Committee,
  context,
  curveOf,
  evaluate,
  type Frame,
  HS,
  type KeyShare,
  type PairState,
  Stream,
  TH,
  Transcript,
  u16,
  wireSession,
} from './protocol.ts'

/**
 * Key generation and refresh with every party in one loop: docs/mpc-protocol.md, "Key generation" and "Refresh".
 */
export interface KeyGeneration {
  readonly frames: readonly Frame[]
  readonly keys: ReadonlyMap<number, KeyShare>
}

interface Party {
  readonly i: number
  readonly stream: Stream
  /** a_{i,k} by k; in a refresh a_{i,0} is 0 and neither drawn nor shown. */
  coefficients: bigint[]
  F: Point[]
  chainCode: Buffer
  sid: Buffer
  rho: Buffer
  commitment: Buffer
  zeroTo: Map<number, Buffer>
  alice: Map<number, AliceDraws>
  aliceSent: Map<number, Buffer>
  broadcast: Buffer
  bobKeys: Map<number, [Buffer, Buffer][]>
  bobSent: Map<number, Buffer>
}

interface Ceremony {
  readonly code: number
  readonly commitTag: string
  readonly sidTag: string
  /** First coefficient that is drawn, committed to and proven. */
  readonly from: 0 | 1
  readonly ctx0: Buffer
  readonly old: ReadonlyMap<number, KeyShare> | undefined
}

export function generateKey(committee: Committee, instance: Uint8Array): KeyGeneration {
  const ctx0 = context(committee, 0x10, instance, Buffer.alloc(0))
  return run(committee, {
    code: 0x10,
    commitTag: 'dkg/com',
    sidTag: 'dkg/sid',
    from: 0,
    ctx0,
    old: undefined,
  })
}

export function refreshKey(
  committee: Committee,
  instance: Uint8Array,
  old: ReadonlyMap<number, KeyShare>,
): KeyGeneration {
  const curve = curveOf(committee.suite)
  const [key] = old.values()
  if (key === undefined) throw new Error('nothing to refresh')
  const subject = TH(
    'refresh/subject',
    key.epochId,
    curve.encode(key.publicKey),
    key.chainCode,
    u16(committee.members.length),
    ...committee.members.flatMap(({ index }) => [
      u16(index),
      curve.encode(key.publicShares.get(index) as Point),
    ]),
  )
  const ctx0 = context(committee, 0x20, instance, subject)
  return run(committee, {
    code: 0x20,
    commitTag: 'refresh/com',
    sidTag: 'refresh/sid',
    from: 1,
    ctx0,
    old,
  })
}

function run(committee: Committee, ceremony: Ceremony): KeyGeneration {
  const { suite, t, members } = committee
  const { code, ctx0, from, old } = ceremony
  const curve = curveOf(suite)
  const withTransfers = suite === 1
  const out = new Transcript(suite)
  const indices = members.map(({ index }) => index)
  const n = u16(indices.length)
  const ks = Array.from({ length: t - from }, (_, k) => k + from)

  // Round 1.
  const parties = members.map(({ index: i, seed }): Party => {
    const stream = new Stream(seed)
    const coefficients = from === 0 ? [] : [0n]
    for (const _ of ks) coefficients.push(stream.scalar(curve.order))
    const F = coefficients.map((a) => times(curve, a))
    const chainCode = from === 0 ? stream.bytes(32) : Buffer.alloc(0)
    const sid = stream.bytes(32)
    const rho = stream.bytes(32)
    const commitment = TH(
      ceremony.commitTag,
      ctx0,
      u16(i),
      sid,
      u16(ks.length),
      ...ks.map((k) => curve.encode(F[k] as Point)),
      ...(from === 0 ? [chainCode] : []),
      rho,
    )
    out.send(code + 1, i, 0, ctx0, Buffer.concat([sid, commitment]))
    return {
      i,
      stream,
      coefficients,
      F,
      chainCode,
      sid,
      rho,
      commitment,
      zeroTo: new Map(),
      alice: new Map(),
      aliceSent: new Map(),
      broadcast: Buffer.alloc(0),
      bobKeys: new Map(),
      bobSent: new Map(),
    }
  })
  const sid = TH(ceremony.sidTag, ctx0, n, ...parties.flatMap((j) => [u16(j.i), j.sid, j.commitment]))
  const session = wireSession(ctx0, sid)

  // Round 2.
  for (const party of parties) {
    const nonces = ks.map(() => party.stream.scalar(curve.order))
    const others = parties.filter((j) => j !== party)
    if (withTransfers) {
      for (const { i: j } of others) {
        party.zeroTo.set(j, party.stream.bytes(32))
        party.alice.set(j, drawAlice(party.stream))
      }
    }
    const proofs = ks.map((k, at) => {
      const nonce = nonces[at] as bigint
      const A = curve.encode(times(curve, nonce))
      const e = HS(curve.order, 'dkg/pok', sid, u16(party.i), u16(k), curve.encode(party.F[k] as Point), A)
      return Buffer.concat([
        A,
        curve.encodeScalar(mod(nonce + e * (party.coefficients[k] as bigint), curve.order)),
      ])
    })
    party.broadcast = Buffer.concat([
      ...ks.map((k) => curve.encode(party.F[k] as Point)),
      party.chainCode,
      party.rho,
      ...proofs,
    ])
    out.send(code + 2, party.i, 0, session, party.broadcast)
    for (const { i: j } of others) {
      const parts = [curve.encodeScalar(evaluate(curve, party.coefficients, j))]
      if (withTransfers) {
        const sent = aliceMessage(transferSession(sid, party.i, j), party.alice.get(j) as AliceDraws)
        party.aliceSent.set(j, sent)
        parts.push(party.zeroTo.get(j) as Buffer, sent)
      }
      out.send(code + 2, party.i, j, session, Buffer.concat(parts))
    }
  }

  // Round 3.
  const echo = TH('dkg/echo', sid, n, ...parties.flatMap((j) => [u16(j.i), j.broadcast]))
  for (const party of parties) {
    out.send(code + 3, party.i, 0, session, echo)
    if (!withTransfers) continue
    const others = parties.filter((j) => j !== party)
    const draws = new Map(others.map((j) => [j.i, drawBob(party.stream)]))
    for (const alice of others) {
      const answer = bobAnswer(
        transferSession(sid, alice.i, party.i),
        alice.aliceSent.get(party.i) as Buffer,
        draws.get(alice.i) as [bigint, bigint][],
      )
      party.bobKeys.set(alice.i, answer.keys)
      party.bobSent.set(alice.i, answer.message)
      out.send(code + 3, party.i, alice.i, session, answer.message)
    }
  }

  // Output and round 4.
  const epochId = TH('dkg/epoch', sid, echo)
  const publicShares = new Map<number, Point>()
  for (const l of indices) {
    const added = sumPoints(
      curve,
      parties.flatMap(({ F }) =>
        ks.map((k) => multiply(curve, mod(BigInt(l) ** BigInt(k), curve.order), F[k] as Point)),
      ),
    )
    const before = old?.get(l)?.publicShares.get(l)
    publicShares.set(l, before === undefined ? added : curve.add(before, added))
  }
  const [anyOld] = old?.values() ?? []
  const publicKey =
    anyOld?.publicKey ??
    sumPoints(
      curve,
      parties.map(({ F }) => F[0] as Point),
    )
  const chainCode = anyOld?.chainCode ?? TH('dkg/cc', sid, n, ...parties.map((party) => party.chainCode))
  const ok = TH(
    'dkg/ok',
    epochId,
    curve.encode(publicKey),
    n,
    ...indices.flatMap((j) => [u16(j), curve.encode(publicShares.get(j) as Point)]),
    chainCode,
  )
  const keys = new Map<number, KeyShare>()
  for (const party of parties) {
    const secret = mod(
      parties.reduce((sum, { coefficients }) => sum + evaluate(curve, coefficients, party.i), 0n) +
        (old?.get(party.i)?.secret ?? 0n),
      curve.order,
    )
    const nonce = party.stream.scalar(curve.order)
    const A = curve.encode(times(curve, nonce))
    const X = curve.encode(publicShares.get(party.i) as Point)
    const e = HS(curve.order, 'dkg/share-pok', epochId, u16(party.i), X, A)
    const z = curve.encodeScalar(mod(nonce + e * secret, curve.order))
    out.send(code + 4, party.i, 0, session, Buffer.concat([ok, A, z]))
    const pairs = new Map<number, PairState>()
    if (withTransfers) {
      for (const peer of parties) if (peer !== party) pairs.set(peer.i, pairState(sid, party, peer))
    }
    keys.set(party.i, {
      index: party.i,
      secret,
      publicShares,
      publicKey,
      chainCode,
      epochId,
      pairs,
    })
  }
  checkShares(curve, keys)
  return { frames: out.frames, keys }
}

function pairState(sid: Buffer, party: Party, peer: Party): PairState {
  const [low, high] = party.i < peer.i ? [party, peer] : [peer, party]
  const draws = party.alice.get(peer.i) as AliceDraws
  return {
    bobKeys: party.bobKeys.get(peer.i) as [Buffer, Buffer][],
    delta: draws.delta,
    aliceKeys: aliceKeys(
      transferSession(sid, party.i, peer.i),
      draws,
      party.aliceSent.get(peer.i) as Buffer,
      peer.bobSent.get(party.i) as Buffer,
    ),
    zeroSeed: TH(
      'dkg/zero',
      sid,
      u16(low.i),
      u16(high.i),
      low.zeroTo.get(high.i) as Buffer,
      high.zeroTo.get(low.i) as Buffer,
    ),
  }
}

function checkShares(curve: Curve, keys: ReadonlyMap<number, KeyShare>): void {
  for (const { index, secret, publicShares } of keys.values()) {
    const X = curve.encode(publicShares.get(index) as Point)
    if (!curve.encode(times(curve, secret)).equals(X)) throw new Error(`the share of ${index} is not its own`)
  }
}
