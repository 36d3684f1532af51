import { encodeUtf8, isEqual, sha256 } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  consistencyProof,
  frontierNodes,
  inclusionProof,
  leafHash,
  MerkleFrontier,
  MerkleGrowth,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts'

/** RFC 9162 section 2.1 as it is written, by recursion over the leaves. */
function split(length: number): number {
  let k = 1
  while (k * 2 < length) k *= 2
  return k
}

function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0))
  if (leaves.length === 1) return leaves[0]!
  const k = split(leaves.length)
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return []
  const k = split(leaves.length)
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))]
}

function naiveSubproof(m: number, leaves: readonly Uint8Array[], whole: boolean): Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [naiveRoot(leaves)]
  const k = split(leaves.length)
  return m <= k
    ? [...naiveSubproof(m, leaves.slice(0, k), whole), naiveRoot(leaves.slice(k))]
    : [...naiveSubproof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))]
}

const sizeMax = 70
const hashes = Array.from({ length: sizeMax }, (_, i) => leafHash(encodeUtf8(`leaf ${i}`)))
const nodes = new Map<string, Uint8Array>()
const growing = new MerkleFrontier()
for (const hash of hashes) {
  for (const node of growing.append(hash)) nodes.set(`${node.level}/${node.index}`, node.hash)
}
const getNode = async (level: number, index: number) => nodes.get(`${level}/${index}`)!
const sizes = fc.integer({ min: 1, max: sizeMax })
const indexAndSize = sizes.chain((size) => fc.tuple(fc.nat(size - 1), fc.constant(size)))
const twoSizes = sizes.chain((to) => fc.tuple(fc.integer({ min: 1, max: to }), fc.constant(to)))

describe('against the recursive definition', () => {
  it('roots, also of a frontier that is opened in between', () => {
    fc.assert(
      fc.property(twoSizes, ([from, to]) => {
        const roots = frontierNodes(from).map(({ level, index }) => nodes.get(`${level}/${index}`)!)
        const frontier = new MerkleFrontier(from, roots)
        const untouched = frontier.clone()
        for (const hash of hashes.slice(from, to)) frontier.append(hash)
        expect(frontier.size).toBe(to)
        expect(frontier.root()).toEqual(naiveRoot(hashes.slice(0, to)))
        expect(untouched.root()).toEqual(naiveRoot(hashes.slice(0, from)))
      }),
    )
  })

  it('inclusion proofs, and none but the exact one verifies', async () => {
    await fc.assert(
      fc.asyncProperty(indexAndSize, fc.nat(), fc.nat(31), async ([index, size], at, byte) => {
        const proof = await inclusionProof(index, size, getNode)
        expect(proof).toEqual(naivePath(index, hashes.slice(0, size)))
        const claim = { index, size, leafHash: hashes[index]!, root: naiveRoot(hashes.slice(0, size)) }
        expect(verifyInclusion(claim, proof)).toBe(true)
        expect(verifyInclusion(claim, [...proof, hashes[0]!])).toBe(false)
        expect(verifyInclusion(claim, [hashes[0]!, ...proof])).toBe(false)
        if (proof.length === 0) return
        expect(verifyInclusion(claim, proof.slice(1))).toBe(false)
        expect(verifyInclusion(claim, proof.slice(0, -1))).toBe(false)
        const altered = proof.map((hash) => hash.slice())
        altered[at % proof.length]![byte]! ^= 1
        expect(verifyInclusion(claim, altered)).toBe(false)
        for (let other = 0; other < size; other++) {
          if (other !== index) expect(verifyInclusion({ ...claim, index: other }, proof)).toBe(false)
        }
      }),
    )
  })

  it('consistency proofs, and none but the exact one verifies', async () => {
    await fc.assert(
      fc.asyncProperty(twoSizes, fc.nat(), fc.nat(31), async ([from, to], at, byte) => {
        const proof = await consistencyProof(from, to, getNode)
        expect(proof).toEqual(naiveSubproof(from, hashes.slice(0, to), true))
        const claim = {
          from,
          to,
          fromRoot: naiveRoot(hashes.slice(0, from)),
          toRoot: naiveRoot(hashes.slice(0, to)),
        }
        expect(verifyConsistency(claim, proof)).toBe(true)
        expect(verifyConsistency(claim, [...proof, hashes[0]!])).toBe(false)
        if (from < to) {
          const rewritten = naiveRoot([leafHash(encodeUtf8('another')), ...hashes.slice(1, from)])
          expect(verifyConsistency({ ...claim, fromRoot: rewritten }, proof)).toBe(false)
        }
        if (proof.length === 0) return
        expect(verifyConsistency(claim, proof.slice(1))).toBe(false)
        expect(verifyConsistency(claim, proof.slice(0, -1))).toBe(false)
        const altered = proof.map((hash) => hash.slice())
        altered[at % proof.length]![byte]! ^= 1
        expect(verifyConsistency(claim, altered)).toBe(false)
      }),
    )
  })

  it('no random bytes are a proof', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(indexAndSize, fc.array(hash, { maxLength: 8 }), ([index, size], proof) => {
        fc.pre(size > 1)
        const root = naiveRoot(hashes.slice(0, size))
        expect(verifyInclusion({ index, size, leafHash: hashes[index]!, root }, proof)).toBe(false)
        expect(isEqual(root, hashes[index]!)).toBe(false)
      }),
    )
  })
})

describe('a tree that leaves are appended to together', () => {
  it('has the root, the right edge, the nodes and the paths that appending one by one gives', () => {
    const fromAndTo = fc
      .tuple(fc.nat(sizeMax), fc.nat(sizeMax))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
    fc.assert(
      fc.property(fromAndTo, ([from, to]) => {
        const frontier = new MerkleFrontier()
        for (const hash of hashes.slice(0, from)) frontier.append(hash)
        const growth = new MerkleGrowth(frontier, hashes.slice(from, to))
        expect([growth.sizeBefore, growth.size, frontier.size]).toEqual([from, to, from])
        expect(growth.root).toEqual(naiveRoot(hashes.slice(0, to)))
        const completed = hashes.slice(from, to).flatMap((hash) => frontier.append(hash))
        for (const { level, index, hash } of completed) expect(growth.node(level, index)).toEqual(hash)
        expect(growth.frontier().size).toBe(to)
        expect(growth.frontier().roots).toEqual(frontier.roots)
        for (let index = from; index < to; index++)
          expect(growth.path(index)).toEqual(naivePath(index, hashes.slice(0, to)))
      }),
      { numRuns: 300 },
    )
  })

  it('knows nothing of the other leaves', () => {
    const frontier = new MerkleFrontier()
    for (const hash of hashes.slice(0, 5)) frontier.append(hash)
    const growth = new MerkleGrowth(frontier, hashes.slice(5, 8))
    for (const index of [-1, 0, 4, 8, 1.5, Number.NaN]) expect(() => growth.path(index)).toThrow(/not among/)
    for (const [level, index] of [
      [0, 1],
      [1, 0],
      [1, 4],
      [4, 0],
      [2, 2],
    ] as const)
      expect(() => growth.node(level, index)).toThrow(/did not make/)
  })
})
