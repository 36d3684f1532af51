import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { decodeBase64, decodeBase64Url, encodeBase64, isCountersignError, isEqual } from '@countersign/bytes'
import {
  type Checkpoint,
  decodeCheckpoint,
  decodeHashes,
  emptyRoot,
  encodeCosignature,
  encodeWitnessKey,
  type NoteKey,
  parseNote,
  parseWitnessKey,
  verifyCheckpoint,
  verifyConsistency,
} from '@countersign/wire'
import { cliError } from '../catalogue.ts'
import { writeOwnFile } from '../settings.ts'

/** What a witness answers: C2SP tlog-witness `add-checkpoint`. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422
  readonly type: string
  readonly body: string
}

export interface Witness {
  readonly key: NoteKey
  /** The text that logs and readers are configured with. */
  readonly verifierKey: string
  /** What it has cosigned last; undefined: nothing of this log. */
  seen(origin: string): Checkpoint | undefined
  /** @param body As it is posted. Durable before it returns. */
  addCheckpoint(body: string): WitnessAnswer
  /** Pairs of checkpoints that one log has signed and that cannot both be true: proof against it, for anybody. */
  evidence(): readonly Evidence[]
  close(): void
}

export interface Evidence {
  readonly at: string
  readonly why: string
  readonly note: string
  /** What was seen before. */
  readonly seen: string
}

export interface WitnessOptions {
  readonly folder: string
  /** Whom it witnesses. */
  readonly logs: readonly NoteKey[]
  readonly nowMs?: () => number
  /** A log's own signature is under two trees of one size. */
  readonly onMisbehaviour?: (why: string) => void
}

export const witnessBodyCharsMax = 65_536
const proofHashesMax = 63
const evidenceMax = 1_000
const keyFile = 'witness.json'
const othersMode = 0o077
const plain = 'text/plain; charset=utf-8'

interface KeyFile {
  readonly version: 1
  readonly key: string
  /** Base64, PKCS #8. */
  readonly privateKey: string
}

/** Makes a witness's key. @throws {CountersignError} CLI_FILE_EXISTS, WIRE_WITNESS_KEY_INVALID */
export function createWitness(folder: string, name: string): { readonly verifierKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const bytes = decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '')
  const key = encodeWitnessKey({ name, publicKey: bytes })
  const file: KeyFile = {
    version: 1,
    key,
    privateKey: encodeBase64(new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }))),
  }
  writeOwnFile(join(folder, keyFile), `${JSON.stringify(file, null, 2)}\n`)
  return { verifierKey: key }
}

/**
 * A witness: says of a log's checkpoint that it has seen it, and only of one that continues the last one that it said
 * it of. That one is on disk before the cosignature leaves, under SQLite's own lock, so that not even a second process
 * on the same folder can make it say two things.
 * @throws {CountersignError} CLI_FILE_UNREADABLE */
