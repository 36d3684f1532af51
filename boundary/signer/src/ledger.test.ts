import { decodeHex } from '@countersign/bytes'
import { leafHash, verifyCheckpoint, verifyConsistency, verifyInclusion } from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import { openTestLedger } from '../../../test/signer/test-ledger.ts'
import type { LedgerTx } from './ledger.ts'
import type { Store, StoreBatch } from './store.ts'
import { CommitInDoubt, StoreMoved } from './store.ts'

const policy = (id: string, version: number) => ({
  id: id as never,
  hash: '0x' as const,
  version,
  document: {},
  appliedAt: '',
})

/** Counts commits, and fails them while told to. */
function watched() {
  const state = { commits: 0, failing: undefined as Error | undefined }
  const wrap = (store: Store): Store => ({
    ...store,
    async write(batch: StoreBatch) {
      if (state.failing !== undefined && !(state.failing instanceof CommitInDoubt)) throw state.failing
      state.commits++
      await store.write(batch)
    },
    async flush() {
      if (state.failing instanceof CommitInDoubt) throw state.failing
      await store.flush()
    },
  })
  return { state, wrap }
}

describe('the ledger', () => {
  it('serves all waiting jobs with one commit, each seeing those before it', async () => {
    const { state, wrap } = watched()
    const test = await openTestLedger(wrap)
    const increment = (tx: LedgerTx) =>
      tx.get('policy', 'counter').then((record) => {
        const version = (record?.version ?? 0) + 1
        tx.put('policy', 'counter', policy('counter', version))
        tx.append({ type: 'policy', version })
        return version
      })
    const versions = await Promise.all(Array.from({ length: 200 }, () => test.ledger.submit(increment)))
    expect(versions).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
    expect(state.commits).toBe(1)
    expect(test.journal.size()).toBe(200)
    await test.close()
  })

  it('keeps nothing of a job that throws, and all of its neighbours', async () => {
    const test = await openTestLedger()
    const results = await Promise.allSettled([
      test.ledger.submit(async (tx) => tx.put('policy', 'a', policy('a', 1))),
      test.ledger.submit(async (tx) => {
        tx.put('policy', 'a', policy('a', 99))
        tx.put('policy', 'b', policy('b', 1))
        tx.append({ type: 'policy', lost: true })
        throw new Error('changed its mind')
      }),
      test.ledger.submit(async (tx) => tx.append({ type: 'policy', kept: true }).index),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await test.ledger.get('policy', 'a'))?.version).toBe(1)
    expect(await test.ledger.get('policy', 'b')).toBeUndefined()
    expect(await test.journal.leaves(0, 10)).toHaveLength(1)
    expect((await test.journal.leaves(0, 10))[0]).toContain('kept')
    await test.close()
  })

  it('refuses all jobs of a commit that fails, and works on when the disk does', async () => {
    const { state, wrap } = watched()
    const test = await openTestLedger(wrap)
    await test.ledger.submit(async (tx) => tx.put('policy', 'a', policy('a', 1)))
    state.failing = new Error('disk full')
    const failed = await Promise.allSettled(
      [1, 2, 3].map((n) => test.ledger.submit(async (tx) => tx.put('policy', 'a', policy('a', n + 10)))),
    )
    for (const one of failed)
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'SIGNER_STORE_FAILED' } })
    expect((await test.ledger.get('policy', 'a'))?.version).toBe(1)
    state.failing = undefined
    await test.ledger.submit(async (tx) => {
      expect((await tx.get('policy', 'a'))?.version).toBe(1)
      tx.put('policy', 'a', policy('a', 2))
    })
    expect((await test.ledger.get('policy', 'a'))?.version).toBe(2)
    expect(test.impossible).toEqual([])
    await test.close()
  })

  it('halts where somebody else has written', async () => {
    const { state, wrap } = watched()
    const test = await openTestLedger(wrap)
    state.failing = new StoreMoved('7 entries where 0 were expected')
    await expect(test.ledger.submit(async (tx) => tx.append({ type: 'policy' }))).rejects.toMatchObject({
      code: 'SIGNER_STORE_TAMPERED',
    })
    expect(test.impossible).toHaveLength(1)
    await test.close()
  })

  it('shows nobody a commit that is not on disk yet', async () => {
    let release: (() => void) | undefined
    let isSlow = false
    const test = await openTestLedger((store) => ({
      ...store,
      async flush() {
        // Written, and visible to reads, before the disk confirms it.
        if (isSlow)
          await new Promise<void>((resolve) => {
            release = resolve
          })
      },
    }))
    await test.ledger.submit(async (tx) => tx.append({ type: 'policy' }))
    isSlow = true
    const written = test.ledger.submit(async (tx) => {
      tx.put('policy', 'new', policy('new', 1))
      tx.append({ type: 'policy' })
    })
    await expect.poll(() => release).toBeDefined()
    expect(await test.journal.leaves(0, 10)).toHaveLength(1)
    let seen: unknown = 'nothing yet'
    const reading = test.ledger.get('policy', 'new').then((record) => {
      seen = record
    })
    const ranging = test.ledger.range('policy', '', 'z', 10).then((rows) => rows.length)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(seen).toBe('nothing yet')
    release?.()
    await Promise.all([written, reading])
    expect(seen).toMatchObject({ version: 1 })
    expect(await ranging).toBe(1)
    expect(await test.journal.leaves(0, 10)).toHaveLength(2)
    await test.close()
  })

  it('halts where the disk does not confirm a commit', async () => {
    const { state, wrap } = watched()
    const test = await openTestLedger(wrap)
    state.failing = new CommitInDoubt('EIO: i/o error, fdatasync')
    await expect(test.ledger.submit(async (tx) => tx.append({ type: 'policy' }))).rejects.toMatchObject({
      code: 'SIGNER_STORE_FAILED',
    })
    expect(test.impossible).toHaveLength(1)
    await test.close()
  })

  /** A ledger whose flushes end when, and how, the test says. */
  async function openSlowLedger() {
    const flushes: { done(): void; fail(error: Error): void }[] = []
    let isSlow = false
    const test = await openTestLedger((store) => ({
      ...store,
      async flush() {
        await store.flush()
        if (isSlow) await new Promise<void>((done, fail) => flushes.push({ done, fail }))
      },
    }))
    await test.ledger.submit(async (tx) => tx.append({ type: 'policy', i: 0 }))
    isSlow = true
    const append = (i: number) => test.ledger.submit(async (tx) => tx.append({ type: 'policy', i }))
    const isWritten = (size: number) => expect.poll(async () => (await test.store.head())?.size).toBe(size)
    return { ...test, flushes, append, isWritten }
  }

  it('decides the next batch while one waits for the disk, and acknowledges neither before its own flush', async () => {
    const test = await openSlowLedger()
    const acknowledged: number[] = []
    const submit = (i: number) => test.append(i).then(({ index }) => acknowledged.push(index))
    const first = submit(1)
    await test.isWritten(2)
    const second = submit(2)
    await test.isWritten(3)
    // Asked for the present state without writing: that is not durable either.
    const asked = test.ledger.submit(async (tx) => tx.openPermit('none')).then(() => acknowledged.push(99))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(acknowledged).toEqual([])
    expect(test.journal.size()).toBe(1)
    expect(test.flushes).toHaveLength(1)
    test.flushes[0]?.done()
    await first
    expect(acknowledged).toEqual([1])
    expect(test.journal.size()).toBe(2)
    await expect.poll(() => test.flushes.length).toBe(2)
    test.flushes[1]?.done()
    await Promise.all([second, asked])
    expect(acknowledged).toEqual([1, 2, 99])
    expect(test.journal.size()).toBe(3)
    await test.close()
  })

  it('fails everything that was built on a commit which the disk did not confirm, and halts', async () => {
    const test = await openSlowLedger()
    const results = [test.append(1)]
    await test.isWritten(2)
    results.push(test.append(2))
    await test.isWritten(3)
    test.flushes[0]?.fail(new CommitInDoubt('EIO: i/o error, fdatasync'))
    for (const result of results) await expect(result).rejects.toMatchObject({ code: 'SIGNER_STORE_FAILED' })
    // A later flush that succeeds says nothing about what the failed one has lost.
    await expect(test.append(3)).rejects.toMatchObject({ code: 'SIGNER_STORE_FAILED' })
    expect(test.flushes).toHaveLength(1)
    expect(test.impossible).toHaveLength(1)
    expect(test.journal.size()).toBe(1)
    await test.close()
  })

  it('refuses a batch that cannot be written, and not the one before it that waits for the disk', async () => {
    let failing = false
    let release: () => void = () => undefined
    const test = await openTestLedger((store) => ({
      ...store,
      async write(batch: StoreBatch) {
        if (failing) throw new Error('disk full')
        await store.write(batch)
      },
      flush: () =>
        new Promise<void>((done) => {
          release = done
        }),
    }))
    const append = (i: number) => test.ledger.submit(async (tx) => tx.append({ type: 'policy', i }))
    const first = append(1)
    await expect.poll(async () => (await test.store.head())?.size).toBe(1)
    failing = true
    await expect(append(2)).rejects.toMatchObject({ code: 'SIGNER_STORE_FAILED' })
    failing = false
    const third = append(3)
    await expect.poll(async () => (await test.store.head())?.size).toBe(2)
    release()
    expect((await first).index).toBe(0)
    await expect.poll(() => test.journal.size()).toBe(1)
    release()
    expect((await third).index).toBe(1)
    expect(test.impossible).toEqual([])
    await test.close()
  })

  it('keeps the mark of the oldest open permit exact, whatever order permits are settled in', async () => {
    const test = await openTestLedger()
    const open = (key: string) =>
      test.ledger.submit(async (tx) => {
        const { index } = tx.append({ type: 'permit', key })
        const facts = { digest: '0x', nonce: key, credential: 'c', subject: 'c', wallet: 'w' } as const
        tx.open(key, { ...facts, requestId: key, index, booked: [] })
      })
    const settle = (key: string) =>
      test.ledger.submit(async (tx) => {
        tx.append({ type: 'signed', key })
        tx.settle(key)
      })
    const mark = async () => (await test.store.head())?.openFrom
    await open('a')
    await open('b')
    await open('c')
    expect(await mark()).toBe(0)
    await settle('a')
    expect(await mark()).toBe(1)
    // The same request again: its permit is now the youngest.
    await open('a')
    await settle('b')
    expect(await mark()).toBe(2)
    await Promise.all([settle('c'), open('d')])
    expect(await mark()).toBe(4)
    await Promise.all([settle('a'), settle('d')])
    expect(await mark()).toBe(test.journal.size())
    const thrown = test.ledger.submit(async (tx) => {
      tx.open('e', {
        digest: '0x',
        nonce: 'e',
        credential: 'c',
        subject: 'c',
        requestId: 'e',
        wallet: 'w',
        index: 0,
        booked: [],
      })
      throw new Error('changed its mind')
    })
    await expect(thrown).rejects.toThrow('changed its mind')
    expect(await test.ledger.openPermit('e')).toBeUndefined()
    await test.close()
  })

  it('lays what a batch has changed over what the store has, in ranges too', async () => {
    const test = await openTestLedger()
    for (const id of ['a', 'b', 'c', 'd'])
      await test.ledger.submit(async (tx) => tx.put('policy', id, policy(id, 1)))
    await test.ledger.submit(async (tx) => {
      tx.delete('policy', 'a')
      tx.put('policy', 'bb', policy('bb', 1))
      const rows = await tx.range('policy', 'a', 'zz', 3)
      expect(rows.map(({ key }) => key)).toEqual(['b', 'bb', 'c'])
    })
    await test.close()
  })

  it('lets records expire, and refuses work once it is closed', async () => {
    const test = await openTestLedger()
    await test.ledger.submit(async (tx) => tx.put('policy', 'gone', policy('gone', 1), tx.nowMs + 1_000))
    await test.ledger.submit(async (tx) => tx.put('policy', 'stays', policy('stays', 1)))
    test.advance(5_000)
    await test.ledger.submit(async (tx) => tx.append({ type: 'policy' }))
    expect(await test.ledger.get('policy', 'gone')).toBeUndefined()
    expect(await test.ledger.get('policy', 'stays')).toBeDefined()
    await test.ledger.close()
    await expect(test.ledger.submit(async () => 1)).rejects.toMatchObject({ code: 'SIGNER_BUSY' })
    await test.store.close()
  })

  it('proves inclusion of every entry and consistency between all sizes', async () => {
    const test = await openTestLedger()
    const key = { name: test.journal.origin, publicKey: decodeHex(test.journal.publicKey) }
    const heads = [verifyCheckpoint(test.journal.checkpoint(), key)]
    for (let i = 0; i < 20; i++) {
      await test.ledger.submit(async (tx) => tx.append({ type: 'policy', i }))
      heads.push(verifyCheckpoint(test.journal.checkpoint(), key))
    }
    const leaves = await test.journal.leaves(0, 100)
    for (const { size, root } of heads.slice(1)) {
      for (let index = 0; index < size; index++) {
        const claim = { index, size, root, leafHash: leafHash(new TextEncoder().encode(leaves[index])) }
        expect(verifyInclusion(claim, await test.journal.inclusion(index, size))).toBe(true)
      }
      for (const from of heads.slice(1).filter((head) => head.size <= size)) {
        const proof = await test.journal.consistency(from.size, size)
        expect(
          verifyConsistency({ from: from.size, fromRoot: from.root, to: size, toRoot: root }, proof),
        ).toBe(true)
      }
    }
    await expect(test.journal.inclusion(20, 20)).rejects.toMatchObject({ code: 'SIGNER_ENTRY_UNKNOWN' })
    await expect(test.journal.consistency(1, 21)).rejects.toMatchObject({ code: 'SIGNER_ENTRY_UNKNOWN' })
    await test.close()
  })
})
