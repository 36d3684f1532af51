import { generateKeyPairSync, sign } from 'node:crypto'
import { decodeBase64Url, encodeBase64, encodeHex } from '@countersign/bytes'
import type { JournalEntryJson, Receipt } from '@countersign/sdk'
import {
  audienceOf,
  createReceipt,
  encodeEntry,
  formatSignedCheckpoint,
  journalOrigin,
  leafHash,
  MerkleFrontier,
  MerkleGrowth,
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
    /** The proof of an entry in the journal of all these. */
    receipt(index: number, entries: readonly JournalEntryJson[]): Receipt {
      const hashes = entries.map((entry) => leafHash(encodeEntry(entry)))
      const growth = new MerkleGrowth(new MerkleFrontier(), hashes)
      return createReceipt({
        journalKey: key,
        index,
        entry: entries[index] as unknown as Receipt['entry'],
        path: growth.path(index).map(encodeBase64),
        checkpoint: this.checkpoint(entries),
      })
    },
    export(entries: readonly JournalEntryJson[]): JournalExport {
      const checkpoint = this.checkpoint(entries)
      return { version: 1, audience, journalKey: encodeHex(key), checkpoint, entries }
    },
  }
}
