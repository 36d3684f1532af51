import { randomBytes } from 'node:crypto'
import { concatBytes, encodeUtf8, sha256 } from '@countersign/bytes'
import { openClock } from '../../boundary/signer/src/clock.ts'
import {
  emptyJournal,
  type Journal,
  type JournalKey,
  openJournal,
  openJournalKey,
} from '../../boundary/signer/src/journal.ts'
import { type Ledger, openLedger } from '../../boundary/signer/src/ledger.ts'
import { openRecordSeal, type RecordSeal } from '../../boundary/signer/src/records.ts'
import { openSqliteStore } from '../../boundary/signer/src/sqlite-store.ts'
import type { Store } from '../../boundary/signer/src/store.ts'

export interface TestLedger {
  readonly ledger: Ledger
  readonly journal: Journal
  readonly store: Store
  readonly seal: RecordSeal
  readonly key: JournalKey
  /** What the ledger said must never happen. */
  readonly impossible: readonly unknown[]
  nowMs(): number
  advance(ms: number): void
  close(): Promise<void>
}

/** A ledger over an empty database in memory, with a clock that the test moves.
 * @param wrap Puts a faulty store between ledger and database. */
export async function openTestLedger(
  wrap: (store: Store) => Store = (store) => store,
  path = ':memory:',
): Promise<TestLedger> {
  let nowMs = 1_700_000_000_000
  const store = wrap(openSqliteStore(path))
  const key = openJournalKey(new Uint8Array(randomBytes(32)))
  const master = randomBytes(32)
  const seal = openRecordSeal((info) => sha256(concatBytes(master, encodeUtf8(info))))
  const start = { journal: emptyJournal(key), setDigest: new Uint8Array(32), open: new Map() }
  const journal = openJournal(key, store, start.journal)
  const impossible: unknown[] = []
  const clock = openClock(0, { wallMs: () => nowMs, monotonicMs: () => nowMs })
  const ledger = openLedger({
    store,
    seal,
    journal,
    clock,
    start,
    onImpossible: (error) => impossible.push(error),
  })
  return {
    ledger,
    journal,
    store,
    seal,
    key,
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
