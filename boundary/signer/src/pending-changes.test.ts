import { decodeHex } from '@countersign/bytes'
import { verifyReceipt } from '@countersign/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DelayedSigner, dayMs, hourMs, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { createTestKey, errorCode, policyFor, type TestKey } from '../../../test/signer/test-signer.ts'
import { pendingChangesMax } from './pending-changes.ts'
import type { Answer } from './signer.ts'

const wide = policyFor([{ id: 'talk', action: 'permit', effects: ['message', 'fee'] }], 'talk')
const narrow = policyFor([{ id: 'talk', action: 'permit', effects: ['message'] }], 'talk')
const wider = policyFor([{ id: 'talk', action: 'permit', effects: ['message', 'fee', 'raw-digest'] }], 'talk')

let signer: DelayedSigner
let admins: readonly [TestKey, TestKey, TestKey]
beforeEach(async () => {
  signer = await openDelayedSigner()
  admins = signer.admins as [TestKey, TestKey, TestKey]
})
afterEach(() => signer.close())

const put = async (policy: typeof wide, more: { by?: readonly TestKey[]; requestId?: string } = {}) => {
  const expected = (await signer.test.signer.ledger.get('policy', policy.id))?.hash ?? null
  return signer.change('PUT', `/v1/policies/${policy.id}`, { policy, expected }, more.by, more)
}
const changeOf = (answer: Answer) => (answer.body as { change: string }).change
const stateOf = async (answer: Answer) =>
  (await signer.test.signer.ledger.get('change', changeOf(answer)))?.state
const hashOf = async (id: string) => (await signer.test.signer.ledger.get('policy', id))?.hash
const veto = (id: string, by: TestKey, more: object = {}) =>
  signer.ask('POST', `/v1/changes/${id}/veto`, {}, { by, ...more })
/** Any request does: it settles what is due first. */
const touch = () => signer.ask('GET', '/v1/organisation', undefined, { by: signer.test.agent })

describe('a change that loosens', () => {
  it('waits for the delay, to the millisecond, and is then carried out once', async () => {
    expect((await put(narrow)).status).toBe(200)
    const before = await hashOf('talk')
    const asked = await put(wide)
    const dueAt = new Date(signer.nowMs() + dayMs).toISOString()
    expect(asked).toMatchObject({
      status: 202,
      body: { state: 'pending', dueAt, loosens: [{ rule: 'talk' }] },
    })
    expect(await hashOf('talk')).toBe(before)
    signer.advance(dayMs - 1)
    await touch()
    expect(await stateOf(asked)).toBe('pending')
    expect(await hashOf('talk')).toBe(before)
    signer.advance(1)
    await touch()
    expect(await stateOf(asked)).toBe('applied')
    expect(await signer.test.signer.ledger.get('policy', 'talk')).toMatchObject({
      version: 2,
      document: wide,
    })
    signer.advance(dayMs)
    await touch()
    expect(await signer.entries('change-applied')).toHaveLength(1)
    expect(await signer.entries('policy')).toHaveLength(2)
  })

  it('is answered with a receipt, and stands in the journal whole', async () => {
    await put(narrow)
    const asked = await put(wide, { requestId: 'wider-please' })
    const { receipt, change } = asked.body as { receipt: object; change: string }
    const journalKey = decodeHex(signer.test.signer.journal.publicKey)
    expect(verifyReceipt(receipt, { journalKey, types: ['change-proposed'] })).toMatchObject({ valid: true })
    expect(receipt).toMatchObject({
      entry: {
        type: 'change-proposed',
        changeId: change,
        operation: 'putPolicy',
        path: '/v1/policies/talk',
        body: { policy: wide },
        requestId: 'wider-please',
        credentials: [admins[0].id, admins[1].id],
      },
    })
    signer.advance(dayMs)
    const shown = await signer.ask('GET', `/v1/changes/${change}`, undefined, { by: admins[2] })
    expect(shown.body).toMatchObject({
      id: change,
      state: 'applied',
      body: null,
      receipt: { entry: { type: 'policy', changeId: change, policy: 'talk', requestId: 'wider-please' } },
    })
    const [applied] = await signer.entries('change-applied')
    expect(applied).toMatchObject({
      changeId: change,
      requestId: 'wider-please',
      credentials: [admins[0].id, admins[1].id],
    })
  })

  it('does not wait where nothing is loosened, or where there is no delay', async () => {
    expect((await put(wide)).status).toBe(200)
    expect((await put(narrow)).status).toBe(200)
    const lowered = await signer.change('PUT', '/v1/organisation/loosening-delay', {
      delay: '0s',
      expected: '24h',
    })
    expect(lowered.status).toBe(202)
    signer.advance(dayMs)
    expect((await touch()).body).toMatchObject({ looseningDelay: '0s' })
    expect((await put(wide)).status).toBe(200)
  })

  it('lists what waits, for those who may read', async () => {
    await put(narrow)
    const one = changeOf(await put(wide))
    signer.advance(hourMs)
    const two = changeOf(await put(wider))
    const list = (query: string, by: TestKey = admins[2]) =>
      signer.ask('GET', `/v1/changes${query}`, undefined, { by })
    const ids = (answer: Answer) => (answer.body as { items: { id: string }[] }).items.map(({ id }) => id)
    expect(ids(await list('?state=pending'))).toEqual([one, two])
    const page = await list('?limit=1')
    expect(page.body).toMatchObject({ items: [{ id: one, state: 'pending' }], nextCursor: one })
    expect(JSON.stringify(page.body)).not.toContain('"body"')
    expect(ids(await list(`?limit=1&cursor=${one}`))).toEqual([two])
    await veto(one, admins[2])
    expect(ids(await list('?state=vetoed'))).toEqual([one])
    expect(errorCode(await list('', signer.test.agent))).toBe('WIRE_NOT_PERMITTED')
    expect(errorCode(await list('?state=open'))).toBe('WIRE_INVALID_REQUEST')
  })
})

