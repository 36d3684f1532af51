import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { decodeHex, encodeBase64, type Hex, type JsonObject } from '@countersign/bytes'
import type { CountersignClient } from '@countersign/sdk'
import {
  documentsBeside,
  encodeEntry,
  encodeEntryBundle,
  encodeNoteKey,
  encodeTilePath,
  inclusionProof,
  isDocument,
  journalOrigin,
  leafHash,
  nodesOfTiles,
  type Tile,
  tileOfRow,
  tileRows,
  tilesOf,
} from '@countersign/wire'
import { cliError } from './catalogue.ts'
import type { JournalExport } from './verify-journal.ts'

/** What `journal.json` of an exported folder says; the folder beside it is a C2SP tlog-tiles log of plain files. */
export interface JournalFolder {
  readonly version: 1
  readonly audience: string
  readonly journalKey: Hex
  /** The log's verifier key, as other tools take it. */
  readonly key: string
}

export interface FolderParts {
  readonly exported: JournalExport
  /** What `/checkpoint` shows: the newest with its cosignatures. */
  readonly witnessed: string
  /** By SHA-256. */
  readonly documents: ReadonlyMap<string, string>
  /** Entries that get a file of their own with their proof. */
  readonly prove: readonly number[]
}

/** Fetches what stands beside the entries. @throws {CountersignError} CLI_VERIFICATION_FAILED */
export async function fetchDocuments(
  client: CountersignClient,
  { entries }: JournalExport,
): Promise<ReadonlyMap<string, string>> {
  const documents = new Map<string, string>()
  for (const entry of entries) {
    for (const digest of documentsBeside(entry as unknown as JsonObject)) {
      if (documents.has(digest)) continue
      const { text } = await client.journal.document(digest)
      if (!isDocument(text, digest))
        throw cliError(
          'CLI_VERIFICATION_FAILED',
          `The document ${digest} is not the one that its entry names.`,
        )
      documents.set(digest, text)
    }
  }
  return documents
}

/** Writes a folder that any client of tlog-tiles can read. The entries were verified before.
 * @throws {CountersignError} CLI_FILE_EXISTS */
export async function writeJournalFolder(
  folder: string,
  { exported, witnessed, documents, prove }: FolderParts,
): Promise<{ readonly files: number }> {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw cliError('CLI_FILE_EXISTS', `${folder} is not empty.`)
  }
  let files = 0
  const write = (path: string, content: string | Uint8Array) => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, content, { mode: 0o600, flag: 'wx' })
    files++
  }
  const { audience, journalKey, checkpoint, entries } = exported
  const name = journalOrigin(audience)
  const key = encodeNoteKey({ name, publicKey: decodeHex(journalKey, 'journalKey', 32) })
  const about: JournalFolder = { version: 1, audience, journalKey, key }
  write('journal.json', `${JSON.stringify(about, null, 2)}\n`)
  const isSameTree = witnessed.startsWith(`${checkpoint.split('\n\n')[0]}\n\n`)
  write('checkpoint', isSameTree ? witnessed : checkpoint)
  if (!isSameTree) write('checkpoint.witnessed', witnessed)

  const leaves = entries.map((entry) => encodeEntry(entry))
  const rows = tileRows(leaves.map(leafHash))
  for (const tile of tilesOf(entries.length)) {
    write(encodeTilePath(tile).slice(1), bytesOf(tile, { rows, leaves }))
  }
  for (const [digest, text] of documents) write(`documents/${digest.slice(2)}.json`, text)
  const node = nodesOfTiles(entries.length, async (tile) => tileOfRow(rows[tile.level] ?? [], tile))
  for (const index of prove) {
    const path = await inclusionProof(index, entries.length, node)
    write(`proofs/${index}.tlog-proof`, encodeTlogProof({ index, path, checkpoint }))
  }
  return { files }
}

function bytesOf(
  tile: Tile,
  {
    rows,
    leaves,
  }: { readonly rows: readonly (readonly Uint8Array[])[]; readonly leaves: readonly Uint8Array[] },
): Uint8Array {
  if (tile.level !== 'entries') return tileOfRow(rows[tile.level] ?? [], tile)
  const start = tile.index * 256
  return encodeEntryBundle(leaves.slice(start, start + tile.width))
}

const proofHead = 'c2sp.org/tlog-proof@v1'

/** C2SP tlog-proof: an index, a path and a checkpoint. The entry itself is in its bundle. */
function encodeTlogProof({
  index,
  path,
  checkpoint,
}: {
  readonly index: number
  readonly path: readonly Uint8Array[]
  readonly checkpoint: string
}): string {
  return [proofHead, `index ${index}`, ...path.map((hash) => encodeBase64(hash)), '', checkpoint].join('\n')
}

/** @returns undefined where it is no such proof. */
export function parseTlogProof(
  text: string,
): { readonly index: number; readonly hashes: readonly string[]; readonly checkpoint: string } | undefined {
  const split = text.indexOf('\n\n')
  const [head, indexLine, ...hashes] = text.slice(0, split).split('\n')
  const index = Number(/^index (0|[1-9][0-9]{0,15})$/.exec(indexLine ?? '')?.[1])
  if (split === -1 || head !== proofHead || !Number.isSafeInteger(index) || hashes.length > 63)
    return undefined
  return { index, hashes, checkpoint: text.slice(split + 2) }
}

/** Reads files of a folder by their path in it; what is too large is as good as missing. */
export function openJournalFolder(folder: string): {
  readonly about: JournalFolder
  read(path: string): Uint8Array | undefined
  text(path: string): string | undefined
  list(path: string): readonly string[]
} {
  const read = (path: string) => {
    const file = join(folder, path)
    const found = statSync(file, { throwIfNoEntry: false })
    if (found?.isFile() !== true || found.size > fileBytesMax) return undefined
    return new Uint8Array(readFileSync(file))
  }
  const text = (path: string) => {
    const bytes = read(path)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
  }
  return {
    about: aboutOf(text('journal.json'), folder),
    read,
    text,
    list: (path) => (existsSync(join(folder, path)) ? readdirSync(join(folder, path)).sort() : []),
  }
}

const fileBytesMax = 20_000_000

/** @throws {CountersignError} CLI_FILE_UNREADABLE */
function aboutOf(text: string | undefined, folder: string): JournalFolder {
  try {
    const about = JSON.parse(text ?? '') as Partial<JournalFolder>
    const { version, audience, journalKey, key } = about
    if (
      version === 1 &&
      typeof audience === 'string' &&
      typeof journalKey === 'string' &&
      typeof key === 'string'
    )
      return { version, audience, journalKey, key }
  } catch {
    // Said below.
  }
  throw cliError('CLI_FILE_UNREADABLE', `${folder} is no export of a journal: it has no journal.json.`)
}
