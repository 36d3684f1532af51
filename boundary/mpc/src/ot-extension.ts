import { bitMask, bytesOf, transpose, wordsOf } from './bit-matrix.ts'
import { encodeU32 } from './byte-writer.ts'
import { combineBlocks, combineElements } from './gf128.ts'
import { aliceKeysBytes, bobKeysBytes, deltaBytes, transferKeyBytes } from './key-share.ts'
import { columns, kappa, payloadBytes, sigma, xi } from './messages.ts'
import { sha256Kernel } from './sha256-kernels.ts'
import { blockPrefix, taggedHash } from './tagged-hash.ts'

/**
 * Oblivious transfer extension: "corrected KOS" (Keller, Orsini, Scholl, revised; SoftSpoken with k = 1) with a
 * Fiat-Shamir check. docs/mpc-protocol.md, "Oblivious transfer extension", has the formulas. Nothing branches on a
 * secret, and nothing ends early.
 */
const columnBytes = columns / 8
const columnWords = columns / 32
const rowWords = kappa / 32
const rowBytes = kappa / 8
const uBytes = kappa * columnBytes
const checkBlocks = xi / sigma
/** 640 bits come from three hashes. */
const prgHashes = Math.ceil(columns / 256)
const prgTailBytes = transferKeyBytes + 8
const oracleTailBytes = rowBytes + 8
/** Values per row: two products and the check. */
export const oracleWidth = 3

/** Bits that the receiver of the extension draws: 512 choices and 128 that mask the check. */
export const choiceBytes = columnBytes

/** Rows of the transposed matrix, 512 of four words. Secret. */
export type Rows = Uint32Array

export interface BobExtended {
  /** 12,304 bytes: u, xhat, that. */
  readonly message: Uint8Array
  /** 512 choice bits. */
  readonly beta: Uint8Array
  /** t_j. */
  readonly rows: Rows
}

interface BobInput {
  /** 32 bytes, of one session and one ordered pair. */
  readonly vsid: Uint8Array
  /** Both keys of each base transfer (PairState.bobKeys). */
  readonly keys: Uint8Array
  /** 80 bytes; erased here. */
  readonly choices: Uint8Array
}

export function extendAsBob({ vsid, keys, choices }: BobInput): BobExtended {
  if (keys.length !== bobKeysBytes || choices.length !== choiceBytes)
    throw new Error('bug: inputs of other lengths')
  const pads = expand(vsid, keys, 2)
  const x = wordsOf(choices)
  const message = new Uint8Array(payloadBytes.sign2)
  const u = new Uint32Array(kappa * columnWords)
  const t = new Uint32Array(kappa * columnWords)
  for (let o = 0, at = 0; o < kappa; o++) {
    const zero = 2 * o * columnWords
    const one = zero + columnWords
    for (let w = 0; w < columnWords; w++, at++) {
      const word = pads[zero + w] as number
      t[at] = word
      u[at] = word ^ (pads[one + w] as number) ^ (x[w] as number)
    }
  }
  message.set(bytesOf(u))
  const factors = challenges(vsid, message.subarray(0, uBytes))
  const rows = transpose(t, kappa, columns)
  const that = transpose(combineBlocks(factors, rows), sigma, kappa)
  message.set(bytesOf(combineElements(factors, x)), uBytes)
  message.set(bytesOf(that), uBytes + rowBytes)
  const beta = choices.slice(0, xi / 8)
  for (const secret of [pads, x, t, choices]) secret.fill(0)
  return { message, beta, rows: keepRows(rows) }
}

interface AliceInput {
  readonly vsid: Uint8Array
  readonly delta: Uint8Array
  /** The chosen key of each base transfer (PairState.aliceKeys). */
  readonly keys: Uint8Array
  /** Of exactly 12,304 bytes. */
  readonly message: Uint8Array
}

export interface AliceExtended {
  /** False is a BURN of bob: whether it is tells him one bit of delta if he cheated. */
  readonly isValid: boolean
  /** q_j; all zero when the check failed. */
  readonly rows: Rows
}

