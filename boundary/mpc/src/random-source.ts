import { copyBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'

/**
 * Fresh random bytes. The protocol draws in the order that docs/mpc-protocol.md fixes, so two implementations
 * with one deterministic source make equal transcripts. What a call returns is copied and erased at once.
 * Anything but the platform's is for tests. */
export type RandomSource = (length: number) => Uint8Array

/** Web Crypto, section 10.1.1: getRandomValues gives at most 65,536 bytes at a time. */
const platformBytesMax = 65_536

/** crypto.getRandomValues: in Node and in browsers the operating system's generator.
 * @throws {CountersignError} MPC_RANDOM_UNAVAILABLE */
export const platformRandom: RandomSource = (length) => {
  if (typeof globalThis.crypto?.getRandomValues !== 'function') {
    throw mpcError('MPC_RANDOM_UNAVAILABLE', 'This platform has no crypto.getRandomValues.')
  }
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += platformBytesMax) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + platformBytesMax))
  }
  return bytes
}

/** Draws, and refuses a source that gives another number of bytes than was asked for.
 * @throws {CountersignError} MPC_RANDOM_UNAVAILABLE */
export function drawBytes(random: RandomSource, length: number): Uint8Array {
  const bytes = random(length)
  if (!(bytes instanceof Uint8Array) || bytes.length !== length) {
    throw mpcError(
      'MPC_RANDOM_UNAVAILABLE',
      `The random source did not return the ${length} bytes asked for.`,
    )
  }
  // A source may give a view of memory that it reuses (Node's randomBytes), or the same array twice.
  const own = copyBytes(bytes)
  bytes.fill(0)
  return own
}
