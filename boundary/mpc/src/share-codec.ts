import { isCountersignError } from '@countersign/bytes'
import { ByteReader } from './byte-reader.ts'
import { concatBytes, encodeU8, encodeU16, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import { checkNames, labelBytesMax } from './context.ts'
import type { Group, Point, Secp256k1Group } from './group.ts'
import { checkGroup, interpolatesTo } from './key-checks.ts'
import {
  aliceKeysBytes,
  bobKeysBytes,
  deltaBytes,
  type EcdsaKeyShare,
  isEcdsaKeyShare,
  type KeyShare,
  type Pair,
  peersOf,
} from './key-share.ts'
import { checkThreshold, type PartyIndex, parseParties } from './parties.ts'
import { type SuiteId, suites } from './suites.ts'
import { taggedHash } from './tagged-hash.ts'

/** The first bytes of a stored share: `CSKS`. */
const magic = new Uint8Array([0x43, 0x53, 0x4b, 0x53])
export const shareFormatVersion = 1
const checkBytes = 32

/**
 * A key share as bytes, for the caller to seal: they are the secret itself. docs/mpc-protocol.md, "Stored shares".
 * The check at the end finds damage, not malice: that is the sealing's to find. */
export function encodeKeyShare(share: KeyShare): Uint8Array {
  const { group, suite, label, index, threshold, identities, publicShares } = share
  const labelBytes = new TextEncoder().encode(label)
  const parties = parseParties(publicShares.keys())
  const secret = group.scalars.encode(share.secret)
  const pairs = isEcdsaKeyShare(share)
    ? peersOf(share).flatMap((peer) => encodePair(share.pairs.get(peer)))
    : []
  const body = concatBytes(
    magic,
    encodeU8(shareFormatVersion),
    encodeU8(suite),
    encodeU8(labelBytes.length),
    labelBytes,
    encodeU16(index),
    encodeU16(threshold),
    encodeU16(parties.length),
    ...parties.flatMap((party) => {
      const identity = identities.get(party) as Uint8Array
      return [
        encodeU16(party),
        encodeU16(identity.length),
        identity,
        group.encode(publicShares.get(party) as Point),
      ]
    }),
    secret,
    group.encode(share.publicKey),
    share.chainCode,
    share.epochId,
    ...pairs,
  )
  secret.fill(0)
  const bytes = concatBytes(body, taggedHash('share/check', body))
  body.fill(0)
  return bytes
}

function encodePair(pair: Pair | undefined): Uint8Array[] {
  if (pair === undefined) throw new Error('bug: a share without the pair of a peer')
  if (pair.burned) return [encodeU8(1)]
  return [encodeU8(0), pair.bobKeys, pair.delta, pair.aliceKeys, pair.zeroSeed]
}

/**
 * Reads a stored share and checks that it is one: x_i G = X_i, and the public shares interpolate to Y.
 * @param groups The backend for each curve.
 * @throws {CountersignError} MPC_SHARE_INVALID, which says what is wrong */
export function decodeKeyShare(
  bytes: Uint8Array,
  groups: { readonly secp256k1: Secp256k1Group; readonly ed25519: Group },
): KeyShare {
  try {
    return readShare(bytes, groups)
  } catch (cause) {
    if (!isCountersignError(cause) || cause.code === 'MPC_SHARE_INVALID') throw cause
    throw invalid(cause.message)
  }
}

function invalid(what: string) {
  return mpcError('MPC_SHARE_INVALID', `The stored share is not usable: ${what}`)
}

function readShare(
  bytes: Uint8Array,
  groups: { readonly secp256k1: Secp256k1Group; readonly ed25519: Group },
): KeyShare {
  if (bytes.length < magic.length + checkBytes || !equalBytes(bytes.subarray(0, 4), magic)) {
    throw invalid('it is not a key share of this library.')
  }
  const body = bytes.subarray(0, bytes.length - checkBytes)
  const version = body[4]
  if (version !== shareFormatVersion) throw invalid(`its format ${version} is not known to this version.`)
  if (!equalBytes(taggedHash('share/check', body), bytes.subarray(body.length))) {
    throw invalid('its checksum is wrong: it is damaged or was altered.')
  }
  const reader = new ByteReader(body)
  reader.view(5)
  const suite = reader.u8() as SuiteId
  if (!Object.values(suites).includes(suite)) throw invalid(`its suite ${suite} is not known.`)
  const group = suite === 2 ? groups.ed25519 : groups.secp256k1
  checkGroup(suite, group)
  const labelBytes = reader.u8()
  if (labelBytes > labelBytesMax) throw invalid('its label is too long.')
  const label = readLabel(reader.take(labelBytes))
  const index = reader.u16()
  const threshold = reader.u16()
  const members = Array.from({ length: reader.u16() }, () => {
    const party = reader.u16()
    const identity = reader.take(reader.u16())
    return { party, identity, point: reader.point(group) }
  })
  const parties = parseParties(members.map(({ party }) => party))
  checkThreshold(threshold, parties.length)
  if (members.some(({ party }, at) => party !== parties[at])) throw invalid('its parties are not in order.')
  if (!parties.includes(index)) throw invalid(`party ${index} is not among its parties.`)
  const identities = new Map(members.map(({ party, identity }) => [party, identity]))
  checkNames(identities, identities)
  const publicShares = new Map<PartyIndex, Point>(members.map(({ party, point }) => [party, point]))
  const share: KeyShare = {
    suite,
    group,
    label,
    index,
    threshold,
    identities,
    secret: group.scalars.decodeNonZero(reader.view(32)),
    publicShares,
    publicKey: reader.point(group),
    chainCode: reader.take(32),
    epochId: reader.take(32),
  }
  const pairs = suite === 1 ? peersOf(share).map((peer) => [peer, readPair(reader)] as const) : []
  reader.end()
  if (!group.equals(group.multiplyBase(share.secret), publicShares.get(index) as Point)) {
    throw invalid('its secret is not the one of its own public share.')
  }
  if (!interpolatesTo(group, publicShares, threshold, share.publicKey)) {
    throw invalid('its public shares do not interpolate to its public key.')
  }
  if (share.epochId.every((byte) => byte === 0)) throw invalid('its epoch is empty.')
  if (suite !== 1) return share
  const ecdsa: EcdsaKeyShare = { ...share, suite: 1, group: groups.secp256k1, pairs: new Map(pairs) }
  return ecdsa
}

function readLabel(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw invalid('its label is not UTF-8.')
  }
}

function readPair(reader: ByteReader): Pair {
  const mark = reader.u8()
  if (mark === 1) return { burned: true }
  if (mark !== 0) throw invalid('the mark of a pair is neither 0 nor 1.')
  return {
    burned: false,
    bobKeys: reader.take(bobKeysBytes),
    delta: reader.take(deltaBytes),
    aliceKeys: reader.take(aliceKeysBytes),
    zeroSeed: reader.take(32),
  }
}
