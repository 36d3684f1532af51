import { type Address, encodeHex, type Hex } from '@countersign/bytes'
import { hashMessage, hashTypedData, keccak256, recoverAddress } from 'viem'
import {
  getUserOperationHash,
  getUserOperationTypedData,
  toPackedUserOperation,
  type UserOperation,
} from 'viem/account-abstraction'
import { privateKeyToAccount, sign } from 'viem/accounts'
import { describe, expect, it } from 'vitest'
import {
  alice,
  bob,
  calldata,
  chain,
  coinsEffect,
  native,
  account as sender,
  token,
  transfer,
  transferEffect,
} from '../testing/evm-calls.ts'
import type { UserOperation as UserOperationEffect } from './account-effect.ts'
import { typedDataIntent } from './typed-data-intent.ts'
import {
  type UserOperationInput,
  type UserOperationRequest,
  userOperationIntent,
} from './user-operation-intent.ts'

const entryPoint06 = '0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789'
const entryPoint07 = '0x0000000071727De22E5E9d8BAf0edAc6f37da032'
const entryPoint08 = '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108'
const entryPoint09 = '0x433709009B8330FDa32311DF1C2AFA402eD8D009'

const callData = calldata('execute(address, uint256, bytes)', [token, 0n, transfer(bob, 7n)])
const common = {
  sender,
  nonce: 5n,
  callData,
  callGasLimit: 100n,
  verificationGasLimit: 20n,
  preVerificationGas: 3n,
  maxFeePerGas: 11n,
  maxPriorityFeePerGas: 2n,
}
const factory = alice
const factoryData = '0x5fbfb9cf1234' as Hex
const paymaster = `0x${'ee'.repeat(20)}` as Address
const paid07 = {
  paymaster,
  paymasterVerificationGasLimit: 1_000n,
  paymasterPostOpGasLimit: 2_000n,
  paymasterData: '0xbeef' as Hex,
}

type Change = Partial<UserOperationInput>

function request(entryPoint: string, change: Change = {}, form: string = 'eip191'): UserOperationRequest {
  return {
    entryPoint,
    chainId: 1,
    userOperation: { ...common, ...change },
    signatureForm: form as UserOperationRequest['signatureForm'],
  }
}

/** By viem; `userOperation` in viem's fields. */
function hashOf(version: '0.6' | '0.7' | '0.8', userOperation: object): Hex {
  const entryPointAddress = { '0.6': entryPoint06, '0.7': entryPoint07, '0.8': entryPoint08 }[version]
  return getUserOperationHash({
    chainId: 1,
    entryPointAddress: entryPointAddress as Address,
    entryPointVersion: version,
    userOperation: { ...common, signature: '0x', ...userOperation } as UserOperation,
  })
}

const authorization = { address: bob, chainId: 1, nonce: 0, r: '0x', s: '0x', yParity: 0 }

