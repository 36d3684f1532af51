import { encodeBase64, encodeHex, type JsonObject } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSignedCheckpoint, journalOrigin, verifyCheckpoint } from './checkpoint.ts'
import { inclusionProof, leafHash, MerkleFrontier, MerkleGrowth } from './merkle.ts'
import {
  audienceOf,
  createReceipt,
  encodeEntry,
  type Receipt,
  receiptTypes,
  verifyReceipt,
  verifyReceiptInclusion,
} from './receipt.ts'
import { testKey } from './testing/signed-request.ts'

const own = testKey('ed25519')
const other = testKey('ed25519', new Uint8Array(32).fill(9))
const journalKey = own.publicKey

const entry = { v: 1, at: '2026-11-21T00:00:00.000Z', type: 'signed', wallet: 'wal_1', amounts: ['1', '2'] }
const sizeBefore = 2

interface Made {
  index?: number
  size?: number
  key?: typeof own
}

/** A journal of `size` entries with this one at `index`, and its receipt by the commit that made the last of them. */
function receiptOf(entry: JsonObject, { index = 2, size = 5, key = own }: Made = {}): Receipt {
  const entries = Array.from({ length: size }, (_, i) => (i === index ? entry : { v: 1, i }))
  const hashes = entries.map((one) => leafHash(encodeEntry(one)))
  const frontier = new MerkleFrontier()
  for (const hash of hashes.slice(0, Math.min(index, sizeBefore))) frontier.append(hash)
  const growth = new MerkleGrowth(frontier, hashes.slice(frontier.size))
  const origin = journalOrigin(audienceOf(key.publicKey))
  const checkpoint = formatSignedCheckpoint({ origin, size, root: growth.root }, key)
  return createReceipt({
    journalKey: key.publicKey,
    index,
    entry,
    path: growth.path(index).map(encodeBase64),
    checkpoint,
  })
}

const receipt = receiptOf(entry)

function problemOf(value: unknown, key = journalKey): string {
  const result = verifyReceipt(value, { journalKey: key })
  return result.valid ? 'none' : result.problem
}

