import type { Address, Hex } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { Effect } from '../effect.ts'
import { batchOf } from './account-calls.ts'
import { batchItemsMax, type Call, knownCalls } from './call.ts'

/** Multicall3, at this address on every chain that has it but those of the zkSync family. */
export const multicall3Contract = '0xca11bde05977b3631167028862be2a173976ca11' as Address

const plain = '(address target, bytes callData)[] calls'

/** Multicall3's calls are its own: what they move is what Multicall3 has, or has allowances for. */
export const multicall3Calls = knownCalls(
  [
    [`aggregate(${plain})`, aggregate],
    [`tryAggregate(bool requireSuccess, ${plain})`, aggregate],
    [`blockAndAggregate(${plain})`, aggregate],
    [`tryBlockAndAggregate(bool requireSuccess, ${plain})`, aggregate],
    ['aggregate3((address target, bool allowFailure, bytes callData)[] calls)', aggregate],
    [
      'aggregate3Value((address target, bool allowFailure, uint256 value, bytes callData)[] calls)',
      aggregate,
    ],
  ],
  (_, contract) => contract === multicall3Contract,
)

interface Aggregated {
  readonly target: Address
  readonly value?: bigint
  readonly callData: Hex
}

function aggregate(args: AbiArguments, call: Call): Effect[] | string {
  const calls = args.calls as unknown as readonly Aggregated[]
  if (calls.length > batchItemsMax) return `It makes more than ${batchItemsMax} calls.`
  const inner = calls.flatMap(({ target, value = 0n, callData }) =>
    call.unroll({ account: call.contract, to: target, valueMinor: value, data: callData }),
  )
  return [batchOf(call, 'multicall3', calls.length), ...inner]
}
