import { decodeHex } from '@countersign/bytes'
import { verifyReceipt } from '@countersign/wire'
import {
  recoverMessageAddress,
  recoverTransactionAddress,
  serializeTransaction,
  type TransactionSerialized,
} from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCode, openTestSigner, policyFor, type TestSigner } from '../../../test/signer/test-signer.ts'
import { textOf } from './signer.ts'

const payee = '0x1111111111111111111111111111111111111111'
const other = '0x2222222222222222222222222222222222222222'
const chain = 'eip155:31337'
const native = `${chain}/slip44:60`

const policy = policyFor([
  {
    id: 'pay',
    action: 'permit',
    effects: ['native-transfer'],
    when: { chain: [chain], recipient: [payee] },
    limits: [{ id: 'daily', amount: '1000', asset: native, window: { rolling: '24h' } }],
  },
  {
    id: 'fee',
    action: 'permit',
    effects: ['fee'],
    when: { chain: [chain], amount: { max: '21000000000000' } },
  },
  { id: 'hello', action: 'permit', effects: ['message'], operations: ['sign-message'] },
])

function transfer(to: string, value: bigint, nonce = 0): `0x${string}` {
  return serializeTransaction({
    type: 'eip1559',
    chainId: 31337,
    to: to as `0x${string}`,
    value,
    nonce,
    gas: 21_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1n,
  })
}

describe('the main path', () => {
  let test: TestSigner
  let wallet: { id: string; address: `0x${string}` }
  beforeAll(async () => {
    test = await openTestSigner()
    wallet = await test.walletUnder(policy)
  })
  afterAll(() => test.close())

  const signTransaction = (unsignedTransaction: string, options = {}) =>
    test.ask(
      'POST',
      `/v1/wallets/${wallet.id}/sign-transaction`,
      { unsignedTransaction },
      { by: test.agent, ...options },
    )

  it('signs what the policy permits, and says so in a receipt', async () => {
    const answer = await signTransaction(transfer(payee, 10n))
    expect(answer.status).toBe(200)
    const body = answer.body as { signedTransaction: TransactionSerialized; receipt: unknown }
    expect(await recoverTransactionAddress({ serializedTransaction: body.signedTransaction })).toBe(
      wallet.address,
    )
    const journalKey = decodeHex(test.signer.journal.publicKey)
    expect(verifyReceipt(JSON.parse(JSON.stringify(body.receipt)), { journalKey })).toMatchObject({
      valid: true,
    })
  })

  it('signs messages', async () => {
    const answer = await test.ask(
      'POST',
      `/v1/wallets/${wallet.id}/sign-message`,
      { message: 'hello' },
      { by: test.agent },
    )
    const { signature } = answer.body as { signature: `0x${string}` }
    expect(await recoverMessageAddress({ message: 'hello', signature })).toBe(wallet.address)
  })

  it('refuses with reasons what no rule permits', async () => {
    const answer = await signTransaction(transfer(other, 1n))
    expect(answer.status).toBe(403)
    expect(errorCode(answer)).toBe('POLICY_REFUSED')
    expect(JSON.stringify(answer.body)).toContain(other)
  })

  it('gives the same answer again byte for byte, in ASCII though it has dashes', async () => {
    const body = {
      unsignedTransaction: transfer(payee, 1n, 8),
      attribution: { workflow: 'pay \u2014 roll \\\u2014 "\u2014"' },
    }
    const ask = async (requestId: string) => {
      const path = `/v1/wallets/${wallet.id}/sign-transaction`
      return test.ask('POST', path, body, { by: test.agent, requestId })
    }
    const [first, again] = [await ask('with-dashes'), await ask('with-dashes')]
    expect(first.status).toBe(200)
    expect(JSON.stringify(first.body)).toContain(JSON.stringify(body.attribution.workflow))
    // Though the first was put together as text.
    expect(textOf(first)).toBe(textOf(again))
    expect(textOf(first)).toMatch(/^[\x20-\x7e]*$/)
  })

  it('gives the same answer to the same request id, and refuses the same bytes', async () => {
    const unsignedTransaction = transfer(payee, 5n, 7)
    const options = { requestId: 'same-request-1' }
    const first = await signTransaction(unsignedTransaction, options)
    expect(first.status).toBe(200)
    const again = await signTransaction(unsignedTransaction, options)
    expect(again).toEqual(first)
    expect(textOf(first)).toBe(textOf(again))
    expect(errorCode(await signTransaction(transfer(payee, 6n, 7), options))).toBe('WIRE_REQUEST_ID_REUSED')
    const forwarded = await test.signed(
      'POST',
      `/v1/wallets/${wallet.id}/sign-transaction`,
      { unsignedTransaction },
      { by: test.agent },
    )
    expect((await test.send(forwarded)).status).toBe(200)
    expect(errorCode(await test.send(forwarded))).toBe('WIRE_NONCE_REPLAYED')
  })

  it('never overspends a window, exact to the minor unit, with hundreds at once', async () => {
    const fresh = await test.walletUnder(policy)
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        test.ask(
          'POST',
          `/v1/wallets/${fresh.id}/sign-transaction`,
          { unsignedTransaction: transfer(payee, 7n, i) },
          { by: test.agent },
        ),
      ),
    )
    const signed = answers.filter(({ status }) => status === 200).length
    expect(signed).toBe(Math.floor(1000 / 7))
    expect(answers.filter((answer) => errorCode(answer) === 'POLICY_REFUSED').length).toBe(300 - signed)
    const rest = await test.ask(
      'POST',
      `/v1/wallets/${fresh.id}/sign-transaction`,
      { unsignedTransaction: transfer(payee, 6n, 400) },
      { by: test.agent },
    )
    expect(rest.status).toBe(200)
    const one = await test.ask(
      'POST',
      `/v1/wallets/${fresh.id}/sign-transaction`,
      { unsignedTransaction: transfer(payee, 1n, 401) },
      { by: test.agent },
    )
    expect(errorCode(one)).toBe('POLICY_REFUSED')
  })
})