describe('verifyReceipt', () => {
  it('accepts what the journal’s key signed, in any order of members, also after a round trip as JSON', () => {
    expect(problemOf(receipt)).toBe('none')
    const reordered = Object.fromEntries(Object.entries(JSON.parse(JSON.stringify(receipt))).reverse())
    expect(problemOf(reordered)).toBe('none')
    expect(problemOf({ ...receipt, journalKey: receipt.journalKey.toUpperCase().replace('0X', '0x') })).toBe(
      'none',
    )
  })

  const byOther = receiptOf(entry, { key: other })
  const asOurs = { signer: receipt.signer, journalKey: receipt.journalKey }
  const [first = '', ...restOfPath] = receipt.path
  const altered = (from: string, to: string) => ({
    ...receipt,
    checkpoint: receipt.checkpoint.replace(from, to),
  })
  const signatureLine = receipt.checkpoint.slice(receipt.checkpoint.indexOf('\u2014'))
  it.each<[string, string, unknown]>([
    ['another key', 'other-journal-key', byOther],
    ['another journal that claims to be ours', 'other-journal', { ...byOther, ...asOurs }],
    [
      'another journal’s tree under our name',
      'bad-checkpoint',
      {
        ...byOther,
        ...asOurs,
        checkpoint: byOther.checkpoint.replaceAll(byOther.signer, receipt.signer),
      },
    ],
    ['another signer', 'signer-not-of-key', { ...receipt, signer: audienceOf(other.publicKey) }],
    ['another index', 'not-in-checkpoint', { ...receipt, index: 3 }],
    ['an index at the end of the tree', 'not-in-checkpoint', { ...receipt, index: 5 }],
    ['an index far outside', 'not-in-checkpoint', { ...receipt, index: 2 ** 52 }],
    ['an altered entry', 'not-in-checkpoint', { ...receipt, entry: { ...entry, wallet: 'wal_2' } }],
    ['an added member', 'not-in-checkpoint', { ...receipt, entry: { ...entry, extra: 1 } }],
    [
      'the path of another entry',
      'not-in-checkpoint',
      { ...receipt, path: receiptOf(entry, { index: 3 }).path },
    ],
    ['a path without its first hash', 'not-in-checkpoint', { ...receipt, path: restOfPath }],
    ['a path without its last hash', 'not-in-checkpoint', { ...receipt, path: receipt.path.slice(0, -1) }],
    ['no path', 'not-in-checkpoint', { ...receipt, path: [] }],
    ['a path with one more hash', 'not-in-checkpoint', { ...receipt, path: [...receipt.path, first] }],
    ['a path in another order', 'not-in-checkpoint', { ...receipt, path: [...receipt.path].reverse() }],
    ['a path of 54 hashes', 'malformed', { ...receipt, path: Array.from({ length: 54 }, () => first) }],
    ['a path with a short hash', 'malformed', { ...receipt, path: [first.slice(4), ...restOfPath] }],
    ['a path with what is no base64', 'malformed', { ...receipt, path: ['%'.repeat(44), ...restOfPath] }],
    ['a path with loose bits', 'malformed', { ...receipt, path: [`${first.slice(0, 42)}//`, ...restOfPath] }],
    ['a path with a number', 'malformed', { ...receipt, path: [1, ...restOfPath] }],
    [
      'the checkpoint of a larger tree',
      'not-in-checkpoint',
      { ...receipt, checkpoint: receiptOf(entry, { size: 6 }).checkpoint },
    ],
    [
      'the checkpoint of a smaller tree',
      'not-in-checkpoint',
      { ...receipt, checkpoint: receiptOf(entry, { size: 3 }).checkpoint },
    ],
    [
      'the checkpoint of another tree of that size',
      'not-in-checkpoint',
      { ...receipt, checkpoint: receiptOf({ ...entry, wallet: 'wal_2' }).checkpoint },
    ],
    ['a checkpoint that states another size', 'not-in-checkpoint', altered('\n5\n', '\n4\n')],
    ['a checkpoint that states a size of the same path', 'bad-checkpoint', altered('\n5\n', '\n6\n')],
    ['another journal’s checkpoint', 'other-journal', { ...receipt, checkpoint: byOther.checkpoint }],
    [
      'a checkpoint with another’s signature',
      'bad-checkpoint',
      {
        ...receipt,
        checkpoint: receipt.checkpoint.replace(
          signatureLine,
          byOther.checkpoint.slice(byOther.checkpoint.indexOf('\u2014')),
        ),
      },
    ],
    [
      'a checkpoint without a signature',
      'malformed',
      { ...receipt, checkpoint: receipt.checkpoint.replace(signatureLine, '') },
    ],
    ['a checkpoint with an extension line', 'malformed', altered('\n\n', '\nextra\n\n')],
    ['a text that is no checkpoint', 'malformed', { ...receipt, checkpoint: 'hello' }],
    [
      'a checkpoint that is too long',
      'malformed',
      { ...receipt, checkpoint: receipt.checkpoint.padEnd(70_000, 'A') },
    ],
    ['no checkpoint', 'malformed', { ...receipt, checkpoint: null }],
    ['an entry that says refused', 'entry-of-other-type', receiptOf({ ...entry, type: 'refused' })],
    ['an entry that says permit', 'entry-of-other-type', receiptOf({ ...entry, type: 'permit' })],
    ['an entry without a type', 'entry-of-other-type', receiptOf({ v: 1 })],
    ['an entry with a fraction', 'malformed', { ...receipt, entry: { ...entry, x: 1.5 } }],
    ['an unknown member', 'malformed', { ...receipt, note: 'hi' }],
    ['the version before', 'malformed', { ...receipt, version: 1 }],
    ['a version to come', 'malformed', { ...receipt, version: 3 }],
    ['an index with a fraction', 'malformed', { ...receipt, index: 1.5 }],
    ['a negative index', 'malformed', { ...receipt, index: -1 }],
    ['an index as text', 'malformed', { ...receipt, index: '2' }],
    ['a short key', 'malformed', { ...receipt, journalKey: '0x00' }],
    ['an entry that is a list', 'malformed', { ...receipt, entry: [] }],
    ['no object', 'malformed', 'receipt'],
    ['null', 'malformed', null],
  ])('refuses %s', (_, problem, value) => expect(problemOf(value)).toBe(problem))

  it('takes an entry of another type only where that type is expected', () => {
    for (const type of receiptTypes) {
      const made = receiptOf({ ...entry, type })
      for (const expected of receiptTypes) {
        const result = verifyReceipt(made, { journalKey, types: [expected] })
        const problem = result.valid ? 'none' : result.problem
        expect({ type, expected, problem }).toEqual({
          type,
          expected,
          problem: type === expected ? 'none' : 'entry-of-other-type',
        })
      }
      expect(verifyReceipt(made, { journalKey, types: receiptTypes }).valid).toBe(true)
      expect(verifyReceipt(made, { journalKey, types: [] }).valid).toBe(false)
    }
    const permit = receiptOf({ ...entry, type: 'permit' })
    expect(verifyReceipt(permit, { journalKey, types: receiptTypes }).valid).toBe(false)
  })

  it('refuses a trusted key that is no key', () => {
    const identity = new Uint8Array([1, ...new Uint8Array(31)])
    const forged = {
      ...receipt,
      signer: audienceOf(identity),
      journalKey: encodeHex(identity),
    }
    expect(problemOf(forged, identity)).toBe('malformed')
  })

  it('proves every entry of a commit, whatever the sizes before and after it', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.integer({ min: 1, max: 40 }), fc.nat(39), (before, count, nth) => {
        const index = before + (nth % count)
        const made = receiptOf(entry, { index, size: before + count })
        expect(problemOf(made)).toBe('none')
        if (made.path.length > 0)
          expect(problemOf({ ...made, path: made.path.slice(1) })).toBe('not-in-checkpoint')
      }),
      { numRuns: 60 },
    )
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(receipt)), (value, member) => {
        expect(problemOf(value)).toBe('malformed')
        const changed = { ...receipt, [member]: value }
        if (JSON.stringify(changed) !== JSON.stringify(receipt)) expect(problemOf(changed)).not.toBe('none')
      }),
      { numRuns: 500 },
    )
  })
})

