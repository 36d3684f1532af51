import { createHmac } from 'node:crypto'
import {
  bigEndian,
  secp256k1 as curve,
  fromBigEndian,
  inverse,
  mod,
  type Point,
  sumPoints,
  times,
} from './curves.ts'
import {
  aliceMultiplies,
  type BobExtension,
  bobExtends,
  bobFactor,
  bobFinishes,
  gadget,
} from './multiplication.ts'
import {
  type Frame,
  HS,
  type KeyShare,
  lagrange,
  type PairState,
  Stream,
  TH,
  Transcript,
  u8,
  u16,
  u32,
  versionString,
  wireSession,
} from './protocol.ts'

const q = curve.order

export interface SignatureOrder {
  readonly label: string
  /** Of the signers, ascending; as many as the threshold. */
  readonly keys: readonly KeyShare[]
  readonly seeds: ReadonlyMap<number, Uint8Array>
  readonly path: readonly number[]
  readonly mode: 0 | 1
  /** 32 bytes; in mode 1 it is what the presignature is used for afterwards. */
  readonly digest: Uint8Array
  readonly instance: Uint8Array
}

export interface Signed {
  readonly frames: readonly Frame[]
  readonly r: Buffer
  readonly s: Buffer
  readonly recovery: number
  readonly publicKey: Buffer
}

interface Signer {
  readonly key: KeyShare
  readonly stream: Stream
  readonly r: bigint
  readonly phi: bigint
  readonly n: Buffer
  readonly blind: Buffer
  readonly R: Point
  readonly C: Buffer
  sk: bigint
  readonly extensions: Map<number, BobExtension>
  readonly chi: Map<number, bigint>
  readonly payloads: Map<number, Buffer>
  readonly c: Map<number, [bigint, bigint]>
  readonly psi: Map<number, bigint>
}

/** BIP-32, public derivation; indices below 2^31. */
export function derive(key: KeyShare, path: readonly number[]): { tweak: bigint; publicKey: Point } {
  let tweak = 0n
  let { publicKey, chainCode } = key
  for (const index of path) {
    const wide = createHmac('sha512', chainCode)
      .update(Buffer.concat([curve.encode(publicKey), u32(index)]))
      .digest()
    const left = fromBigEndian(wide.subarray(0, 32))
    tweak = mod(tweak + left, q)
    publicKey = curve.add(publicKey, times(curve, left))
    chainCode = wide.subarray(32)
  }
  return { tweak, publicKey }
}

