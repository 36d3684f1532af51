import { chmodSync, closeSync, fdatasync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { signerError } from './catalogue.ts'
import type { Store, StoreBatch, StoredHead, StoredRecord } from './store.ts'
import { CommitInDoubt, StoreMoved } from './store.ts'

const schemaVersion = 1
// `record` keeps its rowid: values are appended side by side and only the small index is written at random, which
// halves the cost of a commit against a table that is clustered by its key. The check at start and every look-up go
// by the same index, `record_key`: a row that the index leaves out, or an older one that it points to, is no more
// there for the one than for the other.
const schema = `
CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, mac BLOB NOT NULL, expires_ms INTEGER) STRICT;
CREATE UNIQUE INDEX record_key ON record (kind, key);
CREATE INDEX record_expiry ON record (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE TABLE leaf (i INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE node (level INTEGER NOT NULL, i INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, i)) WITHOUT ROWID, STRICT;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, checkpoint TEXT NOT NULL,
  state_mac BLOB NOT NULL, time_ms INTEGER NOT NULL) STRICT;
PRAGMA user_version = ${schemaVersion};
`

const cacheKib = 65_536
/** Pages of 4 KiB in the log before they move into the database: a longer log writes hot pages back less often. */
const checkpointPages = 4_000
const busyTimeoutMs = 250

/**
 * SQLite in WAL mode: a commit is on disk when its promise resolves (docs/decisions/0009-durable-commits.md). The file is locked for as long
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
    async leaves(start, limit) {
      return statements.leaves.all(start, limit).map((row, n) => {
        const { i, text } = row as { i: number; text: string }
        if (i === start + n) return text
        throw signerError(
          'SIGNER_JOURNAL_TAMPERED',
          `The journal lacks its entry ${start + n}: the next one that it has is ${i}.`,
        )
      })
    },
    async node(level, index) {
      return (statements.node.get(level, index) as { hash: Uint8Array } | undefined)?.hash
    },
    async head() {
      return readHead(statements.head)
    },
    async commit(batch) {
      commit(database, statements, batch)
      await log.sync()
    },
    async close() {
      log.close()
      database.close()
    },
  }
}

/**
 * Waits for the disk on another thread, while this one goes on with the requests that are not in the batch.
 * A failure leaves the commit in doubt: the signer halts. */
function openLogSync(path: string): { sync(): Promise<void>; close(): void } {
  if (path === ':memory:') return { sync: async () => undefined, close: () => undefined }
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
      const file = log
      await new Promise<void>((resolve, reject) => {
        fdatasync(file, (error) => (error === null ? resolve() : reject(new CommitInDoubt(error.message))))
      })
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
    // NORMAL leaves exactly one of FULL's syncs out, that of the log after a commit: `openLogSync` makes it, off this
    // thread. Those around a checkpoint stay SQLite's own.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;')
    database.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages};`)
    database.exec(`PRAGMA cache_size = -${cacheKib}; PRAGMA temp_store = MEMORY; BEGIN EXCLUSIVE;`)
    const version = (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
    if (version === 0) database.exec(schema)
    else if (version !== schemaVersion) {
      throw signerError(
        'SIGNER_CONFIG_INVALID',
        `The signer’s database has version ${version}; this signer knows ${schemaVersion}.`,
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
    leaves: database.prepare('SELECT i, text FROM leaf WHERE i >= ? ORDER BY i LIMIT ?'),
    append: database.prepare('INSERT INTO leaf (i, text) VALUES (?, ?)'),
    node: database.prepare('SELECT hash FROM node WHERE level = ? AND i = ?'),
    // A node that somebody has put in ahead of its time must not stop the journal.
    addNode: database.prepare('INSERT OR REPLACE INTO node (level, i, hash) VALUES (?, ?, ?)'),
    head: database.prepare('SELECT size, checkpoint, state_mac, time_ms FROM head'),
    setHead: database.prepare(
      'INSERT INTO head (one, size, checkpoint, state_mac, time_ms) VALUES (1, ?, ?, ?, ?) ' +
        'ON CONFLICT (one) DO UPDATE SET size = excluded.size, checkpoint = excluded.checkpoint, ' +
        'state_mac = excluded.state_mac, time_ms = excluded.time_ms',
    ),
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
  }
}

function commit(database: DatabaseSync, statements: ReturnType<typeof prepare>, batch: StoreBatch): void {
  statements.begin.run()
  try {
    const size = readHead(statements.head)?.size ?? 0
    if (size !== batch.sizeBefore) {
      throw new StoreMoved(`the store holds ${size} journal entries where ${batch.sizeBefore} were expected`)
    }
    for (const { kind, key, value, mac, expiresMs } of batch.puts) {
      statements.put.run(kind, key, value, mac, expiresMs ?? null)
    }
    for (const { kind, key } of batch.deletes) statements.remove.run(kind, key)
    let index = batch.sizeBefore
    for (const leaf of batch.leaves) statements.append.run(index++, leaf)
    for (const node of batch.nodes) statements.addNode.run(node.level, node.index, node.hash)
    const { head } = batch
    statements.setHead.run(head.size, head.checkpoint, head.stateMac, head.timeMs)
    statements.commit.run()
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
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
    | { size: number; checkpoint: string; state_mac: Uint8Array; time_ms: number }
    | undefined
  if (row === undefined) return undefined
  return { size: row.size, checkpoint: row.checkpoint, stateMac: row.state_mac, timeMs: row.time_ms }
}
