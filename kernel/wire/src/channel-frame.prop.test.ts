import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeAnswerFrame,
  decodeRequestFrame,
  encodeAnswerFrame,
  encodeRequestFrame,
  FrameReader,
  requestNumberMax,
} from './channel-frame.ts'
import { type ForwardedRequest, signedHeaders } from './request.ts'
import { codeOf } from './testing/signed-request.ts'

const frameBytesMax = 100_000
const wellFormed = (maxLength: number) =>
  fc.string({ unit: 'binary', maxLength }).filter((text) => text.isWellFormed())
const number = fc.oneof(fc.integer({ min: 0, max: requestNumberMax }), fc.constantFrom(0, requestNumberMax))
const request = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
  path: wellFormed(60),
  headers: fc.record(Object.fromEntries(signedHeaders.map((name) => [name, wellFormed(40)])), {
    requiredKeys: [],
  }),
  body: wellFormed(200),
})
const forwarded = fc.oneof(
  fc.record({ request }),
  fc.record({ request, preparedTransaction: wellFormed(60) }),
) as fc.Arbitrary<ForwardedRequest>

const readAll = (chunks: readonly Uint8Array[], max = frameBytesMax) => {
  const reader = new FrameReader(max)
  const frames: Uint8Array[] = []
  for (const chunk of chunks) for (const frame of reader.read(chunk)) frames.push(frame.slice())
  return { frames, isInFrame: reader.isInFrame }
}

describe('a request frame', () => {
  it('gives the value that JSON would', () => {
    fc.assert(
      fc.property(number, forwarded, (count, value) => {
        const frame = decodeRequestFrame(encodeRequestFrame(count, value, frameBytesMax))
        expect(frame).toEqual({ number: count, forwarded: JSON.parse(JSON.stringify(value)) })
        expect(Object.keys(frame.forwarded)).toEqual(Object.keys(value))
      }),
    )
  })

  const good: ForwardedRequest = {
    request: { method: 'POST', path: '/v1/x', headers: { signature: 'é' }, body: '{"a":"ü"}' },
    preparedTransaction: '0x02',
  }

  it('is refused when cut anywhere, and changes its value or is refused when a byte changes', () => {
    const frame = encodeRequestFrame(7, good, frameBytesMax)
    for (let end = 0; end < frame.length; end++) {
      // A body may end anywhere: its length is the frame's, which the reader has seen to.
      const code = codeOf(() => decodeRequestFrame(frame.subarray(0, end)))
      if (end < frame.length - 10) expect(code).toBe('WIRE_INVALID_REQUEST')
    }
    for (let at = 4; at < frame.length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        const changed = frame.slice()
        changed[at] = (changed[at] as number) ^ flip
        try {
          expect(decodeRequestFrame(changed)).not.toEqual({ number: 7, forwarded: good })
        } catch (error) {
          expect(error).toMatchObject({ code: 'WIRE_INVALID_REQUEST' })
        }
      }
    }
  })

  it('is refused, with no other error, when it is random', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(['none', 'WIRE_INVALID_REQUEST']).toContain(codeOf(() => decodeRequestFrame(bytes)))
        expect(['none', 'WIRE_INVALID_REQUEST']).toContain(codeOf(() => decodeAnswerFrame(bytes)))
      }),
      { numRuns: 2_000 },
    )
  })

  it('is not made of what it has no form for', () => {
    const { request } = good
    const encode = (change: object, max = frameBytesMax) =>
      codeOf(() => encodeRequestFrame(0, { request: { ...request, ...change } }, max))
    expect(encode({ method: 'PATCH' })).toBe('WIRE_INVALID_REQUEST')
    expect(encode({ body: '\ud800' })).toBe('WIRE_INVALID_BODY')
    expect(encode({ path: '/\udfff' })).toBe('WIRE_INVALID_REQUEST')
    expect(encode({ headers: { signature: 'a'.repeat(0xfffe) } })).toBe('none')
    expect(encode({ headers: { signature: 'a'.repeat(0xffff) } })).toBe('WIRE_INVALID_REQUEST')
    const { length } = encodeRequestFrame(0, { request }, frameBytesMax)
    expect(encode({}, length)).toBe('none')
    expect(encode({}, length - 1)).toBe('WIRE_BODY_TOO_LARGE')
  })
})

