import { decodeHex } from '@countersign/bytes'
import { verifyReceipt } from '@countersign/wire'
import { expect, it } from 'vitest'
import { withoutDashes } from '../../boundary/signer/src/signer.ts'
import type { StoredSegment } from '../../boundary/signer/src/store.ts'
import { openTestLedger } from '../signer/test-ledger.ts'

it('no receipt is given for an entry that was changed on disk while the signer runs', async () => {
  let forge: ((segment: StoredSegment) => StoredSegment) | undefined
  let badTile = false
  const test = await openTestLedger((store) => ({
    ...store,
    segments: async (start, limit) => {
      const segments = await store.segments(start, limit)
      return forge === undefined ? segments : segments.map(forge)
    },
    tile: async (level, index) => {
      const tile = await store.tile(level, index)
      return badTile ? tile?.map((byte, i) => (i === 70 ? byte ^ 1 : byte)) : tile
    },
  }))
  const given: string[] = []
  for (let i = 0; i < 300; i++) {
    const wallets = i === 1 ? ['b', 'c'] : ['a']
    const all = wallets.map((wallet) =>
      test.ledger.submit(async (tx) => tx.append({ type: 'signed', wallet, amount: '1' })),
    )
    for (const appended of await Promise.all(all)) given.push(appended.receipt())
  }
  // What the commit proved, whatever has been appended since.
  for (const [index, receipt] of given.entries())
    expect(withoutDashes(JSON.stringify(await test.journal.receipt(index)))).toBe(receipt)
  const journalKey = decodeHex(test.journal.publicKey)
  for (const receipt of given.slice(-5))
    expect(verifyReceipt(JSON.parse(receipt), { journalKey })).toMatchObject({ valid: true })

  const tampered = { code: 'SIGNER_JOURNAL_TAMPERED' }
  const other = JSON.parse(given[3] as string).checkpoint
  const forgeries: [number, (segment: StoredSegment) => StoredSegment][] = [
    [1, (one) => ({ ...one, entries: one.entries.map((e) => e.replace('"amount":"1"', '"amount":"9"')) })],
    [1, (one) => ({ ...one, entries: [...one.entries].reverse() })],
    [1, (one) => ({ ...one, entries: one.entries.slice(0, 1) })],
    [2, (one) => ({ ...one, entries: one.entries.slice(0, 1) })],
    [1, (one) => ({ ...one, first: one.first - 1 })],
    [1, (one) => ({ ...one, checkpoint: other })],
    [1, (one) => ({ ...one, checkpoint: test.journal.checkpoint() })],
    [1, (one) => ({ ...one, checkpoint: one.checkpoint.replace(/.=\n$/, '==\n') })],
    [1, (one) => ({ ...one, checkpoint: 'hello' })],
  ]
  for (const [index, forgery] of forgeries) {
    forge = forgery
    await expect(test.journal.receipt(index), forgery.toString()).rejects.toMatchObject(tampered)
  }
  forge = undefined
  expect(await test.journal.receipt(1)).toEqual(JSON.parse(given[1] as string))
  badTile = true
  await expect(test.journal.receipt(3)).rejects.toMatchObject(tampered)
  badTile = false
  for (const index of [-1, 1.5, 301])
    await expect(test.journal.receipt(index)).rejects.toMatchObject(tampered)
  await test.close()
})

it('a slow read that a commit overtakes does not bring the older record back', async () => {
  let slow: Promise<void> | undefined
  const test = await openTestLedger((store) => ({
    ...store,
    get: async (kind, key) => {
      const waiting = slow
      const record = await store.get(kind, key)
      if (key === 'victim' && waiting !== undefined) await waiting
      return record
    },
  }))
  const { ledger } = test
  const put = (key: string, sumMinor: string) =>
    ledger.submit(async (tx) => tx.put('window', key, { sumMinor, oldest: null }))
  await put('victim', '1')
  // Out of the cache, as after a restart.
  await ledger.submit(async (tx) => {
    for (let i = 0; i < 50_001; i++) tx.put('window', `w${i}`, { sumMinor: '0', oldest: null })
  })
  let release = () => {}
  slow = new Promise((resolve) => {
    release = resolve
  })
  const reading = ledger.get('window', 'victim')
  slow = undefined
  await put('victim', '2')
  release()
  await reading
  expect((await ledger.get('window', 'victim'))?.sumMinor).toBe('2')
  await test.close()
})
