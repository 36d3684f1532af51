import { isCountersignError } from '@countersign/bytes'
import { decodeExactly } from './byte-reader.ts'
import { encodeU16, equalBytes } from './byte-writer.ts'
import { type Point, sumPoints } from './group.ts'
import type { Payloads } from './inbox.ts'
import { interpolatesTo } from './key-checks.ts'
import { type Ceremony, commitmentOf, exponentsOf, type OwnPolynomial } from './key-generation-setting.ts'
import { coefficientProofContext } from './key-proofs.ts'
import { payloadBytes } from './messages.ts'
import type { PairTransfers } from './pair-transfers.ts'
import type { PartyIndex } from './parties.ts'
import type { PeerProblem } from './peer-failures.ts'
import { evaluate, evaluateCommitments } from './polynomial.ts'
import { isProofValid, proofBytes } from './schnorr-proof.ts'
import { taggedHash } from './tagged-hash.ts'

export interface OpenedState {
  readonly sid: Uint8Array
  readonly session: Uint8Array
  readonly own: OwnPolynomial
  /** Own broadcast of round 2. */
  readonly opening: Uint8Array
  /** Everybody's round 1. */
  readonly round1: ReadonlyMap<PartyIndex, Uint8Array>
  /** Of suite 1; none on others. */
  readonly pairs: ReadonlyMap<PartyIndex, PairTransfers>
}

export interface OpenedPeer {
  readonly commitments: readonly Point[]
  readonly chainCodeShare: Uint8Array
  /** f_j(i). */
  readonly share: bigint
  /** On suite 1: its part of the zero seed and the first message of its transfers, as alice; points decode. */
  readonly transfers: Uint8Array
}

export function readPeer(
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
        coefficientProofContext(group, { sid: state.sid, prover: peer, k }),
        points[at] as Point,
        opening.proofs[at] as Uint8Array,
      ),
    )
    if (isProven.includes(false)) return 'proof-invalid'
    const direct = decodeExactly(shares.get(peer) as Uint8Array, (reader) => {
      const share = scalars.decode(reader.view(32))
      return { share, transfers: reader.take(ceremony.suite === 1 ? payloadBytes.reshareNew2(group) : 0) }
    })
    const expected = evaluateCommitments(group, points, own, firstExponent)
    if (!group.equals(group.multiplyBase(direct.share), expected)) return 'share-invalid'
    // Before anything is answered: a point that does not decode must not get a reaction that depends on secrets.
    for (let at = 32; at < direct.transfers.length; at += pointBytes) {
      group.decode(direct.transfers.subarray(at, at + pointBytes))
    }
    return { commitments: points, chainCodeShare: opening.chainCodeShare, ...direct }
  } catch (error) {
    if (isCountersignError(error)) return 'malformed'
    throw error
  }
}

/** What the ceremony makes, before it is confirmed. */
export interface JoinedKey {
  readonly secret: bigint
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
  readonly publicKey: Point
  readonly chainCode: Uint8Array
}

type JoinProblem = { readonly problem: 'zero-value' | 'key-mismatch'; readonly message: string }

export function joinShares(
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
