import { sha256 } from '@countersign/bytes'
import type { RandomSource } from '../random-source.ts'

const domain = new TextEncoder().encode('countersign-test-random-1')

/**
 * A stream of bytes for tests, never for keys: block c = SHA-256(ASCII "countersign-test-random-1" || seed || u32be c),
 * c = 0, 1, 2, ..; the blocks one after the other are the stream, and a draw of n bytes takes its next n bytes.
 * How a round splits its draws therefore does not matter, only their order.
 * @param seed 32 bytes. */
export function seededRandom(seed: Uint8Array): RandomSource {
  if (seed.length !== 32) throw new Error('bug: a test seed is 32 bytes')
  const input = new Uint8Array(domain.length + 36)
  input.set(domain)
  input.set(seed, domain.length)
  const counter = new DataView(input.buffer)
  let nextBlock = 0
  let block = new Uint8Array(0)
  return (length) => {
    const out = new Uint8Array(length)
    for (let filled = 0; filled < length; ) {
      if (block.length === 0) {
        counter.setUint32(domain.length + 32, nextBlock++)
        block = Uint8Array.from(sha256(input))
      }
      const taken = block.subarray(0, length - filled)
      out.set(taken, filled)
      filled += taken.length
      block = block.subarray(taken.length)
    }
    return out
  }
}
