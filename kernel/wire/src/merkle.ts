import { isEqual, sha256 } from '@countersign/bytes'
import { wireError } from './catalogue.ts'

/** A perfect subtree: its `2 ** level` leaves start at leaf `index * 2 ** level`. Level 0 are the leaf hashes. */
export interface MerkleNodeId {
  readonly level: number
  readonly index: number
}

export interface MerkleNode extends MerkleNodeId {
  readonly hash: Uint8Array
}

/** Hash of a perfect subtree that was appended earlier, from wherever the caller keeps them. */
export type GetMerkleNode = (level: number, index: number) => Uint8Array | Promise<Uint8Array>

/** RFC 9162 section 2.1.1. */
export function leafHash(leaf: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + leaf.length)
  input.set(leaf, 1)
  return sha256(input)
}

/** RFC 9162 section 2.1.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = new Uint8Array(65)
  input[0] = 1
  input.set(left, 1)
  input.set(right, 33)
  return sha256(input)
}

export function emptyRoot(): Uint8Array {
  return sha256(new Uint8Array(0))
}

/**
 * The right edge of a growing tree: the roots of the perfect subtrees that the leaves so far fall into, largest
 * first. It is all that appending and the root need, whatever the size: one hash for each bit set in the size.
 */
export class MerkleFrontier {
  #size: number
  readonly #roots: Uint8Array[]

  /** @param roots Hashes of `frontierNodes(size)`, in that order. */
  constructor(size = 0, roots: readonly Uint8Array[] = []) {
    if (roots.length !== frontierNodes(size).length) {
      throw wireError('WIRE_PROOF_OUT_OF_RANGE', `A tree of ${size} leaves has another number of subtrees.`)
    }
    this.#size = size
    this.#roots = [...roots]
  }

  get size(): number {
    return this.#size
  }

  get roots(): readonly Uint8Array[] {
    return this.#roots
  }

