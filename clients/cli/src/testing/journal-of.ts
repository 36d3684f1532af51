import { generateKeyPairSync, sign } from 'node:crypto'
import { decodeBase64Url, encodeBase64, encodeHex } from '@countersign/bytes'
import type { JournalEntryJson, Receipt } from '@countersign/sdk'
import {
  audienceOf,
  encodeEntry,
  formatSignedCheckpoint,
  journalOrigin,
  leafHash,
  MerkleFrontier,
  receiptPayload,
} from '@countersign/wire'
import type { JournalExport } from '../verify-journal.ts'

/** A journal as a signer would write and sign it, with a key of its own. */
export function createTestJournal() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '')
  const audience = audienceOf(key)
  const signBytes = (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey))
  const origin = journalOrigin(audience)
  return {
    audience,
    journalKey: encodeHex(key),
    entry: (number: number, type = 'refused'): JournalEntryJson => ({
      v: 1,
      at: new Date(1_700_000_000_000 + number).toISOString(),
      type,
      number,
    }),
    checkpoint: (entries: readonly JournalEntryJson[]): string => {
      const frontier = new MerkleFrontier()
      for (const entry of entries) frontier.append(leafHash(encodeEntry(entry)))
      const checkpoint = { origin, size: frontier.size, root: frontier.root() }
      return formatSignedCheckpoint(checkpoint, { publicKey: key, sign: signBytes })
    },
    receipt: (index: number, entry: JournalEntryJson): Receipt => ({
      version: 1,
      signer: audience,
      journalKey: encodeHex(key),
      index,
      entry: entry as Receipt['entry'],
      signature: encodeBase64(signBytes(receiptPayload(index, leafHash(encodeEntry(entry))))),
    }),
    export(entries: readonly JournalEntryJson[]): JournalExport {
      const checkpoint = this.checkpoint(entries)
      return { version: 1, audience, journalKey: encodeHex(key), checkpoint, entries }
    },
  }
}