/** docs/mpc-protocol.md, "ECDSA signature", with every signer in one loop. */
export function signEcdsa(order: SignatureOrder): Signed {
  const { keys, path, mode } = order
  const [first] = keys
  if (first === undefined) throw new Error('nobody signs')
  const out = new Transcript(1)
  const S = keys.map(({ index }) => index)
  const { epochId } = first
  const { tweak, publicKey } = derive(first, path)
  const start = TH(
    'sig/start',
    versionString,
    u8(1),
    order.label,
    epochId,
    curve.encode(publicKey),
    Buffer.concat(path.map(u32)),
    u16(S.length),
    ...S.map(u16),
    u8(mode),
    mode === 0 ? order.digest : Buffer.alloc(0),
    order.instance,
  )

  // Round 1.
  const signers = keys.map((key): Signer => {
    const stream = new Stream(order.seeds.get(key.index) as Uint8Array)
    const r = stream.scalar(q)
    const phi = stream.scalar(q)
    const n = stream.bytes(16)
    const blind = stream.bytes(32)
    const R = times(curve, r)
    const C = TH('sig/com', epochId, start, u16(key.index), n, curve.encode(R), blind)
    out.send(0x51, key.index, 0, start, Buffer.concat([n, C]))
    return {
      key,
      stream,
      r,
      phi,
      n,
      blind,
      R,
      C,
      sk: 0n,
      extensions: new Map(),
      chi: new Map(),
      payloads: new Map(),
      c: new Map(),
      psi: new Map(),
    }
  })
  const sigid = TH(
    'sig/id',
    start,
    u16(S.length),
    ...signers.flatMap(({ key, n, C }) => [u16(key.index), n, C]),
  )
  const session = wireSession(start, sigid)
  const vsid = (alice: number, bob: number) => TH('sig/vole', sigid, u16(alice), u16(bob))
  const pairOf = (signer: Signer, peer: Signer) => signer.key.pairs.get(peer.key.index) as PairState
  const othersOf = (signer: Signer) => signers.filter((other) => other !== signer)

  // Round 2.
  for (const signer of signers) {
    const { index: i, secret } = signer.key
    let zeta = 0n
    for (const peer of othersOf(signer)) {
      const j = peer.key.index
      const share = HS(
        q,
        'sig/zero',
        pairOf(signer, peer).zeroSeed,
        sigid,
        u16(Math.min(i, j)),
        u16(Math.max(i, j)),
      )
      zeta += i < j ? share : -share
    }
    signer.sk = mod(lagrange(curve, S, i) * secret + zeta + (i === S[0] ? tweak : 0n), q)
    const drawn = new Map(othersOf(signer).map(({ key }) => [key.index, signer.stream.bytes(80)]))
    for (const peer of othersOf(signer)) {
      const j = peer.key.index
      const extension = bobExtends(vsid(j, i), pairOf(signer, peer).bobKeys, drawn.get(j) as Buffer)
      signer.extensions.set(j, extension)
      signer.chi.set(j, bobFactor(gadget(epochId, j, i), extension.beta))
      out.send(0x52, i, j, session, extension.message)
    }
  }

  // Round 3.
  for (const signer of signers) {
    const { index: i } = signer.key
    const ahat = new Map(othersOf(signer).map(({ key }) => [key.index, signer.stream.scalar(q)]))
    for (const peer of othersOf(signer)) {
      const j = peer.key.index
      const { delta, aliceKeys } = pairOf(signer, peer)
      const { payload, shares } = aliceMultiplies({
        vsid: vsid(i, j),
        delta,
        keys: aliceKeys,
        g: gadget(epochId, i, j),
        extension: (peer.extensions.get(i) as BobExtension).message,
        inputs: [signer.r, signer.sk],
        ahat: ahat.get(j) as bigint,
      })
      signer.c.set(j, shares)
      signer.payloads.set(j, payload)
      const psi = mod(signer.phi - (signer.chi.get(j) as bigint), q)
      signer.psi.set(j, psi)
      out.send(
        0x53,
        i,
        j,
        session,
        Buffer.concat([
          payload,
          curve.encode(signer.R),
          signer.blind,
          curve.encode(times(curve, signer.sk)),
          curve.encode(times(curve, shares[0])),
          curve.encode(times(curve, shares[1])),
          bigEndian(psi, 32),
        ]),
      )
    }
  }

  // Round 4, and the online message. The merged check of each peer draws, but an honest run needs no check.
  const R = sumPoints(
    curve,
    signers.map((signer) => signer.R),
  )
  const encodedR = curve.encode(R)
  const x = fromBigEndian(encodedR.subarray(1))
  const r = mod(x, q)
  let w = 0n
  let u = 0n
  for (const signer of signers) {
    const { index: i } = signer.key
    for (const _ of othersOf(signer)) signer.stream.bytes(16)
    let Phi = signer.phi
    let ui = 0n
    let vi = 0n
    for (const peer of othersOf(signer)) {
      const j = peer.key.index
      Phi = mod(Phi + (peer.psi.get(i) as bigint), q)
      const [cu, cv] = signer.c.get(j) as [bigint, bigint]
      const [du, dv] = bobFinishes(
        vsid(j, i),
        signer.extensions.get(j) as BobExtension,
        gadget(epochId, j, i),
        peer.payloads.get(i) as Buffer,
      )
      ui += cu + du
      vi += cv + dv
    }
    ui = mod(ui + signer.r * Phi, q)
    vi = mod(vi + signer.sk * Phi, q)
    const wi = mod(fromBigEndian(order.digest) * signer.phi + r * vi, q)
    out.send(0x54, i, 0, session, Buffer.concat([bigEndian(wi, 32), bigEndian(ui, 32)]))
    w += wi
    u += ui
  }
  const s = mod(w * inverse(u, q), q)
  const isHigh = s > q - s
  const parity = (encodedR[0] as number) - 2
  return {
    frames: out.frames,
    r: bigEndian(r, 32),
    s: bigEndian(isHigh ? q - s : s, 32),
    recovery: (isHigh ? 1 - parity : parity) + (x >= q ? 2 : 0),
    publicKey: curve.encode(publicKey),
  }
}
