import { decodeHex, encodeHex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import {
  consistencyProof,
  emptyRoot,
  frontierNodes,
  inclusionProof,
  leafHash,
  MerkleFrontier,
  nodeHash,
  rootAt,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts'
import { codeOf, codeOfError } from './testing/signed-request.ts'

// The tree with which Certificate Transparency's own implementation is tested.
const leaves = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const n01 = '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e'
const leaf1 = '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7'
const leaf4 = 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b'
const n13 = 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0'
const n21 = '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4'
const n12 = '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a'

const hashes = leaves.map((leaf) => leafHash(decodeHex(`0x${leaf}`)))
const bytes = (hex: string) => decodeHex(`0x${hex}`)
const text = (hash: Uint8Array) => encodeHex(hash).slice(2)

const nodes = new Map<string, Uint8Array>()
const frontier = new MerkleFrontier()
const seenRoots = [text(frontier.root())]
for (const hash of hashes) {
  for (const node of frontier.append(hash)) nodes.set(`${node.level}/${node.index}`, node.hash)
  seenRoots.push(text(frontier.root()))
}
const getNode = (level: number, index: number) => nodes.get(`${level}/${index}`)!

describe('the tree of Certificate Transparency’s tests', () => {
  it('has the known root at every size', async () => {
    expect(seenRoots).toEqual(roots)
    for (const [size, root] of roots.entries()) expect(text(await rootAt(size, getNode))).toBe(root)
    expect(text(emptyRoot())).toBe(roots[0])
  })

  it('writes every perfect subtree once', () => expect(nodes.size).toBe(8 + 4 + 2 + 1))

  it.each<[number, number, string[]]>([
    [0, 1, []],
    [0, 8, [leaf1, n01, n21]],
    [5, 8, [leaf4, n13, roots[4]!]],
    [2, 3, [roots[2]!]],
    [1, 5, [roots[1]!, n01, leaf4]],
  ])('proves leaf %i in size %i', async (index, size, proof) => {
    expect((await inclusionProof(index, size, getNode)).map(text)).toEqual(proof)
    const claim = { index, size, leafHash: hashes[index]!, root: bytes(roots[size]!) }
    expect(verifyInclusion(claim, proof.map(bytes))).toBe(true)
  })

  it.each<[number, number, string[]]>([
    [1, 1, []],
    [1, 8, [leaf1, n01, n21]],
    [6, 8, [n12, n13, roots[4]!]],
    [2, 5, [n01, leaf4]],
    [0, 5, []],
    [0, 0, []],
  ])('proves that size %i is the beginning of size %i', async (from, to, proof) => {
    expect((await consistencyProof(from, to, getNode)).map(text)).toEqual(proof)
    const claim = { from, to, fromRoot: bytes(roots[from]!), toRoot: bytes(roots[to]!) }
    expect(verifyConsistency(claim, proof.map(bytes))).toBe(true)
  })
})

describe('refusals', () => {
  const inclusion = { index: 5, size: 8, leafHash: hashes[5]!, root: bytes(roots[8]!) }
  const inclusionHashes = [leaf4, n13, roots[4]!].map(bytes)
  const consistency = { from: 6, to: 8, fromRoot: bytes(roots[6]!), toRoot: bytes(roots[8]!) }
  const consistencyHashes = [n12, n13, roots[4]!].map(bytes)

  it('of an inclusion proof with anything altered, missing or added', () => {
    expect(verifyInclusion(inclusion, inclusionHashes)).toBe(true)
    const [a, b, c] = inclusionHashes as [Uint8Array, Uint8Array, Uint8Array]
    for (const proof of [
      [],
      [a],
      [a, b],
      [b, c],
      [a, b, c, c],
      [a, c, b],
      [a, b, c.slice(1)],
      [a, b, new Uint8Array(32)],
    ]) {
      expect(verifyInclusion(inclusion, proof)).toBe(false)
    }
    for (const change of [
      { index: 4 },
      { index: 6 },
      { index: 8 },
      { index: -1 },
      { index: 5.5 },
      { index: Number.NaN },
      { size: 9 },
      { size: 5 },
      { size: 0 },
      { size: 2 ** 53 },
      { leafHash: hashes[4]! },
      { leafHash: new Uint8Array(0) },
      { root: bytes(roots[7]!) },
    ]) {
      expect(verifyInclusion({ ...inclusion, ...change }, inclusionHashes)).toBe(false)
    }
  })

  it('of an interior node given as a leaf', () => {
    const claim = { index: 0, size: 4, leafHash: nodeHash(hashes[0]!, hashes[1]!), root: bytes(roots[8]!) }
    expect(verifyInclusion(claim, [bytes(n01), bytes(n21)])).toBe(true)
    // The proof above holds for a size that no checkpoint states: with the checkpoint's size it does not.
    expect(verifyInclusion({ ...claim, size: 8 }, [bytes(n01), bytes(n21)])).toBe(false)
    expect(text(leafHash(new Uint8Array([...hashes[0]!, ...hashes[1]!])))).not.toBe(roots[2])
  })

  // The size itself is not part of a root: to = 7 leads along the same path here. What binds it is the signature of
  // the checkpoint, in which size and root stand together.
  it('of a consistency proof with anything altered, missing or added', () => {
    expect(verifyConsistency(consistency, consistencyHashes)).toBe(true)
    const [a, b, c] = consistencyHashes as [Uint8Array, Uint8Array, Uint8Array]
    for (const proof of [[], [a], [a, b], [b, c], [a, b, c, c], [a, c, b], [a, b, c.slice(1)]]) {
      expect(verifyConsistency(consistency, proof)).toBe(false)
    }
    for (const change of [
      { from: 5 },
      { from: 7 },
      { from: 8 },
      { from: 9 },
      { from: 0 },
      { from: -1 },
      { from: 6.5 },
      { to: 9 },
      { to: 6 },
      { fromRoot: bytes(roots[5]!) },
      { toRoot: bytes(roots[7]!) },
    ]) {
      expect(verifyConsistency({ ...consistency, ...change }, consistencyHashes)).toBe(false)
    }
  })

  it('of equal sizes with other roots, and of an empty tree with a root that is not empty', () => {
    const root = bytes(roots[8]!)
    const other = bytes(roots[7]!)
    const empty = emptyRoot()
    expect(verifyConsistency({ from: 8, to: 8, fromRoot: root, toRoot: root }, [])).toBe(true)
    expect(verifyConsistency({ from: 8, to: 8, fromRoot: root, toRoot: other }, [])).toBe(false)
    expect(verifyConsistency({ from: 8, to: 8, fromRoot: root, toRoot: root }, [root])).toBe(false)
    expect(verifyConsistency({ from: 0, to: 8, fromRoot: empty, toRoot: root }, [])).toBe(true)
    expect(verifyConsistency({ from: 0, to: 8, fromRoot: other, toRoot: root }, [])).toBe(false)
    expect(verifyConsistency({ from: 0, to: 8, fromRoot: empty, toRoot: root }, [root])).toBe(false)
    expect(verifyConsistency({ from: 0, to: 0, fromRoot: empty, toRoot: root }, [])).toBe(false)
  })

  it('of proofs that cannot be made', async () => {
    const range = 'WIRE_PROOF_OUT_OF_RANGE'
    for (const [index, size] of [
      [8, 8],
      [-1, 8],
      [0, 0],
      [0.5, 8],
      [0, -1],
      [0, 2 ** 53],
    ] as const) {
      expect(await inclusionProof(index, size, getNode).catch(codeOfError)).toBe(range)
    }
    for (const [from, to] of [
      [8, 7],
      [-1, 8],
      [0, 1.5],
    ] as const) {
      expect(await consistencyProof(from, to, getNode).catch(codeOfError)).toBe(range)
    }
    expect(codeOf(() => new MerkleFrontier(3, [hashes[0]!]))).toBe(range)
  })
})

describe('sizes past 2^32', () => {
  it('fall into one subtree per bit, and proofs have as many hashes as the RFC says', async () => {
    const size = 2 ** 40 + 2 ** 33 + 5
    expect(frontierNodes(size)).toEqual([
      { level: 40, index: 0 },
      { level: 33, index: 2 ** 7 },
      { level: 2, index: (2 ** 40 + 2 ** 33) / 4 },
      { level: 0, index: 2 ** 40 + 2 ** 33 + 4 },
    ])
    expect(frontierNodes(Number.MAX_SAFE_INTEGER)).toHaveLength(53)
    expect(frontierNodes(2 ** 52)).toEqual([{ level: 52, index: 0 }])
    const fake = (level: number, index: number) => leafHash(new TextEncoder().encode(`${level}/${index}`))
    expect(await inclusionProof(3, size, fake)).toHaveLength(41)
    expect(await inclusionProof(size - 1, size, fake)).toHaveLength(3)
  })
})
