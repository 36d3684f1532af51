/**
 * Reshare: the old committee hands the same key to a new one, with another threshold or other parties, and retires
 * (docs/mpc-protocol.md, "Reshare"). Two phases: new members store before they confirm, old members retire only after
 * everybody has confirmed, and a new share signs only after all old members have retired. Import is a reshare from
 * the one party that has a whole key.
 */
import { isCountersignError } from '@countersign/bytes'
import { abort, done, type Step } from './abort.ts'
import { checkAnswer } from './base-ot.ts'
import { decodeExactly } from './byte-reader.ts'
import { concatBytes, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { contextId } from './context.ts'
import { broadcast, encodeFrame, wireSessionId } from './frame.ts'
import { type Group, type Point, type Secp256k1Group, sumPoints } from './group.ts'
import { type Expected, Inbox, type Payloads } from './inbox.ts'
import { checkGroup, confirmationOf, Failures, interpolatesTo, shareProofContext } from './key-generation.ts'
import type { EcdsaKeyShare, KeyShare, Pair } from './key-share.ts'
import { type Ceremony, ceremonies, codes, payloadBytes } from './messages.ts'
import { drawAnswer, drawPair, type PairDraws, PairTransfers } from './pair-transfers.ts'
import { checkMember, checkThreshold, type PartyIndex, parseParties } from './parties.ts'
import { commit, evaluate, evaluateCommitments, lagrange } from './polynomial.ts'
import { drawBytes, platformRandom, type RandomSource } from './random-source.ts'
import { isProofValid, proofBytes, proveSecret } from './schnorr-proof.ts'
import type { Outgoing, Progress, Round } from './session.ts'
import type { SuiteId } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'

/** The key that is handed over, as every party of both committees knows it from an authenticated source. */
export interface OldKey {
  readonly publicKey: Point
  readonly chainCode: Uint8Array
  readonly epochId: Uint8Array
  /** X_i of the old parties that take part: exactly the old threshold. */
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
}

export interface ReshareInput {
  readonly suite: SuiteId
  readonly group: Group
  readonly label: string
  readonly instance: Uint8Array
  readonly own: PartyIndex
  /** Threshold and members of the new committee. An index that is in both names the same identity. */
  readonly threshold: number
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  readonly old: OldKey
  /** Of an old member that takes part. */
  readonly share?: KeyShare
  readonly random?: RandomSource
}

export interface ImportInput extends Omit<ReshareInput, 'old' | 'share' | 'own'> {
  readonly own: PartyIndex
  readonly publicKey: Point
  readonly chainCode: Uint8Array
  readonly importerIdentity: Uint8Array
  /** The whole key: of the importing party, whose index is 1. */
  readonly secret?: bigint
}

export interface Reshared {
  /** Of a new member. Every member has confirmed it, every old member has retired. */
  readonly share: KeyShare | undefined
  /** This party was an old member: its old share is dead and must be erased. */
  readonly retired: boolean
}

const importer: PartyIndex = 1

/**
 * Draws and sends round 1.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startReshare(input: ReshareInput): Progress<Reshared> {
  const { share, old } = input
  if (share !== undefined) {
    const { group } = input
    const isSame =
      share.suite === input.suite &&
      share.label === input.label &&
      share.index === input.own &&
      equalBytes(share.epochId, old.epochId) &&
      group.equals(share.publicKey, old.publicKey)
    if (!isSame) throw mpcError('MPC_INPUT_INVALID', 'The share is not one of the key that is handed over.')
    if (old.publicShares.size !== share.threshold) {
      throw mpcError('MPC_PARTIES_INVALID', `Exactly ${share.threshold} old parties hand a key over.`)
    }
  }
  return start(input, { ceremony: ceremonies.reshare, old, secret: share?.secret })
}

/**
 * A whole key becomes shares; from then on nobody needs the whole one, and whoever keeps it can still sign alone.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function startImport(input: ImportInput): Progress<Reshared> {
  const { group, publicKey, chainCode, importerIdentity, secret } = input
  if (secret !== undefined && !group.equals(group.multiplyBase(group.scalars.mod(secret)), publicKey)) {
    throw mpcError('MPC_INPUT_INVALID', 'The secret key is not the one of the public key.')
  }
  const old = {
    publicKey,
    chainCode,
    epochId: new Uint8Array(32),
    publicShares: new Map([[importer, publicKey]]),
    identities: new Map([[importer, importerIdentity]]),
  }
  return start(input, { ceremony: ceremonies.import, old, secret })
}

interface Setting {
  readonly suite: SuiteId
  readonly group: Group
  readonly label: string
  readonly ctx0: Uint8Array
  readonly own: PartyIndex
  readonly threshold: number
  readonly old: OldKey
  readonly givers: readonly PartyIndex[]
  readonly takers: readonly PartyIndex[]
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  readonly peers: readonly PartyIndex[]
  readonly isGiver: boolean
  readonly isTaker: boolean
  readonly random: RandomSource
}

interface Role {
  readonly ceremony: Ceremony
  readonly old: OldKey
  readonly secret: bigint | undefined
}

function start(
  input: Omit<ReshareInput, 'old' | 'share'>,
  { ceremony, old, secret }: Role,
): Progress<Reshared> {
  const setting = openSetting(input, { ceremony, old, secret })
  const { group, own, ctx0, givers, threshold, random } = setting
  const { scalars } = group
  const outbox: Outgoing[] = []
  let giver: GiverState | undefined
  if (secret !== undefined) {
    const constant = scalars.multiply(lagrange(scalars, givers, own), secret)
    const coefficients = [constant]
    for (let k = 1; k < threshold; k++) coefficients.push(scalars.random(random))
    const sidShare = drawBytes(random, 32)
    const blind = drawBytes(random, 32)
    const commitments = commit(group, coefficients)
    const encoded = commitments.map((point) => group.encode(point))
    const commitment = commitmentOf(setting, own, { sidShare, commitments: encoded, blind })
    const payload = concatBytes(sidShare, commitment)
    giver = { coefficients, commitments, blind, payload }
    outbox.push(send(setting, { code: codes.reshare1, session: ctx0, to: 'all', payload }))
  }
  let nonce: Uint8Array | undefined
  if (setting.isTaker) {
    nonce = drawBytes(random, 32)
    outbox.push(send(setting, { code: codes.reshareNew1, session: ctx0, to: 'all', payload: nonce }))
  }
  return { outbox, next: new Committed(setting, { giver, nonce }) }
}

function openSetting(input: Omit<ReshareInput, 'old' | 'share'>, { ceremony, old, secret }: Role): Setting {
  const { suite, group, label, instance, own, threshold, identities } = input
  checkGroup(suite, group)
  const takers = parseParties(identities.keys())
  const givers = parseParties(old.publicShares.keys())
  checkThreshold(threshold, takers.length)
  for (const index of givers) {
    const identity = old.identities.get(index)
    if (identity === undefined)
      throw mpcError('MPC_PARTIES_INVALID', `The identity of old party ${index} is not known.`)
    const again = identities.get(index)
    if (again !== undefined && !equalBytes(again, identity)) {
      throw mpcError('MPC_PARTIES_INVALID', `Index ${index} names two parties, an old and a new one.`)
    }
  }
  const isGiver = secret !== undefined
  const isTaker = takers.includes(own)
  if (isGiver) checkMember(own, givers)
  else if (!isTaker || givers.includes(own)) {
    throw mpcError(
      'MPC_PARTIES_INVALID',
      `Party ${own} takes part in neither committee, or without its share.`,
    )
  }
  const subject = taggedHash(
    'reshare/subject',
    old.epochId,
    group.encode(old.publicKey),
    old.chainCode,
    encodeU16(givers.length),
    ...givers.flatMap((index) => [
      encodeU16(index),
      old.identities.get(index) as Uint8Array,
      group.encode(old.publicShares.get(index) as Point),
    ]),
  )
  const ctx0 = contextId({ suite, ceremony, label, instance, subject, threshold, identities })
  const peers = parseParties(new Set([...givers, ...takers])).filter((index) => index !== own)
  return {
    suite,
    group,
    label,
    ctx0,
    own,
    threshold,
    old,
    givers,
    takers,
    identities: new Map(takers.map((index) => [index, identities.get(index) as Uint8Array])),
    peers,
    isGiver,
    isTaker,
    random: input.random ?? platformRandom,
  }
}

interface FrameParts {
  readonly code: number
  readonly session: Uint8Array
  readonly to: PartyIndex | 'all'
  readonly payload: Uint8Array
}

function send({ suite, own }: Setting, { code, session, to, payload }: FrameParts): Outgoing {
  const receiver = to === 'all' ? broadcast : to
  return { to, bytes: encodeFrame({ suite, code, sender: own, receiver, session, payload }) }
}

const without = (indices: readonly PartyIndex[], own: PartyIndex) => indices.filter((index) => index !== own)

/** What a round waits for: nothing of a kind that does not concern this party. */
function openInbox<Name extends string>(
  { suite, own, peers }: Setting,
  session: Uint8Array,
  wrongLength: 'RETRY' | 'ABORT',
  expects: Record<Name, Expected>,
): Inbox<Name> {
  return new Inbox({ suite, own, peers, session, wrongLength, expects })
}

interface GiverState {
  /** Of Q_i, from the constant. */
  readonly coefficients: readonly bigint[]
  readonly commitments: readonly Point[]
  readonly blind: Uint8Array
  /** Own round 1: sid share and commitment. */
  readonly payload: Uint8Array
}

interface Opening {
  readonly sidShare: Uint8Array
  readonly commitments: readonly Uint8Array[]
  readonly blind: Uint8Array
}

function commitmentOf({ ctx0 }: Setting, index: PartyIndex, opening: Opening): Uint8Array {
  return taggedHash(
    'reshare/com',
    ctx0,
    encodeU16(index),
    opening.sidShare,
    encodeU16(opening.commitments.length),
    ...opening.commitments,
    opening.blind,
  )
}

interface CommittedState {
  readonly giver: GiverState | undefined
  /** Of a new member. */
  readonly nonce: Uint8Array | undefined
}

/** Round 1 is sent: commitments of the old and nonces of the new members are awaited. */
class Committed implements Round<Reshared> {
  readonly inbox: Inbox<'commitments' | 'nonces'>
  readonly #setting: Setting
  #state: CommittedState | undefined

  constructor(setting: Setting, state: CommittedState) {
    this.#setting = setting
    this.#state = state
    const { givers, takers, own, ctx0 } = setting
    this.inbox = openInbox(setting, ctx0, 'RETRY', {
      commitments: {
        code: codes.reshare1,
        cast: 'broadcast',
        from: without(givers, own),
        payloadBytes: payloadBytes.dkg1,
      },
      nonces: {
        code: codes.reshareNew1,
        cast: 'broadcast',
        from: without(takers, own),
        payloadBytes: payloadBytes.reshareNew1,
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, givers, takers, ctx0, random, suite, isTaker } = setting
    const { scalars } = group
    const { giver } = state

    const proofNonces = giver?.coefficients.map(() => scalars.random(random)) ?? []
    const draws = new Map<PartyIndex, PairDraws>()
    if (suite === 1 && isTaker) {
      for (const peer of without(takers, own)) draws.set(peer, drawPair(group as Secp256k1Group, random))
    }

    const taken = this.inbox.take()
    const round1 = new Map(taken.commitments)
    if (giver !== undefined) round1.set(own, giver.payload)
    const nonces = new Map(taken.nonces)
    if (state.nonce !== undefined) nonces.set(own, state.nonce)
    const sid = taggedHash(
      'reshare/sid',
      ctx0,
      encodeU16(givers.length),
      ...givers.flatMap((index) => {
        const payload = round1.get(index) as Uint8Array
        return [encodeU16(index), payload.subarray(0, 32), payload.subarray(32)]
      }),
      encodeU16(takers.length),
      ...takers.flatMap((index) => [encodeU16(index), nonces.get(index) as Uint8Array]),
    )
    const session = wireSessionId(ctx0, sid)
    const outbox: Outgoing[] = []
    let opening: Uint8Array | undefined
    if (giver !== undefined) {
      const proofs = giver.coefficients.map((secret, k) =>
        proveSecret(proofContext(setting, { sid, prover: own, k }), {
          secret,
          point: giver.commitments[k] as Point,
          nonce: proofNonces[k] as bigint,
        }),
      )
      opening = concatBytes(...giver.commitments.map((point) => group.encode(point)), giver.blind, ...proofs)
      outbox.push(send(setting, { code: codes.reshare2, session, to: 'all', payload: opening }))
      for (const to of without(takers, own)) {
        const payload = scalars.encode(evaluate(scalars, giver.coefficients, to))
        outbox.push(send(setting, { code: codes.reshare2, session, to, payload }))
      }
    }
    const pairs = new Map<PartyIndex, PairTransfers>()
    for (const [peer, drawn] of draws) {
      const pair = new PairTransfers(group as Secp256k1Group, { sid, own, peer }, drawn)
      pairs.set(peer, pair)
      outbox.push(send(setting, { code: codes.reshareNew2, session, to: peer, payload: pair.opening }))
    }
    return done({ outbox, next: new Opened(setting, { sid, session, giver, opening, round1, pairs }) })
  }

  discard(): void {
    this.#state?.giver?.blind.fill(0)
    this.#state = undefined
  }
}

function proofContext(
  { group }: Setting,
  { sid, prover, k }: { sid: Uint8Array; prover: PartyIndex; k: number },
) {
  return { group, tag: 'dkg/pok', fields: [sid, encodeU16(prover), encodeU16(k)] } as const
}

interface OpenedState {
  readonly sid: Uint8Array
  readonly session: Uint8Array
  readonly giver: GiverState | undefined
  /** Own broadcast of round 2, of an old member. */
  readonly opening: Uint8Array | undefined
  readonly round1: ReadonlyMap<PartyIndex, Uint8Array>
  readonly pairs: ReadonlyMap<PartyIndex, PairTransfers>
}

/** Round 2 is sent. */
class Opened implements Round<Reshared> {
  readonly inbox: Inbox<'openings' | 'shares' | 'transfers'>
  readonly #setting: Setting
  #state: OpenedState | undefined

  constructor(setting: Setting, state: OpenedState) {
    this.#setting = setting
    this.#state = state
    const { group, givers, takers, own, suite, isTaker, threshold } = setting
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      openings: {
        code: codes.reshare2,
        cast: 'broadcast',
        from: without(givers, own),
        payloadBytes: payloadBytes.dkg2Broadcast(group, threshold, false),
      },
      shares: {
        code: codes.reshare2,
        cast: 'direct',
        from: isTaker ? without(givers, own) : [],
        payloadBytes: 32,
      },
      transfers: {
        code: codes.reshareNew2,
        cast: 'direct',
        from: suite === 1 && isTaker ? without(takers, own) : [],
        payloadBytes: payloadBytes.reshareNew2(group),
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, givers, random, isTaker, old } = setting
    const draws = new Map<PartyIndex, bigint[]>()
    for (const peer of state.pairs.keys()) draws.set(peer, drawAnswer(group as Secp256k1Group, random))

    const { openings, shares, transfers } = this.inbox.take()
    const failures = new Failures()
    const commitments = new Map<PartyIndex, readonly Point[]>()
    const { giver, opening } = state
    let secret = giver === undefined || !isTaker ? 0n : evaluate(group.scalars, giver.coefficients, own)
    if (giver !== undefined) commitments.set(own, giver.commitments)
    for (const peer of without(givers, own)) {
      const read = readGiver(setting, state, { peer, openings, share: shares.get(peer) })
      if (typeof read === 'string') {
        failures.add(read, peer)
        continue
      }
      commitments.set(peer, read.commitments)
      secret = group.scalars.add(secret, read.share)
    }
    for (const [peer, payload] of transfers) {
      if (!decodes(group as Secp256k1Group, payload.subarray(32))) failures.add('malformed', peer)
    }
    if (failures.any) return failures.abort()
    const constants = givers.map((index) => commitments.get(index)?.[0] as Point)
    if (!group.equals(sumPoints(group, constants), old.publicKey)) {
      return abort({ problem: 'key-mismatch', message: 'The old committee does not hand over this key.' })
    }
    const joined = joinShares(setting, commitments, isTaker ? secret : undefined)
    if ('problem' in joined) return abort(joined)

    const broadcasts = new Map(openings)
    if (opening !== undefined) broadcasts.set(own, opening)
    const echo = taggedHash(
      'dkg/echo',
      state.sid,
      encodeU16(givers.length),
      ...givers.flatMap((index) => [encodeU16(index), broadcasts.get(index) as Uint8Array]),
    )
    const { session } = state
    const outbox: Outgoing[] = []
    if (setting.isGiver)
      outbox.push(send(setting, { code: codes.reshare3, session, to: 'all', payload: echo }))
    if (isTaker) outbox.push(send(setting, { code: codes.reshareNew3, session, to: 'all', payload: echo }))
    for (const [peer, pair] of state.pairs) {
      const answer = pair.answer(transfers.get(peer) as Uint8Array, draws.get(peer) as bigint[])
      if (answer === undefined) failures.add('identity-point', peer)
      else outbox.push(send(setting, { code: codes.reshareNew3, session, to: peer, payload: answer }))
    }
    if (failures.any) return failures.abort()
    giver?.blind.fill(0)
    return done({ outbox, next: new Echoed(setting, { ...state, echo, key: joined }) })
  }

  discard(): void {
    this.#state?.giver?.blind.fill(0)
    for (const pair of this.#state?.pairs.values() ?? []) pair.erase()
    this.#state = undefined
  }
}

type GiverProblem = 'commitment-mismatch' | 'malformed' | 'proof-invalid' | 'share-invalid'

function readGiver(
  setting: Setting,
  state: OpenedState,
  { peer, openings, share }: { peer: PartyIndex; openings: Payloads; share: Uint8Array | undefined },
): { readonly commitments: readonly Point[]; readonly share: bigint } | GiverProblem {
  const { group, own, givers, threshold, old } = setting
  const { scalars, pointBytes } = group
  const exponents = Array.from({ length: threshold }, (_, k) => k)
  const opening = decodeExactly(openings.get(peer) as Uint8Array, (reader) => ({
    commitments: exponents.map(() => reader.take(pointBytes)),
    blind: reader.take(32),
    proofs: exponents.map(() => reader.take(proofBytes(group))),
  }))
  const round1 = state.round1.get(peer) as Uint8Array
  const commitment = commitmentOf(setting, peer, { ...opening, sidShare: round1.subarray(0, 32) })
  if (!equalBytes(commitment, round1.subarray(32))) return 'commitment-mismatch'
  try {
    const points = opening.commitments.map((bytes) => group.decode(bytes))
    const isProven = exponents.map((k) =>
      isProofValid(
        proofContext(setting, { sid: state.sid, prover: peer, k }),
        points[k] as Point,
        opening.proofs[k] as Uint8Array,
      ),
    )
    if (isProven.includes(false)) return 'proof-invalid'
    // Q_i starts at this party's own weighted share, and at nothing else (binds to the old public shares).
    const weight = lagrange(scalars, givers, peer)
    const weighted = group.multiplyPublic(old.publicShares.get(peer) as Point, weight)
    if (!group.equals(points[0] as Point, weighted)) return 'share-invalid'
    if (share === undefined) return { commitments: points, share: 0n }
    const value = scalars.decode(share)
    if (!group.equals(group.multiplyBase(value), evaluateCommitments(group, points, own)))
      return 'share-invalid'
    return { commitments: points, share: value }
  } catch (error) {
    if (isCountersignError(error)) return 'malformed'
    throw error
  }
}

function decodes(group: Secp256k1Group, points: Uint8Array): boolean {
  try {
    checkAnswer(group, points)
    return true
  } catch (error) {
    if (isCountersignError(error)) return false
    throw error
  }
}

interface JoinedKey {
  /** Undefined for a party that is not of the new committee. */
  readonly secret: bigint | undefined
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
}

type JoinProblem = { readonly problem: 'zero-value' | 'key-mismatch'; readonly message: string }

function joinShares(
  { group, own, takers, givers, threshold, old }: Setting,
  commitments: ReadonlyMap<PartyIndex, readonly Point[]>,
  secret: bigint | undefined,
): JoinedKey | JoinProblem {
  const sums = Array.from({ length: threshold }, (_, k) =>
    sumPoints(
      group,
      givers.map((index) => commitments.get(index)?.[k] as Point),
    ),
  )
  const publicShares = new Map(takers.map((index) => [index, evaluateCommitments(group, sums, index)]))
  if (secret === 0n || [...publicShares.values()].some((point) => group.isIdentity(point))) {
    return { problem: 'zero-value', message: 'A new share is zero.' }
  }
  const isOwn =
    secret === undefined || group.equals(group.multiplyBase(secret), publicShares.get(own) as Point)
  if (!isOwn || !interpolatesTo(group, publicShares, threshold, old.publicKey)) {
    return { problem: 'key-mismatch', message: 'The new shares are not shares of the key.' }
  }
  return { secret, publicShares }
}

interface EchoedState extends OpenedState {
  readonly echo: Uint8Array
  readonly key: JoinedKey
}

/** Round 3 is sent: echoes, and the answers to the own transfers. */
class Echoed implements Round<Reshared> {
  readonly inbox: Inbox<'oldEchoes' | 'newEchoes' | 'answers'>
  readonly #setting: Setting
  #state: EchoedState | undefined

  constructor(setting: Setting, state: EchoedState) {
    this.#setting = setting
    this.#state = state
    const { group, givers, takers, own, suite, isTaker } = setting
    const echo = { cast: 'broadcast', payloadBytes: payloadBytes.dkg3Broadcast } as const
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      oldEchoes: { ...echo, code: codes.reshare3, from: without(givers, own) },
      newEchoes: { ...echo, code: codes.reshareNew3, from: without(takers, own) },
      answers: {
        code: codes.reshareNew3,
        cast: 'direct',
        from: suite === 1 && isTaker ? without(takers, own) : [],
        payloadBytes: payloadBytes.dkg3Direct(group),
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, isTaker, random, old, takers } = setting
    const nonce = isTaker ? group.scalars.random(random) : undefined

    const { oldEchoes, newEchoes, answers } = this.inbox.take()
    const echoes = [...oldEchoes.values(), ...newEchoes.values()]
    if (echoes.some((echo) => !equalBytes(echo, state.echo))) {
      return abort({ problem: 'echo-mismatch', message: 'Not all parties have seen the same second round.' })
    }
    const failures = new Failures()
    for (const [peer, answer] of answers) {
      if (!decodes(group as Secp256k1Group, answer)) failures.add('malformed', peer)
    }
    if (failures.any) return failures.abort()
    const epochId = taggedHash('dkg/epoch', state.sid, state.echo)
    const { publicKey, chainCode } = old
    const { publicShares, secret } = state.key
    const ok = confirmationOf({ group, parties: takers }, { epochId, publicKey, publicShares, chainCode })
    const { session } = state
    const after = { session, ok, epochId, publicShares }
    if (secret === undefined || nonce === undefined) {
      return done({
        outbox: [],
        next: new Confirmed(setting, { ...after, share: undefined, confirmation: undefined }),
      })
    }
    const share = shareOf(setting, state, { epochId, answers, secret })
    const proof = proveSecret(shareProofContext(group, epochId, own), {
      secret,
      point: publicShares.get(own) as Point,
      nonce,
    })
    const confirmation = concatBytes(ok, proof)
    const outbox = [send(setting, { code: codes.reshareNew4, session, to: 'all', payload: confirmation })]
    return done({
      outbox,
      next: new Confirmed(setting, { ...after, share, confirmation }),
      store: { kind: 'pending-share', share },
    })
  }

  discard(): void {
    for (const pair of this.#state?.pairs.values() ?? []) pair.erase()
    this.#state = undefined
  }
}

function shareOf(
  { suite, group, label, own, threshold, identities, old }: Setting,
  state: EchoedState,
  { epochId, answers, secret }: { epochId: Uint8Array; answers: Payloads; secret: bigint },
): KeyShare {
  const share: KeyShare = {
    suite,
    group,
    label,
    index: own,
    threshold,
    identities,
    secret,
    publicShares: state.key.publicShares,
    publicKey: old.publicKey,
    chainCode: old.chainCode,
    epochId,
  }
  if (suite !== 1) return share
  const pairs = new Map<PartyIndex, Pair>(
    [...state.pairs].map(([peer, pair]) => [peer, pair.finish(answers.get(peer) as Uint8Array)]),
  )
  const ecdsa: EcdsaKeyShare = { ...share, suite: 1, group: group as Secp256k1Group, pairs }
  return ecdsa
}

interface ConfirmedState {
  readonly session: Uint8Array
  readonly ok: Uint8Array
  readonly epochId: Uint8Array
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
  readonly share: KeyShare | undefined
  /** Own payload of round 4. */
  readonly confirmation: Uint8Array | undefined
}

/** Round 4 is sent: the confirmations of all new members are awaited, by both committees. */
class Confirmed implements Round<Reshared> {
  readonly inbox: Inbox<'confirmations'>
  readonly #setting: Setting
  #state: ConfirmedState | undefined

  constructor(setting: Setting, state: ConfirmedState) {
    this.#setting = setting
    this.#state = state
    const { group, takers, own } = setting
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      confirmations: {
        code: codes.reshareNew4,
        cast: 'broadcast',
        from: without(takers, own),
        payloadBytes: payloadBytes.dkg4(group),
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const setting = this.#setting
    const { group, own, takers, old, isGiver } = setting
    const { confirmations } = this.inbox.take()
    if ([...confirmations.values()].some((payload) => !equalBytes(payload.subarray(0, 32), state.ok))) {
      return abort({
        problem: 'confirmation-mismatch',
        message: 'Not all new members have made the same key.',
      })
    }
    const failures = new Failures()
    for (const [peer, payload] of confirmations) {
      const context = shareProofContext(group, state.epochId, peer)
      const point = state.publicShares.get(peer) as Point
      if (!isProofValid(context, point, payload.subarray(32))) failures.add('proof-invalid', peer)
    }
    if (failures.any) return failures.abort()
    const all = new Map(confirmations)
    if (state.confirmation !== undefined) all.set(own, state.confirmation)
    const retire = taggedHash(
      'reshare/retire',
      old.epochId,
      state.epochId,
      encodeU16(takers.length),
      ...takers.flatMap((index) => [encodeU16(index), all.get(index) as Uint8Array]),
    )
    const { session, share } = state
    const next = new Retired(setting, { session, retire, share })
    if (!isGiver) return done({ outbox: [], next })
    const outbox = [send(setting, { code: codes.reshare5, session, to: 'all', payload: retire })]
    // From here on this party signs no more with the old share, whatever becomes of the others' messages.
    const store = { kind: 'retired-epoch', epochId: old.epochId, successor: state.epochId } as const
    return done({ outbox, next, store })
  }

  discard(): void {
    this.#state = undefined
  }
}

interface RetiredState {
  readonly session: Uint8Array
  readonly retire: Uint8Array
  readonly share: KeyShare | undefined
}

/** Round 5: the retirements of all old members are awaited. */
class Retired implements Round<Reshared> {
  readonly inbox: Inbox<'retirements'>
  readonly #setting: Setting
  #state: RetiredState | undefined

  constructor(setting: Setting, state: RetiredState) {
    this.#setting = setting
    this.#state = state
    const { givers, own } = setting
    this.inbox = openInbox(setting, state.session, 'ABORT', {
      retirements: {
        code: codes.reshare5,
        cast: 'broadcast',
        from: without(givers, own),
        payloadBytes: payloadBytes.reshareRetire,
      },
    })
  }

  finish(): Step<Progress<Reshared>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const failures = new Failures()
    for (const [peer, payload] of this.inbox.take().retirements) {
      if (!equalBytes(payload, state.retire)) failures.add('confirmation-mismatch', peer)
    }
    if (failures.any) return failures.abort()
    return done({ outbox: [], result: { share: state.share, retired: this.#setting.isGiver } })
  }

  discard(): void {
    this.#state = undefined
  }
}
