import { intentError } from '../catalogue.ts'
import type { Effect } from '../effect.ts'
import { decodeAssociatedTokenInstruction } from './associated-token-program.ts'
import {
  type InstructionContext,
  type InstructionDecoder,
  lamportsMax,
  lamportsOut,
  programCall,
  type SolanaInstruction,
} from './instruction.ts'
import { readFields, textOf } from './instruction-data.ts'
import {
  associatedTokenProgram,
  computeBudgetProgram,
  lookupTableProgram,
  memoPrograms,
  stakeProgram,
  systemProgram,
  token2022Program,
  tokenProgram,
} from './programs.ts'
import { decodeStakeInstruction } from './stake-program.ts'
import { decodeSystemInstruction } from './system-program.ts'
import { decodeToken2022Instruction } from './token-2022-program.ts'
import { decodeTokenInstruction } from './token-program.ts'

/** @see solana-address-lookup-table-interface */
const lookupTableNames = ['create', 'freeze', 'extend', 'deactivate', 'close']

const decodeLookupTableInstruction: InstructionDecoder = (instruction, context) => {
  const number = readFields(instruction.data.subarray(0, 4), 0, ['u32'])?.[0]
  const name = number === undefined ? undefined : lookupTableNames[number]
  if (name !== 'close') return [programCall(instruction, context, name && `${name}LookupTable`)]
  const [table, , recipient] = instruction.accounts
  if (table === undefined || recipient === undefined) return undefined
  return [
    programCall(instruction, context, 'closeLookupTable'),
    ...lamportsOut(context, { from: table.address, to: recipient.address, amountMinor: lamportsMax }),
  ]
}

/** A memo's accounts are those who sign it; with others beside them it is taken for a call of whatever kind. */
const decodeMemo: InstructionDecoder = ({ accounts, data }, { chain }) =>
  accounts.every(({ isSigner }) => isSigner)
    ? [{ kind: 'memo', chain, text: textOf(data), memoBytes: data.length }]
    : undefined

const decoders: ReadonlyMap<string, InstructionDecoder> = new Map<string, InstructionDecoder>([
  [systemProgram, decodeSystemInstruction],
  [tokenProgram, decodeTokenInstruction],
  [token2022Program, decodeToken2022Instruction],
  [associatedTokenProgram, decodeAssociatedTokenInstruction],
  [stakeProgram, decodeStakeInstruction],
  [lookupTableProgram, decodeLookupTableInstruction],
  ...memoPrograms.map((program) => [program, decodeMemo] as const),
  // What it does is in the fee.
  [computeBudgetProgram, () => []],
])

/** The effects of every instruction, in their order; at least one for each but those of the compute budget. */
export function effectsOfInstructions(
  instructions: readonly SolanaInstruction[],
  context: InstructionContext,
): readonly Effect[] {
  const effects = instructions.flatMap((instruction) => {
    const decoded = decoders.get(instruction.program)?.(instruction, context)
    return decoded ?? [programCall(instruction, context)]
  })
  if (effects.length === 0) {
    throw intentError(
      'INTENT_SOLANA_MESSAGE_INVALID',
      'The Solana message does nothing but pay a fee; such a message is not signed.',
    )
  }
  return effects
}
