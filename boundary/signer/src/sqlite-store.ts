import { chmodSync, closeSync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { signerError } from './catalogue.ts'
import { openDisk } from './disk.ts'
import type { Store, StoreBatch, StoredHead, StoredRecord, StoredSegment } from './store.ts'
import { CommitInDoubt, StoreMoved } from './store.ts'

const schemaVersion = 2
// `record` keeps its rowid: values are appended side by side and only the small index is written at random, which
// halves the cost of a commit against a table that is clustered by its key. The check at start and every look-up go
// by the same index, `record_key`: a row that the index leaves out, or an older one that it points to, is no more
// there for the one than for the other.
// A segment is one row and its entries are lines: a commit appends to the end of the file, whatever the journal's size.
const schema = `
CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, mac BLOB NOT NULL, expires_ms INTEGER) STRICT;
CREATE UNIQUE INDEX record_key ON record (kind, key);
CREATE INDEX record_expiry ON record (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE TABLE segment (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, entries TEXT NOT NULL, checkpoint TEXT NOT NULL) STRICT;
CREATE TABLE tile (level INTEGER NOT NULL, i INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, i)) STRICT;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, checkpoint TEXT NOT NULL,
  state_mac BLOB NOT NULL, time_ms INTEGER NOT NULL, open_from INTEGER NOT NULL) STRICT;
PRAGMA user_version = ${schemaVersion};
`

/** SQLite walks its whole cache at each commit: 64 MiB cost 5 µs a signature more, and the ledger caches records itself. */
const cacheKib = 16_384
/** Pages of 4 KiB in the log before they move into the database: a longer log writes hot pages back less often. */
const checkpointPages = 16_000
const busyTimeoutMs = 250

/**
 * SQLite in WAL mode: what was written is on disk when a flush resolves (docs/decisions/0009-durable-commits.md). The file is locked for as long
 * as it is open (locking_mode EXCLUSIVE), so neither a second signer nor a tool can write beside this one.
 * @param path A file, or `:memory:` for a signer that keeps nothing.
 * @throws {CountersignError} SIGNER_STORE_LOCKED, SIGNER_STORE_FAILED */
export function openSqliteStore(path: string): Store {
  const database = openDatabase(path)
  const statements = prepare(database)
  const log = openLogSync(path)
  return {
    async get(kind, key) {
      return toRecord(statements.get.get(kind, key))
    },
    async range(kind, from, to, limit) {
      return statements.range.all(kind, from, to, limit).map(toRecordSurely)
    },
    async expired(nowMs, limit) {
      return statements.expired.all(nowMs, limit).map(toRecordSurely)
    },
    *records() {
      for (const row of statements.records.iterate()) yield toRecordSurely(row)
    },
    async segments(start, limit) {
      return statements.segments.all(start, limit).map(toSegment)
    },
    async tile(level, index) {
      return (statements.tile.get(level, index) as { hashes: Uint8Array } | undefined)?.hashes
    },
    async head() {
      return readHead(statements.head)
    },
    async write(batch) {
      write(database, statements, batch)
    },
    flush: () => log.sync(),
    async close() {
      log.close()
      database.close()
    },
  }
}

/**
 * Waits for the disk: see `openDisk` for where.
 * A failure leaves the commit in doubt: the signer halts. */
function openLogSync(path: string): { sync(): Promise<void>; close(): void } {
  if (path === ':memory:') return { sync: async () => undefined, close: () => undefined }
  const disk = openDisk()
  let log: number | undefined
  return {
    async sync() {
      if (log === undefined) {
        log = openSync(`${path}-wal`, 'r+')
        // The log's name must be on disk too. It is made once, and stays.
        const directory = openSync(dirname(path), 'r')
        fsyncSync(directory)
        closeSync(directory)
      }
      try {
        await disk.flush(log)
      } catch (error) {
        throw new CommitInDoubt(error instanceof Error ? error.message : 'unknown')
      }
    },
    close() {
      if (log !== undefined) closeSync(log)
      log = undefined
    },
  }
}

function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    if (path !== ':memory:') chmodSync(path, 0o600)
    // EXCLUSIVE before WAL: the shared-memory file is then never made, and the lock is taken at the first read.
    // NORMAL leaves exactly one of FULL's syncs out, that of the log after a commit: `openLogSync` makes it, apart
    // from the commit. Those around a checkpoint stay SQLite's own.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;')
    database.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages};`)
    database.exec(`PRAGMA cache_size = -${cacheKib}; PRAGMA temp_store = MEMORY; BEGIN EXCLUSIVE;`)
    const version = (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
    if (version === 0) database.exec(schema)
    else if (version !== schemaVersion) {
      throw signerError(
        'SIGNER_CONFIG_INVALID',
        `The signer’s database has version ${version}; this signer reads and writes version ${schemaVersion} only.`,
      )
    }
    checkSchema(database)
    database.exec('COMMIT')
    return database
  } catch (cause) {
    database?.close()
    if (isSqliteError(cause) && (cause.errcode === 5 || cause.errcode === 6 || cause.errcode === 261)) {
      throw signerError('SIGNER_STORE_LOCKED', 'Another process has the signer’s database open.', { cause })
    }
    if (isSqliteError(cause)) {
      throw signerError('SIGNER_STORE_FAILED', `The signer’s database cannot be opened: ${cause.message}.`, {
        cause,
      })
    }
    throw cause
  }
}

/**
 * A view, a trigger or a table without its primary key could show one state to the check at start and another
 * later, or two versions of one record that cancel out in the set digest. So the schema is ours to the letter.
 * @throws {CountersignError} SIGNER_STORE_TAMPERED */
function checkSchema(database: DatabaseSync): void {
  const list = 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name'
  const own = new DatabaseSync(':memory:')
  own.exec(schema)
  const expected = new Set(
    own
      .prepare(list)
      .all()
      .map((row) => JSON.stringify(row)),
  )
  own.close()
  for (const row of database.prepare(list).all()) {
    if (expected.delete(JSON.stringify(row))) continue
    const { type, name } = row as { type: string; name: string }
    throw signerError(
      'SIGNER_STORE_TAMPERED',
      `The ${type} ${name} of the signer’s database was added or changed outside the signer.`,
    )
  }
  for (const missing of expected) {
    const { type, name } = JSON.parse(missing) as { type: string; name: string }
    throw signerError('SIGNER_STORE_TAMPERED', `The ${type} ${name} of the signer’s database is missing.`)
  }
}

function isSqliteError(error: unknown): error is Error & { errcode: number } {
  return error instanceof Error && (error as { code?: string }).code === 'ERR_SQLITE_ERROR'
}

function prepare(database: DatabaseSync) {
  const columns = 'kind, key, value, mac, expires_ms'
  return {
    get: database.prepare(`SELECT ${columns} FROM record INDEXED BY record_key WHERE kind = ? AND key = ?`),
    range: database.prepare(
      `SELECT ${columns} FROM record INDEXED BY record_key WHERE kind = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`,
    ),
    expired: database.prepare(
      `SELECT ${columns} FROM record WHERE expires_ms < ? ORDER BY expires_ms LIMIT ?`,
    ),
    records: database.prepare(`SELECT ${columns} FROM record INDEXED BY record_key ORDER BY kind, key`),
    put: database.prepare(
      'INSERT INTO record (kind, key, value, mac, expires_ms) VALUES (?, ?, ?, ?, ?) ' +
        'ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, mac = excluded.mac, expires_ms = excluded.expires_ms',
    ),
    remove: database.prepare('DELETE FROM record WHERE kind = ? AND key = ?'),
    segments: database.prepare(
      'SELECT first, count, entries, checkpoint FROM segment ' +
        'WHERE first >= ifnull((SELECT max(first) FROM segment WHERE first <= ?), 0) ORDER BY first LIMIT ?',
    ),
    addSegment: database.prepare(
      'INSERT INTO segment (first, count, entries, checkpoint) VALUES (?, ?, ?, ?)',
    ),
    tile: database.prepare('SELECT hashes FROM tile WHERE level = ? AND i = ?'),
    // A tile that somebody has put in ahead of its time must not stop the journal.
    addTile: database.prepare('INSERT OR REPLACE INTO tile (level, i, hashes) VALUES (?, ?, ?)'),
    head: database.prepare('SELECT size, checkpoint, state_mac, time_ms, open_from FROM head'),
    addHead: database.prepare(
      'INSERT INTO head (one, size, checkpoint, state_mac, time_ms, open_from) VALUES (1, ?, ?, ?, ?, ?)',
    ),
    setHead: database.prepare(
      'UPDATE head SET size = ?, checkpoint = ?, state_mac = ?, time_ms = ?, open_from = ? WHERE size = ?',
    ),
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
  }
}

function write(database: DatabaseSync, statements: ReturnType<typeof prepare>, batch: StoreBatch): void {
  statements.begin.run()
  try {
    setHead(statements, batch)
    for (const { kind, key, value, mac, expiresMs } of batch.puts) {
      statements.put.run(kind, key, value, mac, expiresMs ?? null)
    }
    for (const { kind, key } of batch.deletes) statements.remove.run(kind, key)
    const { segment } = batch
    if (segment !== undefined) {
      const { first, entries, checkpoint } = segment
      statements.addSegment.run(first, entries.length, entries.join('\n'), checkpoint)
    }
    for (const { level, index, hashes } of batch.tiles) statements.addTile.run(level, index, hashes)
    statements.commit.run()
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** @throws {StoreMoved} where the head is not the one that the batch was made for. */
function setHead(statements: ReturnType<typeof prepare>, { head, sizeBefore }: StoreBatch): void {
  const { size, checkpoint, stateMac, timeMs, openFrom } = head
  const { changes } = statements.setHead.run(size, checkpoint, stateMac, timeMs, openFrom, sizeBefore)
  if (changes === 1) return
  const found = readHead(statements.head)
  if (found !== undefined || sizeBefore !== 0) {
    throw new StoreMoved(
      `the store holds ${found?.size ?? 0} journal entries where ${sizeBefore} were expected`,
    )
  }
  statements.addHead.run(size, checkpoint, stateMac, timeMs, openFrom)
}

function toSegment(row: unknown): StoredSegment {
  const { first, count, entries, checkpoint } = row as Record<string, unknown> & {
    first: number
    entries: string
    checkpoint: string
  }
  const lines = entries.split('\n')
  if (lines.length === count) return { first, entries: lines, checkpoint }
  throw signerError(
    'SIGNER_JOURNAL_TAMPERED',
    `The journal’s segment at entry ${first} has ${lines.length} entries where it says ${count}: it was changed.`,
  )
}

interface RecordRow {
  kind: string
  key: string
  value: string
  mac: Uint8Array
  expires_ms: number | null
}

function toRecord(row: unknown): StoredRecord | undefined {
  return row === undefined ? undefined : toRecordSurely(row)
}

function toRecordSurely(row: unknown): StoredRecord {
  const { kind, key, value, mac, expires_ms } = row as RecordRow
  return { kind, key, value, mac, expiresMs: expires_ms ?? undefined }
}

function readHead(statement: StatementSync): StoredHead | undefined {
  const row = statement.get() as
    | { size: number; checkpoint: string; state_mac: Uint8Array; time_ms: number; open_from: number }
    | undefined
  if (row === undefined) return undefined
  const { size, checkpoint, state_mac, time_ms, open_from } = row
  return { size, checkpoint, stateMac: state_mac, timeMs: time_ms, openFrom: open_from }
}