  /** @returns the nodes that this leaf completes, itself first: what a store keeps, each written once. */
  append(leaf: Uint8Array): readonly MerkleNode[] {
    let node: MerkleNode = { level: 0, index: this.#size, hash: leaf }
    const completed = [node]
    while (node.index % 2 === 1) {
      const left = this.#roots.pop() as Uint8Array
      node = { level: node.level + 1, index: (node.index - 1) / 2, hash: nodeHash(left, node.hash) }
      completed.push(node)
    }
    this.#roots.push(node.hash)
    this.#size++
    return completed
  }

  /** The root for the present size; appending does not need it. */
  root(): Uint8Array {
    return foldRight(this.#roots)
  }

  /** To try an append that may be rolled back. */
  clone(): MerkleFrontier {
    return new MerkleFrontier(this.#size, this.#roots)
  }
}

/**
 * A tree and the leaves that are appended to it together. Everything that proves one of them in the grown tree is the
 * right edge of the old one or made of the leaves themselves, so no older node has to be read.
 */
export class MerkleGrowth {
  readonly sizeBefore: number
  readonly size: number
  readonly root: Uint8Array
  /** From the leaves up: the nodes at `begin` and to its right. `begin` is even; the last node may be a ragged one. */
  readonly #levels: readonly { readonly begin: number; readonly hashes: readonly Uint8Array[] }[]

  constructor(before: MerkleFrontier, leaves: readonly Uint8Array[]) {
    this.sizeBefore = before.size
    this.size = before.size + leaves.length
    const roots = [...before.roots]
    const levels: { begin: number; hashes: readonly Uint8Array[] }[] = []
    let begin = before.size
    let hashes = leaves
    for (;;) {
      if (begin % 2 === 1) {
        // The left neighbour is a perfect subtree whose parent was not complete: a root of the old right edge.
        hashes = [roots.pop() as Uint8Array, ...hashes]
        begin--
      }
      levels.push({ begin, hashes })
      if (begin === 0 && hashes.length <= 1) break
      hashes = parentsOf(hashes)
      begin /= 2
    }
    this.#levels = levels
    this.root = hashes[0] ?? emptyRoot()
  }

  /** The right edge of the grown tree. */
  frontier(): MerkleFrontier {
    const nodes = frontierNodes(this.size)
    return new MerkleFrontier(
      this.size,
      nodes.map(({ level, index }) => this.node(level, index)),
    )
  }

  /** A perfect subtree that the leaves completed, or that stands at the right edge of either tree.
   * @throws {CountersignError} WIRE_PROOF_OUT_OF_RANGE */
  node(level: number, index: number): Uint8Array {
    const found = this.#levels[level]?.hashes[index - (this.#levels[level]?.begin ?? 0)]
    if (found !== undefined && (index + 1) * 2 ** level <= this.size) return found
    throw wireError('WIRE_PROOF_OUT_OF_RANGE', `The appended leaves did not make the node ${level}/${index}.`)
  }

  /** RFC 9162 section 2.1.3.1, for one of the appended leaves in the grown tree.
   * @throws {CountersignError} WIRE_PROOF_OUT_OF_RANGE */
  path(index: number): Uint8Array[] {
    if (!Number.isSafeInteger(index) || index < this.sizeBefore || index >= this.size) {
      throw wireError('WIRE_PROOF_OUT_OF_RANGE', `The entry ${index} is not among those appended.`)
    }
    const path: Uint8Array[] = []
    let at = index
    for (const { begin, hashes } of this.#levels) {
      // A ragged node has no sibling, and stands for itself one level up.
      const sibling = hashes[(at % 2 === 0 ? at + 1 : at - 1) - begin]
      if (sibling !== undefined) path.push(sibling)
      at = Math.floor(at / 2)
    }
    return path
  }
}

function parentsOf(hashes: readonly Uint8Array[]): Uint8Array[] {
  const parents: Uint8Array[] = []
  for (let i = 0; i < hashes.length; i += 2) {
    const left = hashes[i] as Uint8Array
    const right = hashes[i + 1]
    parents.push(right === undefined ? left : nodeHash(left, right))
  }
  return parents
}

/** The perfect subtrees that a tree of `size` leaves consists of, from left to right. */
export function frontierNodes(size: number): readonly MerkleNodeId[] {
  checkSize(size)
  return perfectNodes(0, size)
}

/** Reads the root of the tree as it was with `size` leaves. */
export async function rootAt(size: number, getNode: GetMerkleNode): Promise<Uint8Array> {
  checkSize(size)
  return size === 0 ? emptyRoot() : rangeHash({ begin: 0, end: size }, getNode)
}

/** RFC 9162 section 2.1.3.1: that leaf `index` is in the tree of `size` leaves.
 * @throws {CountersignError} WIRE_PROOF_OUT_OF_RANGE */
export async function inclusionProof(
  index: number,
  size: number,
  getNode: GetMerkleNode,
): Promise<Uint8Array[]> {
  checkSize(size)
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw wireError('WIRE_PROOF_OUT_OF_RANGE', `A journal of ${size} entries has no entry ${index}.`)
  }
  const ranges: Range[] = []
  let begin = 0
  let end = size
  while (end - begin > 1) {
    const middle = begin + largestPowerBelow(end - begin)
    if (index < middle) {
      ranges.push({ begin: middle, end })
      end = middle
    } else {
      ranges.push({ begin, end: middle })
      begin = middle
    }
  }
  return Promise.all(ranges.reverse().map((range) => rangeHash(range, getNode)))
}

/** RFC 9162 section 2.1.4.1: that the tree of `from` leaves is the beginning of the tree of `to` leaves.
 * @throws {CountersignError} WIRE_PROOF_OUT_OF_RANGE */
export async function consistencyProof(
  from: number,
  to: number,
  getNode: GetMerkleNode,
): Promise<Uint8Array[]> {
  checkSize(from)
  checkSize(to)
  if (from > to) {
    throw wireError('WIRE_PROOF_OUT_OF_RANGE', `A journal of ${to} entries has no state with ${from}.`)
  }
  if (from === 0 || from === to) return []
  const ranges: Range[] = []
  let begin = 0
  let end = to
  let oldIsWhole = true
  while (from < end) {
    const middle = begin + largestPowerBelow(end - begin)
    if (from <= middle) {
      ranges.push({ begin: middle, end })
      end = middle
    } else {
      ranges.push({ begin, end: middle })
      begin = middle
      oldIsWhole = false
    }
  }
  // The verifier knows the old root; it needs the last subtree only where that is not the whole old tree.
  if (!oldIsWhole) ranges.push({ begin, end })
  return Promise.all(ranges.reverse().map((range) => rangeHash(range, getNode)))
}

export interface InclusionClaim {
  readonly index: number
  readonly size: number
  readonly leafHash: Uint8Array
  readonly root: Uint8Array
}

/** RFC 9162 section 2.1.3.2; a proof of any other length than the exact one is refused. */
export function verifyInclusion(claim: InclusionClaim, proof: readonly Uint8Array[]): boolean {
  const { index, size, root } = claim
  if (!isCount(index) || !isCount(size) || index >= size) return false
  if (![claim.leafHash, root, ...proof].every(isHash)) return false
  let fn = index
  let sn = size - 1
  let hash = claim.leafHash
  for (const sibling of proof) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash)
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2
        sn = Math.floor(sn / 2)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && isEqual(hash, root)
}

export interface ConsistencyClaim {
  readonly from: number
  readonly to: number
  readonly fromRoot: Uint8Array
  readonly toRoot: Uint8Array
}

/** RFC 9162 section 2.1.4.2. The empty tree is the beginning of every tree; its root is checked all the same. */
export function verifyConsistency(claim: ConsistencyClaim, proof: readonly Uint8Array[]): boolean {
  const { from, to, fromRoot, toRoot } = claim
  if (!isCount(from) || !isCount(to) || from > to) return false
  if (![fromRoot, toRoot, ...proof].every(isHash)) return false
  if (from === 0) {
    const empty = emptyRoot()
    return proof.length === 0 && isEqual(fromRoot, empty) && (to > 0 || isEqual(toRoot, empty))
  }
  if (from === to) return proof.length === 0 && isEqual(fromRoot, toRoot)
  let fn = from - 1
  let sn = to - 1
  while (fn % 2 === 1) {
    fn = (fn - 1) / 2
    sn = Math.floor(sn / 2)
  }
  // Where the old tree is one perfect subtree, its root is the start and does not stand in the proof.
  const [first, ...rest] = fn === 0 ? [fromRoot, ...proof] : proof
  if (first === undefined) return false
  let oldHash = first
  let newHash = first
  for (const sibling of rest) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      oldHash = nodeHash(sibling, oldHash)
      newHash = nodeHash(sibling, newHash)
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2
        sn = Math.floor(sn / 2)
      }
    } else {
      newHash = nodeHash(newHash, sibling)
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 && isEqual(oldHash, fromRoot) && isEqual(newHash, toRoot)
}