export function extendAsAlice({ vsid, delta, keys, message }: AliceInput): AliceExtended {
  // A loop over too few columns would pass by checking nothing (TOB-SILA-1).
  if (
    message.length !== payloadBytes.sign2 ||
    keys.length !== aliceKeysBytes ||
    delta.length !== deltaBytes
  ) {
    throw new Error('bug: inputs of other lengths')
  }
  const q = expand(vsid, keys, 1)
  const u = wordsOf(message.subarray(0, uBytes))
  for (let o = 0, at = 0; o < kappa; o++) {
    const mask = bitMask(delta, o)
    for (let w = 0; w < columnWords; w++, at++) q[at] = (q[at] as number) ^ ((u[at] as number) & mask)
  }
  const factors = challenges(vsid, message.subarray(0, uBytes))
  const rows = transpose(q, kappa, columns)
  const left = combineBlocks(factors, rows)
  const xhat = message.subarray(uBytes, uBytes + rowBytes)
  const that = transpose(wordsOf(message.subarray(uBytes + rowBytes)), kappa, sigma)
  const deltaWords = wordsOf(delta)
  let difference = 0
  for (let p = 0, at = 0; p < sigma; p++) {
    const mask = bitMask(xhat, p)
    for (let w = 0; w < rowWords; w++, at++) {
      difference |= (left[at] as number) ^ (that[at] as number) ^ ((deltaWords[w] as number) & mask)
    }
  }
  for (const secret of [q, left, deltaWords]) secret.fill(0)
  const isValid = difference === 0
  if (!isValid) rows.fill(0)
  return { isValid, rows: keepRows(rows) }
}

/** The last 128 rows have masked the check and are done. */
function keepRows(rows: Uint32Array): Rows {
  const kept = rows.slice(0, xi * rowWords)
  rows.fill(0)
  return kept
}

/** PRG(k, o) of each key, 20 words each. @param keysPerTransfer Keys of transfer 1 first. */
function expand(vsid: Uint8Array, keys: Uint8Array, keysPerTransfer: 1 | 2): Uint32Array {
  const count = kappa * keysPerTransfer
  const tails = new Uint8Array(count * prgHashes * prgTailBytes)
  let at = 0
  for (let n = 0; n < count; n++) {
    const key = keys.subarray(n * transferKeyBytes, (n + 1) * transferKeyBytes)
    const transfer = Math.floor(n / keysPerTransfer) + 1
    for (let counter = 0; counter < prgHashes; counter++, at += prgTailBytes) {
      tails.set(key, at)
      // u32 each; both numbers are below 256.
      tails[at + transferKeyBytes + 3] = transfer
      tails[at + transferKeyBytes + 7] = counter
    }
  }
  const kernel = sha256Kernel()
  const hashes = new Uint8Array(count * prgHashes * 32)
  kernel.hashTails(kernel.midstate(blockPrefix('ote/prg', vsid)), tails, prgTailBytes, hashes)
  const out = new Uint32Array(count * columnWords)
  const wide = new Uint32Array(hashes.buffer)
  const wideWords = prgHashes * 8
  for (let n = 0; n < count; n++) {
    out.set(wide.subarray(n * wideWords, n * wideWords + columnWords), n * columnWords)
  }
  tails.fill(0)
  hashes.fill(0)
  return out
}

function challenges(vsid: Uint8Array, u: Uint8Array): readonly Uint8Array[] {
  const digest = taggedHash('ote/chi', vsid, u)
  return Array.from({ length: checkBlocks }, (_, k) =>
    taggedHash('ote/chi-k', digest, encodeU32(k + 1)).subarray(0, sigma / 8),
  )
}

/**
 * RO(j, l, row) of all rows, for each set of rows, before reduction: 32 bytes, big endian.
 * @returns For each set: for j = 1..512, for l = 1..3. */
export function rowOracle(vsid: Uint8Array, ...sets: readonly Rows[]): readonly Uint8Array[] {
  const perSet = xi * oracleWidth
  const tails = new Uint8Array(sets.length * perSet * oracleTailBytes)
  let at = 0
  for (const rows of sets) {
    const bytes = bytesOf(rows)
    for (let j = 0; j < xi; j++) {
      for (let l = 1; l <= oracleWidth; l++, at += oracleTailBytes) {
        for (let k = 0; k < rowBytes; k++) tails[at + k] = bytes[j * rowBytes + k] as number
        tails[at + rowBytes + 2] = (j + 1) >> 8
        tails[at + rowBytes + 3] = j + 1
        tails[at + rowBytes + 7] = l
      }
    }
  }
  const kernel = sha256Kernel()
  const hashes = new Uint8Array(sets.length * perSet * 32)
  kernel.hashTails(kernel.midstate(blockPrefix('ote/row', vsid)), tails, oracleTailBytes, hashes)
  tails.fill(0)
  return sets.map((_, i) => hashes.subarray(i * perSet * 32, (i + 1) * perSet * 32))
}

/** q_j xor Delta for every row. */
export function shiftRows(rows: Rows, delta: Uint8Array): Rows {
  const words = wordsOf(delta)
  const shifted = rows.map((word, i) => word ^ (words[i % rowWords] as number))
  words.fill(0)
  return shifted
}