describe('the hash', () => {
  const cases: [string, string, '0.6' | '0.7' | '0.8', Change, object][] = [
    ['0.6', entryPoint06, '0.6', {}, { initCode: '0x', paymasterAndData: '0x' }],
    [
      '0.6 with a factory and a paymaster',
      entryPoint06,
      '0.6',
      { initCode: `${factory}5fbfb9cf1234`, paymasterAndData: `${paymaster}beef` },
      { initCode: `${factory}5fbfb9cf1234`, paymasterAndData: `${paymaster}beef` },
    ],
    ['0.7', entryPoint07, '0.7', {}, {}],
    [
      '0.7 with a factory and a paymaster',
      entryPoint07,
      '0.7',
      { factory, factoryData, ...paid07 },
      { factory, factoryData, ...paid07 },
    ],
    ['0.8', entryPoint08, '0.8', {}, {}],
    [
      '0.8 with a factory and a paymaster',
      entryPoint08,
      '0.8',
      { factory, factoryData, ...paid07 },
      { factory, factoryData, ...paid07 },
    ],
    [
      '0.8 of an EIP-7702 account',
      entryPoint08,
      '0.8',
      { factory: '0x7702', eip7702Auth: { address: bob } },
      { factory: '0x7702', authorization },
    ],
    [
      '0.8 of an EIP-7702 account that is called first',
      entryPoint08,
      '0.8',
      { factory: `0x7702${'00'.repeat(18)}`, factoryData, eip7702Auth: { address: bob } },
      { factory: '0x7702', factoryData, authorization },
    ],
  ]
  it.each(cases)('of %s is viem’s', (_, entryPoint, version, change, viemFields) => {
    const hash = hashOf(version, viemFields)
    const bare = userOperationIntent(request(entryPoint, change, 'digest'))
    expect(encodeHex(bare.toSign)).toBe(hash)
    expect((bare.effects[0] as UserOperationEffect).userOpHash).toBe(hash)
    const prefixed = userOperationIntent(request(entryPoint, change, 'eip191'))
    expect(encodeHex(prefixed.toSign)).toBe(hashMessage({ raw: hash }))
    expect(prefixed.payloadDigest).not.toBe(bare.payloadDigest)
  })

  it('of 0.8 is the EIP-712 digest', () => {
    const typed = userOperationIntent(request(entryPoint08, {}, 'typed-data'))
    expect(encodeHex(typed.toSign)).toBe(hashOf('0.8', {}))
    expect(typed.payloadDigest).toBe(userOperationIntent(request(entryPoint08, {}, 'digest')).payloadDigest)
  })

  it('is recovered as SimpleAccount does', async () => {
    const key = keccak256('0x01')
    const { toSign } = userOperationIntent(request(entryPoint07))
    const signature = await sign({ hash: encodeHex(toSign), privateKey: key, to: 'hex' })
    const hash = hashMessage({ raw: hashOf('0.7', {}) })
    expect(await recoverAddress({ hash, signature })).toBe(privateKeyToAccount(key).address)
  })

  it('is not taken from anybody, and does not hold the signature', () => {
    const plain = userOperationIntent(request(entryPoint07))
    expect(userOperationIntent(request(entryPoint07, { signature: '0x1234' })).toSign).toEqual(plain.toSign)
    expect(() => userOperationIntent(request(entryPoint07, { userOpHash: '0x12' } as Change))).toThrow(
      expect.objectContaining({ code: 'INTENT_USER_OPERATION_INVALID' }),
    )
  })

  it('takes quantities as JSON has them', () => {
    const asText: Change = {
      nonce: '0x5',
      callGasLimit: '100',
      verificationGasLimit: 20,
      preVerificationGas: '0x3',
      maxFeePerGas: '0xb',
      maxPriorityFeePerGas: '2',
    }
    const { toSign } = userOperationIntent(request(entryPoint07, asText))
    expect(toSign).toEqual(userOperationIntent(request(entryPoint07)).toSign)
  })
})

