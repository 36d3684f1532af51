import type { AccountAddress, Address, AssetId, ChainId, Hex, TokenStandard } from '@countersign/bytes'
import type {
  Batch,
  DelegateCall,
  DelegationGrant,
  SafeTransaction,
  UserOperation,
} from './account-effect.ts'
import type { DataOutput } from './bitcoin-effect.ts'
import type { Swap, VaultDeposit, VaultWithdrawal, Wrap } from './defi-effect.ts'
import type { AccountCreation, Memo, ProgramCall, Stake, TokenAuthority } from './solana-effect.ts'

/**
 * One thing that the bytes can do. The list is closed: what fits no other kind is `unknown-calldata`,
 * `program-call`, `message`, `typed-data` or `raw-digest`, each denied unless a rule names it. EVM addresses are in
 * lower case. Bytes within bytes (a batch, a user operation, a Safe transaction) yield the effect of the envelope
 * and every effect of what is inside.
 */
export type Effect =
  | NativeTransfer
  | TokenTransfer
  | TokenApproval
  | ContractCall
  | UnknownCalldata
  | Deploy
  | Delegation
  | Fee
  | Batch
  | DelegateCall
  | UserOperation
  | SafeTransaction
  | DelegationGrant
  | Swap
  | VaultDeposit
  | VaultWithdrawal
  | Wrap
  | ProgramCall
  | AccountCreation
  | TokenAuthority
  | Stake
  | Memo
  | DataOutput
  | PersonalMessage
  | TypedData
  | RawDigest
  | RawMessage

export type EffectKind = Effect['kind']

/** What every effect says of who acts. */
export interface Acting {
  /**
   * The account that acts, where that is not the wallet itself: the smart account of a user operation, the Safe, the
   * batch contract, the delegator; on Solana whoever else's lamports, tokens or authority it is. A permit rule covers
   * such effects only if its `account` condition names them.
   */
  readonly account?: AccountAddress
}

/** Coins that leave the account with a transaction, to an account or into a called contract. */
export interface NativeTransfer extends Acting {
  readonly kind: 'native-transfer'
  readonly chain: ChainId
  readonly asset: AssetId
  readonly recipient: AccountAddress
  readonly amountMinor: bigint
}

/** ERC-20 transfer and transferFrom, ERC-721 and ERC-1155 transfers. */
export interface TokenTransfer extends Acting {
  readonly kind: 'token-transfer'
  readonly chain: ChainId
  /** The token contract; on Solana the mint. */
  readonly contract: AccountAddress
  /**
   * What the call moves under each standard that its selector fits. transferFrom(address,address,uint256) is
   * ERC-20's and ERC-721's alike, so it yields both `erc20:C` and `erc721:C/id`; a rule says which C is.
   */
  readonly assets: readonly AssetId[]
  /** `undefined`: the acting account. Otherwise the account whose tokens are moved by allowance. */
  readonly from: AccountAddress | undefined
  readonly recipient: AccountAddress
  /** ERC-20: smallest units. ERC-721: 1 (but the uint256 itself where the standard is ambiguous). ERC-1155: units. */
  readonly amountMinor: bigint
  /** `undefined` where the bytes are no EVM call. */
  readonly selector: Hex | undefined
}

/** Power over this wallet's tokens, given by a transaction or by a signature (ERC-2612, Permit2). */
export interface TokenApproval extends Acting {
  readonly kind: 'approval'
  readonly by: 'transaction' | 'signature'
  readonly chain: ChainId
  /** The token contract, also where Permit2 stands between; on Solana the mint. */
  readonly contract: AccountAddress
  readonly assets: readonly AssetId[]
  readonly spender: AccountAddress
  /** The allowance that the spender has more than before, at worst; `undefined` where it has no bound (setApprovalForAll). */
  readonly amountMinor: bigint | undefined
  readonly mode: 'set' | 'increase' | 'all'
  /** Seconds since 1970 when a permit can no longer be used, or when the allowance itself ends (Permit2). */
  readonly expiresAtS: bigint | undefined
  readonly selector: Hex | undefined
}

