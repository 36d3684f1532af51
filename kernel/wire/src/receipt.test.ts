import { encodeBase64, encodeHex, type JsonObject } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSignedCheckpoint, journalOrigin, verifyCheckpoint } from './checkpoint.ts'
import { inclusionProof, leafHash, MerkleFrontier } from './merkle.ts'
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

function receiptOf(entry: JsonObject, index = 2, key = own): Promise<Receipt> {
  return createReceipt({ journalKey: key.publicKey, index, entry, sign: key.sign })
}

const entry = { v: 1, at: '2026-11-21T00:00:00.000Z', type: 'signed', wallet: 'wal_1', amounts: ['1', '2'] }
const receipt = await receiptOf(entry)

function problemOf(value: unknown, key = journalKey): string {
  const result = verifyReceipt(value, { journalKey: key })
  return result.valid ? 'none' : result.problem
}

describe('verifyReceipt', async () => {
  it('accepts what the journal’s key signed, in any order of members, also after a round trip as JSON', () => {
    expect(problemOf(receipt)).toBe('none')
    const reordered = Object.fromEntries(Object.entries(JSON.parse(JSON.stringify(receipt))).reverse())
    expect(problemOf(reordered)).toBe('none')
    expect(problemOf({ ...receipt, journalKey: receipt.journalKey.toUpperCase().replace('0X', '0x') })).toBe(
      'none',
    )
  })

  it.each<[string, string, unknown]>([
    ['another key', 'other-journal-key', await receiptOf(entry, 2, other)],
    [
      'another key that claims to be ours',
      'bad-signature',
      { ...(await receiptOf(entry, 2, other)), signer: receipt.signer, journalKey: receipt.journalKey },
    ],
    ['another signer', 'signer-not-of-key', { ...receipt, signer: audienceOf(other.publicKey) }],
    ['another index', 'bad-signature', { ...receipt, index: 3 }],
    ['an altered entry', 'bad-signature', { ...receipt, entry: { ...entry, wallet: 'wal_2' } }],
    ['an added member', 'bad-signature', { ...receipt, entry: { ...entry, extra: 1 } }],
    ['an entry that says refused', 'entry-of-other-type', await receiptOf({ ...entry, type: 'refused' })],
    ['an entry that says permit', 'entry-of-other-type', await receiptOf({ ...entry, type: 'permit' })],
    ['an entry without a type', 'entry-of-other-type', await receiptOf({ v: 1 })],
    ['an altered signature', 'bad-signature', { ...receipt, signature: encodeBase64(new Uint8Array(64)) }],
    ['a short signature', 'bad-signature', { ...receipt, signature: '' }],
    ['a signature that is no base64', 'malformed', { ...receipt, signature: '%' }],
    ['an entry with a fraction', 'malformed', { ...receipt, entry: { ...entry, x: 1.5 } }],
    ['an unknown member', 'malformed', { ...receipt, note: 'hi' }],
    ['another version', 'malformed', { ...receipt, version: 2 }],
    ['an index with a fraction', 'malformed', { ...receipt, index: 1.5 }],
    ['a negative index', 'malformed', { ...receipt, index: -1 }],
    ['an index as text', 'malformed', { ...receipt, index: '2' }],
    ['a short key', 'malformed', { ...receipt, journalKey: '0x00' }],
    ['an entry that is a list', 'malformed', { ...receipt, entry: [] }],
    ['no object', 'malformed', 'receipt'],
    ['null', 'malformed', null],
  ])('refuses %s', (_, problem, value) => expect(problemOf(value)).toBe(problem))

  it('takes an entry of another type only where that type is expected', async () => {
    for (const type of receiptTypes) {
      const made = await receiptOf({ ...entry, type })
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
    const permit = await receiptOf({ ...entry, type: 'permit' })
    expect(verifyReceipt(permit, { journalKey, types: receiptTypes }).valid).toBe(false)
  })

  it('refuses a trusted key that is no key', () => {
    const identity = new Uint8Array([1, ...new Uint8Array(31)])
    const forged = {
      ...receipt,
      signer: audienceOf(identity),
      journalKey: encodeHex(identity),
      signature: encodeBase64(new Uint8Array([...identity, ...new Uint8Array(32)])),
    }
    expect(problemOf(forged, identity)).toBe('malformed')
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
    expect(problem({ receipt: await receiptOf(entry, 3) })).toBe('not-in-checkpoint')
    expect(problem({ receipt: await receiptOf({ ...entry, wallet: 'wal_2' }) })).toBe('not-in-checkpoint')
    expect(problem({ receipt: { ...receipt, index: 3 } })).toBe('bad-signature')
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
