import { CountersignError, encodeUtf8 } from '@countersign/bytes'
import { leafHash } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { Clock } from './clock.ts'
import type { Journal, JournalEntry, JournalFrontier } from './journal.ts'
import type { RecordKind, RecordSeal, Records } from './records.ts'
import { CommitInDoubt, type Store, type StoredRecord, StoreMoved } from './store.ts'

/** Requests that share one commit. */
const jobsPerBatchMax = 256
const jobsQueuedMax = 4_096
const cachedRecordsMax = 50_000
const prunedPerBatchMax = 256
const pruneEveryMs = 1_000

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
  /** @returns the entry's index, final once the job's promise resolves. */
  append(entry: JournalEntry): { index: number; leaf: string }
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
  nowMs(): number
  /** Resolves when nothing is in flight; later submits are refused. */
  close(): Promise<void>
}

interface LedgerOptions {
  readonly store: Store
  readonly seal: RecordSeal
  readonly journal: Journal
  readonly clock: Clock
  /** Digest of the set of all records, as checked at start. */
  readonly setDigest: Uint8Array
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

export function openLedger(options: LedgerOptions): Ledger {
  const { store, seal, journal, clock } = options
  const setDigest = options.setDigest.slice()
  const cache = new Map<string, Loaded>()
  const queue: QueuedJob[] = []
  let running: Promise<void> | undefined
  let closed = false
  let prunedAtMs = 0
  let commits = 0
  let committing: Promise<void> | undefined

  async function load(kind: RecordKind, key: string): Promise<Known> {
    const id = `${kind} ${key}`
    const hit = cache.get(id)
    if (hit !== undefined) {
      cache.delete(id)
      cache.set(id, hit)
      return hit
    }
    const commitsBefore = commits
    const record = await store.get(kind, key)
    if (record === undefined) return undefined
    const loaded = unseal(record)
    // Read outside a job, it may have been overtaken by a commit, whose version is then the one to remember.
    if (commits === commitsBefore) remember(id, loaded)
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
        await new Promise<void>((next) => setImmediate(next))
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
      nowMs = clock.nowMs()
    } catch (error) {
      for (const job of jobs) job.reject(error)
      return
    }
    const batch: Batch = {
      nowMs,
      staged: new Map(),
      absent: new Set(),
      leaves: [],
      frontier: journal.frontier(),
    }
    const done: (() => void)[] = []
    const doneJobs: QueuedJob[] = []
    for (const job of jobs) {
      const tx = openTx(batch)
      try {
        const value = await job.run(tx)
        tx.merge()
        done.push(() => job.resolve(value as never))
        doneJobs.push(job)
      } catch (error) {
        job.reject(error)
      }
    }
    try {
      if (batch.staged.size > 0 || batch.leaves.length > 0) await commit(batch)
    } catch (error) {
      const refusal = refusalOf(error)
      for (const job of doneJobs) job.reject(refusal)
      return
    }
    for (const resolve of done) resolve()
  }

  function refusalOf(error: unknown): unknown {
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

  async function commit(batch: Batch): Promise<void> {
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
    const { size, nodes, checkpoint } = journal.prepare(batch.frontier, batch.leaves)
    const stateMac = seal.headMac({ setDigest: nextDigest, checkpoint, timeMs: batch.nowMs })
    const head = { size, checkpoint, stateMac, timeMs: batch.nowMs }
    const leaves = batch.leaves.map(({ leaf }) => leaf)
    const settle = async () => {
      await options.at?.('before-commit')
      await store.commit({ sizeBefore: size - leaves.length, puts, deletes, leaves, nodes, head })
      commits++
      await options.at?.('after-commit')
      journal.adopt(batch.frontier, checkpoint)
      setDigest.set(nextDigest)
      for (const [id, loaded] of fresh) {
        if (loaded === undefined || isSettled(loaded)) cache.delete(id)
        else remember(id, loaded)
      }
    }
    committing = settle()
    try {
      await committing
    } finally {
      committing = undefined
    }
  }

  /** The store shows a commit before it is on disk: nobody outside a job may read it until then. */
  async function settled(): Promise<void> {
    while (committing !== undefined) await committing.catch(() => undefined)
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
    const leaves: { leaf: string; hash: Uint8Array }[] = []
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
        const leaf = journal.leafOf(entry, batch.nowMs)
        const index = batch.frontier.size + batch.leaves.length + leaves.length
        leaves.push({ leaf, hash: leafHash(encodeUtf8(leaf)) })
        return { index, leaf }
      },
      merge() {
        for (const [id, change] of staged) batch.staged.set(id, change)
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
      if (!cache.has(`${kind} ${key}`)) await settled()
      return (await load(kind, key))?.value as never
    },
    async range(kind, from, to, limit) {
      await settled()
      const rows = await store.range(kind, from, to, limit)
      return rows.map((record) => ({ key: record.key, value: unseal(record).value })) as never
    },
    nowMs: () => clock.nowMs(),
    async close() {
      closed = true
      while (running !== undefined) await running
    },
  }
}

/** A request that has its answer is hardly ever asked for again; keeping thousands only makes the heap old. */
function isSettled({ record, value }: Loaded): boolean {
  return record.kind === 'request' && (value as Records['request']).state !== 'pending'
}

interface Batch {
  readonly nowMs: number
  readonly staged: Map<string, Staged>
  /** Looked for in this batch and not there: saves looking again. */
  readonly absent: Set<string>
  readonly leaves: { leaf: string; hash: Uint8Array }[]
  readonly frontier: JournalFrontier
}
