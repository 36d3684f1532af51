import { concatBytes } from '@countersign/bytes'
import { frontierNodes, MerkleFrontier, nodeHash } from '@countersign/wire'
import type { StoredTile } from './store.ts'

/** C2SP tlog-tiles: a tile has the hashes of 256 subtrees side by side, and is itself one hash of the level above. */
export const tileWidth = 256
const tileHeight = 8
const hashBytes = 32

/** The right edge of the tree by tiles: for each level the hashes of the tile that is not complete yet. */
export type TileEdge = readonly (readonly Uint8Array[])[]

export interface GrownTiles {
  readonly edge: TileEdge
  /** Those that became complete. */
  readonly tiles: readonly StoredTile[]
}

/**
 * @param size Leaves before these.
 * @param nodeAt A perfect subtree of the grown tree that these leaves have completed, where it is known already. */
export function appendToTiles(
  edge: TileEdge,
  leaves: readonly Uint8Array[],
  size: number,
  nodeAt?: (level: number, index: number) => Uint8Array,
): GrownTiles {
  const grown = [...edge]
  const tiles: StoredTile[] = []
  let incoming = leaves
  let count = size
  for (let level = 0; incoming.length > 0; level++) {
    const open = grown[level] ?? []
    const all = [...open, ...incoming]
    let index = (count - open.length) / tileWidth
    let at = 0
    const above: Uint8Array[] = []
    for (; all.length - at >= tileWidth; at += tileWidth) {
      const hashes = all.slice(at, at + tileWidth)
      tiles.push({ level, index, hashes: concatBytes(...hashes) })
      above.push(nodeAt?.((level + 1) * tileHeight, index) ?? foldPerfect(hashes))
      index++
    }
    grown[level] = at === 0 ? all : all.slice(at)
    incoming = above
    count = Math.floor(count / tileWidth)
  }
  return { edge: grown, tiles }
}

export function frontierOf(edge: TileEdge, size: number): MerkleFrontier {
  const roots = frontierNodes(size).map(({ level, index }) => {
    const { tileLevel, offset, count } = placeOf(level, index)
    return foldPerfect((edge[tileLevel] ?? []).slice(offset, offset + count))
  })
  return new MerkleFrontier(size, roots)
}

/**
 * A node of the tree of `size` leaves, out of its tile.
 * @param readTile A complete tile.
 * @returns undefined where the tile does not hold it. */
export async function nodeFromTiles(
  { level, index }: { readonly level: number; readonly index: number },
  { edge, size }: { readonly edge: TileEdge; readonly size: number },
  readTile: (level: number, index: number) => Promise<Uint8Array | undefined>,
): Promise<Uint8Array | undefined> {
  const { tileLevel, tileIndex, offset, count } = placeOf(level, index)
  const isComplete = tileIndex < Math.floor(size / tileWidth ** (tileLevel + 1))
  const hashes = isComplete
    ? hashesOfTile(await readTile(tileLevel, tileIndex), offset, count)
    : (edge[tileLevel] ?? []).slice(offset, offset + count)
  return hashes.length < count ? undefined : foldPerfect(hashes)
}

/** The first `width` hashes of a tile, as C2SP tlog-tiles serves them.
 * @returns undefined where the tree of `size` leaves has not so many of them. */
export async function tileBytes(
  { level, index, width }: { readonly level: number; readonly index: number; readonly width: number },
  { edge, size }: { readonly edge: TileEdge; readonly size: number },
  readTile: (level: number, index: number) => Promise<Uint8Array | undefined>,
): Promise<Uint8Array | undefined> {
  const present = Math.min(tileWidth, Math.floor(size / tileWidth ** level) - index * tileWidth)
  if (width < 1 || width > present) return undefined
  if (present < tileWidth) return concatBytes(...(edge[level] ?? []).slice(0, width))
  const whole = await readTile(level, index)
  return whole?.length === tileWidth * hashBytes ? whole.slice(0, width * hashBytes) : undefined
}

/** @returns none where it is not a complete tile. */
export function hashesOfTile(tile: Uint8Array | undefined, offset = 0, count = tileWidth): Uint8Array[] {
  if (tile?.length !== tileWidth * hashBytes) return []
  const at = (i: number) => tile.subarray(i * hashBytes, (i + 1) * hashBytes)
  return Array.from({ length: count }, (_, i) => at(offset + i))
}

function placeOf(level: number, index: number) {
  const tileLevel = Math.floor(level / tileHeight)
  const count = 2 ** (level % tileHeight)
  const first = index * count
  return { tileLevel, tileIndex: Math.floor(first / tileWidth), offset: first % tileWidth, count }
}

/** The root over a power of two of hashes. */
function foldPerfect(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes
  while (row.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i < row.length; i += 2)
      above.push(nodeHash(row[i] as Uint8Array, row[i + 1] as Uint8Array))
    row = above
  }
  return row[0] as Uint8Array
}
