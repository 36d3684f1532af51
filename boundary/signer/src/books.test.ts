import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DelayedSigner, dayMs, openDelayedSigner } from '../../../test/signer/delayed-signer.ts'
import { errorCode, policyFor, type TestKey } from '../../../test/signer/test-signer.ts'

const alice = `0x${'a1'.repeat(20)}`
const bob = `0x${'b2'.repeat(20)}`
const carol = `0x${'c3'.repeat(20)}`

let signer: DelayedSigner
beforeEach(async () => {
  signer = await openDelayedSigner()
})
afterEach(() => signer.close())

const book = (...addresses: string[]) => ({
  version: 1,
  id: 'friends',
  addresses: addresses.map((address) => ({ address })),
})
const put = async (document: object, more: { by?: readonly TestKey[]; id?: string } = {}) => {
  const expected = (await signer.test.signer.ledger.get('book', 'friends'))?.hash ?? null
  return signer.change('PUT', `/v1/books/${more.id ?? 'friends'}`, { book: document, expected }, more.by)
}
const policy = (action: 'permit' | 'forbid') =>
  policyFor(
    [
      { id: 'pay', action, effects: ['native-transfer'], when: { recipient: ['@friends'] } },
      ...(action === 'forbid'
        ? [{ id: 'all', action: 'permit' as const, effects: ['native-transfer' as const] }]
        : []),
      { id: 'fee', action: 'permit', effects: ['fee'] },
    ],
    'uses-book',
  )
const putPolicy = (action: 'permit' | 'forbid') =>
  signer.change('PUT', '/v1/policies/uses-book', { policy: policy(action), expected: null })
const read = (path: string) => signer.ask('GET', path, undefined, { by: signer.admins[0] as TestKey })

describe('an address book', () => {
  it('that no policy names acts at once, with a receipt, and can be read', async () => {
    const made = await put(book(alice))
    expect(made).toMatchObject({
      status: 200,
      body: {
        id: 'friends',
        version: 1,
        entries: 1,
        receipt: { entry: { type: 'book', book: 'friends', document: book(alice) } },
      },
    })
    const { hash } = made.body as { hash: string }
    expect((await put(book(alice, bob))).body).toMatchObject({ version: 2, entries: 2 })
    expect((await read('/v1/books/friends')).body).toMatchObject({ version: 2, book: book(alice, bob) })
    expect((await read('/v1/books')).body).toMatchObject({
      items: [{ id: 'friends', entries: 2 }],
      nextCursor: null,
    })
    expect(errorCode(await read('/v1/books/none'))).toBe('SIGNER_BOOK_UNKNOWN')
    const stale = await signer.change('PUT', '/v1/books/friends', { book: book(), expected: hash })
    expect(errorCode(stale)).toBe('SIGNER_CHANGE_CONFLICT')
  })

  it('is the quorum’s, under its own id, and well formed', async () => {
    expect(errorCode(await put(book(alice), { by: [signer.admins[0] as TestKey] }))).toBe(
      'WIRE_QUORUM_NOT_MET',
    )
    expect(errorCode(await put(book(alice), { id: 'foes' }))).toBe('SIGNER_CHANGE_CONFLICT')
    expect(errorCode(await put({ ...book(alice), owner: 'me' }))).toBe('POLICY_BOOK_INVALID')
    expect(errorCode(await put(book(alice, alice)))).toBe('POLICY_BOOK_INVALID')
  })

  it('that a policy permits by: more entries wait, fewer act at once', async () => {
    await put(book(alice, bob))
    await putPolicy('permit')
    expect((await put(book(alice))).status).toBe(200)
    const more = await put(book(alice, carol))
    expect(more).toMatchObject({
      status: 202,
      body: { loosens: [{ rule: 'pay', why: expect.stringContaining('uses-book') }] },
    })
    // Another one instead is one more too.
    expect((await put(book(bob))).status).toBe(202)
    expect((await put({ ...book(alice), name: 'Friends' })).status).toBe(200)
  })

  it('that a policy forbids by: fewer entries wait, more act at once', async () => {
    await put(book(alice))
    await putPolicy('forbid')
    expect((await put(book(alice, bob))).status).toBe(200)
    expect(await put(book(bob))).toMatchObject({ status: 202, body: { loosens: [{ rule: 'pay' }] } })
  })

  it.each(['permit', 'forbid'] as const)(
    'that a policy names already (%s) waits from the start',
    async (action) => {
      await putPolicy(action)
      expect((await put(book())).status).toBe(202)
    },
  )

  it('decides: its entries may be paid, others not, and a wallet’s next request sees the next version', async () => {
    await put(book(alice))
    await putPolicy('permit')
    const made = await signer.ask(
      'POST',
      '/v1/wallets',
      { type: 'EVM', policy: 'uses-book' },
      { by: signer.admins[0] as TestKey },
    )
    const { id } = made.body as { id: string }
    const pay = (to: string) =>
      signer.ask(
        'POST',
        `/v1/wallets/${id}/sign-transaction`,
        { unsignedTransaction: transferTo(to) },
        { by: signer.test.agent },
      )
    expect((await pay(alice)).status).toBe(200)
    expect(errorCode(await pay(bob))).toBe('POLICY_REFUSED')
    await put(book(alice, bob))
    expect(errorCode(await pay(bob))).toBe('POLICY_REFUSED')
    signer.advance(dayMs)
    expect((await pay(bob)).status).toBe(200)
    await put(book(bob))
    expect(errorCode(await pay(alice))).toBe('POLICY_REFUSED')
  })
})

/** EIP-1559: chain 1, nonce 0, tips and fees 1, gas 21000, 1 wei. */
function transferTo(address: string): string {
  return `0x02df0180010182520894${address.slice(2)}0180c0`
}
