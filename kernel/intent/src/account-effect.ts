import type { Address, ChainId, Hex } from '@countersign/bytes'
import type { Acting } from './effect.ts'

/** An envelope of calls: what is inside stands as effects of its own after it. */
export interface Batch extends Acting {
  readonly kind: 'batch'
  readonly chain: ChainId
  /** The contract that unrolls the calls. */
  readonly contract: Address
  readonly form:
    | 'multicall3'
    | 'account-execute'
    | 'erc7579'
    | 'erc7821'
    | 'multisend'
    | 'universal-router'
    | 'router-multicall'
    | 'delegation-redemption'
    | 'handle-ops'
  readonly calls: number
  readonly selector: Hex
}

/** Code of `contract` that runs with the rights and the storage of the acting account: it can do anything there. */
export interface DelegateCall extends Acting {
  readonly kind: 'delegatecall'
  readonly chain: ChainId
  readonly contract: Address
  readonly calldata: Hex
}

/** ERC-4337: what this wallet's signature lets `sender` do; its calls and its fee are effects of their own. */
export interface UserOperation extends Acting {
  readonly kind: 'user-operation'
  readonly chain: ChainId
  readonly entryPoint: Address
  readonly version: '0.6' | '0.7' | '0.8'
  readonly sender: Address
  readonly nonce: bigint
  /** The contract that deploys the account with this operation; in 0.8 also the EIP-7702 code that it runs, or 0x7702. */
  readonly factory: Address | undefined
  readonly paymaster: Address | undefined
  /** What the paymaster is told: a token to be paid in, a signature. Only with a paymaster. */
  readonly paymasterData?: Hex
  /** `undefined` where the bytes do not say all that is hashed (handleOps for an EIP-7702 account). */
  readonly userOpHash: Hex | undefined
}

/** A Safe's transaction, signed as an owner (EIP-712) or executed (`execTransaction`); its call is an effect of its own. */
export interface SafeTransaction extends Acting {
  readonly kind: 'safe-transaction'
  readonly chain: ChainId
  readonly safe: Address
  readonly by: 'signature' | 'transaction'
  readonly operation: 'call' | 'delegatecall'
  readonly to: Address
  /** `undefined` where the bytes do not say (execTransaction). */
  readonly nonce: bigint | undefined
}

/** ERC-7710: `delegate` may act as `delegator` within the caveats. */
export interface DelegationGrant extends Acting {
  readonly kind: 'delegation-grant'
  readonly chain: ChainId
  readonly delegationManager: Address
  readonly delegator: Address
  readonly delegate: Address
  /** Hash of the delegation that this one stands on; all ones (2^256 - 1) for a root. */
  readonly authority: Hex
  readonly caveats: readonly { readonly enforcer: Address; readonly terms: Hex }[]
}
