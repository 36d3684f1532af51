import { describe, expect, it } from 'vitest'
import { answerTransfers, chooseTransfers, drawAnswer, drawChoice } from './base-ot.ts'
import { concatBytes, encodeU8, encodeU16 } from './byte-writer.ts'
import { ed25519Group } from './ed25519-group.ts'
import { Epoch } from './epoch.ts'
import { decodeFrame } from './frame.ts'
import type { Point } from './group.ts'
import { coefficientProofContext, shareProofContext } from './key-proofs.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { codes, columns, kappa } from './messages.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { PartyIndex } from './parties.ts'
import { platformRandom, type RandomSource } from './random-source.ts'
import { isProofValid, proveSecret } from './schnorr-proof.ts'
import { openSignature } from './sign.ts'
import { fullTag } from './tags.ts'
import { dealShares, endAll, endOf, runNetwork, seededRandom } from './testing/index.ts'

/**
 * What each hash binds, seen from outside: an honest run works as well with one field fewer, so only an attack or these
 * say that it is there. */
const group = await loadNativeSecp256k1Group()
const digest = new Uint8Array(32).fill(0x5a)

/** Payloads of one signature, by code and sender. */
async function signOnce(
  shares: ReadonlyMap<PartyIndex, EcdsaKeyShare>,
  random: (index: PartyIndex) => RandomSource = () => platformRandom,
): Promise<(code: number, from: PartyIndex) => Uint8Array> {
  const instance = platformRandom(32)
  const sessions = new Map(
    [...shares].map(([index, share]) => {
      const epoch = new Epoch({ share, burned: [] })
      const input = { epoch, signers: [1, 2], path: [], digest, instance, random: random(index) }
      return [index, openSignature(input)] as const
    }),
  )
  const sent = await runNetwork(sessions)
  expect(sessions.get(1)?.outcome?.status).toBe('done')
  return (code, from) => {
    const found = sent.find((one) => one.from === from && decodeFrame(one.bytes).code === code)
    if (found === undefined) throw new Error('no such frame')
    return decodeFrame(found.bytes).payload
  }
}

const deal = () => dealShares({ group, threshold: 2, indices: [1, 2], random: platformRandom })

describe('sessions of one key share', () => {
  it('A15: what one signer committed to is no commitment of another', async () => {
    // Both draw the very same nonce, freshness and blind: what a copier would send.
    const seed = platformRandom(32)
    const payloadOf = await signOnce(deal(), () => seededRandom(seed))
    const [mine, copied] = [payloadOf(codes.sign1, 1), payloadOf(codes.sign1, 2)] as const
    expect(mine.subarray(0, 16)).toEqual(copied.subarray(0, 16))
    expect(mine.subarray(16)).not.toEqual(copied.subarray(16))
  })

  it('A5: two extensions do not differ by the difference of their choices', async () => {
    const shares = deal()
    const [first, second] = [await signOnce(shares), await signOnce(shares)]
    const [u, v] = [first(codes.sign2, 2), second(codes.sign2, 2)]
    const columnBytes = columns / 8
    const differences = Array.from({ length: kappa }, (_, o) =>
      String(
        Array.from(
          { length: columnBytes },
          (_, i) => (u[o * columnBytes + i] as number) ^ (v[o * columnBytes + i] as number),
        ),
      ),
    )
    // With a session id that is the same, or none, every column says x xor x' again.
    expect(new Set(differences).size).toBe(kappa)
  })

  it('shares of the key are hidden afresh each time: pk of two sessions are not the same point', async () => {
    const shares = deal()
    const [first, second] = [await signOnce(shares), await signOnce(shares)]
    const publicShareOf = (payload: Uint8Array) => payload.subarray(49_281, 49_281 + 33)
    for (const from of [1, 2]) {
      expect(publicShareOf(first(codes.sign3, from))).not.toEqual(publicShareOf(second(codes.sign3, from)))
    }
  })
})

