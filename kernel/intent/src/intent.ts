import type { ChainId, Hex } from '@countersign/bytes'
import type { BitcoinTransaction } from './bitcoin/bitcoin-transaction.ts'
import type { Effect } from './effect.ts'
import type { SolanaTransaction } from './solana/solana-transaction.ts'

/** What a caller may ask a wallet's key for. */
export const operations = [
  'sign-transaction',
  'sign-message',
  'sign-typed-data',
  'sign-authorization',
  'sign-user-operation',
  'sign-raw',
] as const
export type Operation = (typeof operations)[number]

export type Algorithm = 'secp256k1' | 'ed25519'

/** Everything that a signature over some bytes can do, and what is to be signed for it. */
export interface Intent {
  readonly operation: Operation
  /** `undefined` where the bytes name no chain (messages, digests, some typed data). */
  readonly chain: ChainId | undefined
  readonly effects: readonly Effect[]
  /**
   * What the key signs: the 32-byte digest for secp256k1, the message for Ed25519. Recomputed from what was
   * decoded, never taken from the caller (but for sign-raw, which says so).
   */
  readonly toSign: Uint8Array
  /** SHA-256, for the journal and the receipt, of the very bytes whose hash `toSign` is (of `toSign` for sign-raw). */
  readonly payloadDigest: Hex
  /** Only for transactions: the decoded fields, and how to make the wire form from a signature. */
  readonly transaction?: EvmTransaction
  /** Only for transactions of Solana, whose `toSign` is the message itself. */
  readonly solana?: SolanaTransaction
  /** Only for transactions of Bitcoin, which need a signature for each input of the wallet; `toSign` is the first one's. */
  readonly bitcoin?: BitcoinTransaction
}

export type EvmTransactionType = 0 | 1 | 2 | 3 | 4

/** An unsigned EVM transaction as decoded. Absent fields are those that its type does not have. */
export interface EvmTransaction {
  readonly type: EvmTransactionType
  readonly chainId: bigint
  readonly nonce: bigint
  readonly gasLimit: bigint
  readonly gasPrice?: bigint
  readonly maxPriorityFeePerGas?: bigint
  readonly maxFeePerGas?: bigint
  readonly to: Hex | undefined
  readonly value: bigint
  readonly data: Hex
  readonly accessList?: readonly AccessListItem[]
  readonly maxFeePerBlobGas?: bigint
  readonly blobVersionedHashes?: readonly Hex[]
  readonly authorizationList?: readonly SignedAuthorization[]
}

export interface AccessListItem {
  readonly address: Hex
  readonly storageKeys: readonly Hex[]
}

export interface SignedAuthorization {
  readonly chainId: bigint
  readonly address: Hex
  readonly nonce: bigint
  readonly yParity: 0 | 1
  readonly r: bigint
  readonly s: bigint
}
