import type { SignedRequest } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment, paymentPolicy } from '../../../test/faults/payment.ts'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'

/** What an engine can make of a request of several signers without any key: other labels, another order, fewer. */
function relabelled(request: SignedRequest, order: readonly number[]): SignedRequest {
  const inputs = (request.headers['signature-input'] as string).split(/, (?=sig\d=)/)
  const signatures = (request.headers.signature as string).split(/, (?=sig\d=)/)
  const pick = (members: readonly string[]) =>
    order.map((from, to) => (members[from] as string).replace(/^sig\d/, `sig${to + 1}`)).join(', ')
  const headers = { ...request.headers, 'signature-input': pick(inputs), signature: pick(signatures) }
  return { ...request, headers }
}

describe('after a restart, with the memory of nonces gone', () => {
  let test: TestSigner
  let wallet: { id: string }
  beforeAll(async () => {
    test = await openTestSigner({ backend: 'file', admins: 3, quorum: 2 })
    wallet = await test.walletUnder(paymentPolicy('test'))
  })
  afterAll(() => test.close())

  it('a request counts once', async () => {
    const path = `/v1/wallets/${wallet.id}/sign-transaction`
    const { request } = await test.signed('POST', path, payment(10n), { by: test.agent })
    expect((await test.send({ request })).status).toBe(200)
    expect(errorCode(await test.send({ request }))).toBe('WIRE_NONCE_REPLAYED')
    test = await test.reopen()
    const size = test.signer.journal.size()
    expect(errorCode(await test.send({ request }))).toBe('WIRE_NONCE_REPLAYED')
    expect(test.signer.journal.size()).toBe(size)
  })

  it('a change counts once, in whatever order and number its signatures come again', async () => {
    const { hash } = (await test.signer.ledger.get('policy', 'test')) as { hash: string }
    const looser = { policy: paymentPolicy('test', 5000n), expected: hash }
    const { request } = await test.signed('PUT', '/v1/policies/test', looser, { by: test.admins })
    const loosened = await test.send({ request })
    expect(loosened.status).toBe(200)
    // The admins take it back: the policy is again what the first change expects.
    expect((await test.putPolicy(paymentPolicy('test'))).status).toBe(200)

    test = await test.reopen()
    const size = test.signer.journal.size()
    expect(errorCode(await test.send({ request }))).toBe('WIRE_NONCE_REPLAYED')
    // Two of the three signatures still make the quorum, so nothing but the books stands against them.
    for (const order of [[1, 0, 2], [2, 1, 0], [0, 1], [1, 2], [2, 0], [1], [2]]) {
      for (const isRestarted of [true, false]) {
        if (isRestarted) test = await test.reopen()
        const again = await test.send({ request: relabelled(request, order) })
        expect(errorCode(again), `${order}`).toBe('WIRE_NONCE_REPLAYED')
      }
    }
    expect(test.signer.journal.size()).toBe(size)
    expect((await test.signer.ledger.get('policy', 'test'))?.hash).toBe(hash)
  })
})

describe('a change that more have signed than must', () => {
  it('counts once where another part of its signatures comes later', async () => {
    let test = await openTestSigner({ backend: 'file', admins: 3, quorum: 2 })
    await test.putPolicy(paymentPolicy('spare'))
    const { hash } = (await test.signer.ledger.get('policy', 'spare')) as { hash: string }
    const looser = { policy: paymentPolicy('spare', 5000n), expected: hash }
    const { request } = await test.signed('PUT', '/v1/policies/spare', looser, { by: test.admins })
    // The engine keeps the third signature to itself, so nothing is filed under that admin.
    expect((await test.send({ request: relabelled(request, [0, 1]) })).status).toBe(200)
    expect((await test.putPolicy(paymentPolicy('spare'))).status).toBe(200)
    test = await test.reopen()
    expect(errorCode(await test.send({ request: relabelled(request, [2, 1]) }))).toBe('WIRE_NONCE_REPLAYED')
    expect((await test.signer.ledger.get('policy', 'spare'))?.hash).toBe(hash)
    await test.close()
  })
})

describe('a change that comes before its quorum has signed it', () => {
  let test: TestSigner
  beforeAll(async () => {
    test = await openTestSigner({ admins: 3, quorum: 2 })
  })
  afterAll(() => test.close())

  const change = async () => {
    const body = { policy: paymentPolicy('early'), expected: null }
    const { request } = await test.signed('PUT', '/v1/policies/early', body, { by: test.admins.slice(0, 2) })
    return request
  }

  it('uses up none of its signatures, and the whole one all of them', async () => {
    const whole = await change()
    const early = relabelled(whole, [0])
    const size = test.signer.journal.size()
    for (let i = 0; i < 2; i++)
      expect(errorCode(await test.send({ request: early }))).toBe('WIRE_QUORUM_NOT_MET')
    expect(test.signer.journal.size()).toBe(size)
    const done = await test.send({ request: whole })
    expect(done.status).toBe(200)
    for (const order of [[0, 1], [1, 0], [0], [1]]) {
      const again = await test.send({ request: relabelled(whole, order) })
      expect(errorCode(again), `${order}`).toBe('WIRE_NONCE_REPLAYED')
    }
    expect(test.signer.journal.size()).toBe(size + 1)
  })

  it('is made once where it comes many times at once', async () => {
    const body = { policy: paymentPolicy('many'), expected: null }
    const { request } = await test.signed('PUT', '/v1/policies/many', body, { by: test.admins })
    const orders = [[0, 1, 2], [0, 1], [1, 2], [2, 0], [0], [2, 1, 0], [0, 1, 2]]
    const answers = await Promise.all(
      orders.map((order) => test.send({ request: relabelled(request, order) })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(['WIRE_NONCE_REPLAYED', 'WIRE_QUORUM_NOT_MET']).toContain(errorCode(answer))
  })

  it('uses them up where the change itself is refused', async () => {
    const body = { policy: paymentPolicy('early'), expected: null }
    const { request } = await test.signed('PUT', '/v1/policies/early', body, { by: test.admins })
    expect(errorCode(await test.send({ request }))).toBe('SIGNER_CHANGE_CONFLICT')
    expect(errorCode(await test.send({ request }))).toBe('WIRE_NONCE_REPLAYED')
  })

  it('gives the earlier answer to a later signature once', async () => {
    const body = { policy: paymentPolicy('again'), expected: null }
    const options = { by: test.admins, requestId: 'again-and-again' }
    const first = await test.ask('PUT', '/v1/policies/again', body, options)
    const { request } = await test.signed('PUT', '/v1/policies/again', body, options)
    expect(await test.send({ request })).toEqual(first)
    expect(errorCode(await test.send({ request }))).toBe('WIRE_NONCE_REPLAYED')
  })
})
