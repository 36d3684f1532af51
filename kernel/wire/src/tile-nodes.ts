import { type GetMerkleNode, nodeHash } from './merkle.ts'
import { decodeHashTile, hashesAt, type Tile, tileWidthMax } from './tile.ts'

const tileHeight = 8

/**
 * The nodes of the tree of `size` leaves out of its tiles, each of which is read once. What comes is as good as the
 * tiles: a proof made of it is to be verified against a signed root.
 * @throws {CountersignError} WIRE_TILE_INVALID */
export function nodesOfTiles(
  size: number,
  readTile: (tile: Tile & { readonly level: number }) => Promise<Uint8Array>,
): GetMerkleNode {
  const read = new Map<string, Promise<Uint8Array[]>>()
  const tileOf = (level: number, index: number) => {
    const id = `${level}/${index}`
    const known = read.get(id)
    if (known !== undefined) return known
    const width = Math.min(tileWidthMax, hashesAt(level, size) - index * tileWidthMax)
    const hashes = readTile({ level, index, width }).then((bytes) => decodeHashTile(bytes, width))
    read.set(id, hashes)
    return hashes
  }
  return async (level, index) => {
    const count = 2 ** (level % tileHeight)
    const first = index * count
    const hashes = await tileOf(Math.floor(level / tileHeight), Math.floor(first / tileWidthMax))
    const offset = first % tileWidthMax
    return foldPerfect(hashes.slice(offset, offset + count))
  }
}

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

/** The bytes of the tile that these leaves' hashes make; leaves of the whole tree, from the first on. */
export function tileOfRow(
  row: readonly Uint8Array[],
  { index, width }: Pick<Tile, 'index' | 'width'>,
): Uint8Array {
  const bytes = new Uint8Array(width * 32)
  for (let i = 0; i < width; i++) bytes.set(row[index * tileWidthMax + i] as Uint8Array, i * 32)
  return bytes
}

/** The hashes of each level of tiles, level 0 first: what all tiles of a tree consist of. */
export function tileRows(leaves: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const rows: (readonly Uint8Array[])[] = []
  for (let row = leaves; row.length > 0; ) {
    rows.push(row)
    const above: Uint8Array[] = []
    for (let at = 0; at + tileWidthMax <= row.length; at += tileWidthMax)
      above.push(foldPerfect(row.slice(at, at + tileWidthMax)))
    row = above
  }
  return rows
}
