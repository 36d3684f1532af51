import { encodeU16 } from './byte-writer.ts'
import { broadcast, encodeFrame } from './frame.ts'
import type { Group, Point } from './group.ts'
import { type Expected, Inbox } from './inbox.ts'
import type { KeyShare } from './key-share.ts'
import type { PartyIndex } from './parties.ts'
import type { RandomSource } from './random-source.ts'
import type { Outgoing } from './session.ts'
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

export interface Reshared {
  /** Of a new member. Every member has confirmed it, every old member has retired. */
  readonly share: KeyShare | undefined
  /** This party was an old member: its old share is dead and must be erased. */
  readonly retired: boolean
}

/** What all rounds of one reshare have in common. */
export interface Setting {
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

interface FrameParts {
  readonly code: number
  readonly session: Uint8Array
  readonly to: PartyIndex | 'all'
  readonly payload: Uint8Array
}

export function send({ suite, own }: Setting, { code, session, to, payload }: FrameParts): Outgoing {
  const receiver = to === 'all' ? broadcast : to
  return { to, bytes: encodeFrame({ suite, code, sender: own, receiver, session, payload }) }
}

export const without = (indices: readonly PartyIndex[], own: PartyIndex) =>
  indices.filter((index) => index !== own)

/** What a round waits for: nothing of a kind that does not concern this party. */
export function openInbox<Name extends string>(
  { suite, own, peers }: Setting,
  session: Uint8Array,
  wrongLength: 'RETRY' | 'ABORT',
  expects: Record<Name, Expected>,
): Inbox<Name> {
  return new Inbox({ suite, own, peers, session, wrongLength, expects })
}

export interface GiverState {
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

export function commitmentOf({ ctx0 }: Setting, index: PartyIndex, opening: Opening): Uint8Array {
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
