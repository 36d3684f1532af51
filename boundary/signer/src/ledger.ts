import { CountersignError } from '@countersign/bytes'
import type { Receipt } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { Clock } from './clock.ts'
import type { GrownJournal, Journal, JournalEntry, JournalLeaf, JournalState } from './journal.ts'
import type { OpenPermit, RecordKind, RecordSeal, Records } from './records.ts'
import { CommitInDoubt, type Store, type StoredRecord, StoreMoved } from './store.ts'

/** Requests that share one commit. */
const jobsPerBatchMax = 256
const jobsQueuedMax = 4_096
const cachedRecordsMax = 50_000
const prunedPerBatchMax = 256
const pruneEveryMs = 1_000
/** Turns of the event loop that a batch waits for more jobs, for as long as they come: a commit has its own price. */
const turnsAwaited = 3
/** Batches that are written and wait for the disk. */
const unflushedMax = 16

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
  /** Only once the job's promise has resolved. */
  receipt(): Receipt
}

export interface Ledger {
  /**
   * Runs a job alone, after all that came before, and resolves when what it wrote is durable. A job that throws
   * has written nothing. One commit serves all jobs that are waiting: durability costs once per batch.
   * @throws {CountersignError} SIGNER_STORE_FAILED, SIGNER_BUSY, SIGNER_CLOCK_*, or what the job throws */
  submit<T>(job: (tx: LedgerTx) => Promise<T>): Promise<T>
  /** Reads committed state. */
  get<K extends RecordKind>(kind: K, key: string): Promise<Records[K] | undefined>
  range<K extends RecordKind>(
    kind: K,
    from: string,
    to: string,
    limit: number,
  ): Promise<{ key: string; value: Records[K] }[]>
  /** The permit of a request that is being worked on, once it is durable. */
  openPermit(key: string): Promise<OpenPermit | undefined>
  nowMs(): number
  /** Resolves when nothing is in flight; later submits are refused. */
  close(): Promise<void>
}

interface LedgerOptions {
  readonly store: Store
  readonly seal: RecordSeal
  readonly journal: Journal
  readonly clock: Clock
  /** As checked at start. */
  readonly start: {
    readonly journal: JournalState
    /** Digest of the set of all records. */
    readonly setDigest: Uint8Array
    /** Permits without an outcome, oldest first. */
    readonly open: ReadonlyMap<string, OpenPermit>
  }
  /** Called with what must never happen; the signer halts. */
  readonly onImpossible: (error: unknown) => void
  /** Tests: called before and after each commit. */
  readonly at?: ((point: string) => Promise<void> | void) | undefined
}

