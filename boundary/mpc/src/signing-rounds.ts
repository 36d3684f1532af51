import { abort, done, type Step } from './abort.ts'
import { type ByteReader, decodeExactly } from './byte-reader.ts'
import { concatBytes, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { failuresOf } from './failures.ts'
import { wireSessionId } from './frame.ts'
import { type Point, sumPoints } from './group.ts'
import type { Payloads } from './inbox.ts'
import { codes, payloadBytes } from './messages.ts'
import {
  type BobHalf,
  eraseHalf,
  finishAsBob,
  isMultiplicationCanonical,
  multiplicationBytes,
  multiplyAsAlice,
  startAsBob,
} from './multiplication.ts'
import { choiceBytes, extendAsAlice } from './ot-extension.ts'
import type { PartyIndex } from './parties.ts'
import { lagrange } from './polynomial.ts'
import type { PresignatureParts } from './presignature.ts'
import { drawBytes, type RandomSource } from './random-source.ts'
import { readUint256 } from './scalar-field.ts'
import type { Outgoing, Progress } from './session.ts'
import { frameOf, SigningRound, type SigningScope } from './signing-round.ts'
import { hashToScalar, taggedHash } from './tagged-hash.ts'

/** Rounds 1 to 3 of docs/mpc-protocol.md, "ECDSA signature"; the fourth is in presignature.ts. */

/** What follows round 4's local part. */
export type Conclude<Result> = (parts: PresignatureParts) => Progress<Result>

/** A session of signing as its rounds know it. */
export interface Setting<Result> extends SigningScope {
  readonly path: readonly number[]
  readonly start: Uint8Array
  /** Y'. */
  readonly publicKey: Point
  readonly encodedKey: Uint8Array
  readonly tweak: bigint
  readonly random: RandomSource
  readonly conclude: Conclude<Result>
}

interface Opening {
  readonly index: PartyIndex
  readonly freshness: Uint8Array
  readonly nonce: Uint8Array
  readonly blind: Uint8Array
}

export function commitmentOf(
  { share }: SigningScope,
  start: Uint8Array,
  { index, freshness, nonce, blind }: Opening,
): Uint8Array {
  return taggedHash('sig/com', share.epochId, start, encodeU16(index), freshness, nonce, blind)
}

interface NonceSecrets {
  readonly r: bigint
  readonly phi: bigint
  readonly blind: Uint8Array
  /** R_i. */
  readonly nonce: Point
}

interface Committed extends NonceSecrets {
  /** n_i, C_i. */
  readonly payload: Uint8Array
}

/** Waits for commitments; then sends each peer the extension of oblivious transfer, as bob. */
export class SigningRound1<Result> extends SigningRound<Committed, Result> {
  readonly #setting: Setting<Result>

  constructor(setting: Setting<Result>, secrets: Committed) {
    super({
      scope: setting,
      secrets,
      session: setting.start,
      wrongLength: 'RETRY',
      expects: { code: codes.sign1, cast: 'broadcast', payloadBytes: payloadBytes.sign1 },
    })
    this.#setting = setting
  }

  protected enter({ payload, ...nonce }: Committed, messages: Payloads): Step<Progress<Result>> {
    const setting = this.#setting
    const { epoch, own, peers, signers, start, random } = setting
    const choices = new Map(peers.map((peer) => [peer, drawBytes(random, choiceBytes)]))
    const commitments = new Map(messages).set(own, payload)
    const id = taggedHash(
      'sig/id',
      start,
      encodeU16(signers.length),
      ...signers.flatMap((index) => {
        const committed = commitments.get(index) as Uint8Array
        return [encodeU16(index), committed.subarray(0, 16), committed.subarray(16)]
      }),
    )
    const session = wireSessionId(start, id)
    const secretKey = additiveShare(setting, id)
    const halves = new Map<PartyIndex, BobHalf>()
    const outbox: Outgoing[] = []
    for (const peer of peers) {
      const { message, half } = startAsBob({
        vsid: voleId(id, peer, own),
        keys: epoch.pair(peer).bobKeys,
        choices: choices.get(peer) as Uint8Array,
        gadget: epoch.gadget(peer, own),
      })
      halves.set(peer, half)
      outbox.push(frameOf(setting, { code: codes.sign2, to: peer, session, payload: message }))
    }
    const secrets = { ...nonce, secretKey, halves, commitments }
    return done({ outbox, next: new SigningRound2(setting, { id, session }, secrets) })
  }

  protected erase({ blind }: Committed): void {
    blind.fill(0)
  }
}

/** Of the multiplication in which `alice` is the sender. */
function voleId(id: Uint8Array, alice: PartyIndex, bob: PartyIndex): Uint8Array {
  return taggedHash('sig/vole', id, encodeU16(alice), encodeU16(bob))
}

/** sk_i: Lagrange's share of the key, hidden by shares of zero that are fresh for this session. */
function additiveShare<Result>(
  { epoch, share, group, own, peers, signers, tweak }: Setting<Result>,
  id: Uint8Array,
): bigint {
  const { scalars } = group
  let sum = lagrange(scalars, signers, own) * share.secret
  for (const peer of peers) {
    const [low, high] = own < peer ? [own, peer] : [peer, own]
    const { zeroSeed } = epoch.pair(peer)
    const mask = hashToScalar(scalars, 'sig/zero', zeroSeed, id, encodeU16(low), encodeU16(high))
    sum += own < peer ? mask : -mask
  }
  return scalars.mod(own === signers[0] ? sum + tweak : sum)
}

interface SessionIds {
  /** sigid. */
  readonly id: Uint8Array
  /** As it is on the wire. */
  readonly session: Uint8Array
}

interface Extended extends NonceSecrets {
  readonly secretKey: bigint
  /** As bob toward each peer. */
  readonly halves: ReadonlyMap<PartyIndex, BobHalf>
  /** n_j, C_j of every signer. */
  readonly commitments: Payloads
}

/** Waits for the peers' extensions; checks them and multiplies, as alice. */
class SigningRound2<Result> extends SigningRound<Extended, Result> {
  readonly #setting: Setting<Result>
  readonly #ids: SessionIds

  constructor(setting: Setting<Result>, ids: SessionIds, secrets: Extended) {
    super({
      scope: setting,
      secrets,
      session: ids.session,
      wrongLength: 'ABORT',
      expects: { code: codes.sign2, cast: 'direct', payloadBytes: payloadBytes.sign2 },
    })
    this.#setting = setting
    this.#ids = ids
  }

  protected enter(secrets: Extended, messages: Payloads): Step<Progress<Result>> {
    const setting = this.#setting
    const { epoch, own, peers, group, membership, random } = setting
    const { scalars } = group
    const { id, session } = this.#ids
    const { r, phi, secretKey, nonce, blind, halves } = secrets
    const ahats = new Map(peers.map((peer) => [peer, scalars.random(random)]))
    const extensions = new Map(
      peers.map((peer) => {
        const { delta, aliceKeys } = epoch.pair(peer)
        const message = messages.get(peer) as Uint8Array
        return [peer, extendAsAlice({ vsid: voleId(id, own, peer), delta, keys: aliceKeys, message })]
      }),
    )
    // All were computed before any is looked at.
    const culprits = peers.filter((peer) => extensions.get(peer)?.isValid !== true)
    if (culprits.length > 0) {
      for (const { rows } of extensions.values()) rows.fill(0)
      const message = 'An extension of oblivious transfer is inconsistent.'
      return epoch.burn({ problem: 'ote-check', culprits, message }, membership)
    }
    const encodedNonce = group.encode(nonce)
    const publicShare = group.multiplyBase(secretKey)
    const encodedShare = group.encode(publicShare)
    const products = new Map<PartyIndex, readonly [bigint, bigint]>()
    const outbox: Outgoing[] = []
    for (const peer of peers) {
      const { payload: product, shares } = multiplyAsAlice({
        vsid: voleId(id, own, peer),
        delta: epoch.pair(peer).delta,
        rows: extensions.get(peer)?.rows as Uint32Array,
        gadget: epoch.gadget(own, peer),
        inputs: [r, secretKey],
        ahat: ahats.get(peer) as bigint,
      })
      products.set(peer, shares)
      const payload = concatBytes(
        product,
        encodedNonce,
        blind,
        encodedShare,
        group.encode(group.multiplyBase(shares[0])),
        group.encode(group.multiplyBase(shares[1])),
        scalars.encode(scalars.subtract(phi, (halves.get(peer) as BobHalf).factor)),
      )
      outbox.push(frameOf(setting, { code: codes.sign3, to: peer, session, payload }))
    }
    return done({
      outbox,
      next: new SigningRound3(setting, this.#ids, { ...secrets, publicShare, products }),
    })
  }

  protected erase({ blind, halves }: Extended): void {
    blind.fill(0)
    for (const half of halves.values()) eraseHalf(half)
  }
}

interface Multiplied extends Extended {
  /** pk_i. */
  readonly publicShare: Point
  /** c^u, c^v toward each peer. */
  readonly products: ReadonlyMap<PartyIndex, readonly [bigint, bigint]>
}

/** A peer's round 3 after its public checks. */
interface PeerProduct {
  readonly multiplication: Uint8Array
  readonly nonce: Point
  readonly encodedNonce: Uint8Array
  readonly blind: Uint8Array
  readonly publicShare: Point
  /** Gamma_u, Gamma_v. */
  readonly gammas: readonly [Point, Point]
  readonly psi: bigint
}

/** Waits for the peers' products; checks everything and has a presignature. */
class SigningRound3<Result> extends SigningRound<Multiplied, Result> {
  readonly #setting: Setting<Result>
  readonly #ids: SessionIds

  constructor(setting: Setting<Result>, ids: SessionIds, secrets: Multiplied) {
    super({
      scope: setting,
      secrets,
      session: ids.session,
      wrongLength: 'ABORT',
      expects: { code: codes.sign3, cast: 'direct', payloadBytes: payloadBytes.sign3 },
    })
    this.#setting = setting
    this.#ids = ids
  }

  protected enter(secrets: Multiplied, messages: Payloads): Step<Progress<Result>> {
    const setting = this.#setting
    const { epoch, group, peers, membership, random } = setting
    const { scalars } = group
    const weights = new Map(peers.map((peer) => [peer, drawWeight(random)]))

    const { values, culprits: malformed } = failuresOf(messages, (payload) =>
      decodeExactly(payload, (reader) => this.#readProduct(reader)),
    )
    const unopened = [...values].flatMap(([peer, product]) =>
      this.#isOpening(peer, product, secrets.commitments.get(peer) as Uint8Array) ? [] : [peer],
    )
    if (malformed.length + unopened.length > 0) {
      const problem = malformed.length > 0 ? 'malformed' : 'commitment-mismatch'
      const message = 'A product does not decode, or a nonce is not the one that was committed to.'
      return abort({ problem, culprits: [...malformed, ...unopened], message })
    }

    const checked = peers.map((peer) =>
      this.#finishProduct(peer, secrets, values, weights.get(peer) as bigint),
    )
    const failing = checked.filter(({ isProduct, isGamma }) => !(isProduct && isGamma))
    if (failing.length > 0) {
      const problem = failing.some(({ isProduct }) => !isProduct) ? 'rvole-check' : 'gamma-check'
      const culprits = failing.map(({ peer }) => peer)
      return epoch.burn({ problem, culprits, message: 'A multiplication is inconsistent.' }, membership)
    }

    const products = [...values.values()]
    const keySum = sumPoints(group, [secrets.publicShare, ...products.map(({ publicShare }) => publicShare)])
    if (!group.equals(keySum, setting.publicKey)) {
      return abort({
        problem: 'key-mismatch',
        message: 'The shares of the key are not those of the derived key.',
      })
    }
    const nonce = sumPoints(group, [secrets.nonce, ...products.map((product) => product.nonce)])
    if (group.isIdentity(nonce))
      return abort({ problem: 'zero-value', message: 'The nonce is the identity.' })
    const { x, y } = group.coordinates(nonce)
    const r = scalars.mod(x)
    if (r === 0n) return abort({ problem: 'zero-value', message: 'r is zero.' })

    const phiSum = products.reduce((sum, { psi }) => sum + psi, secrets.phi)
    let u = secrets.r * phiSum
    let v = secrets.secretKey * phiSum
    for (const { peer, shares } of checked) {
      const [cu, cv] = secrets.products.get(peer) as readonly [bigint, bigint]
      u += cu + shares[0]
      v += cv + shares[1]
    }
    this.erase(secrets)
    return done(
      setting.conclude({
        scope: setting,
        ...this.#ids,
        path: setting.path,
        publicKey: setting.publicKey,
        encodedKey: setting.encodedKey,
        r,
        recovery: Number(y & 1n) + (x >= scalars.order ? 2 : 0),
        u: scalars.mod(u),
        v: scalars.mod(v),
        phi: secrets.phi,
      }),
    )
  }

  #readProduct(reader: ByteReader): PeerProduct {
    const { group } = this.#setting
    const multiplication = reader.view(multiplicationBytes)
    if (!isMultiplicationCanonical(multiplication)) {
      throw mpcError('MPC_SCALAR_INVALID', 'A scalar is not below the group order.')
    }
    const encodedNonce = reader.view(group.pointBytes)
    return {
      multiplication,
      encodedNonce,
      nonce: group.decode(encodedNonce),
      blind: reader.view(32),
      publicShare: reader.point(group),
      gammas: [reader.point(group), reader.point(group)],
      psi: reader.scalar(group),
    }
  }

  #isOpening(index: PartyIndex, { encodedNonce, blind }: PeerProduct, committed: Uint8Array): boolean {
    const opening = { index, freshness: committed.subarray(0, 16), nonce: encodedNonce, blind }
    return equalBytes(commitmentOf(this.#setting, this.#setting.start, opening), committed.subarray(16))
  }

  /** Both secret checks, whatever the first one says. */
  #finishProduct(
    peer: PartyIndex,
    { halves }: Multiplied,
    products: ReadonlyMap<PartyIndex, PeerProduct>,
    weight: bigint,
  ) {
    const { epoch, group, own } = this.#setting
    const { scalars } = group
    const half = halves.get(peer) as BobHalf
    const product = products.get(peer) as PeerProduct
    const [gammaU, gammaV] = product.gammas
    const gadget = epoch.gadget(peer, own)
    const { isValid: isProduct, shares } = finishAsBob(half, gadget, product.multiplication)
    // chi R_j = d^u G + Gamma_u and chi pk_j = d^v G + Gamma_v, in one equation with a weight that j cannot foresee.
    const left = group.multiply(
      group.add(product.nonce, group.multiplyPublic(product.publicShare, weight)),
      half.factor,
    )
    const own1 = group.multiplyBase(scalars.mod(shares[0] + weight * shares[1]))
    const right = sumPoints(group, [own1, gammaU, group.multiplyPublic(gammaV, weight)])
    const isGamma = group.equals(left, right)
    return { peer, isProduct, isGamma, shares }
  }

  protected erase({ blind, halves }: Multiplied): void {
    blind.fill(0)
    for (const half of halves.values()) eraseHalf(half)
  }
}

/** z_j: 16 bytes, big endian. */
function drawWeight(random: RandomSource): bigint {
  const wide = new Uint8Array(32)
  wide.set(drawBytes(random, 16), 16)
  return readUint256(wide, false)
}
