import type { Hex } from '@countersign/bytes'
import type {
  bitcoinForms,
  Receipt,
  SignSolanaTransactionBody,
  SignUserOperationBody,
} from '@countersign/wire'
import type { Quantity } from './answers.ts'
import { type Call, post, segment } from './call.ts'
import type { ForWallet } from './calls.ts'

export type BitcoinForm = (typeof bitcoinForms)[number]
export type LookupTable = NonNullable<SignSolanaTransactionBody['lookupTables']>[number]
export type TokenAccountHint = NonNullable<SignSolanaTransactionBody['tokenAccounts']>[number]
export type UserOperationForm = NonNullable<SignUserOperationBody['signatureForm']>

/** As bundlers take it; bigints are sent as decimal strings. */
export interface UserOperationRequest {
  readonly sender: Hex
  readonly nonce: Quantity
  readonly callData: Hex
  readonly callGasLimit: Quantity
  readonly verificationGasLimit: Quantity
  readonly preVerificationGas: Quantity
  readonly maxFeePerGas: Quantity
  readonly maxPriorityFeePerGas: Quantity
  /** 0.6. */
  readonly initCode?: Hex | undefined
  readonly paymasterAndData?: Hex | undefined
  /** From 0.7 on. */
  readonly factory?: Hex | undefined
  readonly factoryData?: Hex | undefined
  readonly paymaster?: Hex | undefined
  readonly paymasterVerificationGasLimit?: Quantity | undefined
  readonly paymasterPostOpGasLimit?: Quantity | undefined
  readonly paymasterData?: Hex | undefined
  /** 0.8, with the factory 0x7702: whose code the account runs. */
  readonly eip7702Auth?: { readonly address: Hex } | undefined
  readonly signature?: Hex | undefined
}

export interface SignedSolanaTransaction {
  /** base58; the transaction's id where the wallet pays the fee. */
  readonly signature: string
  /** base64. */
  readonly signedTransaction: string
  readonly receipt: Receipt
}

export interface SignedPsbt {
  /** base64. */
  readonly psbt: string
  readonly signatures: readonly { readonly index: number; readonly signature: Hex }[]
  /** Left out while inputs of others are not finalized. */
  readonly transaction?: Hex
  readonly txid?: string
  readonly receipt: Receipt
}

export interface SignedUserOperation {
  readonly signature: Hex
  readonly userOpHash: Hex
  readonly receipt: Receipt
}

/** The calls for wallets of Solana and Bitcoin, and user operations; part of `calls`. */
export const chainCalls = {
  /** @param input.message The compiled message, base64. */
  signSolanaTransaction: (
    input: ForWallet & {
      message: string
      lookupTables?: readonly LookupTable[]
      tokenAccounts?: readonly TokenAccountHint[]
    },
  ) => forWallet<SignedSolanaTransaction>(input, 'sign-transaction'),
  /** @param input.psbt base64. */
  signPsbt: (input: ForWallet & { psbt: string }) => forWallet<SignedPsbt>(input, 'sign-transaction'),
  signUserOperation: (
    input: ForWallet & {
      entryPoint: Hex
      chainId: number
      userOperation: UserOperationRequest
      signatureForm?: UserOperationForm
    },
  ) => forWallet<SignedUserOperation>(input, 'sign-user-operation'),
} as const

function forWallet<Answer>({ walletId, ...body }: ForWallet, verb: string): Call<Answer> {
  return post(`/v1/wallets/${segment(walletId)}/${verb}`, body)
}
