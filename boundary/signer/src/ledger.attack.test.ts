import { describe, expect, it } from 'vitest'
import { openTestLedger } from '../../../test/signer/test-ledger.ts'
import type { LedgerTx } from './ledger.ts'

const policy = (id: string, version: number) => ({
  id: id as never,
  hash: '0x' as const,
  version,
  document: {},
  appliedAt: '',
})

/** Flushes end when, and how, the test says, once it is slow. */
async function openSlowLedger() {
  const flushes: { done(): void; fail(error: Error): void }[] = []
  const state = { isSlow: false }
  const test = await openTestLedger((store) => ({
    ...store,
    async flush() {
      await store.flush()
      if (state.isSlow) await new Promise<void>((done, fail) => flushes.push({ done, fail }))
    },
  }))
  await test.ledger.submit(async (tx) => tx.append({ type: 'policy', i: 0 }))
  state.isSlow = true
  return { ...test, flushes, state }
}

describe('attacks on durability', () => {
  it('acknowledges nothing that was being decided while the disk failed, though the next flush succeeds', async () => {
    const test = await openSlowLedger()
    const lost = test.ledger.submit(async (tx) => tx.append({ type: 'policy', i: 1 }))
    await expect.poll(() => test.flushes.length).toBe(1)
    let release: (() => void) | undefined
    const decided = test.ledger.submit(async (tx: LedgerTx) => {
      // Such as a look at the database, or anything else that takes a turn.
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return tx.append({ type: 'policy', i: 2 })
    })
    await expect.poll(() => release).toBeDefined()
    test.state.isSlow = false
    test.flushes[0]?.fail(new Error('EIO'))
    await expect(lost).rejects.toMatchObject({ code: 'SIGNER_STORE_FAILED' })
    release?.()
    // Linux reports a lost page once: what a later flush says about it is not to be believed (decision 0012).
    await expect(decided).rejects.toMatchObject({ code: 'SIGNER_STORE_FAILED' })
    expect(test.journal.size()).toBe(1)
    await expect(test.ledger.range('policy', '', 'z', 10)).rejects.toMatchObject({
      code: 'SIGNER_STORE_FAILED',
    })
    await test.close()
  })

  it('shows no permit that is not on disk yet', async () => {
    const test = await openSlowLedger()
    const asker = { credential: 'c', subject: 's', requestId: 'r', wallet: 'w' }
    const permit = { ...asker, digest: '0x', nonce: 'n', index: 1, booked: [] } as const
    const opening = test.ledger.submit(async (tx) => {
      tx.append({ type: 'permit' })
      tx.open('s/r', permit)
    })
    await expect.poll(() => test.flushes.length).toBe(1)
    let seen: unknown
    const looking = test.ledger.openPermit('s/r').then((found) => {
      seen = found
    })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(seen).toBeUndefined()
    test.flushes[0]?.done()
    await Promise.all([opening, looking])
    expect(seen).toEqual(permit)
    await test.close()
  })

  it('shows no list with what was written after the wait for an earlier commit began', async () => {
    const test = await openSlowLedger()
    const put = (id: string) =>
      test.ledger.submit(async (tx) => {
        tx.put('policy', id, policy(id, 1))
        tx.append({ type: 'policy', id })
      })
    const first = put('first')
    await expect.poll(() => test.flushes.length).toBe(1)
    let listed: readonly string[] | undefined
    const listing = test.ledger.range('policy', '', 'z', 10).then((rows) => {
      listed = rows.map(({ key }) => key)
    })
    const second = put('second')
    await expect.poll(async () => (await test.store.head())?.size).toBe(3)
    test.flushes[0]?.done()
    await first
    await expect.poll(() => test.flushes.length).toBe(2)
    await new Promise((resolve) => setTimeout(resolve, 20))
    // The second commit is not on disk: nobody may have seen it.
    expect(listed ?? []).not.toContain('second')
    test.flushes[1]?.done()
    await Promise.all([second, listing])
    expect(listed?.[0]).toBe('first')
    await test.close()
  })
})

it('decides the next batch when the oldest is on disk, not when all are', async () => {
  const test = await openSlowLedger()
  const put = (version: number) =>
    test.ledger.submit(async (tx) => {
      tx.put('policy', 'hot', policy('hot', version))
      tx.append({ type: 'policy', version })
    })
  const sizeOf = async () => (await test.store.head())?.size
  const first = put(1)
  await expect.poll(() => test.flushes.length).toBe(1)
  const second = put(2)
  await expect.poll(sizeOf).toBe(3)
  // Two wait for the disk: the third is not even decided.
  const third = put(3)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(await sizeOf()).toBe(3)
  test.flushes[0]?.done()
  await first
  await expect.poll(sizeOf).toBe(4)
  expect(test.flushes).toHaveLength(2)
  for (const [at, job] of [second, third].entries()) {
    await expect.poll(() => test.flushes.length).toBeGreaterThan(at + 1)
    test.flushes[at + 1]?.done()
    await job
  }
  await test.close()
})

it('answers readers when what they have seen is on disk, though there is always a later batch', async () => {
  const test = await openSlowLedger()
  const put = (version: number) =>
    test.ledger.submit(async (tx) => {
      tx.put('policy', 'hot', policy('hot', version))
      tx.append({ type: 'policy', version })
    })
  const first = put(1)
  await expect.poll(() => test.flushes.length).toBe(1)
  const reading = Promise.all([test.ledger.get('policy', 'hot'), test.ledger.range('policy', '', 'z', 10)])
  // They have looked, and wait for the first batch, when the second is written.
  await new Promise((resolve) => setTimeout(resolve, 20))
  const second = put(2)
  await expect.poll(async () => (await test.store.head())?.size).toBe(3)
  test.flushes[0]?.done()
  await first
  await expect.poll(() => test.flushes.length).toBe(2)
  // A reader that waited for a quiet moment would wait for ever: the second batch is never flushed before this.
  const [got, listed] = await reading
  expect(got?.version).toBe(1)
  expect(listed).toMatchObject([{ value: { version: 1 } }])
  test.flushes[1]?.done()
  await second
  await test.close()
})
