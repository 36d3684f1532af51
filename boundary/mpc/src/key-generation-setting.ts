import { encodeU16 } from './byte-writer.ts'
import { broadcast, encodeFrame } from './frame.ts'
import type { Group, Point, Secp256k1Group } from './group.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import type { RandomSource } from './random-source.ts'
import type { Outgoing } from './session.ts'
import type { SuiteId } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'

/** What all rounds of one key generation or refresh have in common. */
export interface Ceremony {
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

export function othersOf({ parties, own }: Ceremony): PartyIndex[] {
  return parties.filter((index) => index !== own)
}

export function codeOf({ kind }: Ceremony, round: 1 | 2 | 3 | 4): number {
  return roundCodes[kind][round - 1] as number
}

export function exponentsOf({ threshold, firstExponent }: Ceremony): number[] {
  return Array.from({ length: threshold - firstExponent }, (_, k) => k + firstExponent)
}

/** Suite 1 signs with multiplications, which need transfers between each two parties. */
export function transferGroup({ suite, group }: Ceremony): Secp256k1Group | undefined {
  return suite === 1 ? (group as Secp256k1Group) : undefined
}

interface FrameParts {
  readonly round: 1 | 2 | 3 | 4
  readonly session: Uint8Array
  readonly to: PartyIndex | 'all'
  readonly payload: Uint8Array
}

export function frame(ceremony: Ceremony, { round, session, to, payload }: FrameParts): Outgoing {
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

export interface OwnPolynomial {
  /** From `firstExponent`. */
  readonly coefficients: readonly bigint[]
  readonly commitments: readonly Point[]
  /** Empty in a refresh: the chain code stays. */
  readonly chainCodeShare: Uint8Array
  readonly sidShare: Uint8Array
  readonly blind: Uint8Array
  readonly commitment: Uint8Array
}

export function erasePolynomial(own: OwnPolynomial | undefined): void {
  for (const bytes of [own?.chainCodeShare, own?.sidShare, own?.blind]) bytes?.fill(0)
}

interface Committing {
  readonly sidShare: Uint8Array
  readonly commitments: readonly Uint8Array[]
  readonly chainCodeShare: Uint8Array
  readonly blind: Uint8Array
}

export function commitmentOf(ceremony: Ceremony, index: PartyIndex, opened: Committing): Uint8Array {
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

export function sidOf(ceremony: Ceremony, round1: ReadonlyMap<PartyIndex, Uint8Array>): Uint8Array {
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
