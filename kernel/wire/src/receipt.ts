import {
  canonicalJson,
  decodeBase64,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  type Hex,
  type JsonObject,
  sha256,
} from '@countersign/bytes'
import type { Checkpoint } from './checkpoint.ts'
import { journalOrigin } from './checkpoint.ts'
import { parsePublicKey } from './credential.ts'
import { leafHash, verifyInclusion } from './merkle.ts'
import { verifySignature } from './verify-signature.ts'

/** The signed answer to a request: who asked, what was signed or changed, and where the journal says so. */
export interface Receipt {
  readonly version: 1
  /** Audience id of the signer, derived from `journalKey`. */
  readonly signer: string
  /** Ed25519 public key, 32 bytes. */
  readonly journalKey: Hex
  /** Of the entry in the journal. */
  readonly index: number
  /** The journal entry itself, of one of `receiptTypes`. */
  readonly entry: JsonObject
  /** base64 of Ed25519 over `receiptPayload`. */
  readonly signature: string
}

/** Types of the journal entries that answers carry receipts of. */
export const receiptTypes = [
  'signed',
  'wallet',
  'policy',
  'wallet-policy',
  'organisation-policy',
  'credential',
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
  | 'bad-signature'
  | 'other-journal'
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

/** What the journal key signs for a receipt. */
export function receiptPayload(index: number, entryLeafHash: Uint8Array): Uint8Array {
  return encodeUtf8(`countersign-receipt-v1\n${index}\n${encodeBase64(entryLeafHash)}\n`)
}

export async function createReceipt(made: {
  readonly journalKey: Uint8Array
  readonly index: number
  readonly entry: JsonObject
  /** Ed25519 by the journal's key. */
  readonly sign: (payload: Uint8Array) => Promise<Uint8Array> | Uint8Array
}): Promise<Receipt> {
  const { journalKey, index, entry, sign } = made
  const signature = await sign(receiptPayload(index, leafHash(encodeEntry(entry))))
  return {
    version: 1,
    signer: audienceOf(journalKey),
    journalKey: encodeHex(journalKey),
    index,
    entry,
    signature: encodeBase64(signature),
  }
}

/** Verifies a receipt offline, from whatever file it came. Whose request it answers is for the reader to compare. */
export function verifyReceipt(
  receipt: unknown,
  { journalKey, types = ['signed'] }: ReceiptExpectation,
): ReceiptResult {
  const problem = receiptFormProblem(receipt)
  if (problem !== undefined) return refused('malformed', `The receipt ${problem}.`)
  const { signer, index, entry, signature, journalKey: statedKey } = receipt as Receipt
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
  let signatureBytes: Uint8Array
  try {
    parsePublicKey('ed25519', journalKey)
    hash = leafHash(encodeEntry(entry))
    signatureBytes = decodeBase64(signature)
  } catch (cause) {
    return refused(
      'malformed',
      `The receipt cannot be read: ${cause instanceof Error ? cause.message : 'unknown'}`,
    )
  }
  const key = { algorithm: 'ed25519', publicKey: journalKey } as const
  if (!verifySignature(key, receiptPayload(index, hash), signatureBytes)) {
    return refused(
      'bad-signature',
      'The signature of the receipt does not verify: index or entry were altered.',
    )
  }
  return { valid: true, receipt: receipt as Receipt, leafHash: hash }
}

/**
 * Verifies a receipt and that its entry stands in the journal as the checkpoint has it.
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

const receiptKeys: readonly string[] = ['version', 'signer', 'journalKey', 'index', 'entry', 'signature']

function receiptFormProblem(receipt: unknown): string | undefined {
  if (typeof receipt !== 'object' || receipt === null || Array.isArray(receipt)) return 'is not an object'
  const { version, signer, journalKey, index, entry, signature } = receipt as Record<string, unknown>
  const unknownKey = Object.keys(receipt).find((key) => !receiptKeys.includes(key))
  if (unknownKey !== undefined) return `has the unknown member ${JSON.stringify(unknownKey.slice(0, 64))}`
  if (version !== 1) return 'is not of version 1'
  if (typeof signer !== 'string') return 'names no signer'
  if (typeof journalKey !== 'string' || !/^0x[0-9a-fA-F]{64}$/.test(journalKey)) return 'has no journal key'
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0) return 'has no index'
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return 'has no entry'
  if (typeof signature !== 'string') return 'has no signature'
  return undefined
}

function refused(problem: ReceiptProblem, message: string): ReceiptResult {
  return { valid: false, problem, message }
}
