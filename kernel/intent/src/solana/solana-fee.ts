import { type ChainId, nativeAsset, type SolanaAddress } from '@countersign/bytes'
import { intentError } from '../catalogue.ts'
import type { Fee } from '../effect.ts'
import type { SolanaInstruction } from './instruction.ts'
import { readFields } from './instruction-data.ts'
import { computeBudgetProgram, signatureProgramAddresses } from './programs.ts'

const lamportsPerSignature = 5_000n
const microLamportsPerLamport = 1_000_000n
const unitsMax = 1_400_000
const defaultUnitsPerInstruction = 200_000
/** SIMD-0170: builtin programs, compute budget among them, count this much. */
const defaultUnitsPerBudgetInstruction = 3_000

/** Instructions of the compute budget program: number, name, and the type of their one value. */
const budgetForms = {
  1: ['requestHeapFrame', 'u32'],
  2: ['setComputeUnitLimit', 'u32'],
  3: ['setComputeUnitPrice', 'u64'],
  4: ['setLoadedAccountsDataSizeLimit', 'u32'],
} as const

/**
 * The most that a message burns: so much a signature, its own and those that precompiled programs check, and the unit
 * price times the unit limit, rounded up. Compute budget instructions do nothing else; the runtime refuses a message
 * in which one is malformed or stands twice, and so does this.
 * @throws {CountersignError} INTENT_SOLANA_MESSAGE_INVALID
 * @see agave, compute-budget-instruction and fee */
export function solanaFee({
  instructions,
  requiredSignatures,
  feePayer,
  wallet,
  chain,
}: {
  instructions: readonly SolanaInstruction[]
  requiredSignatures: number
  feePayer: SolanaAddress
  wallet: SolanaAddress
  chain: ChainId
}): Fee {
  const budget = new Map<string, bigint>()
  let [defaultUnits, signatures] = [0, requiredSignatures]
  for (const instruction of instructions) {
    if (instruction.program !== computeBudgetProgram) {
      defaultUnits += defaultUnitsPerInstruction
      if (signatureProgramAddresses.includes(instruction.program)) signatures += instruction.data[0] ?? 0
      continue
    }
    defaultUnits += defaultUnitsPerBudgetInstruction
    const [name, value] = readBudget(instruction.data)
    if (budget.has(name)) throw invalid(`${name} stands twice`)
    budget.set(name, value)
  }
  const units = budget.get('setComputeUnitLimit') ?? BigInt(defaultUnits)
  const cappedUnits = units > BigInt(unitsMax) ? BigInt(unitsMax) : units
  const microLamports = cappedUnits * (budget.get('setComputeUnitPrice') ?? 0n)
  const priority = (microLamports + microLamportsPerLamport - 1n) / microLamportsPerLamport
  return {
    kind: 'fee',
    ...(feePayer === wallet ? {} : { account: feePayer }),
    chain,
    asset: nativeAsset(chain),
    amountMinor: lamportsPerSignature * BigInt(signatures) + priority,
  }
}

function readBudget(data: Uint8Array): readonly [string, bigint] {
  const form = budgetForms[data[0] as keyof typeof budgetForms]
  const value = form && readFields(data, 1, [form[1]])?.[0]
  if (form === undefined || value === undefined) throw invalid('an instruction is unknown or malformed')
  return [form[0], BigInt(value)]
}

function invalid(what: string) {
  return intentError(
    'INTENT_SOLANA_MESSAGE_INVALID',
    `The Solana message has a compute budget that is refused: ${what}.`,
  )
}
