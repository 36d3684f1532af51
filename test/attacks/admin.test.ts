import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment, paymentPolicy } from '../faults/payment.ts'
import { openTestSigner, type TestSigner } from '../signer/test-signer.ts'

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
