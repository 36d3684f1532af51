import { afterEach, describe, expect, it } from 'vitest'
import { type DelayedSigner, dayMs, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { createTestKey } from '../../../test/signer/test-signer.ts'
import type { Answer } from './signer.ts'

let signer: DelayedSigner | undefined
afterEach(async () => {
  await signer?.close()
  signer = undefined
})

const propose = (open: DelayedSigner) => {
  const { publicKey } = createTestKey('new')
  return open.change('POST', '/v1/credentials', { algorithm: 'p256', publicKey, role: 'agent', name: 'new' })
}
const changeOf = (answer: Answer) => (answer.body as { change: string }).change
const stateOf = async (open: DelayedSigner, answer: Answer) =>
  (await open.test.signer.ledger.get('change', changeOf(answer)))?.state
const appliedIn = async (open: DelayedSigner) => (await open.entries('change-applied')).length

describe('a change that waits', () => {
  it('waits across a restart, and is carried out at the next start where it was due meanwhile', async () => {
    signer = await openDelayedSigner({ backend: 'file' })
    const asked = await propose(signer)
    signer.advance(dayMs - 1)
    await signer.reopen()
    expect(await stateOf(signer, asked)).toBe('pending')
    signer.advance(1)
    await signer.reopen()
    expect(await stateOf(signer, asked)).toBe('applied')
    await signer.reopen()
    expect(await appliedIn(signer)).toBe(1)
    const [added] = (await signer.entries('credential')).filter((entry) => entry.changeId === changeOf(asked))
    expect(added).toMatchObject({ change: 'added', credential: { name: 'new' } })
  })

  it('is carried out once, wherever the process ends', async () => {
    for (const point of ['before-commit', 'after-commit']) {
      let armed = false
      signer = await openDelayedSigner({
        backend: 'file',
        at: (reached) => {
          if (armed && reached === point) throw new Error('the process ends here')
        },
      })
      const asked = await propose(signer)
      signer.advance(dayMs)
      armed = true
      await signer.test.signer.due.settle()
      armed = false
      await signer.reopen()
      expect(await stateOf(signer, asked)).toBe('applied')
      expect(await appliedIn(signer)).toBe(1)
      await signer.close()
    }
    signer = undefined
  })

  it('is tried again where the disk failed, a little later', async () => {
    let failing = false
    const open = await openDelayedSigner({
      at: (point) => {
        if (failing && point === 'before-commit') throw new Error('disk')
      },
    })
    signer = open
    const asked = await propose(open)
    open.advance(dayMs)
    failing = true
    await open.test.signer.due.settle()
    failing = false
    expect(await stateOf(open, asked)).toBe('pending')
    await open.test.signer.due.settle()
    expect(await stateOf(open, asked)).toBe('pending')
    open.advance(30_000)
    await open.test.signer.due.settle()
    expect(await stateOf(open, asked)).toBe('applied')
    expect(await appliedIn(open)).toBe(1)
  })

  it('is carried out once by many who ask at that moment', async () => {
    const open = await openDelayedSigner()
    signer = open
    const asked = [await propose(open), await propose(open), await propose(open)]
    open.advance(dayMs)
    const asks = Array.from({ length: 20 }, () =>
      open.ask('GET', '/v1/organisation', undefined, { by: open.test.agent }),
    )
    for (const { body } of await Promise.all(asks)) expect(body).toMatchObject({ pendingChanges: 0 })
    for (const one of asked) expect(await stateOf(open, one)).toBe('applied')
    expect(await appliedIn(open)).toBe(3)
  })

  it('needs nobody to ask: a timer does', async () => {
    const open = await openDelayedSigner()
    signer = open
    const asked = await propose(open)
    open.advance(dayMs)
    await expect.poll(() => stateOf(open, asked), { timeout: 10_000 }).toBe('applied')
  })

  it('trusts a clock that was moved ahead while the signer was down, as windows do', async () => {
    const open = await openDelayedSigner({ backend: 'file' })
    signer = open
    const asked = await propose(open)
    open.setClock(dayMs)
    await open.test.signer.due.settle()
    expect(await stateOf(open, asked)).toBe('pending')
    await open.reopen()
    expect(await stateOf(open, asked)).toBe('applied')
  })

  it('and is refused in the end stands as dropped, with the reason', async () => {
    const open = await openDelayedSigner()
    signer = open
    const { publicKey } = createTestKey('short')
    const expiresAt = new Date(open.nowMs() + dayMs / 2).toISOString()
    const asked = await open.change('POST', '/v1/credentials', {
      algorithm: 'p256',
      publicKey,
      role: 'agent',
      name: 'short',
      expiresAt,
    })
    open.advance(dayMs)
    await open.test.signer.due.settle()
    expect(await open.test.signer.ledger.get('change', changeOf(asked))).toMatchObject({
      state: 'dropped',
      settled: { reason: expect.stringContaining('expiresAt') },
    })
    expect(await open.test.signer.ledger.range('change-due', '', '\uffff', 1)).toEqual([])
  })
})