describe('the effects', () => {
  const envelope = {
    kind: 'user-operation',
    account: sender,
    chain,
    sender,
    nonce: 5n,
    factory: undefined,
    paymaster: undefined,
    userOpHash: expect.any(String),
  }
  const op06 = { ...envelope, version: '0.6', entryPoint: entryPoint06.toLowerCase() }
  const op07 = { ...envelope, version: '0.7', entryPoint: entryPoint07.toLowerCase() }
  const op08 = { ...envelope, version: '0.8', entryPoint: entryPoint08.toLowerCase() }
  const inner = [
    {
      kind: 'batch',
      account: sender,
      chain,
      contract: sender,
      form: 'account-execute',
      calls: 1,
      selector: '0xb61d27f6',
    },
    transferEffect(sender, bob, 7n),
  ]
  const fee = (amountMinor: bigint) => ({ kind: 'fee', account: sender, chain, asset: native, amountMinor })
  const effectsOf = (entryPoint: string, change: Change = {}) =>
    userOperationIntent(request(entryPoint, change)).effects

  it('the operation, its calls and its fee', () => {
    expect(effectsOf(entryPoint06)).toEqual([op06, ...inner, fee(123n * 11n)])
    expect(effectsOf(entryPoint07)).toEqual([op07, ...inner, fee(123n * 11n)])
    expect(effectsOf(entryPoint08)).toEqual([op08, ...inner, fee(123n * 11n)])
    const { operation, chain: named } = userOperationIntent(request(entryPoint08))
    expect([operation, named]).toEqual(['sign-user-operation', chain])
  })

  it('a paymaster: what it is told, and its gas', () => {
    const paid = { paymaster, paymasterData: '0xbeef' }
    expect(effectsOf(entryPoint06, { paymasterAndData: `${paymaster}beef` })).toEqual([
      { ...op06, ...paid },
      ...inner,
      fee((100n + 3n * 20n + 3n) * 11n),
    ])
    expect(effectsOf(entryPoint07, paid07)).toEqual([{ ...op07, ...paid }, ...inner, fee(3_123n * 11n)])
  })

  it('a factory: what it is called with', () => {
    const called = {
      kind: 'contract-call',
      account: sender,
      chain,
      contract: factory,
      selector: '0x5fbfb9cf',
      calldata: factoryData,
    }
    expect(effectsOf(entryPoint06, { initCode: `${factory}5fbfb9cf1234` })).toEqual([
      { ...op06, factory },
      called,
      ...inner,
      fee(123n * 11n),
    ])
    expect(effectsOf(entryPoint07, { factory, factoryData })[1]).toEqual(called)
    expect(effectsOf(entryPoint07, { factory })).toEqual([{ ...op07, factory }, ...inner, fee(123n * 11n)])
  })

  it('in 0.8 a factory may be the code of an EIP-7702 account: one hash, both calls', () => {
    const asFactory = userOperationIntent(request(entryPoint08, { factory: bob, factoryData }))
    const as7702 = userOperationIntent(
      request(entryPoint08, { factory: '0x7702', factoryData, eip7702Auth: { address: bob } }),
    )
    expect(as7702).toEqual(asFactory)
    expect(as7702.effects).toMatchObject([
      { ...op08, factory: bob },
      { kind: 'contract-call', account: sender, contract: bob, calldata: factoryData },
      { kind: 'contract-call', account: sender, contract: sender, calldata: factoryData },
      ...inner,
      fee(123n * 11n),
    ])
  })

  it.each<[string, Hex, object[]]>([
    ['nothing', '0x', []],
    [
      'a call of the account itself',
      '0x12345678',
      [{ kind: 'contract-call', account: sender, contract: sender }],
    ],
    ['no call', '0x1234', [{ kind: 'unknown-calldata', account: sender, contract: sender }]],
    ['what only the account can read', `0x8dd7712f${callData.slice(2)}`, [{ kind: 'unknown-calldata' }]],
    [
      'coins',
      calldata('execute(address, uint256, bytes)', [bob, 4n, '0x']),
      [{ kind: 'batch' }, coinsEffect(sender, bob, 4n)],
    ],
  ])('of %s', (_, data, effects) => {
    expect(effectsOf(entryPoint07, { callData: data }).slice(1, -1)).toMatchObject(effects)
  })
})

describe('refuses', () => {
  const invalid = 'INTENT_USER_OPERATION_INVALID'
  it.each<[string, UserOperationRequest, string]>([
    ['an entry point that is nobody’s', request(alice), invalid],
    ['the entry point of 0.9', request(entryPoint09), invalid],
    ['chain 0', { ...request(entryPoint07), chainId: 0 }, invalid],
    ['a chain over every other', { ...request(entryPoint07), chainId: 2n ** 53n }, invalid],
    ['a signature form that nobody knows', request(entryPoint07, {}, 'raw'), invalid],
    ['typed data of 0.7', request(entryPoint07, {}, 'typed-data'), invalid],
    ['initCode in 0.7', request(entryPoint07, { initCode: '0x' }), invalid],
    ['a factory in 0.6', request(entryPoint06, { factory: alice }), invalid],
    [
      'an authorization in 0.7',
      request(entryPoint07, { factory: alice, eip7702Auth: { address: bob } }),
      invalid,
    ],
    ['factory data alone', request(entryPoint07, { factoryData: '0x12' }), invalid],
    ['an authorization alone', request(entryPoint08, { eip7702Auth: { address: bob } }), invalid],
    [
      'an authorization with a factory',
      request(entryPoint08, { factory: alice, eip7702Auth: { address: bob } }),
      invalid,
    ],
    ['0x7702 without its delegate', request(entryPoint08, { factory: '0x7702' }), invalid],
    ['0x7702 in 0.7', request(entryPoint07, { factory: '0x7702' }), 'BYTES_NOT_AN_ADDRESS'],
    ['paymaster data alone', request(entryPoint07, { paymasterData: '0x12' }), invalid],
    ['paymaster gas alone', request(entryPoint07, { paymasterPostOpGasLimit: 1 }), invalid],
    ['initCode shorter than an address', request(entryPoint06, { initCode: '0x1234' }), invalid],
    ['a paymaster shorter than an address', request(entryPoint06, { paymasterAndData: '0x1234' }), invalid],
    ['gas over 128 bits', request(entryPoint07, { callGasLimit: 2n ** 128n }), invalid],
    ['a price over 128 bits', request(entryPoint08, { maxFeePerGas: 2n ** 128n }), invalid],
    ['a nonce over 256 bits', request(entryPoint07, { nonce: 2n ** 256n }), invalid],
    ['a negative nonce', request(entryPoint07, { nonce: -1n }), invalid],
    ['callData that is no hex', request(entryPoint07, { callData: 'transfer' }), invalid],
    [
      'callData over every limit',
      request(entryPoint07, { callData: `0x${'00'.repeat(131_073)}` }),
      'INTENT_TOO_LARGE',
    ],
    ['a sender that is no address', request(entryPoint07, { sender: '0x12' }), 'BYTES_NOT_AN_ADDRESS'],
    ['no nonce', request(entryPoint07, { nonce: undefined as never }), 'BYTES_NOT_AN_AMOUNT'],
  ])('%s', (_, given, code) => {
    expect(() => userOperationIntent(given)).toThrow(expect.objectContaining({ code }))
  })

  it('takes 128 bits of gas, and no operation for an object', () => {
    expect(() => userOperationIntent(request(entryPoint07, { callGasLimit: 2n ** 128n - 1n }))).not.toThrow()
    expect(() => userOperationIntent({ ...request(entryPoint07), userOperation: null as never })).toThrow(
      expect.objectContaining({ code: invalid }),
    )
  })
})

