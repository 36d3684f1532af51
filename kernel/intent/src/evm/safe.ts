import { type Address, type ChainId, type Hex, nativeAsset, tokenAsset } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { SafeTransaction } from '../account-effect.ts'
import type { Effect } from '../effect.ts'
import { acting, type Call, type InnerCall, knownCalls, type Unroll, zeroAddress } from './call.ts'

/** What a Safe is to do, from its typed data or from `execTransaction`. */
export interface SafeCall {
  readonly to: Address
  readonly value: bigint
  readonly data: Hex
  /** 0 a call, 1 a delegatecall; a Safe refuses others. */
  readonly operation: bigint
}

export interface SafeRefund {
  readonly safeTxGas: bigint
  readonly baseGas: bigint
  readonly gasPrice: bigint
  /** The zero address: the chain's coin. */
  readonly gasToken: Address
  /** The zero address: whoever sends the transaction. */
  readonly refundReceiver: Address
}

const execution = 'address to, uint256 value, bytes data, uint8 operation'

/** By selector at every contract: `safe` and `account` name the contract. */
export const safeCalls = knownCalls([
  [
    `execTransaction(${execution}, uint256 safeTxGas, uint256 baseGas, uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures)`,
    execTransaction,
  ],
  [`execTransactionFromModule(${execution})`, fromModule],
  [`execTransactionFromModuleReturnData(${execution})`, fromModule],
])

function execTransaction(args: AbiArguments, call: Call): Effect[] | string {
  const refund = refundOf(call.chain, call.contract, args as unknown as SafeRefund)
  const effects = fromModule(args, call)
  return typeof effects === 'string' ? effects : [...effects, ...refund]
}

function fromModule(args: AbiArguments, call: Call): Effect[] | string {
  const { chain, contract: safe, account, unroll } = call
  const effects = effectsOfSafeCall(
    { ...acting(account), chain, safe, by: 'transaction', nonce: undefined },
    args as unknown as SafeCall,
    unroll,
  )
  if (effects === undefined) return 'Its operation is neither a call nor a delegatecall.'
  return effects
}

/** @returns the envelope and every effect of its call; undefined for an operation that no Safe knows. */
export function effectsOfSafeCall(
  envelope: Pick<SafeTransaction, 'account' | 'chain' | 'safe' | 'by' | 'nonce'>,
  { to, value, data, operation }: SafeCall,
  unroll: Unroll,
): Effect[] | undefined {
  if (operation !== 0n && operation !== 1n) return undefined
  const call: InnerCall = { account: envelope.safe, to, valueMinor: value, data }
  const inner = unroll(operation === 0n ? call : { ...call, delegatecall: true })
  const name = operation === 0n ? 'call' : 'delegatecall'
  return [{ kind: 'safe-transaction', ...envelope, operation: name, to }, ...inner]
}

/**
 * The gas that a Safe can count beyond `safeTxGas` for its call: coins to a new account (EIP-150: 9,000 and 25,000), a
 * cold account (2,600) and room for what surrounds the call. */
const callOverheadGas = 50_000n

/**
 * What the Safe pays back for gas, at most; a price of its own choosing makes it a way to take anything out of it.
 * @see Safe.sol, handlePayment */
export function refundOf(chain: ChainId, safe: Address, refund: SafeRefund): Effect[] {
  const { safeTxGas, baseGas, gasPrice, gasToken, refundReceiver } = refund
  if (gasPrice === 0n) return []
  const amountMinor = (safeTxGas + callOverheadGas + baseGas) * gasPrice
  const isCoin = gasToken === zeroAddress
  const asset = isCoin ? nativeAsset(chain) : tokenAsset(chain, 'erc20', gasToken)
  const place = { account: safe, chain }
  if (refundReceiver === zeroAddress) return [{ kind: 'fee', ...place, asset, amountMinor }]
  if (isCoin) return [{ kind: 'native-transfer', ...place, asset, recipient: refundReceiver, amountMinor }]
  return [
    {
      kind: 'token-transfer',
      ...place,
      contract: gasToken,
      assets: [asset],
      from: undefined,
      recipient: refundReceiver,
      amountMinor,
      selector: undefined,
    },
  ]
}
