import { expect, it } from 'vitest'
import { openTestLedger } from '../signer/test-ledger.ts'

it('no receipt is signed over an entry that was changed on disk while the signer runs', async () => {
  let forged: string | undefined
  const test = await openTestLedger((store) => ({
    ...store,
    leaves: async (start, limit) => {
      const leaves = await store.leaves(start, limit)
      return forged !== undefined && start === 1 ? [forged, ...leaves.slice(1)] : leaves
    },
  }))
  for (const wallet of ['a', 'b', 'c'])
    await test.ledger.submit(async (tx) => tx.append({ type: 'signed', wallet, amount: '1' }))
  const genuine = await test.journal.provenLeaf(1)
  expect(genuine).toContain('"amount":"1"')
  forged = genuine.replace('"amount":"1"', '"amount":"9"')
  await expect(test.journal.provenLeaf(1)).rejects.toMatchObject({ code: 'SIGNER_JOURNAL_TAMPERED' })
  forged = undefined
  for (const index of [0, 1, 2]) expect(await test.journal.provenLeaf(index)).toContain('signed')
  await expect(test.journal.provenLeaf(3)).rejects.toMatchObject({ code: 'SIGNER_JOURNAL_TAMPERED' })
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
