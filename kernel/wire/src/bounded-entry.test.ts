import { canonicalJson, encodeUtf8, type JsonObject } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { boundEntry, documentsBeside, entryBytesMax, isFieldOf, wholeEntry } from './bounded-entry.ts'
import { codeOf } from './testing/signed-request.ts'

const entryOf = (chars: number, letter = 'a') =>
  ({ v: 1, type: 'policy', document: { text: letter.repeat(chars) }, small: 'x' }) as JsonObject
const lengthOf = (entry: JsonObject) => encodeUtf8(canonicalJson(entry)).length

describe('a bounded entry', () => {
  it('is itself as long as it fits, to the byte', () => {
    const chars = entryBytesMax - lengthOf(entryOf(0))
    const fits = boundEntry(entryOf(chars))
    expect(fits).toEqual({ text: canonicalJson(entryOf(chars)), documents: [] })
    const over = boundEntry(entryOf(chars + 1))
    expect(over.documents).toHaveLength(1)
    expect(encodeUtf8(over.text).length).toBeLessThan(400)
  })

  it('is measured in bytes, not characters', () => {
    const entry = entryOf(entryBytesMax / 2, 'é')
    expect(boundEntry(entry).documents).toHaveLength(1)
    expect(boundEntry(entryOf(entryBytesMax / 2 - 200, 'é')).documents).toEqual([])
  })

  it('gives back the whole entry, and nothing but it', () => {
    const entry = { ...entryOf(20_000), effects: ['b'.repeat(30_000)], more: ['c'.repeat(10_000)] }
    const { text, documents } = boundEntry(entry)
    expect(encodeUtf8(text).length).toBeLessThanOrEqual(entryBytesMax)
    // The longest go first, and no more than must.
    expect(documents).toHaveLength(2)
    const bounded = JSON.parse(text) as JsonObject
    expect(bounded.more).toEqual(entry.more)
    expect([...documentsBeside(bounded)].sort()).toEqual(documents.map(({ sha256 }) => sha256).sort())
    const by = new Map(documents.map((document) => [document.sha256, document.text]))
    expect(wholeEntry(bounded, (digest) => by.get(digest))).toEqual(entry)
    expect(codeOf(() => wholeEntry(bounded, () => undefined))).toBe('WIRE_DOCUMENT_INVALID')
    expect(codeOf(() => wholeEntry(bounded, () => '"other"'))).toBe('WIRE_DOCUMENT_INVALID')
    expect(codeOf(() => wholeEntry({ ...bounded, document: 1 }, (digest) => by.get(digest)))).toBe(
      'WIRE_DOCUMENT_INVALID',
    )
    expect(codeOf(() => documentsBeside({ beside: { document: 'x' } }))).toBe('WIRE_DOCUMENT_INVALID')
  })

  it('says of a field what it says in itself or beside itself', () => {
    const entry = entryOf(20_000)
    const bounded = JSON.parse(boundEntry(entry).text) as JsonObject
    for (const one of [entry, bounded]) {
      expect(isFieldOf(one, 'document', entry.document)).toBe(true)
      expect(isFieldOf(one, 'document', { text: 'other' })).toBe(false)
      expect(isFieldOf(one, 'small', 'x')).toBe(true)
      expect(isFieldOf(one, 'absent', undefined)).toBe(false)
      expect(isFieldOf(one, 'absent', null)).toBe(false)
    }
    // A field that stands in both places says nothing.
    expect(isFieldOf({ ...bounded, document: { text: 'other' } }, 'document', { text: 'other' })).toBe(false)
    expect(isFieldOf({ ...bounded, document: { text: 'other' } }, 'document', entry.document)).toBe(false)
  })
})