interface Range {
  readonly begin: number
  readonly end: number
}

/** MTH of the leaves `begin` to `end`, where `begin` is a multiple of the largest power of two in the range. */
async function rangeHash({ begin, end }: Range, getNode: GetMerkleNode): Promise<Uint8Array> {
  const nodes = perfectNodes(begin, end)
  return foldRight(await Promise.all(nodes.map(({ level, index }) => getNode(level, index))))
}

function perfectNodes(begin: number, end: number): readonly MerkleNodeId[] {
  const nodes: MerkleNodeId[] = []
  for (let at = begin; at < end; ) {
    const level = floorLog2(end - at)
    nodes.push({ level, index: at / 2 ** level })
    at += 2 ** level
  }
  return nodes
}

function foldRight(roots: readonly Uint8Array[]): Uint8Array {
  let hash = roots.at(-1)
  if (hash === undefined) return emptyRoot()
  for (let i = roots.length - 2; i >= 0; i--) hash = nodeHash(roots[i] as Uint8Array, hash)
  return hash
}

/** Sizes go past 2^32, so no bit operators. Math.log2 is not exact near large powers; the loops correct it. */
function floorLog2(value: number): number {
  let log = Math.floor(Math.log2(value))
  while (2 ** log > value) log--
  while (2 ** (log + 1) <= value) log++
  return log
}

function largestPowerBelow(value: number): number {
  return 2 ** floorLog2(value - 1)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function isHash(value: Uint8Array): boolean {
  return value instanceof Uint8Array && value.length === 32
}

function checkSize(size: number): void {
  if (!isCount(size)) throw wireError('WIRE_PROOF_OUT_OF_RANGE', `${size} is not a size of a journal.`)
}