describe('what it takes', () => {
  it('is the whole quorum, also to propose', async () => {
    await put(narrow)
    const wallet = `wal_${'0'.repeat(24)}`
    const asks: [method: 'PUT' | 'POST', path: string, body: unknown][] = [
      ['PUT', '/v1/policies/talk', { policy: wide, expected: await hashOf('talk') }],
      ['PUT', '/v1/organisation/quorum', { quorum: 1, expected: 2 }],
      ['PUT', '/v1/organisation/loosening-delay', { delay: '0s', expected: '24h' }],
      ['PUT', '/v1/books/friends', { book: { version: 1, id: 'friends', addresses: [] }, expected: null }],
      ['PUT', '/v1/wallet-groups/ops', { wallets: [], policy: null, expected: null }],
      ['PUT', `/v1/wallets/${wallet}/policy`, { policy: 'talk', expected: null }],
      ['PUT', '/v1/organisation/policy', { policy: null, expected: null }],
      [
        'POST',
        '/v1/credentials',
        { algorithm: 'p256', publicKey: createTestKey('x').publicKey, role: 'admin', name: 'x' },
      ],
    ]
    const size = signer.test.signer.journal.size()
    for (const [method, path, body] of asks) {
      expect(errorCode(await signer.change(method, path, body, [admins[0]])), path).toBe(
        'WIRE_QUORUM_NOT_MET',
      )
      const withAgent = await signer.change(method, path, body, [admins[0], signer.test.agent])
      expect(errorCode(withAgent), path).toBe('WIRE_QUORUM_NOT_MET')
    }
    expect(signer.test.signer.journal.size()).toBe(size)
    expect(await signer.test.signer.ledger.range('change', '', '\uffff', 1)).toEqual([])
  })

  it('is the quorum once more when it is due: a revoked proposer’s signature has stopped counting', async () => {
    await put(narrow)
    const asked = await put(wide)
    await signer.change('POST', `/v1/credentials/${admins[1].id}/revoke`, {}, [admins[0], admins[2]])
    signer.advance(dayMs)
    await touch()
    expect(await stateOf(asked)).toBe('dropped')
    expect(await signer.entries('change-dropped')).toMatchObject([
      { changeId: changeOf(asked), reason: expect.stringContaining('1 active admin') },
    ])
    expect(await signer.test.signer.ledger.get('policy', 'talk')).toMatchObject({ version: 1 })
  })

  it('is the quorum of that time: raised meanwhile, it is not met', async () => {
    await put(narrow)
    const asked = await put(wide)
    expect((await signer.change('PUT', '/v1/organisation/quorum', { quorum: 3, expected: 2 })).status).toBe(
      200,
    )
    signer.advance(dayMs)
    await touch()
    expect(await stateOf(asked)).toBe('dropped')
  })

  it('is what it was made for: of two changes of one policy the second is dropped', async () => {
    await put(narrow)
    const first = await put(wide)
    const second = await put(wider)
    expect([first.status, second.status]).toEqual([202, 202])
    signer.advance(dayMs)
    await touch()
    expect([await stateOf(first), await stateOf(second)]).toEqual(['applied', 'dropped'])
    expect(await signer.test.signer.ledger.get('policy', 'talk')).toMatchObject({
      document: wide,
      version: 2,
    })
  })

  it('is nothing that was tightened meanwhile', async () => {
    await put(wide)
    const asked = await put(wider)
    expect((await put(narrow)).status).toBe(200)
    signer.advance(dayMs)
    await touch()
    expect(await stateOf(asked)).toBe('dropped')
    expect(await signer.test.signer.ledger.get('policy', 'talk')).toMatchObject({ document: narrow })
  })

  it('is room: so many wait and no more', async () => {
    for (let i = 0; i < pendingChangesMax; i++) {
      const body = {
        algorithm: 'p256',
        publicKey: createTestKey('x').publicKey,
        role: 'agent',
        name: `x${i}`,
      }
      expect((await signer.change('POST', '/v1/credentials', body)).status).toBe(202)
    }
    const body = {
      algorithm: 'p256',
      publicKey: createTestKey('x').publicKey,
      role: 'agent',
      name: 'too many',
    }
    expect(errorCode(await signer.change('POST', '/v1/credentials', body))).toBe('SIGNER_CHANGES_FULL')
  }, 60_000)
})

