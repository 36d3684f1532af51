import { describe, expect, it } from 'vitest'
import { ed25519Group } from './ed25519-group.ts'
import type { KeyShare } from './key-share.ts'
import type { PartyIndex } from './parties.ts'
import { platformRandom } from './random-source.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'
import { decodeKeyShare, encodeKeyShare } from './share-codec.ts'
import { dealFrostShares } from './testing/index.ts'

/** Stored shares that somebody wrote anew, with a checksum that is right, to stand in for other parties later on. */
const groups = { secp256k1: nobleSecp256k1Group, ed25519: ed25519Group }
const share = dealFrostShares({
  suite: 2,
  threshold: 2,
  indices: [1, 2, 3],
  random: platformRandom,
}).get(1) as KeyShare
const text = (value: string) => new TextEncoder().encode(value)
const load = (identities: ReadonlyMap<PartyIndex, Uint8Array>) => () =>
  decodeKeyShare(encodeKeyShare({ ...share, identities }), groups)
const refused = expect.objectContaining({ code: 'MPC_SHARE_INVALID' })

describe('identities of a stored share', () => {
  it('load as they are', () => {
    expect(load(share.identities)().identities).toEqual(share.identities)
  })

  it('A12: one party under two indices would answer for two in the next refresh', () => {
    expect(load(new Map(share.identities).set(3, text('party 2')))).toThrow(refused)
  })

  it('none, or one that is too long, is nobody’s', () => {
    for (const bad of [new Uint8Array(0), new Uint8Array(257)]) {
      expect(load(new Map(share.identities).set(2, bad))).toThrow(refused)
    }
  })
})
