import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from './byte-writer.ts'
import { jsSha256Kernel, type Sha256Kernel, tailBytesMax } from './sha256-kernel.ts'
import { sha256Kernel } from './sha256-kernels.ts'
import { loadSimdSha256Kernel } from './sha256-simd.ts'

const ascii = (text: string) => new TextEncoder().encode(text)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const simd = loadSimdSha256Kernel()
// Node has WebAssembly and its vectors: here the kernel must load.
const kernels: readonly Sha256Kernel[] = [jsSha256Kernel, simd as Sha256Kernel]

it('takes the fastest kernel', () => {
  expect(sha256Kernel().name).toBe('wasm-simd')
})

describe.each(kernels)('SHA-256 kernel $name', (kernel) => {
  const hash = (message: Uint8Array) =>
    kernel.finish(kernel.midstate(message.subarray(0, 64)), message.subarray(64))

  // NIST, "Examples with Intermediate Values" (FIPS 180-4) and the SHA test of a million letters a: those of 64 bytes or more.
  it.each([
    [
      '112 bytes',
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
      'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
    ],
    [
      'a million a',
      'a'.repeat(1_000_000),
      'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    ],
  ])('agrees with NIST on %s', (_, message, digest) => {
    expect(hex(hash(ascii(message)))).toBe(digest)
  })

  it('agrees with noble at every length around two blocks', () => {
    for (let length = 64; length <= 260; length++) {
      const message = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff)
      expect(hex(hash(message))).toBe(hex(sha256(message)))
    }
  })

  it('hashes many tails as one by one', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.integer({ min: 0, max: tailBytesMax }),
        fc.integer({ min: 0, max: 9 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
        (block, tailBytes, count, stream) => {
          const tails = Uint8Array.from({ length: tailBytes * count }, () => stream.next().value as number)
          const out = new Uint8Array(32 * count)
          kernel.hashTails(kernel.midstate(block), tails, tailBytes, out)
          for (let i = 0; i < count; i++) {
            const message = concatBytes(block, tails.subarray(i * tailBytes, (i + 1) * tailBytes))
            expect(hex(out.subarray(32 * i, 32 * i + 32))).toBe(hex(sha256(message)))
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  it('hashes thousands of tails, with some left over', () => {
    const [tailBytes, count] = [24, 2 * 1024 + 7]
    const block = new Uint8Array(64).fill(9)
    const tails = Uint8Array.from({ length: tailBytes * count }, (_, i) => (i * 131) >> 3)
    const out = new Uint8Array(32 * count)
    kernel.hashTails(kernel.midstate(block), tails, tailBytes, out)
    for (const i of [0, 1, 1023, 1024, 2047, 2048, count - 1]) {
      const message = concatBytes(block, tails.subarray(i * tailBytes, (i + 1) * tailBytes))
      expect(hex(out.subarray(32 * i, 32 * i + 32))).toBe(hex(sha256(message)))
    }
  })

  it('leaves the midstate as it was', () => {
    const midstate = kernel.midstate(new Uint8Array(64).fill(1))
    const before = [...midstate]
    kernel.finish(midstate, new Uint8Array(200))
    kernel.hashTails(midstate, new Uint8Array(24), 24, new Uint8Array(32))
    expect([...midstate]).toEqual(before)
  })

  it('refuses blocks and tails of other sizes', () => {
    const midstate = kernel.midstate(new Uint8Array(64))
    expect(() => kernel.midstate(new Uint8Array(63))).toThrow(/64 bytes/)
    expect(() => kernel.hashTails(midstate, new Uint8Array(56), 56, new Uint8Array(32))).toThrow(/do not fit/)
    expect(() => kernel.hashTails(midstate, new Uint8Array(24), 24, new Uint8Array(64))).toThrow(/do not fit/)
    expect(() => kernel.hashTails(midstate, new Uint8Array(24), -1, new Uint8Array(32))).toThrow(/do not fit/)
  })
})
