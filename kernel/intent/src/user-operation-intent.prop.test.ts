import { type Address, encodeHex, type Hex } from '@countersign/bytes'
import fc from 'fast-check'
import { hashMessage } from 'viem'
import { getUserOperationHash, type UserOperation } from 'viem/account-abstraction'
import { describe, expect, it } from 'vitest'
import { userOperationIntent } from './user-operation-intent.ts'

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((one) => encodeHex(one))
const addresses = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((one) => encodeHex(one) as Address)
const uint = (bits: number) =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }),
    fc.constantFrom(0n, 1n, (1n << BigInt(bits)) - 1n),
  )
const chainIds = fc.oneof(fc.constantFrom(1, 8453), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))

const common = (bits: number) => ({
  sender: addresses,
  nonce: uint(256),
  callData: bytes(300),
  callGasLimit: uint(bits),
  verificationGasLimit: uint(bits),
  preVerificationGas: uint(256),
  maxFeePerGas: uint(bits),
  maxPriorityFeePerGas: uint(bits),
})
const factories = fc.option(fc.record({ factory: addresses, factoryData: bytes(100) }), { nil: {} })
const paymasters = fc.option(
  fc.record({
    paymaster: addresses,
    paymasterVerificationGasLimit: uint(128),
    paymasterPostOpGasLimit: uint(128),
    paymasterData: bytes(100),
  }),
  { nil: {} },
)
const leading = fc.option(
  fc.tuple(addresses, bytes(100)).map(([one, more]): Hex => `${one as Hex}${more.slice(2)}`),
  { nil: '0x' as Hex },
)

const entryPoints = {
  '0.6': '0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789',
  '0.7': '0x0000000071727De22E5E9d8BAf0edAc6f37da032',
  '0.8': '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108',
} as const

type Version = keyof typeof entryPoints

const operations: fc.Arbitrary<{ version: Version; userOperation: object }> = fc.oneof(
  fc
    .record({ ...common(256), initCode: leading, paymasterAndData: leading })
    .map((userOperation) => ({ version: '0.6' as const, userOperation })),
  fc
    .tuple(fc.constantFrom<Version>('0.7', '0.8'), fc.record(common(128)), factories, paymasters)
    .map(([version, op, factory, paymaster]) => ({
      version,
      userOperation: { ...op, ...factory, ...paymaster },
    })),
)

describe('user operations against viem', () => {
  it('have the hash that viem computes, for every version and account', () => {
    fc.assert(
      fc.property(operations, chainIds, ({ version, userOperation }, chainId) => {
        const hash = getUserOperationHash({
          chainId,
          entryPointAddress: entryPoints[version],
          entryPointVersion: version,
          userOperation: { ...userOperation, signature: '0x' } as unknown as UserOperation,
        })
        const request = {
          entryPoint: entryPoints[version],
          chainId,
          userOperation: userOperation as never,
        }
        const bare = userOperationIntent({ ...request, signatureForm: 'digest' })
        expect(encodeHex(bare.toSign)).toBe(hash)
        expect(bare.effects[0]).toMatchObject({ kind: 'user-operation', version, userOpHash: hash })
        expect(bare.effects.at(-1)).toMatchObject({ kind: 'fee' })
        const prefixed = userOperationIntent({ ...request, signatureForm: 'eip191' })
        expect(encodeHex(prefixed.toSign)).toBe(hashMessage({ raw: hash }))
        expect(prefixed.effects).toEqual(bare.effects)
      }),
      { numRuns: 300 },
    )
  })

  it('differ wherever one field does', () => {
    fc.assert(
      fc.property(operations, fc.nat(20), ({ version, userOperation }, pick) => {
        const sign = (op: object) =>
          userOperationIntent({
            entryPoint: entryPoints[version],
            chainId: 1,
            userOperation: op as never,
            signatureForm: 'digest',
          })
        const numbers = Object.entries(userOperation).filter(([, value]) => typeof value === 'bigint')
        const [name, value] = numbers[pick % numbers.length] as [string, bigint]
        const changed = { ...userOperation, [name]: value === 0n ? 1n : value - 1n }
        expect(sign(changed).toSign).not.toEqual(sign(userOperation).toSign)
      }),
      { numRuns: 200 },
    )
  })
})