interface Loaded {
  readonly record: StoredRecord
  readonly value: Records[RecordKind]
}
/** `undefined`: known to be absent. */
type Known = Loaded | undefined
interface Staged {
  readonly kind: RecordKind
  readonly key: string
  /** `undefined`: deleted. */
  readonly value: Records[RecordKind] | undefined
  readonly expiresMs: number | undefined
}
interface QueuedJob {
  readonly run: (tx: LedgerTx) => Promise<unknown>
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * Batches follow one another in two stages. A batch is decided and written, alone, over everything that was written
 * before it. Then it waits for the disk while the next one is decided. It is acknowledged when its own flush and all
 * earlier ones have succeeded; if one fails, it and everything after it is refused and the signer halts.
 */
export function openLedger(options: LedgerOptions): Ledger {
  const { store, seal, journal, clock } = options
  const setDigest = options.start.setDigest.slice()
  const open = new Map(options.start.open)
  const cache = new Map<string, Loaded>()
  const queue: QueuedJob[] = []
  /** As written, which is ahead of what is durable. */
  let state = options.start.journal
  let running: Promise<void> | undefined
  let closed = false
  let prunedAtMs = 0
  let writes = 0
  /** Written, not yet known to be on disk; in order. */
  const unflushed: Written[] = []
  let flushing: Promise<void> | undefined
  /** What must be refused with, once the disk has failed. */
  let broken: CountersignError | undefined

  async function load(kind: RecordKind, key: string): Promise<Known> {
    const id = `${kind} ${key}`
    const hit = cache.get(id)
    if (hit !== undefined) return hit
    const writesBefore = writes
    const record = await store.get(kind, key)
    if (record === undefined) return undefined
    const loaded = unseal(record)
    // Read outside a job, it may have been overtaken by a write, whose version is then the one to remember.
    if (writes === writesBefore) remember(id, loaded)
    return loaded
  }

  function unseal(record: StoredRecord): Loaded {
    try {
      seal.check(record)
    } catch (error) {
      options.onImpossible(error)
      throw error
    }
    return { record, value: JSON.parse(record.value) }
  }

  function impossible(error: Error): Error {
    options.onImpossible(error)
    return error
  }

  function remember(id: string, loaded: Loaded): void {
    cache.set(id, loaded)
    if (cache.size <= cachedRecordsMax) return
    const oldest = cache.keys().next().value
    if (oldest !== undefined) cache.delete(oldest)
  }

  async function drain(): Promise<void> {
    try {
      while (queue.length > 0) {
        // Lets the requests that have just arrived join the batch.
        for (let turn = 0, seen = 0; turn < turnsAwaited && seen < queue.length; turn++) {
          seen = queue.length
          await new Promise<void>((next) => setImmediate(next))
        }
        while (unflushed.length >= unflushedMax) await flushing
        await runBatch(queue.splice(0, jobsPerBatchMax))
      }
    } finally {
      // In the same turn as the last look at the queue: a submit after it starts a new drain.
      running = undefined
    }
  }

  async function runBatch(jobs: readonly QueuedJob[]): Promise<void> {
    let nowMs: number
    try {
      if (broken !== undefined) throw broken
      nowMs = clock.nowMs()
    } catch (error) {
      for (const job of jobs) job.reject(error)
      return
    }
    const batch: Batch = {
      nowMs,
      staged: new Map(),
      opened: new Map(),
      absent: new Set(),
      leaves: [],
      sizeBefore: state.frontier.size,
      grown: undefined,
    }
    const done: Done[] = []
    for (const job of jobs) {
      const tx = openTx(batch)
      try {
        const value = await job.run(tx)
        tx.merge()
        done.push({ job, value })
      } catch (error) {
        job.reject(error)
      }
    }
    try {
      if (batch.staged.size === 0 && batch.leaves.length === 0) {
        // Nothing to write; but what the jobs have read may not be on disk yet.
        const last = unflushed.at(-1)
        if (last === undefined) for (const { job, value } of done) job.resolve(value as never)
        else last.done.push(...done)
        return
      }
      await write(batch, done)
    } catch (error) {
      const refusal = refusalOf(error)
      for (const { job } of done) job.reject(refusal)
    }
  }

  function refusalOf(error: unknown): CountersignError {
    if (error instanceof StoreMoved) {
      const refusal = signerError(
        'SIGNER_STORE_TAMPERED',
        `Another process has written to the signer’s database: ${error.message}.`,
      )
      options.onImpossible(refusal)
      return refusal
    }
    if (error instanceof CommitInDoubt) {
      const refusal = signerError(
        'SIGNER_STORE_FAILED',
        `It is not known whether the journal is on disk: ${error.message}.`,
      )
      options.onImpossible(refusal)
      return refusal
    }
    if (error instanceof CountersignError) return error
    return signerError(
      'SIGNER_STORE_FAILED',
      'The signer’s database did not take the entry; nothing was signed for it.',
      {
        cause: error,
      },
    )
  }

  async function write(batch: Batch, done: Done[]): Promise<void> {
    if (batch.nowMs - prunedAtMs > pruneEveryMs) await prune(batch)
    const puts: StoredRecord[] = []
    const deletes: { kind: string; key: string }[] = []
    const nextDigest = setDigest.slice()
    const fresh: [string, Loaded | undefined][] = []
    for (const [id, { kind, key, value, expiresMs }] of batch.staged) {
      const before = batch.absent.has(id) ? undefined : await load(kind, key)
      if (before !== undefined) seal.toggle(nextDigest, before.record.mac)
      if (value === undefined) {
        if (before !== undefined) deletes.push({ kind, key })
        fresh.push([id, undefined])
        continue
      }
      const body = { kind, key, value: JSON.stringify(value), expiresMs }
      const record: StoredRecord = { ...body, mac: seal.mac(body) }
      seal.toggle(nextDigest, record.mac)
      puts.push(record)
      fresh.push([id, { record, value }])
    }
    const grown = journal.grow(state, batch.leaves)
    const { checkpoint, chain, frontier } = grown.state
    const openFrom = firstOpen(batch) ?? frontier.size
    const facts = { checkpoint, timeMs: batch.nowMs, openFrom }
    const head = {
      ...facts,
      size: frontier.size,
      stateMac: seal.headMac({ ...facts, setDigest: nextDigest, chain }),
    }
    await options.at?.('before-commit')
    const { segment, tiles } = grown
    await store.write({ sizeBefore: batch.sizeBefore, puts, deletes, segment, tiles, head })
    writes++
    batch.grown = grown
    state = grown.state
    setDigest.set(nextDigest)
    for (const [id, loaded] of fresh) {
      if (loaded === undefined || loaded.record.kind === 'request') cache.delete(id)
      else remember(id, loaded)
    }
    for (const [key, permit] of batch.opened) {
      open.delete(key)
      if (permit !== undefined) open.set(key, permit)
    }
    unflushed.push({ batch, done })
    flushing ??= flush()
  }

  /** The oldest permit without an outcome after this batch: permits are opened in the journal's order. */
  function firstOpen({ opened }: Batch): number | undefined {
    for (const [key, { index }] of open) if (!opened.has(key)) return index
    for (const permit of opened.values()) if (permit !== undefined) return permit.index
    return undefined
  }

  /** One flush serves all batches that were written before it; what is written meanwhile waits for the next. */
  async function flush(): Promise<void> {
    for (let count = unflushed.length; count > 0; count = unflushed.length) {
      try {
        await store.flush()
        await options.at?.('after-commit')
      } catch (error) {
        const why = error instanceof Error ? error.message : 'unknown'
        broken = refusalOf(error instanceof CommitInDoubt ? error : new CommitInDoubt(why))
        for (const { done } of unflushed.splice(0)) for (const { job } of done) job.reject(broken)
        break
      }
      for (const { batch, done } of unflushed.splice(0, count)) {
        if (batch.grown !== undefined) journal.publish(batch.grown.state)
        for (const { job, value } of done) job.resolve(value as never)
      }
    }
    flushing = undefined
  }

  /** The store and the cache show what is written before it is on disk: nobody outside a job may read it until then. */
  async function settled(): Promise<void> {
    const last = unflushed.at(-1)
    while (last !== undefined && unflushed.includes(last)) await flushing
    if (broken !== undefined) throw broken
  }

  function isUnflushed(id: string): boolean {
    return unflushed.some(({ batch }) => batch.staged.has(id))
  }

  /** Idempotency records have an end; they go a few at a time, beside work that is committed anyway. */
  async function prune(batch: Batch): Promise<void> {
    const expired = await store.expired(batch.nowMs, prunedPerBatchMax)
    for (const record of expired) {
      const id = `${record.kind} ${record.key}`
      if (batch.staged.has(id)) continue
      // The store says which; only the record itself, which has a MAC, can say that its time is over.
      const expiresMs = (await load(record.kind as RecordKind, record.key))?.record.expiresMs
      if (expiresMs === undefined || expiresMs >= batch.nowMs) {
        throw impossible(
          signerError('SIGNER_STORE_TAMPERED', `The database lists the record ${id} as expired; it is not.`),
        )
      }
      batch.staged.set(id, {
        kind: record.kind as RecordKind,
        key: record.key,
        value: undefined,
        expiresMs: undefined,
      })
    }
    if (expired.length < prunedPerBatchMax) prunedAtMs = batch.nowMs
  }

  function openTx(batch: Batch): LedgerTx & { merge(): void } {
    const staged = new Map<string, Staged>()
    const opened = new Map<string, OpenPermit | undefined>()
    const leaves: JournalLeaf[] = []
    const stagedValue = (id: string) => staged.get(id) ?? batch.staged.get(id)
    return {
      nowMs: batch.nowMs,
      async get(kind, key) {
        const id = `${kind} ${key}`
        const here = stagedValue(id)
        if (here !== undefined) return here.value as never
        if (batch.absent.has(id)) return undefined
        const loaded = await load(kind, key)
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
        staged.set(`${kind} ${key}`, { kind, key, value, expiresMs })
      },
      delete(kind, key) {
        staged.set(`${kind} ${key}`, { kind, key, value: undefined, expiresMs: undefined })
      },
      append(entry) {
        const index = batch.sizeBefore + batch.leaves.length + leaves.length
        leaves.push(journal.leafOf(entry, batch.nowMs))
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

  return {
    submit(job) {
      return new Promise((resolve, reject) => {
        if (closed || queue.length >= jobsQueuedMax) {
          reject(
            signerError(
              'SIGNER_BUSY',
              closed ? 'The signer is stopping.' : 'Too many requests wait for the journal.',
            ),
          )
          return
        }
        queue.push({ run: job, resolve, reject })
        running ??= drain()
      })
    },
    async get(kind, key) {
      const loaded = await load(kind, key)
      if (isUnflushed(`${kind} ${key}`)) await settled()
      return loaded?.value as never
    },
    async range(kind, from, to, limit) {
      await settled()
      const rows = await store.range(kind, from, to, limit)
      return rows.map((record) => ({ key: record.key, value: unseal(record).value })) as never
    },
    async openPermit(key) {
      const permit = open.get(key)
      if (unflushed.some(({ batch }) => batch.opened.has(key))) await settled()
      return permit
    },
    nowMs: () => clock.nowMs(),
    async close() {
      closed = true
      while (running !== undefined) await running
      await flushing
    },
  }
}

interface Batch {
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

interface Done {
  readonly job: QueuedJob
  readonly value: unknown
}

interface Written {
  readonly batch: Batch
  readonly done: Done[]
}