describe('a veto', () => {
  it('is one admin’s, of those who signed or not, and of nobody else', async () => {
    await put(narrow)
    const asked = await put(wide)
    const id = changeOf(asked)
    expect(errorCode(await veto(id, signer.test.agent))).toBe('WIRE_NOT_PERMITTED')
    expect(errorCode(await veto('chg_000000000000000000000000', admins[2]))).toBe('SIGNER_CHANGE_UNKNOWN')
    const vetoed = await veto(id, admins[2])
    expect(vetoed).toMatchObject({
      status: 200,
      body: {
        change: id,
        state: 'vetoed',
        by: admins[2].id,
        receipt: { entry: { type: 'change-vetoed', changeId: id } },
      },
    })
    signer.advance(2 * dayMs)
    await touch()
    expect(await signer.entries('change-applied')).toEqual([])
    expect(await signer.test.signer.ledger.get('policy', 'talk')).toMatchObject({ document: narrow })
    expect(errorCode(await veto(id, admins[0]))).toBe('SIGNER_CHANGE_SETTLED')
  })

  it('holds against the same request sent again', async () => {
    await put(narrow)
    const options = { requestId: 'again-and-again' }
    const asked = await put(wide, options)
    await veto(changeOf(asked), admins[0])
    const again = await put(wide, options)
    expect(again).toEqual(asked)
    const turned = await put(wide, { ...options, by: [admins[1], admins[0]] })
    expect(turned).toEqual(asked)
    expect(await signer.entries('change-proposed')).toHaveLength(1)
    signer.advance(dayMs)
    await touch()
    expect(await stateOf(asked)).toBe('vetoed')
    // A new request is a new change, with its whole delay before it.
    const anew = await put(wide)
    expect(anew).toMatchObject({
      status: 202,
      body: { dueAt: new Date(signer.nowMs() + dayMs).toISOString() },
    })
  })

  it('does not come after the change has been carried out', async () => {
    await put(narrow)
    const asked = await put(wide)
    signer.advance(dayMs)
    expect(errorCode(await veto(changeOf(asked), admins[2]))).toBe('SIGNER_CHANGE_SETTLED')
    expect(await stateOf(asked)).toBe('applied')
  })

  it('races the moment at which it is due, and one of the two wins', async () => {
    await put(narrow)
    for (let round = 0; round < 8; round++) {
      const body = { algorithm: 'p256', publicKey: createTestKey('x').publicKey, role: 'agent', name: 'x' }
      const asked = await signer.change('POST', '/v1/credentials', body)
      const id = changeOf(asked)
      signer.advance(dayMs - 1)
      const createdS = Math.floor(signer.nowMs() / 1000)
      const vetoes = admins.map((by) => veto(id, by, { createdS }))
      if (round % 2 === 0) signer.advance(1)
      await Promise.all([...vetoes, touch(), signer.test.signer.due.settle()])
      signer.advance(1)
      await touch()
      const settled = (await signer.entries()).filter(
        (entry) => entry.changeId === id && /^change-(applied|vetoed|dropped)$/.test(entry.type),
      )
      expect(settled).toHaveLength(1)
      expect(`change-${await stateOf(asked)}`).toBe(settled[0]?.type)
    }
  })
})

