import { encodeU8, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import type { Ceremony } from './messages.ts'
import { checkMember, type PartyIndex, parseParties } from './parties.ts'
import type { SuiteId } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'
import { protocolVersion } from './tags.ts'

export const instanceBytes = 32
export const identityBytesMax = 256
export const labelBytesMax = 64

/** What all parties of a ceremony have agreed on, by authenticated means, before its first message. */
export interface ContextInput {
  readonly suite: SuiteId
  readonly ceremony: Ceremony
  /** What the key is for; a key made under one label never answers under another. UTF-8, 0..64 bytes. */
  readonly label: string
  /** 32 bytes, fresh for every ceremony and not all zero. */
  readonly instance: Uint8Array
  /** Digest of what the ceremony changes: 32 bytes, or none for a key that does not exist yet. */
  readonly subject: Uint8Array
  readonly threshold: number
  /** Each party's long-term identity, as the transport authenticates it: 1..256 bytes, all different. */
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
}

/**
 * ctx0, which every commitment and proof of the ceremony goes back to. It is the session id of round 1.
 * @returns 32 bytes. @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function contextId(input: ContextInput): Uint8Array {
  const { suite, ceremony, label, instance, subject, threshold, identities } = input
  const parties = parseParties(identities.keys())
  checkInstance(instance)
  const labelBytes = new TextEncoder().encode(label)
  if (labelBytes.length > labelBytesMax) {
    throw mpcError('MPC_INPUT_INVALID', `The label is longer than ${labelBytesMax} bytes.`)
  }
  if (subject.length !== 0 && subject.length !== 32) {
    throw mpcError('MPC_INPUT_INVALID', 'The subject is neither empty nor 32 bytes long.')
  }
  const seen = new Set<string>()
  const members = parties.flatMap((index) => {
    const identity = identities.get(index) as Uint8Array
    checkIdentity(index, identity)
    // One machine under two indices would hold two shares.
    const key = String(identity)
    if (seen.has(key)) throw mpcError('MPC_PARTIES_INVALID', `Party ${index} has the identity of another.`)
    seen.add(key)
    return [encodeU16(index), identity]
  })
  return taggedHash(
    'ctx',
    new TextEncoder().encode(protocolVersion),
    encodeU8(suite),
    encodeU8(ceremony),
    labelBytes,
    instance,
    subject,
    encodeU16(threshold),
    encodeU16(parties.length),
    ...members,
  )
}

/** @throws {CountersignError} MPC_INPUT_INVALID: a constant id let sessions be confused (BitGo PR 8496). */
export function checkInstance(instance: Uint8Array): void {
  if (instance.length !== instanceBytes || instance.every((byte) => byte === 0)) {
    throw mpcError(
      'MPC_INPUT_INVALID',
      `An instance is ${instanceBytes} bytes, not all zero, fresh for each session.`,
    )
  }
}

/**
 * One index names one party, and one party has one index, in both lists together: frames are routed and blamed by index,
 * and authenticated by identity.
 * @throws {CountersignError} MPC_INPUT_INVALID, MPC_PARTIES_INVALID */
export function checkNames(
  names: ReadonlyMap<PartyIndex, Uint8Array>,
  others: ReadonlyMap<PartyIndex, Uint8Array>,
): void {
  for (const [index, identity] of names) {
    checkIdentity(index, identity)
    for (const [other, again] of others) {
      const isSame = equalBytes(identity, again)
      if (index === other && !isSame)
        throw mpcError('MPC_PARTIES_INVALID', `Index ${index} names two parties.`)
      if (index !== other && isSame)
        throw mpcError('MPC_PARTIES_INVALID', `One party has two indices, ${index} and ${other}.`)
    }
  }
}

function checkIdentity(index: PartyIndex, identity: Uint8Array): void {
  if (identity.length >= 1 && identity.length <= identityBytesMax) return
  throw mpcError(
    'MPC_INPUT_INVALID',
    `The identity of party ${index} is not 1 to ${identityBytesMax} bytes long.`,
  )
}

/** The signer set: sorted, exactly `threshold` members, all of `parties`, `own` among them.
 * @throws {CountersignError} MPC_PARTIES_INVALID */
export function parseSigners(
  signers: Iterable<PartyIndex>,
  { parties, threshold, own }: { parties: readonly PartyIndex[]; threshold: number; own: PartyIndex },
): readonly PartyIndex[] {
  const sorted = parseParties(signers)
  if (sorted.length !== threshold) {
    throw mpcError('MPC_PARTIES_INVALID', `${sorted.length} signers where exactly ${threshold} sign.`)
  }
  for (const index of sorted) checkMember(index, parties)
  checkMember(own, sorted)
  return sorted
}
