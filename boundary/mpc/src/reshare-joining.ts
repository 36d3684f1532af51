import { isCountersignError } from '@countersign/bytes'
import { decodeExactly } from './byte-reader.ts'
import { equalBytes } from './byte-writer.ts'
import { type Point, sumPoints } from './group.ts'
import type { Payloads } from './inbox.ts'
import { interpolatesTo } from './key-checks.ts'
import { coefficientProofContext } from './key-proofs.ts'
import type { PairTransfers } from './pair-transfers.ts'
import type { PartyIndex } from './parties.ts'
import { evaluateCommitments, lagrange } from './polynomial.ts'
import { commitmentOf, type GiverState, type Setting } from './reshare-setting.ts'
import { isProofValid, proofBytes } from './schnorr-proof.ts'

export interface OpenedState {
  readonly sid: Uint8Array
  readonly session: Uint8Array
  readonly giver: GiverState | undefined
  /** Own broadcast of round 2, of an old member. */
  readonly opening: Uint8Array | undefined
  readonly round1: ReadonlyMap<PartyIndex, Uint8Array>
  readonly pairs: ReadonlyMap<PartyIndex, PairTransfers>
}

type GiverProblem = 'commitment-mismatch' | 'malformed' | 'proof-invalid' | 'share-invalid'

export function readGiver(
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
        coefficientProofContext(group, { sid: state.sid, prover: peer, k }),
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

export interface JoinedKey {
  /** Undefined for a party that is not of the new committee. */
  readonly secret: bigint | undefined
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
}

type JoinProblem = { readonly problem: 'zero-value' | 'key-mismatch'; readonly message: string }

export function joinShares(
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
