import { wireError } from './catalogue.ts'

/** Hashes of a whole tile, and entries of a whole bundle: C2SP tlog-tiles. */
export const tileWidthMax = 256
/** A bundle gives each entry's length in two bytes. */
export const bundleEntryBytesMax = 65_535
/** 256 to the seventh is past 2^53. */
const tileLevelMax = 6
const hashBytes = 32
const pathCharsMax = 64

/** One resource of C2SP tlog-tiles: hashes at a level of the tree, or the entries below a tile of level 0. */
export interface Tile {
  readonly level: number | 'entries'
  readonly index: number
  /** 256, or less at the right edge of the tree. */
  readonly width: number
}

const tileForm =
  /^\/tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/

/** One path for one tile: every other spelling is none.
 * @returns undefined where it is not the path of a tile. */
export function parseTilePath(path: string): Tile | undefined {
  if (path.length > pathCharsMax) return undefined
  const [, levelText, indexText = '', widthText] = tileForm.exec(path) ?? []
  if (levelText === undefined) return undefined
  const level: Tile['level'] = levelText === 'entries' ? levelText : Number(levelText)
  if (level !== 'entries' && level > tileLevelMax) return undefined
  const index = Number(indexText.replaceAll(/[x/]/g, ''))
  const width = widthText === undefined ? tileWidthMax : Number(widthText)
  if (widthText !== undefined && width >= tileWidthMax) return undefined
  if (!Number.isSafeInteger(index * tileWidthMax)) return undefined
  const tile = { level, index, width }
  return encodeTilePath(tile) === path ? tile : undefined
}

/** From the root of the log's address on. */
export function encodeTilePath({ level, index, width }: Tile): string {
  const digits = String(index)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  const groups = padded.match(/.{3}/g) ?? []
  const last = groups.pop()
  const above = groups.map((group) => `x${group}/`).join('')
  return `/tile/${level}/${above}${last}${width === tileWidthMax ? '' : `.p/${width}`}`
}

/** Hashes at a level of the tree of `size` leaves: complete subtrees only. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / tileWidthMax ** level)
}

/** Everything that a log of `size` entries serves, each tile at its width for that size; entries last. */
export function* tilesOf(size: number): Generator<Tile> {
  for (let level = 0; level <= tileLevelMax; level++) yield* row(level, hashesAt(level, size))
  yield* row('entries', size)
}

function* row(level: Tile['level'], count: number): Generator<Tile> {
  for (let first = 0; first < count; first += tileWidthMax) {
    yield { level, index: first / tileWidthMax, width: Math.min(tileWidthMax, count - first) }
  }
}

/** @throws {CountersignError} WIRE_TILE_INVALID */
export function decodeHashTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (bytes.length !== width * hashBytes) {
    throw invalid(`The tile has ${bytes.length} bytes; ${width} hashes have ${width * hashBytes}.`)
  }
  return Array.from({ length: width }, (_, i) => bytes.subarray(i * hashBytes, (i + 1) * hashBytes))
}

/** @throws {CountersignError} WIRE_TILE_INVALID */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const { length } of entries) {
    if (length > bundleEntryBytesMax) {
      throw invalid(`An entry of ${length} bytes does not fit into a bundle: ${bundleEntryBytesMax} at most.`)
    }
    size += 2 + length
  }
  const bundle = new Uint8Array(size)
  const view = new DataView(bundle.buffer)
  let at = 0
  for (const entry of entries) {
    view.setUint16(at, entry.length)
    bundle.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bundle
}

/** @throws {CountersignError} WIRE_TILE_INVALID */
export function decodeEntryBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Uint8Array[] = []
  let at = 0
  while (at < bytes.length && entries.length < width) {
    if (at + 2 > bytes.length) throw invalid('The bundle ends within the length of an entry.')
    const end = at + 2 + view.getUint16(at)
    if (end > bytes.length) throw invalid('The bundle ends within an entry.')
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  if (at !== bytes.length || entries.length !== width) {
    throw invalid(`The bundle does not hold ${width} entries and nothing else.`)
  }
  return entries
}

function invalid(message: string) {
  return wireError('WIRE_TILE_INVALID', message)
}
