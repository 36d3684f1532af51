/**
 * Distributed key generation and refresh: commit, open, echo, confirm. Lindell's ePrint 2022/374, section 6.1, in
 * style: Feldman's sharing behind commitments, a proof for every coefficient. For every suite; on suite 1 the base
 * oblivious transfers of every pair travel along. docs/mpc-protocol.md, "Key generation" and "Refresh": every
 * field and every draw is there, in the order in which it is here.
 */
import { concatBytes, encodeU16 } from './byte-writer.ts'
import { contextId } from './context.ts'
import type { Group, Point } from './group.ts'
import { checkGroup } from './key-checks.ts'
import { Committed } from './key-generation-rounds.ts'
import { type Ceremony, commitmentOf, exponentsOf, frame } from './key-generation-setting.ts'
import type { KeyShare } from './key-share.ts'
import { ceremonies } from './messages.ts'
import { checkMember, checkThreshold, type PartyIndex, parseParties } from './parties.ts'
import { commit } from './polynomial.ts'
import { drawBytes, platformRandom, type RandomSource } from './random-source.ts'
import type { Progress } from './session.ts'
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
