import {
  canonicalJson,
  decodeHex,
  encodeHex,
  encodeUtf8,
  isEqual,
  type Json,
  type JsonObject,
  sha256,
} from '@countersign/bytes'
import { wireError } from './catalogue.ts'

/**
 * A journal entry's leaf is bounded, so that a bundle of 256 fits into one answer and each entry into its two bytes of
 * length. What is too long stands beside the journal; the entry has its SHA-256, so it is proven with the entry.
 */
export const entryBytesMax = 16_384

/** A field that stands beside its entry: canonical JSON. */
export interface JournalDocument {
  readonly sha256: string
  readonly text: string
}

export interface BoundedEntry {
  readonly text: string
  readonly documents: readonly JournalDocument[]
}

interface Reference {
  readonly sha256: string
  readonly bytes: number
}

/** Which fields of an entry stand beside it. */
type Beside = Readonly<Record<string, Reference>>

/** Canonical JSON of the entry; the longest fields are left out where it would be too long. */
export function boundEntry(entry: JsonObject): BoundedEntry {
  const whole = canonicalJson(entry)
  if (whole.length * 3 <= entryBytesMax || encodeUtf8(whole).length <= entryBytesMax)
    return { text: whole, documents: [] }
  const fields = Object.keys(entry)
    .map((field) => ({ field, text: canonicalJson(entry[field]) }))
    .sort((a, b) => b.text.length - a.text.length)
  const rest: Record<string, Json> = { ...entry }
  const beside: Record<string, Reference> = {}
  const documents: JournalDocument[] = []
  for (const { field, text } of fields) {
    const bytes = encodeUtf8(text)
    const digest = encodeHex(sha256(bytes))
    delete rest[field]
    beside[field] = { sha256: digest, bytes: bytes.length }
    documents.push({ sha256: digest, text })
    const bounded = canonicalJson({ ...rest, beside })
    if (encodeUtf8(bounded).length <= entryBytesMax) return { text: bounded, documents }
  }
  throw new Error('bug: a journal entry of very many fields')
}

/** SHA-256 of everything that stands beside an entry. @throws {CountersignError} WIRE_DOCUMENT_INVALID */
export function documentsBeside(entry: JsonObject): readonly string[] {
  return Object.values(besideOf(entry)).map((reference) => reference.sha256)
}

/** The entry as it was before something was left out.
 * @throws {CountersignError} WIRE_DOCUMENT_INVALID where a document is missing or is another one */
export function wholeEntry(
  entry: JsonObject,
  documentOf: (sha256: string) => string | undefined,
): JsonObject {
  const { beside: _, ...rest } = entry
  const whole: Record<string, Json> = rest
  for (const [field, { sha256: digest }] of Object.entries(besideOf(entry))) {
    if (Object.hasOwn(whole, field)) throw invalid(`The field ${field} stands in its entry and beside it.`)
    const text = documentOf(digest)
    if (text === undefined) throw invalid(`The document ${digest} is missing.`)
    if (!isDocument(text, digest))
      throw invalid(`The document ${digest} was changed: it has another SHA-256.`)
    whole[field] = JSON.parse(text)
  }
  return whole
}

/** Whether an entry says this of a field, in itself or by what stands beside it. */
export function isFieldOf(entry: JsonObject, field: string, value: unknown): boolean {
  if (value === undefined) return false
  const text = canonicalJson(value)
  const digest = besideOf(entry)[field]?.sha256
  if (digest !== undefined) return !Object.hasOwn(entry, field) && isDocument(text, digest)
  return entry[field] !== undefined && canonicalJson(entry[field]) === text
}

export function isDocument(text: string, digest: string): boolean {
  return isEqual(sha256(encodeUtf8(text)), decodeHex(digest, 'sha256', 32))
}

function besideOf(entry: JsonObject): Beside {
  const { beside } = entry
  if (beside === undefined) return {}
  const isBeside =
    typeof beside === 'object' &&
    beside !== null &&
    !Array.isArray(beside) &&
    Object.values(beside).every((reference) => {
      const { sha256: digest } = (reference ?? {}) as Partial<Reference>
      return typeof digest === 'string' && /^0x[0-9a-f]{64}$/.test(digest)
    })
  if (!isBeside) throw invalid('The entry’s list of what stands beside it cannot be read.')
  return beside as unknown as Beside
}

function invalid(message: string) {
  return wireError('WIRE_DOCUMENT_INVALID', message)
}