describe('an answer frame', () => {
  it('gives back status and text', () => {
    fc.assert(
      fc.property(number, fc.integer({ min: 200, max: 599 }), wellFormed(200), (count, status, text) => {
        const answer = { number: count, status, text }
        expect(decodeAnswerFrame(encodeAnswerFrame(answer))).toEqual(answer)
      }),
    )
  })

  it('is refused without a status', () => {
    for (const status of [0, 100, 199, 600, 65_535])
      expect(codeOf(() => decodeAnswerFrame(encodeAnswerFrame({ number: 1, status, text: '' })))).toBe(
        'WIRE_INVALID_REQUEST',
      )
  })
})

describe('the reader of frames', () => {
  const frames = [
    encodeAnswerFrame({ number: 0, status: 200, text: '{"a":1}' }),
    encodeAnswerFrame({ number: 1, status: 404, text: '' }),
    encodeAnswerFrame({ number: 2, status: 200, text: 'é'.repeat(50) }),
  ]
  const stream = new Uint8Array(frames.flatMap((frame) => [...frame]))

  it('finds the same frames wherever the stream is split', () => {
    for (let at = 0; at <= stream.length; at++) {
      const read = readAll([stream.subarray(0, at), stream.subarray(at)])
      expect(read).toEqual({ frames, isInFrame: false })
    }
    expect(readAll([...stream].map((byte) => Uint8Array.of(byte)))).toEqual({ frames, isInFrame: false })
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        const sorted = [0, ...cuts.sort((a, b) => a - b), stream.length]
        const chunks = sorted.slice(1).map((end, i) => stream.subarray(sorted[i], end))
        expect(readAll(chunks)).toEqual({ frames, isInFrame: false })
      }),
    )
  })

  it('waits for the rest of a frame that was cut off', () => {
    for (let end = 1; end < stream.length; end++) {
      const read = readAll([stream.subarray(0, end)])
      const whole = frames.filter((_, i) => frames.slice(0, i + 1).flatMap((f) => [...f]).length <= end)
      expect(read.frames).toEqual(whole)
      expect(read.isInFrame).toBe(end !== whole.flatMap((frame) => [...frame]).length)
    }
  })

  it('does not keep the memory of a chunk for the frame that is not whole', () => {
    const chunk = stream.slice(0, stream.length - 1)
    const reader = new FrameReader(frameBytesMax)
    expect([...reader.read(chunk)]).toHaveLength(2)
    chunk.fill(0xff)
    expect([...reader.read(stream.subarray(stream.length - 1))]).toEqual([frames[2]])
  })

  it('refuses lengths below any header and above the limit, exactly, however they arrive', () => {
    const withLength = (length: number) =>
      Uint8Array.of(length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255)
    for (const pieces of [1, 4]) {
      const read = (length: number) => {
        const bytes = withLength(length)
        const chunks = pieces === 1 ? [bytes] : [...bytes].map((byte) => Uint8Array.of(byte))
        return codeOf(() => readAll(chunks, 1_000))
      }
      for (const length of [0, 1, 5, 997, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])
        expect(read(length)).toBe('WIRE_INVALID_REQUEST')
      for (const length of [6, 996]) expect(read(length)).toBe('none')
    }
  })

  it('takes any bytes without another error', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        expect(['none', 'WIRE_INVALID_REQUEST']).toContain(codeOf(() => readAll(chunks, 64)))
      }),
      { numRuns: 2_000 },
    )
  })
})
