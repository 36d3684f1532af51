import { isCountersignError } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from './byte-writer.ts'
import {
  decodeFrame,
  encodeFrame,
  headerBytes,
  isSameFamily,
  payloadBytesMax,
  wireSessionId,
} from './frame.ts'

const malformed = expect.objectContaining({ code: 'MPC_MALFORMED' })
const session = Uint8Array.from({ length: 32 }, (_, i) => i)
const frame = {
  suite: 1,
  code: 0x52,
  sender: 257,
  receiver: 513,
  session,
  payload: Uint8Array.of(0xaa, 0xbb),
} as const
const bytes = encodeFrame(frame)

describe('frames', () => {
  it('are laid out as the document says', () => {
    expect(Buffer.from(bytes).toString('hex')).toBe(
      `01015201010201${Buffer.from(session).toString('hex')}0002aabb`,
    )
    expect(bytes).toHaveLength(headerBytes + 2)
  })

  it('round-trip', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 1, max: 65_535 }),
        fc.integer({ min: 0, max: 65_535 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 300 }),
        (suite, code, sender, receiver, id, payload) => {
          const one = { suite: suite as 1 | 2 | 3 | 4, code, sender, receiver, session: id, payload }
          expect(decodeFrame(encodeFrame(one))).toEqual(one)
        },
      ),
    )
  })

  it('carry up to 65,535 bytes and no more', () => {
    const largest = encodeFrame({ ...frame, payload: new Uint8Array(payloadBytesMax) })
    expect(decodeFrame(largest).payload).toHaveLength(payloadBytesMax)
    expect(() => encodeFrame({ ...frame, payload: new Uint8Array(payloadBytesMax + 1) })).toThrow(/bug/)
    expect(() => encodeFrame({ ...frame, session: new Uint8Array(31) })).toThrow(/bug/)
  })

  it('are refused one byte short and one byte long, at every length', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeFrame(bytes.subarray(0, length))).toThrow(malformed)
    }
    expect(() => decodeFrame(concatBytes(bytes, Uint8Array.of(0)))).toThrow(malformed)
    expect(() => decodeFrame('' as unknown as Uint8Array)).toThrow(malformed)
  })

  it('are refused without a sender and with another version', () => {
    expect(() => decodeFrame(bytes.map((byte, i) => (i === 3 || i === 4 ? 0 : byte)))).toThrow(malformed)
    for (const version of [0, 2, 255]) {
      expect(() => decodeFrame(bytes.map((byte, i) => (i === 0 ? version : byte)))).toThrow(
        expect.objectContaining({ code: 'MPC_VERSION_UNKNOWN' }),
      )
    }
  })

  it('give a typed error or exactly what was written, whatever arrives', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (noise, isPlausible) => {
        const input = isPlausible ? concatBytes(bytes.subarray(0, 40), noise) : noise
        try {
          const decoded = decodeFrame(input)
          expect(encodeFrame({ ...decoded, suite: decoded.suite as 1 })).toEqual(input)
        } catch (error) {
          expect(isCountersignError(error)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('keep a copy of the payload', () => {
    const input = bytes.slice()
    const { payload, session: id } = decodeFrame(input)
    input.fill(0)
    expect(payload).toEqual(frame.payload)
    expect(id).toEqual(session)
  })
})

it('a session keeps its family and takes the rest from its hash', () => {
  const id = new Uint8Array(32).fill(0xee)
  const wire = wireSessionId(session, id)
  expect([...wire]).toEqual([0, 1, 2, 3, ...Array(28).fill(0xee)])
  expect(isSameFamily(session, wire)).toBe(true)
  expect(isSameFamily(session, id)).toBe(false)
})
