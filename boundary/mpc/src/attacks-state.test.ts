import { describe, expect, it } from 'vitest'
import { encodeU16 } from './byte-writer.ts'
import { ed25519Group } from './ed25519-group.ts'
import { Epoch } from './epoch.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import { startKeyGeneration, startRefresh } from './key-generation.ts'
import type { EcdsaKeyShare, KeyShare, PairState } from './key-share.ts'
import { codes } from './messages.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { PartyIndex } from './parties.ts'
import type { EcdsaSignature } from './presignature.ts'
import { secp256k1Scalars } from './scalar-field.ts'
import { Session } from './session.ts'
import { decodeKeyShare, encodeKeyShare } from './share-codec.ts'
import { openSignature } from './sign.ts'
import { taggedHash } from './tagged-hash.ts'
import {
  type Delivery,
  dealShares,
  endAll,
  endOf,
  resultOf,
  runNetwork,
  seededRandom,
  testIdentities,
} from './testing/index.ts'

/** Shares and transfer states that are not what their owner's peers believe: damaged, altered, or made so by a peer. */
const group = await loadNativeSecp256k1Group()
let seed = 0
const fresh = () => seededRandom(taggedHash('frost/id', encodeU16(seed++)))
const digest = new Uint8Array(32).fill(0x33)
const groups = { secp256k1: group, ed25519: ed25519Group }

async function sign(shares: ReadonlyMap<PartyIndex, EcdsaKeyShare>) {
  const instance = fresh()(32)
  const epochs = new Map([...shares].map(([index, share]) => [index, new Epoch({ share, burned: [] })]))
  const sessions = new Map<PartyIndex, Session<EcdsaSignature>>(
    [...epochs].map(([index, epoch]) => [
      index,
      openSignature({ epoch, signers: [...epochs.keys()], path: [], digest, instance }),
    ]),
  )
  await runNetwork(sessions)
  const outcome = sessions.get(1)?.outcome ?? sessions.get(1)?.expire()
  if (outcome?.status === 'burn') {
    const { problem, culprits } = await outcome.duty.settle(async () => undefined)
    return `BURN ${problem} ${culprits}`
  }
  return endOf(outcome)
}

function pairOf(
  shares: ReadonlyMap<PartyIndex, EcdsaKeyShare>,
  own: PartyIndex,
  peer: PartyIndex,
): PairState {
  const pair = shares.get(own)?.pairs.get(peer)
  if (pair?.burned !== false) throw new Error('bug: no pair')
  return pair
}

describe('a share that is not what it was', () => {
  it('TestByzantineMutatedShareAfterKeygen: signs nothing, and loading it says so', async () => {
    const shares = dealShares({ group, threshold: 2, indices: [1, 2], random: fresh() })
    const mutated = { ...(shares.get(2) as EcdsaKeyShare), secret: 99n }
    expect(await sign(new Map(shares).set(2, mutated))).toBe('ABORT key-mismatch')
    expect(() => decodeKeyShare(encodeKeyShare(mutated), groups)).toThrow('own public share')
  })

  it('RejectTamperedP1ShareBinding: a share beside the public shares of another key signs nothing', async () => {
    const [one, other] = [fresh(), fresh()].map((random) =>
      dealShares({ group, threshold: 2, indices: [1, 2], random }),
    ) as [Map<PartyIndex, EcdsaKeyShare>, Map<PartyIndex, EcdsaKeyShare>]
    const { publicKey, publicShares } = other.get(1) as EcdsaKeyShare
    const mixed = { ...(one.get(2) as EcdsaKeyShare), publicKey, publicShares }
    // Y is in the start id: they never hear each other.
    expect(await sign(new Map(one).set(2, mixed))).toBe('RETRY timeout 2')
  })

  const bit = (bytes: Uint8Array, index: number) => ((bytes[index >> 3] as number) >> (index & 7)) & 1

  it.each<[string, (shares: ReadonlyMap<PartyIndex, EcdsaKeyShare>, o: number) => void, string]>([
    [
      'of a key that the peer has chosen is found by the check of the extension',
      (shares, o) => {
        const { delta } = pairOf(shares, 1, 2)
        const at = (2 * o + bit(delta, o)) * 16
        const { bobKeys } = pairOf(shares, 2, 1)
        bobKeys[at] = (bobKeys[at] as number) ^ 1
      },
      'BURN ote-check 2',
    ],
    [
      'of the key that the peer has not chosen changes nothing that the peer could see',
      (shares, o) => {
        const { delta } = pairOf(shares, 1, 2)
        const at = (2 * o + 1 - bit(delta, o)) * 16
        const { bobKeys } = pairOf(shares, 2, 1)
        bobKeys[at] = (bobKeys[at] as number) ^ 1
      },
      'done',
    ],
    [
      'of a choice bit of one’s own is found too',
      (shares, o) => {
        const { delta } = pairOf(shares, 1, 2)
        delta[o >> 3] = (delta[o >> 3] as number) ^ (1 << (o & 7))
      },
      'BURN ote-check 2',
    ],
    [
      'of the seed of zero shares makes another key, which nobody signs with',
      (shares) => {
        const { zeroSeed } = pairOf(shares, 2, 1)
        zeroSeed[0] = (zeroSeed[0] as number) ^ 1
      },
      'ABORT key-mismatch',
    ],
  ])('TestByzantineMutatedOTSenderState: a bit %s', async (_, mutate, wanted) => {
    for (const o of [0, 63, 127]) {
      const shares = dealShares({ group, threshold: 2, indices: [1, 2], random: fresh() })
      mutate(shares, o)
      expect(await sign(shares)).toBe(wanted)
    }
  })
})

