import type { GrownJournal, Journal, JournalEntry, JournalLeaf } from './journal.ts'
import type { OpenPermit, RecordKind, Records } from './records.ts'
import type { Store, StoredRecord } from './store.ts'

/** What one job sees: the state after all jobs before it, though none of them may be durable yet. */
export interface LedgerTx {
  /** The signer's time for this batch; never goes back. */
  readonly nowMs: number
  get<K extends RecordKind>(kind: K, key: string): Promise<Records[K] | undefined>
  range<K extends RecordKind>(
    kind: K,
    from: string,
    to: string,
    limit: number,
  ): Promise<{ key: string; value: Records[K] }[]>
  put<K extends RecordKind>(kind: K, key: string, value: Records[K], expiresMs?: number): void
  delete(kind: RecordKind, key: string): void
  append(entry: JournalEntry): Appended
  /** The permit of a request that is being worked on. */
  openPermit(key: string): OpenPermit | undefined
  /** Of the permit that was just appended. In memory only: after a restart the journal tells which are open. */
  open(key: string, permit: OpenPermit): void
  /** With the permit's outcome. */
  settle(key: string): void
}

export interface Appended {
  /** Final once the job's promise resolves. */
  readonly index: number
  /** As JSON; only once the job's promise has resolved. */
  receipt(): string
}

export interface Loaded {
  readonly record: StoredRecord
  readonly value: Records[RecordKind]
}
/** One name for a record of any kind. */
export function idOf(kind: string, key: string): string {
  return `${kind} ${key}`
}

/** `undefined`: known to be absent. */
export type Known = Loaded | undefined
export interface Staged {
  readonly kind: RecordKind
  readonly key: string
  /** `undefined`: deleted. */
  readonly value: Records[RecordKind] | undefined
  readonly expiresMs: number | undefined
}
export interface Batch {
  readonly nowMs: number
  readonly staged: Map<string, Staged>
  /** Permits that were opened, or settled (`undefined`). */
  readonly opened: Map<string, OpenPermit | undefined>
  /** Looked for in this batch and not there: saves looking again. */
  readonly absent: Set<string>
  readonly leaves: JournalLeaf[]
  readonly sizeBefore: number
  /** Once it is written. */
  grown: GrownJournal | undefined
}

interface TxSources {
  readonly store: Store
  readonly journal: Journal
  /** Everything that is written, durable or not. */
  load(id: string, kind: RecordKind, key: string): Known | Promise<Known>
  unseal(record: StoredRecord): Loaded
  readonly open: ReadonlyMap<string, OpenPermit>
}

/** One job's view of a batch. What it writes is the batch's only once it is merged. */
export function openTx(
  batch: Batch,
  { store, journal, load, unseal, open }: TxSources,
): LedgerTx & { merge(): void } {
  const staged = new Map<string, Staged>()
  const opened = new Map<string, OpenPermit | undefined>()
  const leaves: JournalLeaf[] = []
  const stagedValue = (id: string) => staged.get(id) ?? batch.staged.get(id)
  return {
    nowMs: batch.nowMs,
    async get(kind, key) {
      const id = idOf(kind, key)
      const here = stagedValue(id)
      if (here !== undefined) return here.value as never
      if (batch.absent.has(id)) return undefined
      const found = load(id, kind, key)
      const loaded = found instanceof Promise ? await found : found
      if (loaded === undefined) batch.absent.add(id)
      return loaded?.value as never
    },
    async range(kind, from, to, limit) {
      // Rows that this batch has changed are laid over what the store has; a deleted one must not use up the limit.
      const changes = [...batch.staged.values(), ...staged.values()].filter(
        (change) => change.kind === kind && change.key >= from && change.key < to,
      )
      const rows = new Map<string, Records[RecordKind]>()
      for (const record of await store.range(kind, from, to, limit + changes.length))
        rows.set(record.key, unseal(record).value)
      for (const { key, value } of changes) {
        if (value === undefined) rows.delete(key)
        else rows.set(key, value)
      }
      const keys = [...rows.keys()].sort().slice(0, limit)
      return keys.map((key) => ({ key, value: rows.get(key) })) as never
    },
    put(kind, key, value, expiresMs) {
      staged.set(idOf(kind, key), { kind, key, value, expiresMs })
    },
    delete(kind, key) {
      staged.set(idOf(kind, key), { kind, key, value: undefined, expiresMs: undefined })
    },
    append(entry) {
      const index = batch.sizeBefore + batch.leaves.length + leaves.length
      const leaf = journal.leafOf(entry, batch.nowMs)
      leaves.push(leaf)
      for (const { sha256, text } of leaf.documents) {
        const document = { kind: 'document', key: sha256, value: { text }, expiresMs: undefined } as const
        staged.set(`document ${sha256}`, document)
      }
      return {
        index,
        receipt() {
          if (batch.grown === undefined) throw new Error('bug: a receipt before its commit')
          return batch.grown.receipt(index)
        },
      }
    },
    openPermit: (key) => {
      if (opened.has(key)) return opened.get(key)
      return batch.opened.has(key) ? batch.opened.get(key) : open.get(key)
    },
    open(key, permit) {
      opened.set(key, permit)
    },
    settle(key) {
      opened.set(key, undefined)
    },
    merge() {
      for (const [id, change] of staged) batch.staged.set(id, change)
      for (const [key, permit] of opened) {
        // To the end of the order, which is the journal's.
        batch.opened.delete(key)
        batch.opened.set(key, permit)
      }
      batch.leaves.push(...leaves)
    },
  }
}
