import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ed25519Group } from './ed25519-group.ts'
import type { EcdsaKeyShare, KeyShare } from './key-share.ts'
import { burnPair } from './key-share.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'
import { decodeKeyShare, encodeKeyShare } from './share-codec.ts'
import { taggedHash } from './tagged-hash.ts'
import { generateTestKey, resultOf } from './testing/ceremonies.ts'

const groups = { secp256k1: nobleSecp256k1Group, ed25519: ed25519Group }

async function shareOf(suite: 1 | 2 | 3): Promise<KeyShare> {
  const outcomes = await generateTestKey({ suite, threshold: 2, indices: [1, 2] })
  return resultOf(outcomes.get(2))
}

/** The bytes with a correct checksum, as whoever alters them on purpose would write. */
function resealed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 32)
  bytes.set(body)
  bytes.set(taggedHash('share/check', body), body.length)
  return bytes
}

describe('stored key shares', () => {
  it('come back as they were', async () => {
    for (const suite of [2, 3] as const) {
      const share = await shareOf(suite)
      const bytes = encodeKeyShare(share)
      const again = decodeKeyShare(bytes, groups)
      expect(encodeKeyShare(again)).toEqual(bytes)
      // Points are equal in many coordinates; everything else is the same value.
      const plain = ({ group: _, publicKey: _key, publicShares: _shares, ...rest }: KeyShare) => rest
      expect(plain(again)).toEqual(plain(share))
    }
  })

  it('keep the transfers of each pair, and that a pair is burned', { timeout: 60_000 }, async () => {
    const share = (await shareOf(1)) as EcdsaKeyShare
    const again = decodeKeyShare(encodeKeyShare(share), groups) as EcdsaKeyShare
    expect(again.pairs).toEqual(share.pairs)
    burnPair(again, 1)
    const bytes = encodeKeyShare(again)
    expect((decodeKeyShare(bytes, groups) as EcdsaKeyShare).pairs.get(1)).toEqual({ burned: true })
    // About 6.2 KB a peer, once.
    expect(encodeKeyShare(share).length).toBeLessThan(6_600)
  })

  it('that are damaged are refused, whichever byte it is', async () => {
    const bytes = encodeKeyShare(await shareOf(2))
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice()
      damaged[at] = (damaged[at] as number) ^ 0x10
      expect(() => decodeKeyShare(damaged, groups)).toThrow('not usable')
      expect(() => decodeKeyShare(bytes.subarray(0, at), groups)).toThrow('not usable')
    }
    expect(() => decodeKeyShare(new Uint8Array([...bytes, 0]), groups)).toThrow('not usable')
  })

  it('TestLoadRejectsXiBigXjMismatch: altered with a correct checksum they say what is wrong', async () => {
    const share = await shareOf(2)
    const altered = (change: Partial<KeyShare>) => encodeKeyShare({ ...share, ...change })
    const refusal = (bytes: Uint8Array) => () => decodeKeyShare(bytes, groups)
    const { scalars } = ed25519Group
    expect(refusal(altered({ secret: scalars.add(share.secret, 1n) }))).toThrow('own public share')
    const two = ed25519Group.multiplyBase(2n)
    expect(refusal(altered({ publicKey: two }))).toThrow('do not interpolate')
    const shares = new Map(share.publicShares).set(1, two)
    expect(refusal(altered({ publicShares: shares }))).toThrow('do not interpolate')
    expect(refusal(altered({ index: 3 }))).toThrow('not among its parties')
    expect(refusal(altered({ threshold: 3 }))).toThrow('threshold of 3 of 2')
    expect(refusal(altered({ epochId: new Uint8Array(32) }))).toThrow('epoch is empty')
    const body = encodeKeyShare(share).slice(0, -32)
    body[5] = 9
    expect(refusal(resealed(body))).toThrow('suite 9')
    body[5] = 2
    body[4] = 2
    expect(refusal(resealed(body))).toThrow('format 2')
  })

  it('of any other bytes give a typed refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        const body = new Uint8Array([0x43, 0x53, 0x4b, 0x53, 1, ...noise])
        for (const bytes of [noise, resealed(body)]) {
          expect(() => decodeKeyShare(bytes, groups)).toThrow(
            expect.objectContaining({ code: 'MPC_SHARE_INVALID' }),
          )
        }
      }),
      { numRuns: 300 },
    )
  })
})
