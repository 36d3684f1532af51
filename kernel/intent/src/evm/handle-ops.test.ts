import type { Address, Hex } from '@countersign/bytes'
import { getUserOperationHash, toPackedUserOperation, type UserOperation } from 'viem/account-abstraction'
import { describe, expect, it } from 'vitest'
import {
  alice,
  bob,
  calldata,
  chain,
  effectsOf,
  native,
  account as sender,
  token,
  transfer,
  transferEffect,
} from '../../testing/evm-calls.ts'
import type { UserOperation as UserOperationEffect } from '../account-effect.ts'
import { batchItemsMax } from './call.ts'

const entryPoint06 = '0x5ff137d4b0fdcd49dca30c7cf57e578a026d2789' as Address
const entryPoint07 = '0x0000000071727de22e5e9d8baf0edac6f37da032' as Address
const entryPoint08 = '0x4337084d9e255ff0702461cf8895ce9e3b5ff108' as Address

const packedTuple = '(address, uint256, bytes, bytes, bytes32, uint256, bytes32, bytes, bytes)[]'
const tuple06 =
  '(address, uint256, bytes, bytes, uint256, uint256, uint256, uint256, uint256, bytes, bytes)[]'
const execute = calldata('execute(address, uint256, bytes)', [token, 0n, transfer(bob, 7n)])
const op = {
  sender,
  nonce: 5n,
  callData: execute,
  callGasLimit: 100n,
  verificationGasLimit: 20n,
  preVerificationGas: 3n,
  maxFeePerGas: 11n,
  maxPriorityFeePerGas: 2n,
  signature: '0x1234' as Hex,
}

function packedOf(change: object): readonly unknown[] {
  const packed = toPackedUserOperation({ ...op, ...change } as UserOperation)
  return [
    packed.sender,
    packed.nonce,
    packed.initCode,
    packed.callData,
    packed.accountGasLimits,
    packed.preVerificationGas,
    packed.gasFees,
    packed.paymasterAndData,
    packed.signature,
  ]
}

const ops06 = (initCode: Hex = '0x'): readonly unknown[] => [
  op.sender,
  op.nonce,
  initCode,
  op.callData,
  op.callGasLimit,
  op.verificationGasLimit,
  op.preVerificationGas,
  op.maxFeePerGas,
  op.maxPriorityFeePerGas,
  '0x',
  op.signature,
]

const inner = (entryPoint: Address, version: string) => [
  { kind: 'user-operation', account: sender, entryPoint, version, sender, nonce: 5n },
  { kind: 'batch', account: sender, contract: sender, form: 'account-execute' },
  transferEffect(sender, bob, 7n),
  { kind: 'fee', account: sender, chain, asset: native, amountMinor: 123n * 11n },
]
const payout = (entryPoint: Address, amountMinor: bigint) => ({
  kind: 'native-transfer',
  account: entryPoint,
  recipient: alice,
  amountMinor,
})

describe('handleOps', () => {
  it.each([
    [entryPoint07, '0.7' as const],
    [entryPoint08, '0.8' as const],
  ])('at %s: every operation, and who is paid', (entryPoint, version) => {
    const data = calldata(`handleOps(${packedTuple}, address)`, [[packedOf({}), packedOf({})], alice])
    expect(data.slice(0, 10)).toBe('0x765e827f')
    const effects = effectsOf(entryPoint, data)
    expect(effects).toMatchObject([
      { kind: 'batch', chain, contract: entryPoint, form: 'handle-ops', calls: 2, selector: '0x765e827f' },
      ...inner(entryPoint, version),
      ...inner(entryPoint, version),
      payout(entryPoint, 2n * 123n * 11n),
    ])
    expect(effects[0]).not.toHaveProperty('account')
    expect((effects[1] as UserOperationEffect).userOpHash).toBe(
      getUserOperationHash({
        chainId: 1,
        entryPointAddress: entryPoint,
        entryPointVersion: version,
        userOperation: op as UserOperation,
      }),
    )
  })

  it('at 0.6', () => {
    const data = calldata(`handleOps(${tuple06}, address)`, [[ops06()], alice])
    expect(data.slice(0, 10)).toBe('0x1fad948c')
    expect(effectsOf(entryPoint06, data)).toMatchObject([
      { kind: 'batch', form: 'handle-ops', calls: 1 },
      ...inner(entryPoint06, '0.6'),
      payout(entryPoint06, 123n * 11n),
    ])
  })

  it('of no version but the entry point’s, and at no other contract', () => {
    const packed = calldata(`handleOps(${packedTuple}, address)`, [[packedOf({})], alice])
    const unpacked = calldata(`handleOps(${tuple06}, address)`, [[ops06()], alice])
    for (const [to, data] of [
      [entryPoint06, packed],
      [entryPoint07, unpacked],
      [alice, packed],
      [alice, unpacked],
    ] as const) {
      expect(effectsOf(to, data)).toMatchObject([{ kind: 'contract-call', contract: to }])
    }
  })

  it.each<[string, Hex, Hex | undefined]>([
    ['marked in full', `0x7702${'00'.repeat(18)}12345678`, '0x12345678'],
    ['marked in short', '0x7702', undefined],
  ])('of an EIP-7702 account, %s: the hash is not in the bytes', (_, initCode, called) => {
    const fields = [...packedOf({})]
    fields[2] = initCode
    const data = calldata(`handleOps(${packedTuple}, address)`, [[fields], alice])
    const effects = effectsOf(entryPoint08, data)
    expect(effects[1]).toMatchObject({ userOpHash: undefined, factory: `0x7702${'00'.repeat(18)}` })
    const calls = effects.filter(({ kind }) => kind === 'contract-call')
    expect(calls).toMatchObject(
      called === undefined ? [] : [{ account: sender, contract: sender, calldata: called }],
    )
  })

  it('with no operations, too many, or bytes that do not decode', () => {
    const of = (count: number) =>
      calldata(`handleOps(${packedTuple}, address)`, [
        Array.from({ length: count }, () => packedOf({ callData: '0x' })),
        alice,
      ])
    expect(effectsOf(entryPoint07, of(0))).toMatchObject([
      { kind: 'batch', calls: 0 },
      payout(entryPoint07, 0n),
    ])
    expect(effectsOf(entryPoint07, of(batchItemsMax + 1))).toMatchObject([{ kind: 'unknown-calldata' }])
    expect(effectsOf(entryPoint07, `${of(1)}00`)).toMatchObject([{ kind: 'unknown-calldata' }])
  })
})
