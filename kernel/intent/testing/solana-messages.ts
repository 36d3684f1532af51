import { type ChainId, parseSolanaAddress, type SolanaAddress } from '@countersign/bytes'
import {
  type AddressesByLookupTableAddress,
  address,
  appendTransactionMessageInstructions,
  type Blockhash,
  compileTransaction,
  compressTransactionMessageUsingAddressLookupTables,
  createTransactionMessage,
  getAddressDecoder,
  type Instruction,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit'

export const solanaDevnet = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1' as ChainId

/** An address that says which one it is: 32 equal bytes. */
export function solanaAccount(byte: number): SolanaAddress {
  return parseSolanaAddress(getAddressDecoder().decode(new Uint8Array(32).fill(byte)))
}

export const wallet = solanaAccount(1)

export interface MessageOptions {
  readonly version?: 'legacy' | 0
  readonly feePayer?: SolanaAddress
  readonly tables?: AddressesByLookupTableAddress
}

/** What @solana/kit makes of instructions: the message bytes to be signed. */
export function kitMessage(
  instructions: readonly Instruction[],
  { version = 0, feePayer = wallet, tables }: MessageOptions = {},
): Uint8Array {
  const lifetime = { blockhash: solanaAccount(9) as unknown as Blockhash, lastValidBlockHeight: 1n }
  if (version === 'legacy') {
    const message = pipe(
      createTransactionMessage({ version }),
      (one) => setTransactionMessageFeePayer(address(feePayer), one),
      (one) => setTransactionMessageLifetimeUsingBlockhash(lifetime, one),
      (one) => appendTransactionMessageInstructions(instructions, one),
    )
    return new Uint8Array(compileTransaction(message).messageBytes)
  }
  const message = pipe(
    createTransactionMessage({ version }),
    (one) => setTransactionMessageFeePayer(address(feePayer), one),
    (one) => setTransactionMessageLifetimeUsingBlockhash(lifetime, one),
    (one) => appendTransactionMessageInstructions(instructions, one),
    (one) => (tables === undefined ? one : compressTransactionMessageUsingAddressLookupTables(one, tables)),
  )
  return new Uint8Array(compileTransaction(message).messageBytes)
}
