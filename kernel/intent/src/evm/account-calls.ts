import type { Address, Hex } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { Batch } from '../account-effect.ts'
import type { Effect } from '../effect.ts'
import { batchItemsMax, type Call, knownCalls, placeOf } from './call.ts'
import { type CallItem, effectsOfItems, unrollExecution } from './execution.ts'

/**
 * `execute` and its kind, as the common smart accounts have them, unrolled at every contract: the calls are those of
 * the contract that is called, which `account` names, and the batch names the contract. What the account is, and
 * whether it does as these selectors usually do, the bytes do not say.
 */
export const accountCalls = knownCalls([
  // SimpleAccount, Coinbase Smart Wallet, Light Account, Biconomy, Simple7702Account
  ['execute(address to, uint256 value, bytes data)', executeOne],
  // MetaMask's DeleGators
  ['execute((address to, uint256 value, bytes data) call)', executeStruct],
  // SimpleAccount 0.6, 0.7, and 0.8 with Coinbase Smart Wallet
  ['executeBatch(address[] to, bytes[] data)', executeLists],
  ['executeBatch(address[] to, uint256[] values, bytes[] data)', executeLists],
  ['executeBatch((address to, uint256 value, bytes data)[] calls)', executeItems],
  ['execute((address to, uint256 value, bytes data)[] calls)', executeItems],
  // Biconomy's shorter selectors for the same
  ['execute_ncC(address to, uint256 value, bytes data)', executeOne],
  ['executeBatch_y6U(address[] to, uint256[] values, bytes[] data)', executeLists],
  // Kernel 2, and the Safe's 4337 module
  ['execute(address to, uint256 value, bytes data, uint8 operation)', executeOperation],
  ['executeUserOp(address to, uint256 value, bytes data, uint8 operation)', executeOperation],
  ['executeUserOpWithErrorString(address to, uint256 value, bytes data, uint8 operation)', executeOperation],
  // Coinbase Smart Wallet: calls of itself that are valid on every chain
  ['executeWithoutChainIdValidation(bytes[] calls)', executeOnSelf],
  // ERC-7579, ERC-7821
  ['execute(bytes32 mode, bytes executionData)', executeMode],
  // ERC-4337, IAccountExecute; in a user operation other calldata may follow the selector
  [
    'executeUserOp((address sender, uint256 nonce, bytes initCode, bytes callData, bytes32 accountGasLimits, uint256 preVerificationGas, bytes32 gasFees, bytes paymasterAndData, bytes signature) userOp, bytes32 userOpHash)',
    () => 'What executeUserOp runs is for the account to say.',
  ],
])

function executeOne(args: AbiArguments, call: Call): Effect[] | string {
  return itemsOf(call, [args as unknown as CallItem])
}

function executeStruct(args: AbiArguments, call: Call): Effect[] | string {
  return itemsOf(call, [args.call as unknown as CallItem])
}

function executeItems(args: AbiArguments, call: Call): Effect[] | string {
  return itemsOf(call, args.calls as unknown as readonly CallItem[])
}

function executeLists(args: AbiArguments, call: Call): Effect[] | string {
  const to = args.to as readonly Address[]
  const data = args.data as readonly Hex[]
  const values = (args.values ?? []) as readonly bigint[]
  // SimpleAccount 0.7 takes an empty list of values for zeros.
  if (to.length !== data.length || (values.length > 0 && values.length !== to.length)) {
    return 'Its lists are not of one length.'
  }
  return itemsOf(
    call,
    to.map((address, i) => ({ to: address, value: values[i] ?? 0n, data: data[i] as Hex })),
  )
}

function executeOperation(args: AbiArguments, call: Call): Effect[] | string {
  const { to, value, data } = args as unknown as CallItem
  if (args.operation === 0n) return itemsOf(call, [{ to, value, data }])
  if (args.operation !== 1n) return 'Its operation is neither a call nor a delegatecall.'
  const inner = { account: call.contract, to, valueMinor: value, data, delegatecall: true } as const
  return [batchOf(call, 'account-execute', 1), ...call.unroll(inner)]
}

function executeOnSelf(args: AbiArguments, call: Call): Effect[] | string {
  const calls = args.calls as readonly Hex[]
  return itemsOf(
    call,
    calls.map((data) => ({ to: call.contract, value: 0n, data })),
  )
}

function executeMode(args: AbiArguments, call: Call): Effect[] | string {
  const { chain, contract } = call
  const [mode, data] = [args.mode as Hex, args.executionData as Hex]
  const executed = unrollExecution(
    { chain, contract, account: contract, self: contract, mode, data },
    call.unroll,
  )
  if (typeof executed === 'string') return executed
  return [batchOf(call, executed.form, executed.calls), ...executed.effects]
}

function itemsOf(call: Call, items: readonly CallItem[]): Effect[] | string {
  if (items.length > batchItemsMax) return `It makes more than ${batchItemsMax} calls.`
  const effects = effectsOfItems({ account: call.contract, self: call.contract }, items, call.unroll)
  if (typeof effects === 'string') return effects
  return [batchOf(call, 'account-execute', items.length), ...effects]
}

export function batchOf(call: Call, form: Batch['form'], calls: number): Batch {
  return { kind: 'batch', ...placeOf(call), form, calls }
}
