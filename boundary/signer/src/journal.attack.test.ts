import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import {
  emptyJournal,
  type GrownJournal,
  type Journal,
  type JournalState,
  openJournal,
  openJournalKey,
} from './journal.ts'
import { withoutDashes } from './signer.ts'
import type { Store } from './store.ts'

const tileEntries = 256

/** One history: a commit that fills a tile, and one after it. */
function history(journal: Journal, start: JournalState, name: string): [GrownJournal, GrownJournal] {
  const leaves = (count: number) =>
    Array.from({ length: count }, (_, i) => journal.leafOf({ type: 'policy', i, name }, 0))
  const first = journal.grow(start, leaves(tileEntries))
  return [first, journal.grow(first.state, leaves(3))]
}

/**
 * The owner of the database has a copy of it from which the signer once went on differently (a restored backup), with
 * checkpoints that the signer's own key has signed, and puts rows of it under the one that runs.
 */
it('gives no receipt out of another history that the same key has signed', async () => {
  const key = openJournalKey(new Uint8Array(randomBytes(32)))
  const start = emptyJournal(key)
  const maker = openJournal(key, {} as Store, start)
  const [own, ownNext] = history(maker, start, 'own')
  const [other] = history(maker, start, 'other')
  let rows = own
  const store = {
    segments: async () => [rows.segment],
    tile: async () => rows.tiles[0]?.hashes,
  } as unknown as Store
  const journal = openJournal(key, store, ownNext.state)
  expect(withoutDashes(JSON.stringify(await journal.receipt(7)))).toBe(own.receipt(7))
  rows = other
  expect(JSON.parse(other.receipt(7)).entry).toMatchObject({ name: 'other' })
  await expect(journal.receipt(7)).rejects.toMatchObject({ code: 'SIGNER_JOURNAL_TAMPERED' })
})
