import { decodeHex } from '@countersign/bytes'
import type { PolicyDocument } from '@countersign/policy'
import { verifyReceipt, type WalletAnswer } from '@countersign/wire'
import { encodeFunctionData, type Hex, hashMessage, parseAbi, recoverAddress } from 'viem'
import {
  entryPoint06Address,
  entryPoint07Address,
  entryPoint08Address,
  getUserOperationHash,
  type UserOperation,
} from 'viem/account-abstraction'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { walletOf } from '../../../test/signer/chain-wallets.ts'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'

const account = '0x8888888888888888888888888888888888888888'
const other = '0x9999999999999999999999999999999999999999'
const payee = '0x1111111111111111111111111111111111111111'
const thief = '0x6666666666666666666666666666666666666666'
const chain = 'eip155:8453'
const asset = `${chain}/slip44:60`
const abi = parseAbi(['function execute(address to, uint256 value, bytes data)'])

const policy: PolicyDocument = {
  version: 1,
  id: 'operations',
  rules: [
    {
      id: 'operate',
      action: 'permit',
      effects: ['user-operation', 'batch'],
      operations: ['sign-user-operation'],
      when: { chain: [chain], account: [account] },
    },
    {
      id: 'pay',
      action: 'permit',
      effects: ['native-transfer'],
      when: { chain: [chain], recipient: [payee], account: [account] },
      limits: [{ id: 'day', amount: '1000', asset, window: { rolling: '24h' } }],
    },
    {
      id: 'fee',
      action: 'permit',
      effects: ['fee'],
      when: { account: [account], amount: { max: '1000000' } },
    },
  ],
}

const versions = {
  '0.6': entryPoint06Address,
  '0.7': entryPoint07Address,
  '0.8': entryPoint08Address,
} as const
type Version = keyof typeof versions

describe('sign-user-operation', () => {
  let test: TestSigner
  let wallet: WalletAnswer
  beforeAll(async () => {
    test = await openTestSigner()
    wallet = await walletOf(test, policy, { type: 'EVM' })
  })
  afterAll(() => test.close())

  const execute = (to: Hex, value: bigint, data: Hex = '0x') =>
    encodeFunctionData({ abi, functionName: 'execute', args: [to, value, data] })
  const operation = (callData: Hex, change: object = {}) => ({
    sender: account as Hex,
    nonce: '5',
    callData,
    callGasLimit: '100',
    verificationGasLimit: '50',
    preVerificationGas: '10',
    maxFeePerGas: '7',
    maxPriorityFeePerGas: '1',
    ...change,
  })
  const ask = (version: Version, userOperation: object, more: object = {}, id = wallet.id) =>
    test.ask(
      'POST',
      `/v1/wallets/${id}/sign-user-operation`,
      { entryPoint: versions[version], chainId: 8453, userOperation, ...more },
      { by: test.agent },
    )
  const hashOf = (version: Version, callData: Hex): Hex => {
    const numbers = {
      nonce: 5n,
      callGasLimit: 100n,
      verificationGasLimit: 50n,
      preVerificationGas: 10n,
      maxFeePerGas: 7n,
      maxPriorityFeePerGas: 1n,
    }
    const userOperation = { sender: account, callData, signature: '0x', ...numbers } as const
    return getUserOperationHash({
      chainId: 8453,
      entryPointAddress: versions[version],
      entryPointVersion: version,
      userOperation: (version === '0.6'
        ? { ...userOperation, initCode: '0x', paymasterAndData: '0x' }
        : userOperation) as UserOperation<Version>,
    })
  }

  it.each(['0.6', '0.7', '0.8'] as const)(
    'signs operations of %s as its accounts read them',
    async (version) => {
      const { id, address } = await walletOf(test, policy, { type: 'EVM' })
      const callData = execute(payee, 600n)
      const answer = await ask(version, operation(callData), {}, id)
      expect(answer.status).toBe(200)
      const { signature, userOpHash, receipt } = answer.body as {
        signature: Hex
        userOpHash: Hex
        receipt: { entry: object }
      }
      const hash = hashOf(version, callData)
      expect(userOpHash).toBe(hash)
      const digest = version === '0.8' ? hash : hashMessage({ raw: hash })
      expect(await recoverAddress({ hash: digest, signature })).toBe(address)
      expect(receipt.entry).toMatchObject({ operation: 'sign-user-operation', userOpHash: hash })
      const journalKey = decodeHex(test.signer.journal.publicKey)
      expect(verifyReceipt(JSON.parse(JSON.stringify(receipt)), { journalKey }).valid).toBe(true)
    },
  )

  it('signs in the form that is asked for', async () => {
    const callData = execute(payee, 1n)
    const hash = hashOf('0.7', callData)
    const answer = await ask('0.7', operation(callData), { signatureForm: 'digest' })
    const { signature } = answer.body as { signature: Hex }
    expect(await recoverAddress({ hash, signature })).toBe(wallet.address)
    expect(errorCode(await ask('0.7', operation(callData), { signatureForm: 'typed-data' }))).toBe(
      'INTENT_USER_OPERATION_INVALID',
    )
  })

  it('stops at the limit, exact to one wei, over operations of every version', async () => {
    const { id } = await walletOf(test, policy, { type: 'EVM' })
    const pay = (version: Version, value: bigint) => ask(version, operation(execute(payee, value)), {}, id)
    expect((await pay('0.6', 600n)).status).toBe(200)
    expect(errorCode(await pay('0.7', 401n))).toBe('POLICY_REFUSED')
    expect((await pay('0.8', 400n)).status).toBe(200)
    expect(errorCode(await pay('0.7', 1n))).toBe('POLICY_REFUSED')
  })

  it('refuses what the operation does beside what rules name', async () => {
    const refused: [string, object][] = [
      ['another recipient', operation(execute(thief, 1n))],
      ['a call', operation(execute(payee, 0n, '0xdeadbeef'))],
      ['bytes that are no call of the account', operation('0xdeadbeef')],
      ['another account', operation(execute(payee, 1n), { sender: other })],
      ['fees over the limit', operation(execute(payee, 1n), { maxFeePerGas: '100000' })],
    ]
    for (const [name, userOperation] of refused) {
      expect(errorCode(await ask('0.7', userOperation)), name).toBe('POLICY_REFUSED')
    }
  })

  it('refuses entry points that are not canonical, and fields of other versions', async () => {
    const good = operation(execute(payee, 1n))
    expect(errorCode(await ask('0.7', good, { entryPoint: thief }))).toBe('INTENT_USER_OPERATION_INVALID')
    expect(errorCode(await ask('0.7', { ...good, initCode: '0x' }))).toBe('INTENT_USER_OPERATION_INVALID')
    expect(errorCode(await ask('0.6', { ...good, paymaster: thief }))).toBe('INTENT_USER_OPERATION_INVALID')
  })

  it('is for EVM wallets', async () => {
    for (const type of ['SOLANA', 'BITCOIN']) {
      const { id } = await walletOf(test, policy, { type })
      expect(errorCode(await ask('0.7', operation(execute(payee, 1n)), {}, id))).toBe('SIGNER_WALLET_KIND')
    }
  })
})
