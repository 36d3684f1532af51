import {
  canonicalJson,
  decodeBase64,
  encodeHex,
  encodeUtf8,
  type Hex,
  type JsonObject,
  sha256,
} from '@countersign/bytes'
import type { Checkpoint } from './checkpoint.ts'
import { decodeCheckpoint, journalOrigin, parseNote, verifyCheckpoint } from './checkpoint.ts'
import { parsePublicKey } from './credential.ts'
import { leafHash, verifyInclusion } from './merkle.ts'

/**
 * The signed answer to a request: who asked, what was signed or changed, and the proof that the journal says so. The
 * parts are those of C2SP tlog-proof: an entry, its index, its inclusion path and a checkpoint; nothing else is signed.
 */
export interface Receipt {
  readonly version: 2
  /** Audience id of the signer, derived from `journalKey`. */
  readonly signer: string
  /** Ed25519 public key, 32 bytes. */
  readonly journalKey: Hex
  /** Of the entry in the journal. */
  readonly index: number
  /** The journal entry itself, of one of `receiptTypes`. */
  readonly entry: JsonObject
  /** RFC 9162 inclusion path of the entry in the tree of the checkpoint: base64, from the leaf up. */
  readonly path: readonly string[]
  /** The C2SP signed checkpoint of the commit that the entry came with. */
  readonly checkpoint: string
}

/** Types of the journal entries that answers carry receipts of. */
export const receiptTypes = [
  'signed',
  'wallet',
  'policy',
  'wallet-policy',
  'organisation-policy',
  'credential',
  'quorum',
  'loosening-delay',
  'book',
  'wallet-group',
  'change-proposed',
  'change-applied',
  'change-vetoed',
  'change-dropped',
  'freeze',
  'thaw',
  'grant',
  'wallet-owner',
  'approval-requested',
  'approved',
  'rejected',
] as const
export type ReceiptType = (typeof receiptTypes)[number]

export interface ReceiptExpectation {
  /** The key that the reader trusts. The receipt's own copy proves nothing about who signed. */
  readonly journalKey: Uint8Array
  /** What the entry may say that happened: that something was signed, unless the reader asked for something else. */
  readonly types?: readonly ReceiptType[]
}

export interface InclusionProof {
  readonly index: number
  readonly size: number
  /** base64, from the leaf up. */
  readonly hashes: readonly string[]
}

export type ReceiptProblem =
  | 'malformed'
  | 'other-journal-key'
  | 'signer-not-of-key'
  | 'entry-of-other-type'
  | 'other-journal'
  | 'bad-checkpoint'
  | 'not-in-checkpoint'

export type ReceiptResult =
  | { readonly valid: true; readonly receipt: Receipt; readonly leafHash: Uint8Array }
  | { readonly valid: false; readonly problem: ReceiptProblem; readonly message: string }

/** `sgn_` and the first 32 hexadecimal digits of SHA-256 over the journal's public key. */
export function audienceOf(journalKey: Uint8Array): string {
  return `sgn_${encodeHex(sha256(journalKey).subarray(0, 16)).slice(2)}`
}

/** The bytes of a journal entry: what its leaf hash is over.
 * @throws {TypeError} on what canonical JSON does not have */
export function encodeEntry(entry: unknown): Uint8Array {
  return encodeUtf8(canonicalJson(entry))
}

export function createReceipt(made: {
  readonly journalKey: Uint8Array
  readonly index: number
  readonly entry: JsonObject
  /** base64, from the leaf up. */
  readonly path: readonly string[]
  /** Signed, over the tree that the path leads to. */
  readonly checkpoint: string
}): Receipt {
  const { journalKey, index, entry, path, checkpoint } = made
  return {
    version: 2,
    signer: audienceOf(journalKey),
    journalKey: encodeHex(journalKey),
    index,
    entry,
    path,
    checkpoint,
  }
}

/**
 * Verifies a receipt offline, from whatever file it came: the journal's key has signed a tree, and the entry stands in
 * it at its index. Whose request it answers is for the reader to compare.
 */
