import type { SignedRequest } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment, paymentPolicy } from '../../../test/faults/payment.ts'
import {
  createTestKey,
  errorCode,
  openTestSigner,
  type TestSigner,
} from '../../../test/signer/test-signer.ts'

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
  const second = createTestKey('second agent')
  beforeAll(async () => {
    test = await openTestSigner({ backend: 'file', admins: 2 })
    wallet = await test.walletUnder(paymentPolicy('test'))
    const credential = { algorithm: 'p256', publicKey: second.publicKey, role: 'agent', name: second.name }
    const added = await test.ask('POST', '/v1/credentials', credential, { by: test.admins })
    expect(added.status).toBe(201)
  })
  afterAll(() => test.close())

  it('a request counts once, in whatever order and number its signatures come again', async () => {
    const path = `/v1/wallets/${wallet.id}/sign-transaction`
    const by = [test.agent, second]
    const { request } = await test.signed('POST', path, payment(10n), { by })
    const first = await test.send({ request })
    expect(first.status).toBe(200)

    const before = await test.ask('GET', '/v1/policies/test', undefined, { by: test.admins })
    const { hash } = before.body as { hash: string }
    const looser = { policy: paymentPolicy('test', 5000n), expected: hash }
    const loosen = await test.signed('PUT', '/v1/policies/test', looser, { by: test.admins })
    const loosened = await test.send(loosen)
    expect(loosened.status).toBe(200)
    // The admins take it back: the policy is again what the first change expects.
    expect((await test.putPolicy(paymentPolicy('test'))).status).toBe(200)

    test = await test.reopen()
    const size = test.signer.journal.size()
    expect(errorCode(await test.send({ request }))).toBe('WIRE_NONCE_REPLAYED')
    test = await test.reopen()
    for (const order of [[1], [0]]) {
      const again = await test.send({ request: relabelled(request, order) })
      if (again.status === 200) expect(again).toEqual(first)
      else expect(errorCode(again)).toBe('WIRE_NONCE_REPLAYED')
    }
    test = await test.reopen()
    const reordered = await test.send({ request: relabelled(request, [1, 0]) })
    if (reordered.status === 200) expect(reordered).toEqual(first)
    else expect(errorCode(reordered)).toBe('WIRE_NONCE_REPLAYED')
    const change = await test.send({ request: relabelled(loosen.request, [1, 0]) })
    if (change.status === 200) expect(change).toEqual(loosened)
    expect(test.signer.journal.size()).toBe(size)
    const after = await test.signer.ledger.get('policy', 'test')
    expect(after?.hash).toBe(hash)
  })
})
