import type { SolanaAddress } from '@countersign/bytes'
import type { Effect } from '../effect.ts'
import type { AccountCreation, TokenAuthority } from '../solana-effect.ts'
import {
  actingAs,
  type InstructionContext,
  type InstructionDecoder,
  lamportsOut,
  lamportTransfer,
  programCall,
  type SolanaInstruction,
} from './instruction.ts'
import { readFields } from './instruction-data.ts'
import { addressWithSeed } from './program-address.ts'

/** Numbers of the instructions (solana-system-interface, SystemInstruction). */
export const systemInstructions = {
  createAccount: 0,
  assign: 1,
  transfer: 2,
  createAccountWithSeed: 3,
  advanceNonceAccount: 4,
  withdrawNonceAccount: 5,
  initializeNonceAccount: 6,
  authorizeNonceAccount: 7,
  allocate: 8,
  allocateWithSeed: 9,
  assignWithSeed: 10,
  transferWithSeed: 11,
  upgradeNonceAccount: 12,
  createAccountAllowPrefund: 13,
} as const

export const decodeSystemInstruction: InstructionDecoder = (instruction, context) => {
  const { data } = instruction
  const [first, second, third] = instruction.accounts.map(({ address }) => address)
  const number = readFields(data.subarray(0, 4), 0, ['u32'])?.[0]
  if (first === undefined) return undefined
  switch (number) {
    case systemInstructions.createAccount: {
      const fields = readFields(data, 4, ['u64', 'u64', 'address'])
      if (fields === undefined || second === undefined) return undefined
      const [lamports, , owner] = fields
      return [creation(context, { payer: first, address: second, program: owner, lamports })]
    }
    case systemInstructions.createAccountAllowPrefund: {
      // The payer may be left out where no lamports move.
      const fields = readFields(data, 4, ['u64', 'u64', 'address'])
      if (fields === undefined) return undefined
      const [lamports, , owner] = fields
      if (lamports > 0n && second === undefined) return undefined
      return [creation(context, { payer: second ?? first, address: first, program: owner, lamports })]
    }
    case systemInstructions.createAccountWithSeed: {
      const fields = readFields(data, 4, ['address', 'string', 'u64', 'u64', 'address'])
      if (fields === undefined || second === undefined) return undefined
      const [base, seed, lamports, , owner] = fields
      if (addressWithSeed(base, seed, owner) !== second) return undefined
      return [creation(context, { payer: first, address: second, program: owner, lamports })]
    }
    case systemInstructions.transfer: {
      const fields = readFields(data, 4, ['u64'])
      if (fields === undefined || second === undefined) return undefined
      return [lamportTransfer(context, { from: first, to: second, amountMinor: fields[0] })]
    }
    case systemInstructions.transferWithSeed: {
      const fields = readFields(data, 4, ['u64', 'string', 'address'])
      if (fields === undefined || second === undefined || third === undefined) return undefined
      const [amountMinor, seed, owner] = fields
      if (addressWithSeed(second, seed, owner) !== first) return undefined
      return [lamportTransfer(context, { from: first, to: third, amountMinor })]
    }
    case systemInstructions.assign: {
      const fields = readFields(data, 4, ['address'])
      if (fields === undefined) return undefined
      return [authority(context, { by: first, address: first, authority: 'program', to: fields[0] })]
    }
    case systemInstructions.assignWithSeed: {
      const fields = readFields(data, 4, ['address', 'string', 'address'])
      if (fields === undefined || addressWithSeed(...fields) !== first) return undefined
      return [authority(context, { by: fields[0], address: first, authority: 'program', to: fields[2] })]
    }
    case systemInstructions.allocate:
      return readFields(data, 4, ['u64']) && [programCall(instruction, context, 'allocate')]
    case systemInstructions.allocateWithSeed: {
      const fields = readFields(data, 4, ['address', 'string', 'u64', 'address'])
      if (fields === undefined) return undefined
      const [base, seed, , owner] = fields
      if (addressWithSeed(base, seed, owner) !== first) return undefined
      return [
        programCall(instruction, context, 'allocateWithSeed'),
        authority(context, { by: base, address: first, authority: 'program', to: owner }),
      ]
    }
    default:
      return number === undefined ? undefined : decodeNonceInstruction(number, instruction, context)
  }
}

function decodeNonceInstruction(
  number: number,
  instruction: SolanaInstruction,
  context: InstructionContext,
): readonly Effect[] | undefined {
  const { data } = instruction
  const [nonceAccount, second, third, , fifth] = instruction.accounts.map(({ address }) => address)
  if (nonceAccount === undefined) return undefined
  switch (number) {
    case systemInstructions.advanceNonceAccount:
      return readFields(data, 4, []) && [programCall(instruction, context, 'advanceNonceAccount')]
    case systemInstructions.upgradeNonceAccount:
      return readFields(data, 4, []) && [programCall(instruction, context, 'upgradeNonceAccount')]
    case systemInstructions.withdrawNonceAccount: {
      const fields = readFields(data, 4, ['u64'])
      if (fields === undefined || second === undefined || fifth === undefined) return undefined
      return [
        programCall(instruction, context, 'withdrawNonceAccount'),
        ...lamportsOut(context, { from: nonceAccount, to: second, amountMinor: fields[0] }),
      ]
    }
    case systemInstructions.initializeNonceAccount: {
      const fields = readFields(data, 4, ['address'])
      if (fields === undefined) return undefined
      return [
        authority(context, { by: context.wallet, address: nonceAccount, authority: 'nonce', to: fields[0] }),
      ]
    }
    case systemInstructions.authorizeNonceAccount: {
      const fields = readFields(data, 4, ['address'])
      if (fields === undefined || second === undefined || third !== undefined) return undefined
      return [authority(context, { by: second, address: nonceAccount, authority: 'nonce', to: fields[0] })]
    }
    default:
      return undefined
  }
}

/**
 * The nonce account where the first instruction advances one: the runtime then takes the message's blockhash as that
 * account's nonce, and the message is valid until the nonce is advanced (SVM, `get_durable_nonce`). */
export function durableNonceAccount(first: SolanaInstruction | undefined): SolanaAddress | undefined {
  if (first === undefined) return undefined
  const number = readFields(first.data.subarray(0, 4), 0, ['u32'])?.[0]
  return number === systemInstructions.advanceNonceAccount ? first.accounts[0]?.address : undefined
}

function creation(
  context: InstructionContext,
  {
    payer,
    address,
    program,
    lamports,
  }: { payer: SolanaAddress; address: SolanaAddress; program: SolanaAddress; lamports: bigint },
): AccountCreation {
  return {
    kind: 'account-creation',
    ...actingAs(payer, context),
    chain: context.chain,
    address,
    program,
    amountMinor: lamports,
    owner: undefined,
    mint: undefined,
  }
}

function authority(
  context: InstructionContext,
  change: { by: SolanaAddress; address: SolanaAddress; authority: string; to: SolanaAddress },
): TokenAuthority {
  return {
    kind: 'token-authority',
    ...actingAs(change.by, context),
    chain: context.chain,
    address: change.address,
    authority: change.authority,
    newAuthority: change.to,
  }
}
