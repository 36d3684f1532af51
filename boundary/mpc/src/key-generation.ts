/**
 * Distributed key generation and refresh: commit, open, echo, confirm. Lindell's ePrint 2022/374, section 6.1, in
 * style: Feldman's sharing behind commitments, a proof for every coefficient. For every suite; on suite 1 the base
 * oblivious transfers of every pair travel along. docs/mpc-protocol.md, "Key generation" and "Refresh": every
 * field and every draw is there, in the order in which it is here.
 */
import { isCountersignError } from '@countersign/bytes'
import { abort, done, type Step } from './abort.ts'
import {
  type AliceChoice,
  answerTransfers,
  checkAnswer,
  chooseTransfers,
  drawAnswer,
  drawChoice,
  finishTransfers,
  transferId,
} from './base-ot.ts'
import { decodeExactly } from './byte-reader.ts'
import { concatBytes, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { contextId } from './context.ts'
import { broadcast, encodeFrame, wireSessionId } from './frame.ts'
import { type Group, type Point, type Secp256k1Group, sumPoints } from './group.ts'
import { Inbox, type Payloads } from './inbox.ts'
import type { EcdsaKeyShare, KeyShare, Pair } from './key-share.ts'
import { ceremonies, codes, payloadBytes } from './messages.ts'
import { checkMember, checkThreshold, type PartyIndex, parseParties } from './parties.ts'
import { commit, evaluate, evaluateCommitments, lagrange } from './polynomial.ts'
import { drawBytes, platformRandom, type RandomSource } from './random-source.ts'
import { isProofValid, proofBytes, proveSecret } from './schnorr-proof.ts'
import type { Outgoing, Progress, Round } from './session.ts'
import type { SuiteId } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'

export interface KeyGenerationInput {
  readonly suite: SuiteId
  /** The suite's curve, on whichever backend; suite 1 needs a Secp256k1Group. */
  readonly group: Group
  /** What the key is for. */
  readonly label: string
  /** 32 bytes, fresh; all parties have agreed on it. */
  readonly instance: Uint8Array
  readonly own: PartyIndex
  readonly threshold: number
  /** Of everybody, own included: as the transport authenticates them. */
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  readonly random?: RandomSource
}

export interface RefreshInput<Share extends KeyShare> {
  readonly share: Share
  /** 32 bytes, fresh; all parties have agreed on it. */
  readonly instance: Uint8Array
  readonly random?: RandomSource
}

/**
 * Draws and sends round 1. The session's result is a share that all n parties have confirmed.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID, MPC_RANDOM_UNAVAILABLE */
export function startKeyGeneration(input: KeyGenerationInput): Progress<KeyShare> {
  const { suite, group, label, instance, own, threshold, identities } = input
  const parties = parseParties(identities.keys())
  checkMember(own, parties)
  checkThreshold(threshold, parties.length)
  checkGroup(suite, group)
  const ctx0 = contextId({
    suite,
    ceremony: ceremonies.keygen,
    label,
    instance,
    subject: new Uint8Array(0),
    threshold,
    identities,
  })
  return start({
    kind: 'keygen',
    suite,
    group,
    label,
    ctx0,
    own,
    threshold,
    identities: new Map(parties.map((index) => [index, identities.get(index) as Uint8Array])),
    parties,
    firstExponent: 0,
    old: undefined,
    random: input.random ?? platformRandom,
  })
}

/**
 * The same key, new shares, new transfers, a new epoch: what was learned of the old shares is worth nothing.
 * Burned pairs are whole again afterwards; that is the operator's decision to make.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_RANDOM_UNAVAILABLE */
export function startRefresh<Share extends KeyShare>(input: RefreshInput<Share>): Progress<Share> {
  const { share, instance } = input
  const { suite, group, label, index, threshold, identities } = share
  const parties = parseParties(share.publicShares.keys())
  checkGroup(suite, group)
  const ctx0 = contextId({
    suite,
    ceremony: ceremonies.refresh,
    label,
    instance,
    subject: refreshSubject(share, parties),
    threshold,
    identities,
  })
  return start({
    kind: 'refresh',
    suite,
    group,
    label,
    ctx0,
    own: index,
    threshold,
    identities,
    parties,
    firstExponent: 1,
    old: share,
    random: input.random ?? platformRandom,
  }) as Progress<Share>
}

export function checkGroup(suite: SuiteId, group: Group): void {
  const wanted = suite === 2 ? 'ed25519' : 'secp256k1'
  if (group.name !== wanted)
    throw mpcError('MPC_INPUT_INVALID', `Suite ${suite} is over ${wanted}, not over ${group.name}.`)
}

function refreshSubject(share: KeyShare, parties: readonly PartyIndex[]): Uint8Array {
  const { group, epochId, publicKey, chainCode, publicShares } = share
  return taggedHash(
    'refresh/subject',
    epochId,
    group.encode(publicKey),
    chainCode,
    encodeU16(parties.length),
    ...parties.flatMap((index) => [encodeU16(index), group.encode(publicShares.get(index) as Point)]),
  )
}

interface Ceremony {
  readonly kind: 'keygen' | 'refresh'
  readonly suite: SuiteId
  readonly group: Group
  readonly label: string
  /** The session id of round 1. */
  readonly ctx0: Uint8Array
  readonly own: PartyIndex
  readonly threshold: number
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  readonly parties: readonly PartyIndex[]
  /** Lowest exponent that is drawn, committed to and proven: a refresh has no constant, so it cannot move the key. */
  readonly firstExponent: 0 | 1
  readonly old: KeyShare | undefined
  readonly random: RandomSource
}

const roundCodes = {
  keygen: [codes.dkg1, codes.dkg2, codes.dkg3, codes.dkg4],
  refresh: [codes.refresh1, codes.refresh2, codes.refresh3, codes.refresh4],
} as const

function othersOf({ parties, own }: Ceremony): PartyIndex[] {
  return parties.filter((index) => index !== own)
}

function codeOf({ kind }: Ceremony, round: 1 | 2 | 3 | 4): number {
  return roundCodes[kind][round - 1] as number
}

function exponentsOf({ threshold, firstExponent }: Ceremony): number[] {
  return Array.from({ length: threshold - firstExponent }, (_, k) => k + firstExponent)
}

/** Suite 1 signs with multiplications, which need transfers between each two parties. */
function transferGroup({ suite, group }: Ceremony): Secp256k1Group | undefined {
  return suite === 1 ? (group as Secp256k1Group) : undefined
}

interface FrameParts {
  readonly round: 1 | 2 | 3 | 4
  readonly session: Uint8Array
  readonly to: PartyIndex | 'all'
  readonly payload: Uint8Array
}

function frame(ceremony: Ceremony, { round, session, to, payload }: FrameParts): Outgoing {
  const bytes = encodeFrame({
    suite: ceremony.suite,
    code: codeOf(ceremony, round),
    sender: ceremony.own,
    receiver: to === 'all' ? broadcast : to,
    session,
    payload,
  })
  return { to, bytes }
}

interface OwnPolynomial {
  /** From `firstExponent`. */
  readonly coefficients: readonly bigint[]
  readonly commitments: readonly Point[]
  /** Empty in a refresh: the chain code stays. */
  readonly chainCodeShare: Uint8Array
  readonly sidShare: Uint8Array
  readonly blind: Uint8Array
  readonly commitment: Uint8Array
}

function start(ceremony: Ceremony): Progress<KeyShare> {
  const { group, ctx0, own, firstExponent, random } = ceremony
  const coefficients = exponentsOf(ceremony).map(() => group.scalars.random(random))
  const chainCodeShare = firstExponent === 0 ? drawBytes(random, 32) : new Uint8Array(0)
  const sidShare = drawBytes(random, 32)
  const blind = drawBytes(random, 32)
  const commitments = commit(group, coefficients)
  const commitment = commitmentOf(ceremony, own, {
    sidShare,
    commitments: commitments.map((point) => group.encode(point)),
    chainCodeShare,
    blind,
  })
  const payload = concatBytes(sidShare, commitment)
  const outbox = [frame(ceremony, { round: 1, session: ctx0, to: 'all', payload })]
  const polynomial = { coefficients, commitments, chainCodeShare, sidShare, blind, commitment }
  return { outbox, next: new Committed(ceremony, polynomial) }
}

interface Committing {
  readonly sidShare: Uint8Array
  readonly commitments: readonly Uint8Array[]
  readonly chainCodeShare: Uint8Array
  readonly blind: Uint8Array
}

function commitmentOf(ceremony: Ceremony, index: PartyIndex, opened: Committing): Uint8Array {
  const { sidShare, commitments, chainCodeShare, blind } = opened
  return taggedHash(
    ceremony.kind === 'keygen' ? 'dkg/com' : 'refresh/com',
    ceremony.ctx0,
    encodeU16(index),
    sidShare,
    encodeU16(commitments.length),
    ...commitments,
    ...(ceremony.firstExponent === 0 ? [chainCodeShare] : []),
    blind,
  )
}

/** Round 1 is sent: every C_j is awaited. */
class Committed implements Round<KeyShare> {
  readonly inbox: Inbox<'commitments'>
  readonly #ceremony: Ceremony
  #own: OwnPolynomial | undefined

  constructor(ceremony: Ceremony, own: OwnPolynomial) {
    this.#ceremony = ceremony
    this.#own = own
    const from = othersOf(ceremony)
    this.inbox = new Inbox({
      suite: ceremony.suite,
      own: ceremony.own,
      peers: from,
      session: ceremony.ctx0,
      wrongLength: 'RETRY',
      expects: {
        commitments: { code: codeOf(ceremony, 1), cast: 'broadcast', from, payloadBytes: payloadBytes.dkg1 },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const own = this.#own
    this.#own = undefined
    if (own === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const ceremony = this.#ceremony
    const { group, random } = ceremony
    const { scalars } = group
    const transfers = transferGroup(ceremony)
    const exponents = exponentsOf(ceremony)

    const nonces = exponents.map(() => scalars.random(random))
    const zeroShares = new Map<PartyIndex, Uint8Array>()
    const draws = new Map<PartyIndex, ReturnType<typeof drawChoice>>()
    if (transfers !== undefined) {
      for (const peer of othersOf(ceremony)) {
        zeroShares.set(peer, drawBytes(random, 32))
        draws.set(peer, drawChoice(transfers, random))
      }
    }

    const round1 = new Map(this.inbox.take().commitments)
    round1.set(ceremony.own, concatBytes(own.sidShare, own.commitment))
    const sid = sidOf(ceremony, round1)
    const session = wireSessionId(ceremony.ctx0, sid)
    const proofs = exponents.map((k, at) =>
      proveSecret(proofContext(ceremony, { sid, prover: ceremony.own, k }), {
        secret: own.coefficients[at] as bigint,
        point: own.commitments[at] as Point,
        nonce: nonces[at] as bigint,
      }),
    )
    const opening = concatBytes(
      ...own.commitments.map((point) => group.encode(point)),
      own.chainCodeShare,
      own.blind,
      ...proofs,
    )
    const outbox = [frame(ceremony, { round: 2, session, to: 'all', payload: opening })]
    const choices = new Map<PartyIndex, AliceChoice>()
    for (const peer of othersOf(ceremony)) {
      const value = scalars.encode(evaluate(scalars, own.coefficients, peer, ceremony.firstExponent))
      const parts = [value]
      if (transfers !== undefined) {
        const osid = transferId(sid, ceremony.own, peer)
        const choice = chooseTransfers({ group: transfers, osid }, draws.get(peer) as never)
        choices.set(peer, choice)
        parts.push(zeroShares.get(peer) as Uint8Array, choice.message)
      }
      outbox.push(frame(ceremony, { round: 2, session, to: peer, payload: concatBytes(...parts) }))
      value.fill(0)
    }
    const next = new Opened(ceremony, { sid, session, own, opening, round1, zeroShares, choices })
    return done({ outbox, next })
  }

  discard(): void {
    erasePolynomial(this.#own)
    this.#own = undefined
  }
}

function erasePolynomial(own: OwnPolynomial | undefined): void {
  for (const bytes of [own?.chainCodeShare, own?.sidShare, own?.blind]) bytes?.fill(0)
}

function sidOf(ceremony: Ceremony, round1: ReadonlyMap<PartyIndex, Uint8Array>): Uint8Array {
  return taggedHash(
    ceremony.kind === 'keygen' ? 'dkg/sid' : 'refresh/sid',
    ceremony.ctx0,
    encodeU16(ceremony.parties.length),
    ...ceremony.parties.flatMap((index) => {
      const payload = round1.get(index) as Uint8Array
      return [encodeU16(index), payload.subarray(0, 32), payload.subarray(32)]
    }),
  )
}

function proofContext(
  { group }: Pick<Ceremony, 'group'>,
  { sid, prover, k }: { sid: Uint8Array; prover: PartyIndex; k: number },
) {
  return { group, tag: 'dkg/pok', fields: [sid, encodeU16(prover), encodeU16(k)] } as const
}

interface OpenedState {
  readonly sid: Uint8Array
  readonly session: Uint8Array
  readonly own: OwnPolynomial
  /** Own broadcast of round 2. */
  readonly opening: Uint8Array
  /** Everybody's round 1. */
  readonly round1: ReadonlyMap<PartyIndex, Uint8Array>
  /** Own share of the zero seed with each peer. */
  readonly zeroShares: ReadonlyMap<PartyIndex, Uint8Array>
  readonly choices: ReadonlyMap<PartyIndex, AliceChoice>
}

/** Round 2 is sent: openings, shares and first transfer messages are awaited. */
class Opened implements Round<KeyShare> {
  readonly inbox: Inbox<'openings' | 'shares'>
  readonly #ceremony: Ceremony
  #state: OpenedState | undefined

  constructor(ceremony: Ceremony, state: OpenedState) {
    this.#ceremony = ceremony
    this.#state = state
    const { group, suite, own, firstExponent } = ceremony
    const from = othersOf(ceremony)
    const code = codeOf(ceremony, 2)
    const coefficients = exponentsOf(ceremony).length
    this.inbox = new Inbox({
      suite,
      own,
      peers: from,
      session: state.session,
      wrongLength: 'ABORT',
      expects: {
        openings: {
          code,
          cast: 'broadcast',
          from,
          payloadBytes: payloadBytes.dkg2Broadcast(group, coefficients, firstExponent === 0),
        },
        shares: { code, cast: 'direct', from, payloadBytes: payloadBytes.dkg2Direct(group, suite === 1) },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const ceremony = this.#ceremony
    const { own, random } = ceremony
    const transfers = transferGroup(ceremony)
    const others = othersOf(ceremony)
    const draws = new Map<PartyIndex, bigint[]>()
    if (transfers !== undefined) {
      for (const peer of others) draws.set(peer, drawAnswer(transfers, random))
    }

    // Everybody is judged before anybody is named.
    const { openings, shares } = this.inbox.take()
    const failures = new Failures()
    const opened = new Map<PartyIndex, OpenedPeer>()
    for (const peer of others) {
      const result = readPeer(ceremony, state, { peer, openings, shares })
      if (typeof result === 'string') failures.add(result, peer)
      else opened.set(peer, result)
    }
    if (failures.any) return failures.abort()

    const answers = new Map<PartyIndex, { readonly message: Uint8Array; readonly keys: Uint8Array }>()
    if (transfers !== undefined) {
      for (const [peer, { choice }] of opened) {
        const context = { group: transfers, osid: transferId(state.sid, peer, own) }
        const answer = answerTransfers(context, choice, draws.get(peer) as bigint[])
        if (answer === undefined) failures.add('identity-point', peer)
        else answers.set(peer, answer)
      }
      if (failures.any) return failures.abort()
    }
    const joined = joinShares(ceremony, state, opened)
    if ('problem' in joined) return abort(joined)

    const broadcasts = new Map(openings).set(own, state.opening)
    const echo = taggedHash(
      'dkg/echo',
      state.sid,
      encodeU16(ceremony.parties.length),
      ...ceremony.parties.flatMap((index) => [encodeU16(index), broadcasts.get(index) as Uint8Array]),
    )
    const { session } = state
    const outbox = [frame(ceremony, { round: 3, session, to: 'all', payload: echo })]
    for (const [peer, { message }] of answers) {
      outbox.push(frame(ceremony, { round: 3, session, to: peer, payload: message }))
    }
    const zeroSeeds = new Map(
      [...opened].map(([peer, { zeroShare }]) => [peer, zeroSeedOf(ceremony, state, peer, zeroShare)]),
    )
    erasePolynomial(state.own)
    const next = new Echoed(ceremony, {
      sid: state.sid,
      session,
      echo,
      key: joined,
      choices: state.choices,
      bobKeys: new Map([...answers].map(([peer, { keys }]) => [peer, keys])),
      zeroSeeds,
    })
    return done({ outbox, next })
  }

  discard(): void {
    erasePolynomial(this.#state?.own)
    for (const share of this.#state?.zeroShares.values() ?? []) share.fill(0)
    for (const { delta } of this.#state?.choices.values() ?? []) delta.fill(0)
    this.#state = undefined
  }
}

interface OpenedPeer {
  readonly commitments: readonly Point[]
  readonly chainCodeShare: Uint8Array
  /** f_j(i). */
  readonly share: bigint
  readonly zeroShare: Uint8Array
  /** The first message of its transfers, as alice; points decode. */
  readonly choice: Uint8Array
}

/** In the order in which an abort names them, where several fail. */
const peerProblems = [
  'commitment-mismatch',
  'malformed',
  'proof-invalid',
  'share-invalid',
  'identity-point',
  'echo-mismatch',
  'confirmation-mismatch',
] as const
type PeerProblem = (typeof peerProblems)[number]

/** All who failed, under the first problem of the list. */
export class Failures {
  readonly #byPeer = new Map<PartyIndex, PeerProblem>()

  add(problem: PeerProblem, peer: PartyIndex): void {
    this.#byPeer.set(peer, problem)
  }

  get any(): boolean {
    return this.#byPeer.size > 0
  }

  abort() {
    const problem = peerProblems.find((one) => [...this.#byPeer.values()].includes(one))
    if (problem === undefined) throw new Error('bug: nobody failed')
    const culprits = [...this.#byPeer.keys()]
    return abort({
      problem,
      culprits,
      message: `Parties ${culprits.join(', ')} failed a check (${problem}).`,
    })
  }
}

function readPeer(
  ceremony: Ceremony,
  state: OpenedState,
  { peer, openings, shares }: { peer: PartyIndex; openings: Payloads; shares: Payloads },
): OpenedPeer | PeerProblem {
  const { group, own, firstExponent } = ceremony
  const { scalars, pointBytes } = group
  const exponents = exponentsOf(ceremony)
  const opening = decodeExactly(openings.get(peer) as Uint8Array, (reader) => ({
    commitments: exponents.map(() => reader.take(pointBytes)),
    chainCodeShare: reader.take(firstExponent === 0 ? 32 : 0),
    blind: reader.take(32),
    proofs: exponents.map(() => reader.take(proofBytes(group))),
  }))
  const round1 = state.round1.get(peer) as Uint8Array
  const commitment = commitmentOf(ceremony, peer, { ...opening, sidShare: round1.subarray(0, 32) })
  if (!equalBytes(commitment, round1.subarray(32))) return 'commitment-mismatch'
  try {
    const points = opening.commitments.map((bytes) => group.decode(bytes))
    const isProven = exponents.map((k, at) =>
      isProofValid(
        proofContext(ceremony, { sid: state.sid, prover: peer, k }),
        points[at] as Point,
        opening.proofs[at] as Uint8Array,
      ),
    )
    if (isProven.includes(false)) return 'proof-invalid'
    const direct = decodeExactly(shares.get(peer) as Uint8Array, (reader) => {
      const share = scalars.decode(reader.view(32))
      if (ceremony.suite !== 1) return { share, zeroShare: new Uint8Array(0), choice: new Uint8Array(0) }
      const zeroShare = reader.take(32)
      return { share, zeroShare, choice: reader.take(payloadBytes.dkg3Direct(group)) }
    })
    const expected = evaluateCommitments(group, points, own, firstExponent)
    if (!group.equals(group.multiplyBase(direct.share), expected)) return 'share-invalid'
    // Before anything is answered: a point that does not decode must not get a reaction that depends on secrets.
    for (let at = 0; at < direct.choice.length; at += pointBytes) {
      group.decode(direct.choice.subarray(at, at + pointBytes))
    }
    return { commitments: points, chainCodeShare: opening.chainCodeShare, ...direct }
  } catch (error) {
    if (isCountersignError(error)) return 'malformed'
    throw error
  }
}

/** What the ceremony makes, before it is confirmed. */
interface JoinedKey {
  readonly secret: bigint
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
  readonly publicKey: Point
  readonly chainCode: Uint8Array
}

type JoinProblem = { readonly problem: 'zero-value' | 'key-mismatch'; readonly message: string }

function joinShares(
  ceremony: Ceremony,
  state: OpenedState,
  opened: ReadonlyMap<PartyIndex, OpenedPeer>,
): JoinedKey | JoinProblem {
  const { group, own, parties, firstExponent, old } = ceremony
  const { scalars } = group
  const commitments = new Map<PartyIndex, readonly Point[]>([[own, state.own.commitments]])
  let secret = scalars.mod(
    evaluate(scalars, state.own.coefficients, own, firstExponent) + (old?.secret ?? 0n),
  )
  for (const [peer, { share, commitments: points }] of opened) {
    secret = scalars.add(secret, share)
    commitments.set(peer, points)
  }
  // The sum of all polynomials, evaluated once for each party.
  const sums = exponentsOf(ceremony).map((_, at) =>
    sumPoints(
      group,
      parties.map((index) => commitments.get(index)?.[at] as Point),
    ),
  )
  const publicShares = new Map<PartyIndex, Point>()
  for (const index of parties) {
    const added = evaluateCommitments(group, sums, index, firstExponent)
    const before = old?.publicShares.get(index)
    publicShares.set(index, before === undefined ? added : group.add(before, added))
  }
  const publicKey = old?.publicKey ?? (sums[0] as Point)
  const isZero =
    secret === 0n || [publicKey, ...publicShares.values()].some((point) => group.isIdentity(point))
  if (isZero) return { problem: 'zero-value', message: 'The key or a share of it is zero.' }
  if (!group.equals(group.multiplyBase(secret), publicShares.get(own) as Point)) {
    return {
      problem: 'key-mismatch',
      message: 'The share of this party is not the one that was committed to.',
    }
  }
  if (!interpolatesTo(group, publicShares, ceremony.threshold, publicKey)) {
    return { problem: 'key-mismatch', message: 'The public shares do not interpolate to the public key.' }
  }
  const chainCode =
    old?.chainCode ??
    taggedHash(
      'dkg/cc',
      state.sid,
      encodeU16(parties.length),
      ...parties.map((index) =>
        index === own ? state.own.chainCodeShare : (opened.get(index)?.chainCodeShare as Uint8Array),
      ),
    )
  return { secret, publicShares, publicKey, chainCode }
}

/** Whether the first t public shares give the key, and so does every other with t - 1 of them. */
export function interpolatesTo(
  group: Group,
  publicShares: ReadonlyMap<PartyIndex, Point>,
  threshold: number,
  publicKey: Point,
): boolean {
  const indices = [...publicShares.keys()].sort((a, b) => a - b)
  if (indices.length < threshold) return false
  const base = indices.slice(0, threshold - 1)
  return indices.slice(threshold - 1).every((last) => {
    const set = [...base, last]
    const sum = sumPoints(
      group,
      set.map((index) =>
        group.multiplyPublic(publicShares.get(index) as Point, lagrange(group.scalars, set, index)),
      ),
    )
    return group.equals(sum, publicKey)
  })
}

function zeroSeedOf(
  { own, suite }: Ceremony,
  { sid, zeroShares }: OpenedState,
  peer: PartyIndex,
  theirs: Uint8Array,
): Uint8Array {
  if (suite !== 1) return new Uint8Array(0)
  const mine = zeroShares.get(peer) as Uint8Array
  const [low, high] = own < peer ? [own, peer] : [peer, own]
  const [lowShare, highShare] = own < peer ? [mine, theirs] : [theirs, mine]
  return taggedHash('dkg/zero', sid, encodeU16(low), encodeU16(high), lowShare, highShare)
}

interface EchoedState {
  readonly sid: Uint8Array
  readonly session: Uint8Array
  readonly echo: Uint8Array
  readonly key: JoinedKey
  readonly choices: ReadonlyMap<PartyIndex, AliceChoice>
  readonly bobKeys: ReadonlyMap<PartyIndex, Uint8Array>
  readonly zeroSeeds: ReadonlyMap<PartyIndex, Uint8Array>
}

/** Round 3 is sent: echoes and the answers to the own transfers are awaited. */
class Echoed implements Round<KeyShare> {
  readonly inbox: Inbox<'echoes' | 'answers'>
  readonly #ceremony: Ceremony
  #state: EchoedState | undefined

  constructor(ceremony: Ceremony, state: EchoedState) {
    this.#ceremony = ceremony
    this.#state = state
    const from = othersOf(ceremony)
    const code = codeOf(ceremony, 3)
    this.inbox = new Inbox({
      suite: ceremony.suite,
      own: ceremony.own,
      peers: from,
      session: state.session,
      wrongLength: 'ABORT',
      expects: {
        echoes: { code, cast: 'broadcast', from, payloadBytes: payloadBytes.dkg3Broadcast },
        answers: {
          code,
          cast: 'direct',
          from: ceremony.suite === 1 ? from : [],
          payloadBytes: payloadBytes.dkg3Direct(ceremony.group),
        },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const ceremony = this.#ceremony
    const { group, own, random } = ceremony
    const nonce = group.scalars.random(random)

    const { echoes, answers } = this.inbox.take()
    // Two honest parties whose echoes differ were told two stories by a third: nobody can say by whom.
    if ([...echoes.values()].some((echo) => !equalBytes(echo, state.echo))) {
      return abort({ problem: 'echo-mismatch', message: 'Not all parties have seen the same second round.' })
    }
    const failures = new Failures()
    const transfers = transferGroup(ceremony)
    if (transfers !== undefined) {
      for (const [peer, answer] of answers) {
        if (!decodes(transfers, answer)) failures.add('malformed', peer)
      }
      if (failures.any) return failures.abort()
    }
    const epochId = taggedHash('dkg/epoch', state.sid, state.echo)
    const share = shareOf(ceremony, state, { epochId, answers })
    const ok = confirmationOf(ceremony, { ...state.key, epochId })
    const proof = proveSecret(shareProofContext(group, epochId, own), {
      secret: state.key.secret,
      point: state.key.publicShares.get(own) as Point,
      nonce,
    })
    const payload = concatBytes(ok, proof)
    const outbox = [frame(ceremony, { round: 4, session: state.session, to: 'all', payload })]
    const next = new Confirmed(ceremony, { session: state.session, ok, share })
    return done({ outbox, next, store: { kind: 'pending-share', share } })
  }

  discard(): void {
    for (const bytes of [
      ...(this.#state?.bobKeys.values() ?? []),
      ...(this.#state?.zeroSeeds.values() ?? []),
    ])
      bytes.fill(0)
    for (const { delta } of this.#state?.choices.values() ?? []) delta.fill(0)
    this.#state = undefined
  }
}

function decodes(group: Secp256k1Group, answer: Uint8Array): boolean {
  try {
    checkAnswer(group, answer)
    return true
  } catch (error) {
    if (isCountersignError(error)) return false
    throw error
  }
}

function shareOf(
  ceremony: Ceremony,
  state: EchoedState,
  { epochId, answers }: { epochId: Uint8Array; answers: Payloads },
): KeyShare {
  const { suite, group, label, own, threshold, identities } = ceremony
  const share: KeyShare = {
    suite,
    group,
    label,
    index: own,
    threshold,
    identities,
    epochId,
    ...state.key,
  }
  const transfers = transferGroup(ceremony)
  if (transfers === undefined) return share
  const pairs = new Map<PartyIndex, Pair>()
  for (const peer of othersOf(ceremony)) {
    const choice = state.choices.get(peer) as AliceChoice
    const context = { group: transfers, osid: transferId(state.sid, own, peer) }
    pairs.set(peer, {
      burned: false,
      bobKeys: state.bobKeys.get(peer) as Uint8Array,
      delta: choice.delta,
      aliceKeys: finishTransfers(context, choice, answers.get(peer) as Uint8Array),
      zeroSeed: state.zeroSeeds.get(peer) as Uint8Array,
    })
  }
  const ecdsa: EcdsaKeyShare = { ...share, suite: 1, group: transfers, pairs }
  return ecdsa
}

/** What every party of the new epoch confirms: everything public that the ceremony made. */
export function confirmationOf(
  { group, parties }: { readonly group: Group; readonly parties: readonly PartyIndex[] },
  key: Pick<KeyShare, 'epochId' | 'publicKey' | 'publicShares' | 'chainCode'>,
): Uint8Array {
  return taggedHash(
    'dkg/ok',
    key.epochId,
    group.encode(key.publicKey),
    encodeU16(parties.length),
    ...parties.flatMap((index) => [encodeU16(index), group.encode(key.publicShares.get(index) as Point)]),
    key.chainCode,
  )
}

export function shareProofContext(group: Group, epochId: Uint8Array, prover: PartyIndex) {
  return { group, tag: 'dkg/share-pok', fields: [epochId, encodeU16(prover)] } as const
}

interface ConfirmedState {
  readonly session: Uint8Array
  readonly ok: Uint8Array
  readonly share: KeyShare
}

/** Round 4 is sent, the share is stored as pending: it is usable once everybody has confirmed the same. */
class Confirmed implements Round<KeyShare> {
  readonly inbox: Inbox<'confirmations'>
  readonly #ceremony: Ceremony
  #state: ConfirmedState | undefined

  constructor(ceremony: Ceremony, state: ConfirmedState) {
    this.#ceremony = ceremony
    this.#state = state
    const from = othersOf(ceremony)
    this.inbox = new Inbox({
      suite: ceremony.suite,
      own: ceremony.own,
      peers: from,
      session: state.session,
      wrongLength: 'ABORT',
      expects: {
        confirmations: {
          code: codeOf(ceremony, 4),
          cast: 'broadcast',
          from,
          payloadBytes: payloadBytes.dkg4(ceremony.group),
        },
      },
    })
  }

  finish(): Step<Progress<KeyShare>> {
    const state = this.#state
    this.#state = undefined
    if (state === undefined) throw mpcError('MPC_SPENT', 'This round was entered before.')
    const { group } = this.#ceremony
    const { ok, share } = state
    const { confirmations } = this.inbox.take()
    if ([...confirmations.values()].some((payload) => !equalBytes(payload.subarray(0, 32), ok))) {
      return abort({
        problem: 'confirmation-mismatch',
        message: 'Not all parties have made the same key.',
      })
    }
    const failures = new Failures()
    for (const [peer, payload] of confirmations) {
      const context = shareProofContext(group, share.epochId, peer)
      const isKnown = isProofValid(context, share.publicShares.get(peer) as Point, payload.subarray(32))
      if (!isKnown) failures.add('proof-invalid', peer)
    }
    return failures.any ? failures.abort() : done({ outbox: [], result: share })
  }

  discard(): void {
    this.#state = undefined
  }
}
