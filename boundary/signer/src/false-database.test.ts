import { decodeHex, encodeUtf8 } from '@countersign/bytes'
import type { PolicyId } from '@countersign/policy'
import { leafHash, verifyCheckpoint, verifyInclusion } from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import { openTestLedger } from '../../../test/signer/test-ledger.ts'
import type { LedgerTx } from './ledger.ts'
import type { StoredRecord } from './store.ts'

const put = (expiresMs?: number) => async (tx: LedgerTx) => {
  const policy = { id: 'a' as PolicyId, hash: '0x00', version: 1, document: {}, appliedAt: '' } as const
  tx.put('policy', 'a', policy, expiresMs === undefined ? undefined : tx.nowMs + expiresMs)
}

/** What a database can still do while it runs under the signer: its indexes and spare rows have no MAC. */
describe('a database that does not tell the truth', () => {
  it.each([
    ['never expires', undefined],
    ['expires later', 60_000],
  ])('about a record that %s: it is not pruned, and the signer halts', async (_name, expiresMs) => {
    let claimed: StoredRecord[] = []
    const test = await openTestLedger((store) => ({ ...store, expired: async () => claimed }))
    await test.ledger.submit(put(expiresMs))
    claimed = [(await test.store.get('policy', 'a')) as StoredRecord]
    test.advance(5_000)
    await expect(test.ledger.submit(async (tx) => tx.append({ type: 'policy' }))).rejects.toMatchObject({
      code: 'SIGNER_STORE_TAMPERED',
      message: expect.stringContaining('policy a'),
    })
    expect(test.impossible).toHaveLength(1)
    expect(await test.store.get('policy', 'a')).toBeDefined()
    await test.close()
  })

  it('about a record that it changes while the signer runs: nothing is decided with it', async () => {
    let isFalse = false
    const test = await openTestLedger((store) => ({
      ...store,
      async range(kind, from, to, limit) {
        const rows = await store.range(kind, from, to, limit)
        return isFalse
          ? rows.map((row) => ({ ...row, value: row.value.replace('"version":1', '"version":2') }))
          : rows
      },
    }))
    await test.ledger.submit(put())
    isFalse = true
    const decide = test.ledger.submit(async (tx) => tx.range('policy', '', '\uffff', 10))
    await expect(decide).rejects.toMatchObject({ code: 'SIGNER_STORE_TAMPERED' })
    expect(test.impossible).toHaveLength(1)
    await test.close()
  })

  it('with a tile put in ahead of its time: the journal grows over it', async () => {
    const test = await openTestLedger()
    const append = () => test.ledger.submit(async (tx) => tx.append({ type: 'policy' }))
    await append()
    const [leaf = ''] = await test.journal.leaves(0, 1)
    const head = await test.store.head()
    if (head === undefined) throw new Error('no head')
    const tiles = [0, 1].map((level) => ({ level, index: 0, hashes: new Uint8Array(256 * 32) }))
    await test.store.write({ sizeBefore: 1, puts: [], deletes: [], segment: undefined, tiles, head })
    await Promise.all(Array.from({ length: 256 }, append))
    await append()
    const { origin, publicKey } = test.journal
    const { size, root } = verifyCheckpoint(test.journal.checkpoint(), {
      name: origin,
      publicKey: decodeHex(publicKey),
    })
    const proof = await test.journal.inclusion(0, size)
    expect(verifyInclusion({ index: 0, size, root, leafHash: leafHash(encodeUtf8(leaf)) }, proof)).toBe(true)
    await test.close()
  })
})
