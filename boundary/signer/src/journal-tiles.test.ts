import { MerkleFrontier, MerkleGrowth } from '@countersign/wire'
import { expect, it } from 'vitest'
import { hashOfLeaf } from './journal.ts'
import { appendToTiles, type TileEdge } from './journal-tiles.ts'

it('makes the same tiles out of the nodes that the growth knows as out of the leaves', () => {
  let frontier = new MerkleFrontier()
  let edges: [TileEdge, TileEdge] = [[], []]
  let complete = 0
  // Across the second and third tile, with batches that end before, at and after their ends.
  for (const count of [1, 254, 1, 1, 255, 300, 212, 1_000, 7, 513]) {
    const first = frontier.size
    const leaves = Array.from({ length: count }, (_, i) => hashOfLeaf(`leaf ${first + i}`))
    const growth = new MerkleGrowth(frontier, leaves)
    const known = appendToTiles(edges[0], leaves, first, (level, index) => growth.node(level, index))
    const folded = appendToTiles(edges[1], leaves, first)
    expect(known).toEqual(folded)
    complete += known.tiles.length
    edges = [known.edge, folded.edge]
    frontier = growth.frontier()
  }
  expect(complete).toBe(9)
})
