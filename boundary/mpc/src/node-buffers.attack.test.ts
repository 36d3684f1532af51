import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ed25519Group } from './ed25519-group.ts'
import { Epoch } from './epoch.ts'
import type { KeyShare } from './key-share.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { PartyIndex } from './parties.ts'
import type { ConsumptionMark, Presignature } from './presignature.ts'
import { drawBytes, type RandomSource } from './random-source.ts'
import type { Session } from './session.ts'
import { decodeKeyShare, encodeKeyShare } from './share-codec.ts'
import { openPresignature, openSignature } from './sign.ts'
import { dealShares, endOf, runNetwork, seededRandom } from './testing/index.ts'

/**
 * What Node's own modules hand out is a Buffer: a Uint8Array whose `slice` is a view, often of a slab that others use.
 * Nothing that this library keeps may be such a view: whoever reuses the memory would change keys, choices and digests
 * after they were checked. */
const group = await loadNativeSecp256k1Group()
const digest = new Uint8Array(32).fill(0x5a)
let seed = 0
const fresh = () => seededRandom(new Uint8Array(32).fill(++seed))
const deal = () => dealShares({ group, threshold: 2, indices: [1, 2], random: fresh() })
const open = (share: ReturnType<typeof deal> extends ReadonlyMap<PartyIndex, infer S> ? S : never) =>
  new Epoch({ share, burned: [] })

/** In the middle of a slab, as Node's small Buffers are. */
function pooled(bytes: Uint8Array): Buffer {
  const slab = Buffer.alloc(bytes.length + 64, 0xee)
  slab.set(bytes, 24)
  return slab.subarray(24, 24 + bytes.length)
}

function signAll(random?: RandomSource) {
  const instance = fresh()(32)
  return new Map(
    [...deal()].map(([index, share]) => {
      const input = { epoch: open(share), signers: [1, 2], path: [], digest, instance }
      return [index, openSignature(random === undefined ? input : { ...input, random })] as const
    }),
  )
}

describe('memory that belongs to somebody else', () => {
  it('frames in Buffers do not make honest parties burn each other', async () => {
    const sessions = signAll()
    await runNetwork(sessions, {
      tamper: (delivery) => [{ ...delivery, bytes: pooled(delivery.bytes) }],
    })
    expect([...sessions.values()].map(({ outcome }) => endOf(outcome))).toEqual(['done', 'done'])
  })

  it('frames whose memory is reused after they were taken stay what they were', async () => {
    const sessions = signAll()
    const used: Buffer[] = []
    await runNetwork(sessions, {
      tamper: (delivery) => {
        const bytes = pooled(delivery.bytes)
        used.push(bytes)
        return [{ ...delivery, bytes }]
      },
      // The later ones first: they are kept for their round.
      pick: (waiting) => {
        for (const bytes of used) if (!waiting.some((one) => one.bytes === bytes)) bytes.fill(0)
        return waiting.length - 1
      },
    })
    expect([...sessions.values()].map(({ outcome }) => endOf(outcome))).toEqual(['done', 'done'])
  })

  it('a random source that gives Buffers makes the same signature as any', async () => {
    const sessions = signAll((length) => randomBytes(length))
    await runNetwork(sessions)
    expect([...sessions.values()].map(({ outcome }) => endOf(outcome))).toEqual(['done', 'done'])
  })

  it('a random source that reuses one array does not give two draws that are one', () => {
    const scratch = new Uint8Array(16)
    const source: RandomSource = () => globalThis.crypto.getRandomValues(scratch)
    const [first, second] = [drawBytes(source, 16), drawBytes(source, 16)]
    expect(first).not.toEqual(second)
  })

  it('a share survives its reader erasing the plaintext that it was read from', () => {
    const share = deal().get(1) as KeyShare
    const plain = pooled(encodeKeyShare(share))
    const read = decodeKeyShare(plain, { secp256k1: group, ed25519: ed25519Group })
    plain.fill(0)
    expect(encodeKeyShare(read)).toEqual(encodeKeyShare(share))
  })

  it('A9: a digest that changes while its mark is being stored is neither marked nor signed', async () => {
    const instance = fresh()(32)
    const sessions = new Map<PartyIndex, Session<Presignature>>(
      [...deal()].map(([index, share]) => [
        index,
        openPresignature({ epoch: open(share), signers: [1, 2], path: [], instance }),
      ]),
    )
    await runNetwork(sessions)
    const outcome = sessions.get(1)?.outcome
    if (outcome?.status !== 'done') throw new Error('no presignature')
    const presignature = outcome.result
    const marks: ConsumptionMark[] = []
    const asked = Buffer.from(digest)
    const signing = presignature.sign(asked, async (mark) => {
      marks.push(mark)
    })
    // Before the mark is stored: the share that will leave answers the digest as it was.
    asked.fill(0x66)
    await signing
    expect(marks[0]?.digest).toEqual(digest)
    await expect(presignature.sign(asked, async () => undefined)).rejects.toMatchObject({
      code: 'MPC_SPENT',
    })
  })
})
