import type { AccountCreation } from '../solana-effect.ts'
import {
  type AssociatedAccount,
  actingAs,
  type InstructionDecoder,
  programCall,
  type SolanaInstruction,
} from './instruction.ts'
import { associatedTokenAddress } from './program-address.ts'
import { associatedTokenProgram, token2022Program, tokenProgram } from './programs.ts'

/**
 * `create` and `createIdempotent` take rent from the payer, as much as the account needs.
 * `recoverNested` moves tokens between accounts of the wallet that signs: named, not decoded. */
export const decodeAssociatedTokenInstruction: InstructionDecoder = (instruction, context) => {
  const { accounts, data } = instruction
  if (data.length === 1 && data[0] === 2 && accounts.length >= 7) {
    return [programCall(instruction, context, 'recoverNestedAssociatedToken')]
  }
  const created = context.associatedAccount(instruction)
  if (created === undefined) return undefined
  const { payer, address, owner, mint } = created
  const effect: AccountCreation = {
    kind: 'account-creation',
    ...actingAs(payer, context),
    chain: context.chain,
    address,
    program: created.tokenProgram,
    amountMinor: undefined,
    owner,
    mint,
  }
  return [effect]
}

/** What an instruction creates, if the address is the one that owner, mint and token program derive to. */
export function associatedAccountOf({
  accounts,
  data,
  program,
}: SolanaInstruction): AssociatedAccount | undefined {
  if (program !== associatedTokenProgram) return undefined
  if (data.length > 1 || (data[0] !== undefined && data[0] > 1)) return undefined
  const [payer, address, owner, mint, , tokens] = accounts.map((account) => account.address)
  if (!payer || !address || !owner || !mint || !tokens) return undefined
  if (tokens !== tokenProgram && tokens !== token2022Program) return undefined
  if (associatedTokenAddress(owner, mint, tokens) !== address) return undefined
  return { payer, address, owner, mint, tokenProgram: tokens }
}
