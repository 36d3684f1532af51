import { type Address, type Hex, nativeAsset } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { Effect } from '../effect.ts'
import { batchOf } from './account-calls.ts'
import { batchItemsMax, type Call, knownCalls } from './call.ts'
import {
  type EntryPointVersion,
  effectsOfUserOperation,
  entryPoints,
  feeMinorOf,
  isEip7702InitCode,
  type UserOperationFields,
  unpackHalves,
  userOperationHash,
} from './user-operation.ts'

const unpacked =
  'address sender, uint256 nonce, bytes initCode, bytes callData, uint256 callGasLimit, uint256 verificationGasLimit, uint256 preVerificationGas, uint256 maxFeePerGas, uint256 maxPriorityFeePerGas, bytes paymasterAndData, bytes signature'
const packed =
  'address sender, uint256 nonce, bytes initCode, bytes callData, bytes32 accountGasLimits, uint256 preVerificationGas, bytes32 gasFees, bytes paymasterAndData, bytes signature'

/** What a bundler sends: operations that others have signed. At the canonical EntryPoints only. */
export const handleOpsCalls = [
  ...knownCalls([[`handleOps((${unpacked})[] ops, address beneficiary)`, handleOps]], (_, contract) =>
    isVersion(contract, '0.6'),
  ),
  ...knownCalls(
    [[`handleOps((${packed})[] ops, address beneficiary)`, handleOps]],
    (_, contract) => isVersion(contract, '0.7') || isVersion(contract, '0.8'),
  ),
]

function isVersion(contract: Address, version: EntryPointVersion): boolean {
  return entryPoints.get(contract) === version
}

export interface PackedOp extends Pick<UserOperationFields, 'sender' | 'nonce' | 'initCode' | 'callData'> {
  readonly accountGasLimits: Hex
  readonly preVerificationGas: bigint
  readonly gasFees: Hex
  readonly paymasterAndData: Hex
}

function handleOps(args: AbiArguments, call: Call): Effect[] | string | undefined {
  const { chain, contract: entryPoint, unroll } = call
  const version = entryPoints.get(entryPoint)
  if (version === undefined) return undefined
  const given = args.ops as unknown as readonly (UserOperationFields | PackedOp)[]
  if (given.length > batchItemsMax) return `It has more than ${batchItemsMax} operations.`
  const ops = given.map((op): UserOperationFields => ({ ...unpackOperation(op), chain, entryPoint, version }))
  const effects = ops.flatMap((op) => effectsOfUserOperation(op, hashOf(op), unroll))
  // The EntryPoint pays what it took from the accounts to whom the bundler names.
  const beneficiary: Effect = {
    kind: 'native-transfer',
    account: entryPoint,
    chain,
    asset: nativeAsset(chain),
    recipient: args.beneficiary as Address,
    amountMinor: ops.reduce((sum, op) => sum + feeMinorOf(op), 0n),
  }
  return [batchOf(call, 'handle-ops', ops.length), ...effects, beneficiary]
}

/** An EIP-7702 account's delegate is hashed but does not stand in the bytes. */
function hashOf(op: UserOperationFields): Hex | undefined {
  return isEip7702InitCode(op) ? undefined : userOperationHash(op)
}

/** The packed pairs of 0.7 and 0.8 apart; operations of 0.6 as they are. */
export function unpackOperation(
  op: UserOperationFields | PackedOp,
): Omit<UserOperationFields, 'chain' | 'entryPoint' | 'version'> {
  const { sender, nonce, initCode, callData, preVerificationGas, paymasterAndData } = op
  const common = { sender, nonce, initCode, callData, preVerificationGas, paymasterAndData }
  if (!('accountGasLimits' in op)) {
    const { callGasLimit, verificationGasLimit, maxFeePerGas, maxPriorityFeePerGas } = op
    return { ...common, callGasLimit, verificationGasLimit, maxFeePerGas, maxPriorityFeePerGas }
  }
  const [verificationGasLimit, callGasLimit] = unpackHalves(op.accountGasLimits)
  const [maxPriorityFeePerGas, maxFeePerGas] = unpackHalves(op.gasFees)
  return { ...common, callGasLimit, verificationGasLimit, maxFeePerGas, maxPriorityFeePerGas }
}
