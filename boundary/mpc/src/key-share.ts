import type { Group, Point, Secp256k1Group } from './group.ts'
import { kappa } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import type { SuiteId } from './suites.ts'

/** Bytes of a key of oblivious transfer. */
export const transferKeyBytes = 16

/** What every key share has, whatever it signs with. */
export interface KeyShare {
  readonly suite: SuiteId
  /** The group whose points these are. */
  readonly group: Group
  /** What the key is for: of the ceremony that made it (ctx0). */
  readonly label: string
  readonly index: PartyIndex
  readonly threshold: number
  /** Long-term identities of all parties, own included, by ascending index. */
  readonly identities: ReadonlyMap<PartyIndex, Uint8Array>
  /** x_i. */
  readonly secret: bigint
  /** X_j of all parties, own included, by ascending index. */
  readonly publicShares: ReadonlyMap<PartyIndex, Point>
  /** Y. */
  readonly publicKey: Point
  /** 32 bytes. */
  readonly chainCode: Uint8Array
  /** 32 bytes. */
  readonly epochId: Uint8Array
}

export interface EcdsaKeyShare extends KeyShare {
  readonly suite: 1
  readonly group: Secp256k1Group
  /** Of each other party. `burnPair` is the only way to change it. */
  readonly pairs: Map<PartyIndex, Pair>
}

export function isEcdsaKeyShare(share: KeyShare): share is EcdsaKeyShare {
  return share.suite === 1
}

/** Secrets shared with one peer: base oblivious transfers of both directions and the seed of zero shares. */
export interface PairState {
  readonly burned: false
  /** As bob: k_0 then k_1 of transfer 1, of transfer 2, .. : 2 * 128 * 16 bytes. */
  readonly bobKeys: Uint8Array
  /** As alice: the choice bits, 16 bytes. */
  readonly delta: Uint8Array
  /** As alice: k_Delta of each transfer, 128 * 16 bytes. */
  readonly aliceKeys: Uint8Array
  /** 32 bytes. */
  readonly zeroSeed: Uint8Array
}

/** A burned pair has no secrets any more and never signs in this epoch. */
export type Pair = PairState | { readonly burned: true }

export const bobKeysBytes = 2 * kappa * transferKeyBytes
export const aliceKeysBytes = kappa * transferKeyBytes
export const deltaBytes = kappa / 8

/** Erases the pair's secrets and marks it; the durable mark is the caller's (see Epoch). Burning twice changes nothing. */
export function burnPair(share: EcdsaKeyShare, peer: PartyIndex): void {
  const pair = share.pairs.get(peer)
  if (pair === undefined) throw new Error('bug: a pair with somebody who has no share of this key')
  if (pair.burned) return
  for (const secret of [pair.bobKeys, pair.delta, pair.aliceKeys, pair.zeroSeed]) secret.fill(0)
  share.pairs.set(peer, { burned: true })
}

/** Everybody but the holder, ascending. */
export function peersOf(share: KeyShare): readonly PartyIndex[] {
  return [...share.publicShares.keys()].filter((index) => index !== share.index).sort((a, b) => a - b)
}