/** Any other call with a selector. Its coins, if any, are a NativeTransfer beside it. */
export interface ContractCall extends Acting {
  readonly kind: 'contract-call'
  readonly chain: ChainId
  readonly contract: Address
  readonly selector: Hex
  /** Selector and arguments. */
  readonly calldata: Hex
}

/** Calldata that is no call: 1 to 3 bytes, or a known selector whose arguments do not decode. */
export interface UnknownCalldata extends Acting {
  readonly kind: 'unknown-calldata'
  readonly chain: ChainId
  readonly contract: Address
  readonly calldata: Hex
  readonly reason: string
}

export interface Deploy extends Acting {
  readonly kind: 'deploy'
  readonly chain: ChainId
  readonly initCodeHash: Hex
  readonly initCodeBytes: number
  readonly valueMinor: bigint
}

/** EIP-7702: this wallet's (or, inside a type 4 transaction, somebody's) account runs `delegate`'s code from now on. */
export interface Delegation extends Acting {
  readonly kind: 'delegation'
  /** `undefined`: chain id 0, valid on every chain. */
  readonly chain: ChainId | undefined
  readonly delegate: Address
  readonly authorityNonce: bigint
  /** `own`: this wallet signs the authorization. `carried`: a transaction carries one that is already signed. */
  readonly signedBy: 'own' | 'carried'
}

/**
 * The most that the transaction can burn: gas limit times the highest price, and blob gas. Of a user operation: all of
 * its gas limits. Of a Safe: its refund, which may be in a token. */
export interface Fee extends Acting {
  readonly kind: 'fee'
  readonly chain: ChainId
  readonly asset: AssetId
  readonly amountMinor: bigint
}

/** EIP-191 personal_sign; with `account`, a Safe's message. */
export interface PersonalMessage extends Acting {
  readonly kind: 'message'
  /** The message where it is UTF-8, else undefined. */
  readonly text: string | undefined
  readonly messageBytes: number
  readonly messageHash: Hex
}

/** EIP-712. Stands beside an `approval` where the data is a known permit. */
export interface TypedData {
  readonly kind: 'typed-data'
  /** From domain.chainId; undefined where the domain has none. */
  readonly chain: ChainId | undefined
  readonly verifyingContract: Address | undefined
  readonly primaryType: string
  readonly domain: { readonly [field: string]: unknown }
  /** The message with addresses in lower case and every integer as a bigint. */
  readonly message: { readonly [field: string]: unknown }
  /** A type is named like a permit, a Safe's transaction, a user operation or a delegation, but could not be read as one: nothing bounds what it may give. */
  readonly opaquePermit?: true
}

/** 32 bytes that say nothing of what they mean. */
export interface RawDigest extends Acting {
  readonly kind: 'raw-digest'
  readonly digest: Hex
}

/** Bytes for an Ed25519 key whose format this version does not decode. */
export interface RawMessage {
  readonly kind: 'raw-message'
  readonly messageHash: Hex
  readonly messageBytes: number
}

/** Kinds from which value can leave; a custody statement counts these. */
export const effectKinds = [
  'native-transfer',
  'token-transfer',
  'approval',
  'contract-call',
  'unknown-calldata',
  'deploy',
  'delegation',
  'fee',
  'batch',
  'delegatecall',
  'user-operation',
  'safe-transaction',
  'delegation-grant',
  'swap',
  'vault-deposit',
  'vault-withdrawal',
  'wrap',
  'program-call',
  'account-creation',
  'token-authority',
  'stake',
  'memo',
  'data-output',
  'message',
  'typed-data',
  'raw-digest',
  'raw-message',
] as const satisfies readonly EffectKind[]

export type { TokenStandard }
