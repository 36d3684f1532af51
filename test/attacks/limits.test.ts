import type { SignedRequest } from '@countersign/wire'
import { encodeFunctionData, parseAbi, serializeTransaction } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { payment, paymentPolicy } from '../faults/payment.ts'
import {
  createTestKey,
  errorCode,
  openTestSigner,
  policyFor,
  type TestSigner,
} from '../signer/test-signer.ts'

const payee = '0x1111111111111111111111111111111111111111'
const token = '0xcccccccccccccccccccccccccccccccccccccccc'

describe('attacks on limits', () => {
  let test: TestSigner
  beforeAll(async () => {
    test = await openTestSigner()
  })
  afterAll(() => test.close())

  it('an owned engine finds no request of two agents to split: the signer takes one signature', async () => {
    const wallet = await test.walletUnder(paymentPolicy('test'))
    const second = createTestKey('second agent')
    const credential = { algorithm: 'p256', publicKey: second.publicKey, role: 'agent', name: second.name }
    await test.ask('POST', '/v1/credentials', credential, { by: test.admins })
    const asked: [SignedRequest['method'], string, unknown][] = [
      ['POST', `/v1/wallets/${wallet.id}/sign-transaction`, payment(400n)],
      ['POST', '/v1/wallets', { type: 'EVM' }],
      ['GET', `/v1/wallets/${wallet.id}`, undefined],
      ['GET', '/v1/journal/checkpoint', undefined],
    ]
    const size = test.signer.journal.size()
    for (const [method, path, body] of asked) {
      const { request } = await test.signed(method, path, body, { by: [test.agent, second] })
      const answer = await test.send({ request })
      expect(answer.status, path).toBe(400)
      expect(errorCode(answer), path).toBe('WIRE_TOO_MANY_SIGNATURES')
    }
    expect(test.signer.journal.size()).toBe(size)
    expect(await test.signer.ledger.range('window', wallet.id, `${wallet.id}~`, 1)).toEqual([])
  })

  it('a batch adds up in one window, in one request and over several', async () => {
    const asset = `eip155:31337/erc1155:${token}`
    const wallet = await test.walletUnder(
      policyFor(
        [
          {
            id: 'pay',
            action: 'permit',
            effects: ['token-transfer'],
            when: { recipient: [payee] },
            limits: [{ id: 'daily', amount: '100', asset, window: { rolling: '24h' } }],
          },
          { id: 'fee', action: 'permit', effects: ['fee'] },
        ],
        'batch',
      ),
    )
    const batch = (amounts: readonly bigint[], from: `0x${string}` = wallet.address) => {
      const data = encodeFunctionData({
        abi: parseAbi(['function safeBatchTransferFrom(address, address, uint256[], uint256[], bytes)']),
        args: [from, payee, amounts.map(() => 7n), amounts, '0x'],
      })
      const fees = { gas: 1_000_000n, maxFeePerGas: 1n, maxPriorityFeePerGas: 0n }
      const unsignedTransaction = serializeTransaction({ chainId: 31337, to: token, data, nonce: 0, ...fees })
      const path = `/v1/wallets/${wallet.id}/sign-transaction`
      return test.ask('POST', path, { unsignedTransaction }, { by: test.agent })
    }
    expect(errorCode(await batch([50n, 50n, 1n]))).toBe('POLICY_REFUSED')
    expect(errorCode(await batch([1n], token))).toBe('POLICY_REFUSED')
    expect((await batch([50n, 49n])).status).toBe(200)
    expect(errorCode(await batch([1n, 1n]))).toBe('POLICY_REFUSED')
    expect((await batch([1n])).status).toBe(200)
  })
})