describe('base transfers of a ceremony that a peer alters', () => {
  const indices = [1, 2]

  async function generate(tamper: (delivery: Delivery) => readonly Delivery[]) {
    const sessions = new Map(
      indices.map((own) => {
        const identities = testIdentities(indices)
        const input = { suite: 1, group, label: 'altered', own, threshold: 2, identities } as const
        return [own, new Session(startKeyGeneration({ ...input, instance: new Uint8Array(32).fill(4) }))]
      }),
    )
    await runNetwork(sessions, { tamper })
    return endAll(sessions)
  }

  const altering =
    (code: number, change: (payload: Uint8Array) => void) =>
    (delivery: Delivery): readonly Delivery[] => {
      const frame = decodeFrame(delivery.bytes)
      if (delivery.from !== 2 || frame.code !== code || frame.receiver === 0) return [delivery]
      const payload = frame.payload.slice()
      change(payload)
      return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: 1, payload }) }]
    }

  it('a point that is none names its sender, in either message', async () => {
    for (const [code, at] of [
      [codes.dkg2, 64 + 33 * 200],
      [codes.dkg3, 33 * 255],
    ] as const) {
      const ends = await generate(altering(code, (payload) => payload.fill(0, at, at + 33)))
      expect(endOf(ends.get(1))).toBe('ABORT malformed 2')
    }
  })

  it('test_refresh_complete_phase4_aborts_on_tampered_enc_proof: another point ends in a burn at the first signature', async () => {
    const point = group.encode(group.multiplyBase(5n))
    const whole = await generate((delivery) => [delivery])
    const shares = new Map([...whole].map(([own, outcome]) => [own, resultOf(outcome) as EcdsaKeyShare]))
    const sessions = new Map(
      [...shares].map(([own, share]) => [
        own,
        new Session<KeyShare>(startRefresh({ share, instance: new Uint8Array(32).fill(6) })),
      ]),
    )
    // Every M_0 and M_1 of party 2: whichever party 1 chose, its key is not the one that party 2 has.
    const all = (payload: Uint8Array) => {
      for (let at = 0; at < payload.length; at += 33) payload.set(point, at)
    }
    await runNetwork(sessions, { tamper: altering(codes.refresh3, all) })
    const refreshed = new Map(
      [...endAll(sessions)].map(([own, outcome]) => [own, resultOf(outcome) as EcdsaKeyShare]),
    )
    expect(await sign(refreshed)).toBe('BURN ote-check 2')
  }, 30_000)
})

describe('BitGo: restoreSession tampering', () => {
  it('cannot happen: sessions and rounds have no stored form, and a clone of one is no session', () => {
    const shares = dealShares({ group, threshold: 2, indices: [1, 2], random: fresh() })
    const share = shares.get(1) as EcdsaKeyShare
    const epoch = new Epoch({ share, burned: [] })
    const input = { epoch, signers: [1, 2], path: [], digest, instance: fresh()(32) }
    const session = openSignature(input)
    const secret = secp256k1Scalars.encode(share.secret)
    for (const text of [JSON.stringify(session), JSON.stringify(epoch.size)]) {
      expect(text).not.toContain(share.secret.toString())
      expect(text).not.toContain(Buffer.from(secret).toString('hex'))
    }
    let clone: object
    try {
      clone = structuredClone(session)
    } catch {
      clone = {}
    }
    expect(Object.values(clone)).toEqual([])
    expect('takeOutbox' in clone).toBe(false)
    session.expire()
  })
})
