import { CountersignError } from '@countersign/bytes'
import { signerError } from './catalogue.ts'
import type { Clock } from './clock.ts'
import type { Journal, JournalState } from './journal.ts'
import { type Batch, idOf, type Known, type LedgerTx, type Loaded, openTx } from './ledger-tx.ts'
import type { OpenPermit, RecordKind, RecordSeal, Records } from './records.ts'
import { CommitInDoubt, type Store, type StoredRecord, StoreMoved } from './store.ts'

export type { Appended, LedgerTx } from './ledger-tx.ts'

/** Requests that share one commit. */
const jobsPerBatchMax = 256
const jobsQueuedMax = 4_096
const cachedRecordsMax = 50_000
const prunedPerBatchMax = 256
const pruneEveryMs = 1_000
/** Turns of the event loop that a batch waits for more jobs, for as long as they come: a commit has its own price. */
const turnsAwaited = 3
/** Batches that are written and wait for the disk. More would be smaller ones, and each has its own price. */
const unflushedMax = 2

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

  /** At once where it is in memory, as almost everything is that is asked for again and again. */
  function load(id: string, kind: RecordKind, key: string): Known | Promise<Known> {
    return cache.get(id) ?? read(id, kind, key)
  }

  async function read(id: string, kind: RecordKind, key: string): Promise<Known> {
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
    // Long, and read by auditors only.
    if (loaded.record.kind === 'document') return
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
        while (unflushed.length >= unflushedMax) await oneFlushed()
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
      const tx = openTx(batch, { store, journal, load, unseal, open })
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
      const found = batch.absent.has(id) ? undefined : load(id, kind, key)
      const before = found instanceof Promise ? await found : found
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
    // It was decided over what the disk has lost since.
    if (broken !== undefined) throw broken
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
        // Written while the flush before it failed: the disk may say yes now, but not for the pages that it has lost.
        if (broken !== undefined) throw broken
        await store.flush()
        await options.at?.('after-commit')
      } catch (error) {
        const why = error instanceof Error ? error.message : 'unknown'
        broken ??= refusalOf(error instanceof CommitInDoubt ? error : new CommitInDoubt(why))
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

  /**
   * The store and the cache show what is written before it is on disk: nobody outside a job may read it until then.
   * Waits for what is written now and no longer: under load there is always a later batch.
   */
  async function settled(): Promise<void> {
    const last = unflushed.at(-1)
    if (last !== undefined) {
      await new Promise<void>((resolve, reject) =>
        last.done.push({ job: { resolve, reject }, value: undefined }),
      )
    }
    if (broken !== undefined) throw broken
  }

  /** Resolves when the oldest batch is on disk, or refused. */
  function oneFlushed(): Promise<void> {
    return new Promise((resolve) =>
      unflushed[0]?.done.push({ job: { resolve, reject: () => resolve() }, value: undefined }),
    )
  }

  function isUnflushed(id: string): boolean {
    return unflushed.some(({ batch }) => batch.staged.has(id))
  }

  /** Idempotency records have an end; they go a few at a time, beside work that is committed anyway. */
  async function prune(batch: Batch): Promise<void> {
    const expired = await store.expired(batch.nowMs, prunedPerBatchMax)
    for (const record of expired) {
      const id = idOf(record.kind, record.key)
      if (batch.staged.has(id)) continue
      // The store says which; only the record itself, which has a MAC, can say that its time is over.
      const expiresMs = (await load(id, record.kind as RecordKind, record.key))?.record.expiresMs
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
      const id = idOf(kind, key)
      const loaded = await load(id, kind, key)
      if (isUnflushed(id)) await settled()
      if (broken !== undefined) throw broken
      return loaded?.value as never
    },
    async range(kind, from, to, limit) {
      const rows = await store.range(kind, from, to, limit)
      // After the look: what is written between a wait and a look would be seen too early.
      await settled()
      return rows.map((record) => ({ key: record.key, value: unseal(record).value })) as never
    },
    async openPermit(key) {
      const permit = open.get(key)
      if (unflushed.some(({ batch }) => batch.opened.has(key))) await settled()
      if (broken !== undefined) throw broken
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

interface Done {
  readonly job: Pick<QueuedJob, 'resolve' | 'reject'>
  readonly value: unknown
}

interface Written {
  readonly batch: Batch
  readonly done: Done[]
}