describe('PackedUserOperation as typed data', () => {
  const typedData = (change: object, domain: object = {}) => {
    const data = getUserOperationTypedData({
      chainId: 1,
      entryPointAddress: entryPoint08,
      userOperation: { ...common, signature: '0x', ...change } as UserOperation<'0.8'>,
    })
    // viem leaves the signature in the message; its type does not have it.
    const { signature, ...message } = data.message as typeof data.message & { signature: Hex }
    expect(signature).toBe('0x')
    return { ...data, message, domain: { ...data.domain, ...domain } }
  }

  it.each<[string, object, Change]>([
    ['plain', {}, {}],
    [
      'with a factory and a paymaster',
      { factory, factoryData, ...paid07 },
      { factory, factoryData, ...paid07 },
    ],
    [
      'of an EIP-7702 account',
      { factory: '0x7702', factoryData, authorization },
      { factory: '0x7702', factoryData, eip7702Auth: { address: bob } },
    ],
  ])('%s has the effects of the operation, and its digest', (_, viemFields, change) => {
    const typed = typedDataIntent(typedData(viemFields) as never)
    const operation = userOperationIntent(request(entryPoint08, change, 'typed-data'))
    expect(typed.toSign).toEqual(operation.toSign)
    expect(typed.effects.slice(0, -1)).toEqual(operation.effects)
    expect(typed.effects.at(-1)).toMatchObject({ kind: 'typed-data', primaryType: 'PackedUserOperation' })
    expect(typed.effects.at(-1)).not.toHaveProperty('opaquePermit')
  })

  it.each<[string, object]>([
    ['for another contract', { verifyingContract: alice }],
    ['for the entry point of 0.7', { verifyingContract: entryPoint07 }],
    ['of another name', { name: 'ERC4338' }],
    ['of another version', { version: '2' }],
    ['with a salt', { salt: keccak256('0x') }],
  ])('%s is opaque', (_, domain) => {
    const data = typedData({}, domain)
    const { effects, toSign } = typedDataIntent(data as never)
    expect(encodeHex(toSign)).toBe(hashTypedData(data as never))
    expect(effects).toMatchObject([{ kind: 'typed-data', opaquePermit: true }])
  })

  it('with other fields is opaque', () => {
    const data = typedData({})
    const types = {
      PackedUserOperation: data.types.PackedUserOperation.filter(({ name }) => name !== 'nonce'),
    }
    const { nonce, ...message } = toPackedUserOperation({ ...common, signature: '0x' } as UserOperation)
    const { signature, ...rest } = message
    expect([nonce, signature]).toEqual([5n, '0x'])
    expect(typedDataIntent({ ...data, types, message: rest }).effects).toMatchObject([
      { kind: 'typed-data', opaquePermit: true },
    ])
  })
})