describe('verifyReceiptInclusion', async () => {
  const hashes = [0, 1, 2, 3, 4].map((i) => leafHash(encodeEntry(i === 2 ? entry : { v: 1, i })))
  const nodes = new Map<string, Uint8Array>()
  const frontier = new MerkleFrontier()
  for (const hash of hashes)
    for (const { level, index, hash: node } of frontier.append(hash)) nodes.set(`${level}/${index}`, node)
  const origin = journalOrigin(audienceOf(journalKey))
  const note = formatSignedCheckpoint({ origin, size: 5, root: frontier.root() }, own)
  const checkpoint = verifyCheckpoint(note, { name: origin, publicKey: journalKey })
  const path = await inclusionProof(2, 5, (level, index) => nodes.get(`${level}/${index}`)!)
  const proof = { index: 2, size: 5, hashes: path.map(encodeBase64) }
  const problem = (changes: { receipt?: unknown; proof?: object; checkpoint?: object }) => {
    const result = verifyReceiptInclusion(
      changes.receipt ?? receipt,
      { ...proof, ...changes.proof },
      { journalKey, checkpoint: { ...checkpoint, ...changes.checkpoint } },
    )
    return result.valid ? 'none' : result.problem
  }

  it('accepts the entry at its index', () => expect(problem({})).toBe('none'))

  it('refuses everything else', async () => {
    expect(problem({ receipt: receiptOf(entry, { index: 3 }) })).toBe('not-in-checkpoint')
    expect(problem({ receipt: receiptOf({ ...entry, wallet: 'wal_2' }) })).toBe('not-in-checkpoint')
    expect(problem({ receipt: { ...receipt, index: 3 } })).toBe('not-in-checkpoint')
    expect(
      verifyReceiptInclusion(receipt, proof, { journalKey, checkpoint, types: ['wallet'] }),
    ).toMatchObject({ valid: false, problem: 'entry-of-other-type' })
    expect(problem({ proof: { index: 3 } })).toBe('not-in-checkpoint')
    expect(problem({ proof: { size: 6 } })).toBe('not-in-checkpoint')
    expect(problem({ proof: { hashes: proof.hashes.slice(1) } })).toBe('not-in-checkpoint')
    expect(problem({ proof: { hashes: [...proof.hashes, proof.hashes[0]] } })).toBe('not-in-checkpoint')
    expect(problem({ proof: { hashes: ['%'] } })).toBe('malformed')
    expect(problem({ checkpoint: { size: 4 }, proof: { size: 4 } })).toBe('not-in-checkpoint')
    expect(problem({ checkpoint: { root: hashes[0] } })).toBe('not-in-checkpoint')
    expect(problem({ checkpoint: { origin: 'countersign/other' } })).toBe('other-journal')
  })
})
