import { isEqual, type JsonObject } from '@countersign/bytes'
import {
  decodeEntryBundle,
  encodeTilePath,
  leafHash,
  nodesOfTiles,
  rootAt,
  type Tile,
  tileOfRow,
  tileRows,
  tilesOf,
  tileWidthMax,
} from '@countersign/wire'
import type { openJournalFolder } from './journal-folder.ts'
import type { Report } from './verify-folder.ts'

/** The tree that an export's entries make, whatever its hash tiles say. */
export interface FolderTree {
  readonly leaves: readonly Uint8Array[]
  readonly entries: readonly JsonObject[]
  /** Of the first so many entries; there must be as many. */
  rootAt(size: number): Promise<Uint8Array>
}

type Files = ReturnType<typeof openJournalFolder>

/** Entries first, then every hash tile against what they make. */
export function readFolderTree(files: Files, size: number, report: Report): FolderTree {
  const { leaves, entries } = readEntries(files, size, report)
  const rows = tileRows(leaves)
  // As many tiles as there are entries for: a size alone, which anybody can write, must not cost anything.
  for (const tile of tilesOf(Math.min(size, leaves.length))) {
    if (tile.level !== 'entries') checkTile(files, { ...tile, level: tile.level }, { rows, report })
  }
  const node = nodesOfTiles(leaves.length, async (tile) => tileOfRow(rows[tile.level] ?? [], tile))
  return { leaves, entries, rootAt: (before) => rootAt(before, node) }
}

function readEntries(files: Files, size: number, report: Report): Pick<FolderTree, 'leaves' | 'entries'> {
  const leaves: Uint8Array[] = []
  const entries: JsonObject[] = []
  for (let first = 0; first < size; first += tileWidthMax) {
    const width = Math.min(tileWidthMax, size - first)
    const path = encodeTilePath({ level: 'entries', index: first / tileWidthMax, width }).slice(1)
    const bytes = files.read(path)
    if (bytes === undefined) {
      report('tile-missing', path, 'The file is not there.')
      break
    }
    try {
      const bundle = decodeEntryBundle(bytes, width)
      const parsed = bundle.map((entry) => JSON.parse(Buffer.from(entry).toString('utf8')) as JsonObject)
      leaves.push(...bundle.map(leafHash))
      entries.push(...parsed)
    } catch (error) {
      report('bundle-malformed', path, error instanceof Error ? error.message : 'It cannot be read.')
      break
    }
  }
  return { leaves, entries }
}

function checkTile(
  files: Files,
  tile: Tile & { readonly level: number },
  { rows, report }: { readonly rows: readonly (readonly Uint8Array[])[]; readonly report: Report },
): void {
  const path = encodeTilePath(tile).slice(1)
  const bytes = files.read(path)
  if (bytes === undefined) {
    report('tile-missing', path, 'The file is not there.')
    return
  }
  const own = tileOfRow(rows[tile.level] ?? [], tile)
  if (isEqual(bytes, own)) return
  const at = own.findIndex((byte, i) => byte !== bytes[i])
  const first = tile.index * tileWidthMax + Math.floor(Math.max(0, at) / 32)
  if (tile.level === 0) report('entry-altered', path, `Entry ${first} and its hash in the tile do not fit.`)
  else report('tile-altered', path, 'It is not made of the tiles below it.')
}
