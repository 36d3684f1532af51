/** The eight words of SHA-256's state after one 64-byte block (FIPS 180-4 section 6.2.2). */
export type Midstate = Uint32Array & { readonly __midstate?: never }

/**
 * SHA-256 for messages that share their first 64 bytes. The protocol hashes about six thousand short messages
 * per signature under a few prefixes; with the state after the prefix kept, each costs one compression.
 * Implementations (this one, a SIMD one) must agree on every byte: sha256-kernel.test.ts is their suite.
 */
export interface Sha256Kernel {
  readonly name: string
  /** @param block 64 bytes. */
  midstate(block: Uint8Array): Midstate
  /**
   * Message i is the midstate's block followed by `tails[i * tailBytes .. (i + 1) * tailBytes)`;
   * its hash goes to `out[32 * i ..]`. The number of messages is `out.length / 32`.
   * @param tailBytes 0..55: what one block holds beside the padding. */
  hashTails(midstate: Midstate, tails: Uint8Array, tailBytes: number, out: Uint8Array): void
  /** The hash of the midstate's block followed by `rest`, of any length.
   * @param before Bytes that are in the midstate already: 64 unless it is of more than one block. */
  finish(midstate: Midstate, rest: Uint8Array, before?: number): Uint8Array
}

const blockBytes = 64
export const tailBytesMax = 55

// FIPS 180-4 section 4.2.2: first 32 bits of the fractional parts of the cube roots of the first 64 primes.
export const roundConstants = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])

// FIPS 180-4 section 5.3.3.
const initialState = new Uint32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

const schedule = new Int32Array(64)
const scratchBlock = new Uint8Array(blockBytes)
const scratchState = new Uint32Array(8)

/** Plain JavaScript; no table lookup and no branch depends on the data. */
export const jsSha256Kernel: Sha256Kernel = {
  name: 'js',

  midstate(block) {
    if (block.length !== blockBytes) throw new Error('bug: a midstate needs a block of 64 bytes')
    const state = initialState.slice()
    compress(state, block, 0)
    return state
  },

  hashTails(midstate, tails, tailBytes, out) {
    const count = out.length / 32
    if (!(tailBytes >= 0 && tailBytes <= tailBytesMax) || tails.length !== count * tailBytes) {
      throw new Error('bug: tails and output do not fit')
    }
    scratchBlock.fill(0)
    scratchBlock[tailBytes] = 0x80
    writeBitLength(scratchBlock, blockBytes + tailBytes)
    for (let i = 0; i < count; i++) {
      const start = i * tailBytes
      for (let k = 0; k < tailBytes; k++) scratchBlock[k] = tails[start + k] as number
      scratchState.set(midstate)
      compress(scratchState, scratchBlock, 0)
      writeState(scratchState, out, 32 * i)
    }
    eraseScratch()
  },

  finish(midstate, rest, before = blockBytes) {
    scratchState.set(midstate)
    const whole = rest.length - (rest.length % blockBytes)
    for (let at = 0; at < whole; at += blockBytes) compress(scratchState, rest, at)
    scratchBlock.fill(0)
    scratchBlock.set(rest.subarray(whole))
    scratchBlock[rest.length - whole] = 0x80
    if (rest.length - whole > tailBytesMax) {
      compress(scratchState, scratchBlock, 0)
      scratchBlock.fill(0)
    }
    writeBitLength(scratchBlock, before + rest.length)
    compress(scratchState, scratchBlock, 0)
    const out = new Uint8Array(32)
    writeState(scratchState, out, 0)
    eraseScratch()
    return out
  },
}

/** The buffers are shared by all calls; what was hashed last does not stay in them. */
function eraseScratch(): void {
  scratchBlock.fill(0)
  scratchState.fill(0)
  schedule.fill(0)
}

function writeBitLength(block: Uint8Array, messageBytes: number): void {
  const view = new DataView(block.buffer, block.byteOffset, blockBytes)
  view.setUint32(56, Math.floor(messageBytes / 0x20000000))
  view.setUint32(60, (messageBytes << 3) >>> 0)
}

function writeState(state: Uint32Array, out: Uint8Array, at: number): void {
  for (let i = 0; i < 8; i++) {
    const word = state[i] as number
    out[at++] = word >>> 24
    out[at++] = word >>> 16
    out[at++] = word >>> 8
    out[at++] = word
  }
}

/** FIPS 180-4 section 6.2.2, steps 1 to 4. */
function compress(state: Uint32Array, bytes: Uint8Array, offset: number): void {
  const w = schedule
  let at = offset
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] =
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15] as number
    const y = w[i - 2] as number
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    w[i] = ((w[i - 16] as number) + s0 + (w[i - 7] as number) + s1) | 0
  }
  let a = (state[0] as number) | 0
  let b = (state[1] as number) | 0
  let c = (state[2] as number) | 0
  let d = (state[3] as number) | 0
  let e = (state[4] as number) | 0
  let f = (state[5] as number) | 0
  let g = (state[6] as number) | 0
  let h = (state[7] as number) | 0
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + (roundConstants[i] as number) + (w[i] as number)) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = (state[0] as number) + a
  state[1] = (state[1] as number) + b
  state[2] = (state[2] as number) + c
  state[3] = (state[3] as number) + d
  state[4] = (state[4] as number) + e
  state[5] = (state[5] as number) + f
  state[6] = (state[6] as number) + g
  state[7] = (state[7] as number) + h
}
