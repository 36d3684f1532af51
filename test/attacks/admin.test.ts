import { randomBytes } from 'node:crypto'
import { addSignature } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testAuthenticator, testOrigin, testRpId } from '../../kernel/wire/src/testing/authenticator.ts'
import { payment, paymentPolicy } from '../faults/payment.ts'
import { errorCode, openTestSigner, type TestSigner } from '../signer/test-signer.ts'

describe('a single admin below the quorum', () => {
  let test: TestSigner
  let walletId: string
  beforeAll(async () => {
    test = await openTestSigner({ admins: 2 })
    walletId = (await test.walletUnder(paymentPolicy('test'))).id
  })
  afterAll(() => test.close())

  it('can move what a rule for anybody permits, and the custody statement says so', async () => {
    const [admin] = test.admins
    const path = `/v1/wallets/${walletId}/sign-transaction`
    const signed = await test.ask('POST', path, payment(1000n), { by: admin! })
    expect(signed.status).toBe(200)
    const answer = await test.ask('GET', `/v1/custody/${walletId}`, undefined, { by: test.agent })
    const { statement } = answer.body as { statement: { ifOwned: { what: string; canMove: string[] }[] } }
    const alone = statement.ifOwned.find(({ what }) => what.includes(admin!.id))
    expect(alone?.canMove.join()).toContain('1000')
    expect(statement.ifOwned.at(-1)?.what).toMatch(/every agent/)
  })
})

it('no credential hides from an auditor behind the first page', async () => {
  const test = await openTestSigner({ admins: 3 })
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path = `/v1/credentials?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`
    const answer = await test.ask('GET', path, undefined, { by: test.admins[0]! })
    expect(answer.status).toBe(200)
    const page = answer.body as { items: { id: string }[]; nextCursor: string | null }
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.nextCursor
  }
  expect(seen.sort()).toEqual([...test.admins, test.agent].map(({ id }) => id).sort())
  await test.close()
})

it('one key that is two credentials is one admin of a quorum', async () => {
  const test = await openTestSigner({ admins: 2 })
  const [first, second] = test.admins
  const secret = Buffer.from(first!.key.export({ format: 'jwk' }).d as string, 'base64url')
  const twin = testAuthenticator('webauthn-p256', secret)
  const passkey = {
    algorithm: twin.algorithm,
    registration: twin.register({ audience: test.audience }),
    rpId: testRpId,
    origins: [testOrigin],
    role: 'admin',
    name: 'the same person',
  }
  expect((await test.ask('POST', '/v1/credentials', passkey, { by: test.admins })).status).toBe(201)
  const put = async (by: typeof test.admins) => {
    const body = { policy: paymentPolicy('mine'), expected: null }
    const { request } = await test.signed('PUT', '/v1/policies/mine', body, { by })
    const created = Math.floor(Date.now() / 1000)
    const nonce = randomBytes(16).toString('base64url')
    const signer = twin.signer({}, { created, expires: created + 60, nonce })
    return test.send({ request: await addSignature(request, signer) })
  }
  expect(errorCode(await put([first!]))).toBe('WIRE_QUORUM_NOT_MET')
  expect((await put([second!])).status).toBe(200)
  await test.close()
})
