import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeU16 } from './byte-writer.ts'
import { Epoch } from './epoch.ts'
import { decodeFrame, encodeFrame, headerBytes } from './frame.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { codes, payloadBytes } from './messages.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { EcdsaSignature } from './presignature.ts'
import type { Session } from './session.ts'
import { openSignature } from './sign.ts'
import { taggedHash } from './tagged-hash.ts'
import { dealShares, runNetwork, seededRandom } from './testing/index.ts'

const group = await loadNativeSecp256k1Group()
let seed = 0
const fresh = () => seededRandom(taggedHash('sig/com', encodeU16(seed++)))
const shares = dealShares({ group, threshold: 2, indices: [1, 2], random: fresh() })
const clone = (share: EcdsaKeyShare) => ({ ...share, pairs: structuredClone(share.pairs) })

function open(): { sessions: Map<number, Session<EcdsaSignature>>; epoch: Epoch } {
  const instance = fresh()(32)
  const epochs = [1, 2].map((index) => new Epoch({ share: clone(shares.get(index)!), burned: [] }))
  const common = { signers: [1, 2], path: [], instance, digest: new Uint8Array(32) }
  return {
    sessions: new Map(epochs.map((epoch) => [epoch.share.index, openSignature({ ...common, epoch })])),
    epoch: epochs[0]!,
  }
}

/** Ways to spoil a payload of this many bytes. */
function spoil(length: number): fc.Arbitrary<(payload: Uint8Array) => Uint8Array> {
  const flip = fc.record({ at: fc.nat(length - 1), mask: fc.integer({ min: 1, max: 255 }) }).map(
    ({ at, mask }) =>
      (payload: Uint8Array) =>
        payload.map((byte, i) => (i === at ? byte ^ mask : byte)),
  )
  const overwrite = fc
    .record({ at: fc.nat(length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }) })
    .map(({ at, bytes }) => (payload: Uint8Array) => {
      const changed = payload.slice()
      changed.set(bytes.subarray(0, length - at), at)
      return changed
    })
  const fill = fc
    .integer({ min: 0, max: 255 })
    .map((byte) => (payload: Uint8Array) => payload.map(() => byte))
  const resize = fc
    .oneof(fc.constantFrom(0, 1, length - 1, length + 1, 0xffff), fc.nat(0xffff))
    .map((size) => (payload: Uint8Array) => {
      const changed = new Uint8Array(size)
      changed.set(payload.subarray(0, size))
      return changed
    })
  return fc.oneof(flip, overwrite, fill, resize)
}

describe('whatever the bytes of a peer are, signing ends in a type and not in an exception', () => {
  it.each([
    ['round 1', codes.sign1, payloadBytes.sign1],
    ['round 2', codes.sign2, payloadBytes.sign2],
    ['round 3', codes.sign3, payloadBytes.sign3],
    ['round 4', codes.sign4, payloadBytes.sign4],
  ])('%s', async (_, code, length) => {
    await fc.assert(
      fc.asyncProperty(spoil(length), async (change) => {
        const { sessions, epoch } = open()
        let isChanged = false
        await runNetwork(sessions, {
          tamper(delivery) {
            const frame = decodeFrame(delivery.bytes)
            if (frame.code !== code || delivery.from !== 2) return [delivery]
            const payload = change(frame.payload)
            isChanged = String(payload) !== String(frame.payload)
            return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: 1, payload }) }]
          },
        })
        const outcome = sessions.get(1)!.outcome ?? sessions.get(1)!.expire()
        if (!isChanged) expect(outcome.status).toBe('done')
        else if (outcome.status === 'done') throw new Error('signed with a spoiled message')
        expect(epoch.burned).toEqual(outcome.status === 'burn' ? [2] : [])
        expect(epoch.size).toBe(0)
      }),
      { numRuns: 40 },
    )
  })

  it('frames of any bytes, in any round', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
        fc.array(fc.record({ at: fc.nat(headerBytes + 20), value: fc.integer({ min: 0, max: 255 }) }), {
          maxLength: 4,
        }),
        async (noise, edits) => {
          const { sessions } = open()
          await runNetwork(sessions, {
            tamper(delivery) {
              const bytes = delivery.bytes.slice()
              for (const { at, value } of edits) bytes[at] = value
              return [...noise.map((some) => ({ ...delivery, bytes: some })), { ...delivery, bytes }]
            },
          })
          for (const session of sessions.values()) {
            const outcome = session.outcome ?? session.expire()
            expect(['done', 'stopped', 'burn']).toContain(outcome.status)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