describe('who disagrees', () => {
  it.each<[string, (share: EcdsaKeyShare) => EcdsaKeyShare]>([
    // After a refresh of which one signer has not heard: its transfers fit nobody's any more.
    ['of another epoch', (share) => ({ ...share, epochId: platformRandom(32) })],
    ['with another chain code, so another key', (share) => ({ ...share, chainCode: platformRandom(32) })],
  ])('A6: a signer %s is never heard, and never burned', async (_title, change) => {
    const shares = deal()
    const instance = platformRandom(32)
    const sessions = new Map(
      [1, 2].map((index) => {
        const share = shares.get(index) as EcdsaKeyShare
        const epoch = new Epoch({ share: index === 2 ? change(share) : share, burned: [] })
        return [index, openSignature({ epoch, signers: [1, 2], path: [1], digest, instance })] as const
      }),
    )
    await runNetwork(sessions)
    const ends = endAll(sessions)
    expect([1, 2].map((index) => endOf(ends.get(index)))).toEqual(['RETRY timeout 2', 'RETRY timeout 1'])
  })
})

describe('proofs', () => {
  const { scalars } = ed25519Group
  const secret = scalars.random(platformRandom)
  const point = ed25519Group.multiplyBase(secret)
  const prove = (context: Parameters<typeof proveSecret>[0]) =>
    proveSecret(context, { secret, point, nonce: scalars.random(platformRandom) })
  const sid = new Uint8Array(32).fill(1)

  it('A13 and A15: of a coefficient is of one session, one prover and one coefficient', () => {
    const place = { sid, prover: 1, k: 0 }
    const proof = prove(coefficientProofContext(ed25519Group, place))
    expect(isProofValid(coefficientProofContext(ed25519Group, place), point, proof)).toBe(true)
    for (const change of [{ prover: 2 }, { prover: 257 }, { k: 1 }, { k: 256 }, { sid: sid.map(() => 2) }]) {
      const other = coefficientProofContext(ed25519Group, { ...place, ...change })
      expect(isProofValid(other, point, proof)).toBe(false)
    }
    expect(isProofValid(shareProofContext(ed25519Group, sid, 1), point, proof)).toBe(false)
  })

  it('A13 and A15: of a share is of one epoch and one prover', () => {
    const proof = prove(shareProofContext(ed25519Group, sid, 1))
    expect(isProofValid(shareProofContext(ed25519Group, sid, 1), point, proof)).toBe(true)
    expect(isProofValid(shareProofContext(ed25519Group, sid, 2), point, proof)).toBe(false)
    expect(
      isProofValid(
        shareProofContext(
          ed25519Group,
          sid.map(() => 2),
          1,
        ),
        point,
        proof,
      ),
    ).toBe(false)
  })
})

describe('base transfers', () => {
  it('A4: other points R that make the same A make another key', () => {
    const osid = new Uint8Array(32).fill(5)
    const context = { group, osid }
    const { message } = chooseTransfers(context, drawChoice(group, platformRandom))
    const scalars = drawAnswer(group, platformRandom)
    const hashed = (other: Uint8Array): Point =>
      group.hashToCurve(
        concatBytes(osid, encodeU16(1), encodeU8(0), other),
        fullTag('ot/hp/secp256k1_XMD:SHA-256_SSWU_RO_'),
      )
    const [R0, R1] = [message.slice(0, 33), message.slice(33, 66)]
    const A = group.add(group.decode(R0), hashed(R1))
    const otherR1 = group.encode(group.multiplyBase(99n))
    const otherR0 = group.encode(group.add(A, group.negate(hashed(otherR1))))
    const mauled = message.slice()
    mauled.set(otherR0, 0)
    mauled.set(otherR1, 33)
    const [honest, other] = [message, mauled].map((each) => answerTransfers(context, each, scalars))
    expect(other?.message).toEqual(honest?.message)
    expect(other?.keys.subarray(0, 16)).not.toEqual(honest?.keys.subarray(0, 16))
    expect(other?.keys.subarray(32)).toEqual(honest?.keys.subarray(32))
  })
})