export function openWitness(options: WitnessOptions): Witness {
  const { folder, logs, nowMs = Date.now, onMisbehaviour = () => undefined } = options
  const { verifierKey, key, signBytes } = readKey(join(folder, keyFile))
  const database = openDatabase(join(folder, 'witness.db'))
  const latest = database.prepare('SELECT size, root, note FROM seen WHERE origin = ?')
  const store = database.prepare(
    'INSERT INTO seen (origin, size, root, note) VALUES (?, ?, ?, ?) ' +
      'ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note',
  )
  const addEvidence = database.prepare(
    'INSERT INTO evidence (at, why, note, seen) SELECT ?, ?, ?, ? WHERE (SELECT count(*) FROM evidence) < ? ' +
      'AND NOT EXISTS (SELECT 1 FROM evidence WHERE note = ?)',
  )

  function rowOf(origin: string) {
    return latest.get(origin) as { size: number; root: Uint8Array; note: string } | undefined
  }

  function misbehaved(note: string, seen: string, why: string): void {
    addEvidence.run(new Date(nowMs()).toISOString(), why, note, seen, evidenceMax, note)
    onMisbehaviour(why)
  }

  function add({ old, hashes, note }: AddCheckpoint): WitnessAnswer {
    const { text } = parseNote(note)
    const { origin } = decodeCheckpoint(text)
    const log = logs.find(({ name }) => name === origin)
    if (log === undefined) return answer(404, 'This witness does not know the log.\n')
    let checkpoint: Checkpoint
    try {
      checkpoint = verifyCheckpoint(note, log)
    } catch {
      return answer(403, 'The checkpoint is not signed by the log.\n')
    }
    const { size, root } = checkpoint
    if (old > size) return answer(400, 'The old size is larger than the checkpoint.\n')
    const before = rowOf(origin)
    const known = before?.size ?? 0
    const conflict: WitnessAnswer = { status: 409, type: 'text/x.tlog.size', body: `${known}\n` }
    if (before !== undefined && size === before.size && !isEqual(root, before.root)) {
      misbehaved(note, before.note, `${origin} has signed two trees of ${size} entries.`)
      return conflict
    }
    // An older checkpoint proves nothing against the log: anybody can send one that it has signed long ago.
    if (old !== known) return conflict
    const claim = { from: old, to: size, fromRoot: before?.root ?? emptyRoot(), toRoot: root }
    if (!verifyConsistency(claim, hashes)) {
      return answer(
        422,
        `The proof does not show that the tree of ${size} entries continues the one of ${old}.\n`,
      )
    }
    const timestampS = Math.floor(nowMs() / 1_000)
    const line = encodeCosignature(text, { witness: key, timestampS, sign: signBytes })
    store.run(origin, size, root, note)
    return answer(200, line)
  }

  return {
    key,
    verifierKey,
    seen(origin) {
      const row = rowOf(origin)
      return row === undefined ? undefined : { origin, size: row.size, root: row.root }
    },
    addCheckpoint(body) {
      const parsed = parseAddCheckpoint(body)
      if (parsed === undefined) return answer(400, 'The body is not that of add-checkpoint.\n')
      database.exec('BEGIN IMMEDIATE')
      try {
        const result = add(parsed)
        database.exec('COMMIT')
        return result
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        if (isCountersignError(error)) return answer(400, `${error.message}\n`)
        throw error
      }
    },
    evidence: () =>
      database
        .prepare('SELECT at, why, note, seen FROM evidence ORDER BY rowid')
        .all() as unknown as Evidence[],
    close: () => database.close(),
  }
}

interface AddCheckpoint {
  readonly old: number
  readonly hashes: readonly Uint8Array[]
  readonly note: string
}

function parseAddCheckpoint(body: string): AddCheckpoint | undefined {
  if (body.length > witnessBodyCharsMax) return undefined
  const split = body.indexOf('\n\n')
  if (split === -1) return undefined
  const [oldLine, ...lines] = body.slice(0, split).split('\n')
  const old = Number(/^old (0|[1-9][0-9]{0,15})$/.exec(oldLine ?? '')?.[1])
  if (!Number.isSafeInteger(old) || lines.length > proofHashesMax) return undefined
  const hashes = decodeHashes(lines)
  return hashes === undefined ? undefined : { old, hashes, note: body.slice(split + 2) }
}

/** The body of the same: what a log's side sends. */
export function encodeAddCheckpoint({ old, hashes, note }: AddCheckpoint): string {
  return [`old ${old}`, ...hashes.map((hash) => encodeBase64(hash)), '', note].join('\n')
}

function answer(status: WitnessAnswer['status'], body: string): WitnessAnswer {
  return { status, type: plain, body }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5_000 })
  database.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;')
  database.exec(`
    CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS evidence (at TEXT NOT NULL, why TEXT NOT NULL, note TEXT NOT NULL, seen TEXT NOT NULL) STRICT;
  `)
  return database
}

function readKey(path: string) {
  try {
    if (process.platform !== 'win32' && (statSync(path).mode & othersMode) !== 0) throw new Error('exposed')
    const { key: verifierKey, privateKey } = JSON.parse(readFileSync(path, 'utf8')) as KeyFile
    const der = Buffer.from(decodeBase64(privateKey, 'privateKey'))
    const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    const signBytes = (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, secret))
    return { verifierKey, key: parseWitnessKey(verifierKey), signBytes }
  } catch {
    throw cliError('CLI_FILE_UNREADABLE', `${path} is not a witness’s key that only its owner can read.`, {
      fix: 'Make one with `countersign witness init`, and keep its file at mode 0600.',
    })
  }
}