export function verifyReceipt(
  receipt: unknown,
  { journalKey, types = ['signed'] }: ReceiptExpectation,
): ReceiptResult {
  const problem = receiptFormProblem(receipt)
  if (problem !== undefined) return refused('malformed', `The receipt ${problem}.`)
  const { signer, index, entry, path, checkpoint: note, journalKey: statedKey } = receipt as Receipt
  if (statedKey.toLowerCase() !== encodeHex(journalKey)) {
    return refused(
      'other-journal-key',
      `The receipt names the journal key ${statedKey}, not the expected one.`,
    )
  }
  if (signer !== audienceOf(journalKey)) {
    return refused(
      'signer-not-of-key',
      `The receipt names the signer ${signer}, which is not that of its key.`,
    )
  }
  if (!types.some((type) => type === entry.type)) {
    return refused(
      'entry-of-other-type',
      `The journal entry in the receipt is not of type ${types.join(' or ')}.`,
    )
  }
  let hash: Uint8Array
  let stated: Checkpoint
  try {
    parsePublicKey('ed25519', journalKey)
    hash = leafHash(encodeEntry(entry))
    stated = decodeCheckpoint(parseNote(note).text)
  } catch (cause) {
    return refused(
      'malformed',
      `The receipt cannot be read: ${cause instanceof Error ? cause.message : 'unknown'}`,
    )
  }
  const hashes = decodeHashes(path)
  if (hashes === undefined)
    return refused('malformed', 'The receipt has a path with a hash that is not base64.')
  const origin = journalOrigin(signer)
  if (stated.origin !== origin) {
    return refused('other-journal', `The checkpoint is of ${stated.origin}, the receipt of ${origin}.`)
  }
  const { size, root } = stated
  if (!verifyInclusion({ index, size, leafHash: hash, root }, hashes)) {
    return refused(
      'not-in-checkpoint',
      'The path does not lead from the entry at its index to the root of the checkpoint: one of them was altered.',
    )
  }
  try {
    verifyCheckpoint(note, { name: origin, publicKey: journalKey })
  } catch (cause) {
    return refused(
      'bad-checkpoint',
      cause instanceof Error ? cause.message : 'The checkpoint does not verify.',
    )
  }
  return { valid: true, receipt: receipt as Receipt, leafHash: hash }
}

/**
 * Verifies a receipt and that its entry stands in another state of the journal too, such as the present one: a journal
 * that was put back or rewritten since has no such proof.
 * @param checkpoint As `verifyCheckpoint` gave it. */
export function verifyReceiptInclusion(
  receipt: unknown,
  proof: InclusionProof,
  { checkpoint, ...expected }: ReceiptExpectation & { readonly checkpoint: Checkpoint },
): ReceiptResult {
  const result = verifyReceipt(receipt, expected)
  if (!result.valid) return result
  const { signer, index } = result.receipt
  if (checkpoint.origin !== journalOrigin(signer)) {
    return refused(
      'other-journal',
      `The checkpoint is of ${checkpoint.origin}, the receipt of ${journalOrigin(signer)}.`,
    )
  }
  if (proof.index !== index || proof.size !== checkpoint.size) {
    return refused(
      'not-in-checkpoint',
      'The proof is for another entry or another size than receipt and checkpoint.',
    )
  }
  const hashes = decodeHashes(proof.hashes)
  if (hashes === undefined) return refused('malformed', 'The proof has a hash that is not base64.')
  const claim = { index, size: checkpoint.size, leafHash: result.leafHash, root: checkpoint.root }
  if (!verifyInclusion(claim, hashes)) {
    return refused(
      'not-in-checkpoint',
      'The proof does not lead from the receipt to the root of the checkpoint.',
    )
  }
  return result
}

/** @returns undefined where one is not base64. */
export function decodeHashes(hashes: readonly string[]): readonly Uint8Array[] | undefined {
  try {
    return hashes.map((hash) => decodeBase64(hash))
  } catch {
    return undefined
  }
}

const receiptKeys: readonly string[] = [
  'version',
  'signer',
  'journalKey',
  'index',
  'entry',
  'path',
  'checkpoint',
]
/** A path has at most one hash for each bit of the largest size that a checkpoint can state. */
const pathHashesMax = 53
const hashForm = /^[A-Za-z0-9+/]{43}=$/

function receiptFormProblem(receipt: unknown): string | undefined {
  if (typeof receipt !== 'object' || receipt === null || Array.isArray(receipt)) return 'is not an object'
  const { version, signer, journalKey, index, entry, path, checkpoint } = receipt as Record<string, unknown>
  const unknownKey = Object.keys(receipt).find((key) => !receiptKeys.includes(key))
  if (unknownKey !== undefined) return `has the unknown member ${JSON.stringify(unknownKey.slice(0, 64))}`
  if (version !== 2) return 'is not of version 2'
  if (typeof signer !== 'string') return 'names no signer'
  if (typeof journalKey !== 'string' || !/^0x[0-9a-fA-F]{64}$/.test(journalKey)) return 'has no journal key'
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0) return 'has no index'
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return 'has no entry'
  if (!Array.isArray(path)) return 'has no path'
  if (path.length > pathHashesMax) return `has a path of over ${pathHashesMax} hashes`
  if (!path.every((hash) => typeof hash === 'string' && hashForm.test(hash)))
    return 'has a path with what is no hash'
  if (typeof checkpoint !== 'string') return 'has no checkpoint'
  return undefined
}

function refused(problem: ReceiptProblem, message: string): ReceiptResult {
  return { valid: false, problem, message }
}
