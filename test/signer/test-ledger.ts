import { randomBytes } from 'node:crypto'
import { concatBytes, encodeUtf8, sha256 } from '@countersign/bytes'
import { MerkleFrontier } from '@countersign/wire'
import { openClock } from '../../boundary/signer/src/clock.ts'
import { type Journal, openJournal, openJournalKey, signHead } from '../../boundary/signer/src/journal.ts'
import { type Ledger, openLedger } from '../../boundary/signer/src/ledger.ts'
import { openRecordSeal } from '../../boundary/signer/src/records.ts'
import { openSqliteStore } from '../../boundary/signer/src/sqlite-store.ts'
import type { Store } from '../../boundary/signer/src/store.ts'

export interface TestLedger {
  readonly ledger: Ledger
  readonly journal: Journal
  readonly store: Store
  /** What the ledger said must never happen. */
  readonly impossible: readonly unknown[]
  nowMs(): number
  advance(ms: number): void
  close(): Promise<void>
}

/** A ledger over an empty database in memory, with a clock that the test moves.
 * @param wrap Puts a faulty store between ledger and database. */
export async function openTestLedger(wrap: (store: Store) => Store = (store) => store): Promise<TestLedger> {
  let nowMs = 1_700_000_000_000
  const store = wrap(openSqliteStore(':memory:'))
  const key = openJournalKey(new Uint8Array(randomBytes(32)))
  const master = randomBytes(32)
  const seal = openRecordSeal((info) => sha256(concatBytes(master, encodeUtf8(info))))
  const frontier = new MerkleFrontier()
  const journal = openJournal(key, store, { frontier, checkpoint: signHead(key, frontier) })
  const impossible: unknown[] = []
  const clock = openClock(0, { wallMs: () => nowMs, monotonicMs: () => nowMs })
  const ledger = openLedger({
    store,
    seal,
    journal,
    clock,
    setDigest: new Uint8Array(32),
    onImpossible: (error) => impossible.push(error),
  })
  return {
    ledger,
    journal,
    store,
    impossible,
    nowMs: () => nowMs,
    advance(ms) {
      nowMs += ms
    },
    async close() {
      await ledger.close()
      await store.close()
    },
  }
}