describe('quorum and delay', () => {
  it('are raised at once and lowered after the delay that held', async () => {
    const quorum = (body: object) => signer.change('PUT', '/v1/organisation/quorum', body, admins)
    const delay = (body: object) => signer.change('PUT', '/v1/organisation/loosening-delay', body, admins)
    expect((await quorum({ quorum: 3, expected: 2 })).body).toMatchObject({
      quorum: 3,
      receipt: { entry: { type: 'quorum', before: 2 } },
    })
    expect((await quorum({ quorum: 1, expected: 3 })).status).toBe(202)
    expect((await delay({ delay: '48h', expected: '24h' })).status).toBe(200)
    expect((await delay({ delay: '0s', expected: '2d' })).body).toMatchObject({
      dueAt: new Date(signer.nowMs() + 2 * dayMs).toISOString(),
    })
    signer.advance(dayMs)
    expect((await touch()).body).toMatchObject({ quorum: 1, looseningDelay: '2d', pendingChanges: 1 })
    signer.advance(dayMs)
    expect((await touch()).body).toMatchObject({ looseningDelay: '0s', pendingChanges: 0 })
  })

  it('refuse what nobody could ever undo, and what was decided for another state', async () => {
    const quorum = (body: object) => signer.change('PUT', '/v1/organisation/quorum', body)
    expect(errorCode(await quorum({ quorum: 4, expected: 2 }))).toBe('SIGNER_QUORUM_LOST')
    expect(errorCode(await quorum({ quorum: 3, expected: 1 }))).toBe('SIGNER_CHANGE_CONFLICT')
    const delay = (body: object) => signer.change('PUT', '/v1/organisation/loosening-delay', body)
    expect(errorCode(await delay({ delay: '91d', expected: '24h' }))).toBe('WIRE_INVALID_BODY')
    expect(errorCode(await delay({ delay: '7d', expected: '12h' }))).toBe('SIGNER_CHANGE_CONFLICT')
  })
})

describe('time', () => {
  it('passes for a request that was held back no sooner than it arrives', async () => {
    await put(narrow)
    const createdS = Math.floor(signer.nowMs() / 1000)
    const expected = await hashOf('talk')
    const held = await signer.test.signed(
      'PUT',
      '/v1/policies/talk',
      { policy: wide, expected },
      {
        by: admins.slice(0, 2),
        createdS,
        lifetimeS: 86_400,
      },
    )
    signer.advance(23 * hourMs)
    const asked = await signer.test.send(held)
    expect(asked).toMatchObject({
      status: 202,
      body: { dueAt: new Date(signer.nowMs() + dayMs).toISOString() },
    })
  })

  it('that is set back, or ahead, carries nothing out early', async () => {
    await put(narrow)
    const asked = await put(wide)
    signer.setClock(dayMs)
    await touch()
    await signer.test.signer.due.settle()
    expect(await stateOf(asked)).toBe('pending')
    signer.setClock(-dayMs)
    signer.advance(dayMs - 1)
    signer.setClock(-hourMs)
    await signer.test.signer.due.settle()
    expect(await stateOf(asked)).toBe('pending')
    signer.setClock(hourMs)
    signer.advance(1)
    await signer.test.signer.due.settle()
    expect(await stateOf(asked)).toBe('applied')
  })
})
