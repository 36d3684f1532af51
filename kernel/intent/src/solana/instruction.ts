import { type AssetId, type ChainId, encodeHex, nativeAsset, type SolanaAddress } from '@countersign/bytes'
import type { Effect, NativeTransfer } from '../effect.ts'
import type { ProgramCall } from '../solana-effect.ts'

export interface InstructionAccount {
  readonly address: SolanaAddress
  readonly isSigner: boolean
  readonly isWritable: boolean
}

export interface SolanaInstruction {
  readonly program: SolanaAddress
  readonly accounts: readonly InstructionAccount[]
  readonly data: Uint8Array
}

/** Whose a token account is, where its address proves it. */
export interface TokenAccountOwner {
  readonly owner: SolanaAddress
  readonly mint: SolanaAddress
}

export interface InstructionContext {
  readonly chain: ChainId
  readonly wallet: SolanaAddress
  /**
   * Owner and mint of an associated token account, from the address that they derive to.
   * @param mint Where the bytes name it: then the wallet's own account is known too. */
  tokenAccount(
    account: SolanaAddress,
    tokenProgram: SolanaAddress,
    mint: SolanaAddress | undefined,
  ): TokenAccountOwner | undefined
  /** What an instruction of the message creates, derived once. */
  associatedAccount(instruction: SolanaInstruction): AssociatedAccount | undefined
}

export interface AssociatedAccount extends TokenAccountOwner {
  readonly payer: SolanaAddress
  readonly address: SolanaAddress
  readonly tokenProgram: SolanaAddress
}

/** @returns undefined where the instruction is not decoded: it is then a program-call without a name. */
export type InstructionDecoder = (
  instruction: SolanaInstruction,
  context: InstructionContext,
) => readonly Effect[] | undefined

/** For lamports that move in an amount that the bytes do not say: the most that there can be. */
export const lamportsMax = (1n << 64n) - 1n

export function programCall(
  { program, accounts, data }: SolanaInstruction,
  { chain }: InstructionContext,
  instruction?: string,
): ProgramCall {
  return { kind: 'program-call', chain, program, instruction, data: encodeHex(data), accounts }
}

/** Who acts, where it is not the wallet. */
export function actingAs(
  account: SolanaAddress,
  { wallet }: InstructionContext,
): { readonly account?: SolanaAddress } {
  return account === wallet ? {} : { account }
}

export function lamportTransfer(
  context: InstructionContext,
  transfer: { from: SolanaAddress; to: SolanaAddress; amountMinor: bigint },
): NativeTransfer {
  return {
    kind: 'native-transfer',
    ...actingAs(transfer.from, context),
    chain: context.chain,
    asset: nativeAsset(context.chain),
    recipient: transfer.to,
    amountMinor: transfer.amountMinor,
  }
}

/**
 * Lamports that come out of an account that the wallet has power over. Back to the wallet they are no transfer; the
 * effect that stands beside this one names the act. */
export function lamportsOut(
  context: InstructionContext,
  transfer: { from: SolanaAddress; to: SolanaAddress; amountMinor: bigint },
): readonly NativeTransfer[] {
  return transfer.to === context.wallet ? [] : [lamportTransfer(context, transfer)]
}

/** CAIP-19, CASA's profile for Solana. */
export function mintAsset(chain: ChainId, mint: SolanaAddress): AssetId {
  return `${chain}/token:${mint}` as AssetId
}
