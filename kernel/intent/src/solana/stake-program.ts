import type { SolanaAddress } from '@countersign/bytes'
import type { Effect } from '../effect.ts'
import type { Stake } from '../solana-effect.ts'
import {
  actingAs,
  type InstructionContext,
  type InstructionDecoder,
  lamportsOut,
  programCall,
  type SolanaInstruction,
} from './instruction.ts'
import { readFields } from './instruction-data.ts'
import { addressWithSeed } from './program-address.ts'

/**
 * @see solana-stake-interface, StakeInstruction; the stake program since version 4 for the shorter account lists */
export const decodeStakeInstruction: InstructionDecoder = (instruction, context) => {
  const number = readFields(instruction.data.subarray(0, 4), 0, ['u32'])?.[0]
  if (number === undefined) return undefined
  const accounts = stakeAccounts(instruction, sysvarPlaces[number] ?? {})
  if (accounts === undefined) return undefined
  return (
    decodeAuthority(number, instruction.data, accounts, context) ??
    decodeMovement(number, instruction, accounts, context)
  )
}

const clock = 'SysvarC1ock11111111111111111111111111111111'
const rent = 'SysvarRent111111111111111111111111111111111'
const stakeHistory = 'SysvarStakeHistory1111111111111111111111111'
const stakeConfig = 'StakeConfig11111111111111111111111111111111'
const sysvars: readonly string[] = [clock, rent, stakeHistory, stakeConfig]

/** Where each instruction, by number, used to want which sysvar. */
const sysvarPlaces: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  0: { 1: rent },
  1: { 1: clock },
  2: { 2: clock, 3: stakeHistory, 4: stakeConfig },
  4: { 2: clock, 3: stakeHistory },
  5: { 1: clock },
  7: { 2: clock, 3: stakeHistory },
  8: { 2: clock },
  9: { 1: rent },
  10: { 1: clock },
  11: { 2: clock },
}

/**
 * The accounts without sysvars. Either every sysvar stands where the older program wants it, or none stands anywhere,
 * as the newer one allows. Anything between could be read in two ways, and is not read. */
function stakeAccounts(
  { accounts }: SolanaInstruction,
  places: Readonly<Record<number, string>>,
): readonly SolanaAddress[] | undefined {
  const addresses = accounts.map(({ address }) => address)
  const isOld = Object.entries(places).every(([place, sysvar]) => addresses[Number(place)] === sysvar)
  const rest = isOld ? addresses.filter((_, i) => places[i] === undefined) : addresses
  return rest.some((address) => sysvars.includes(address)) ? undefined : rest
}

const roles = ['staker', 'withdrawer'] as const

function decodeAuthority(
  number: number,
  data: Uint8Array,
  [account, second, third, fourth]: readonly SolanaAddress[],
  context: InstructionContext,
): readonly Effect[] | undefined {
  if (account === undefined) return undefined
  const authorize = (
    by: SolanaAddress | undefined,
    roleNumber: number | undefined,
    counterparty: SolanaAddress | undefined,
  ): readonly Effect[] | undefined => {
    const role = roleNumber === undefined ? undefined : roles[roleNumber]
    if (by === undefined || role === undefined || counterparty === undefined) return undefined
    return [stake(context, by, { action: 'authorize', stakeAccount: account, counterparty, role })]
  }
  switch (number) {
    case 0: {
      const fields = readFields(data, 4, ['address', 'address', 'i64', 'u64', 'address'])
      if (fields === undefined) return undefined
      const [staker, withdrawer, untilS, untilEpoch, custodian] = fields
      const locked = untilS !== 0n || untilEpoch !== 0n
      return [
        ...initialize(context, account, staker, withdrawer),
        ...(locked ? [lockup(context, context.wallet, account, custodian)] : []),
      ]
    }
    case 9:
      if (readFields(data, 4, []) === undefined || second === undefined || third === undefined)
        return undefined
      return initialize(context, account, second, third)
    case 1: {
      const fields = readFields(data, 4, ['address', 'u32'])
      return authorize(second, fields?.[1], fields?.[0])
    }
    case 10: {
      const fields = readFields(data, 4, ['u32'])
      return authorize(second, fields?.[0], third)
    }
    case 8: {
      const fields = readFields(data, 4, ['address', 'u32', 'string', 'address'])
      const by = fields && second && addressWithSeed(second, fields[2], fields[3])
      return authorize(by, fields?.[1], fields?.[0])
    }
    case 11: {
      const fields = readFields(data, 4, ['u32', 'string', 'address'])
      const by = fields && second && addressWithSeed(second, fields[1], fields[2])
      return authorize(by, fields?.[0], third)
    }
    case 6: {
      const fields = readFields(data, 4, ['i64Option', 'u64Option', 'addressOption'])
      return fields && second ? [lockup(context, second, account, fields[2])] : undefined
    }
    case 12: {
      // A new custodian, if any, is the third account.
      const fields = readFields(data, 4, ['i64Option', 'u64Option'])
      if (fields === undefined || second === undefined || fourth !== undefined) return undefined
      return [lockup(context, second, account, third)]
    }
    default:
      return undefined
  }
}

function decodeMovement(
  number: number,
  instruction: SolanaInstruction,
  [first, second, third]: readonly SolanaAddress[],
  context: InstructionContext,
): readonly Effect[] | undefined {
  const { data } = instruction
  const isEmpty = readFields(data, 4, []) !== undefined
  const amount = readFields(data, 4, ['u64'])?.[0]
  if (number === 13) return isEmpty ? [programCall(instruction, context, 'getMinimumDelegation')] : undefined
  if (first === undefined || second === undefined) return undefined
  if (number === 5) {
    return isEmpty ? [stake(context, second, { action: 'deactivate', stakeAccount: first })] : undefined
  }
  if (third === undefined) return undefined
  switch (number) {
    case 2:
      if (!isEmpty) return undefined
      return [stake(context, third, { action: 'delegate', stakeAccount: first, counterparty: second })]
    case 3: {
      if (amount === undefined) return undefined
      const split = {
        action: 'split',
        stakeAccount: first,
        counterparty: second,
        amountMinor: amount,
      } as const
      return [stake(context, third, split)]
    }
    case 4: {
      if (amount === undefined) return undefined
      const taken = { stakeAccount: first, counterparty: second, amountMinor: amount }
      return [
        stake(context, third, { action: 'withdraw', ...taken }),
        ...lamportsOut(context, { from: first, to: second, amountMinor: amount }),
      ]
    }
    case 7:
      if (!isEmpty) return undefined
      // The second account is emptied into the first.
      return [stake(context, third, { action: 'merge', stakeAccount: second, counterparty: first })]
    case 14:
      return isEmpty ? [programCall(instruction, context, 'deactivateDelinquent')] : undefined
    case 16:
      return amount === undefined ? undefined : [programCall(instruction, context, 'moveStake')]
    case 17:
      return amount === undefined ? undefined : [programCall(instruction, context, 'moveLamports')]
    default:
      return undefined
  }
}

/** Staker and withdrawer are two powers: each is said. */
function initialize(
  context: InstructionContext,
  stakeAccount: SolanaAddress,
  staker: SolanaAddress,
  withdrawer: SolanaAddress,
): readonly Stake[] {
  const by = context.wallet
  return [
    stake(context, by, { action: 'initialize', stakeAccount, counterparty: withdrawer, role: 'withdrawer' }),
    stake(context, by, { action: 'initialize', stakeAccount, counterparty: staker, role: 'staker' }),
  ]
}

function lockup(
  context: InstructionContext,
  by: SolanaAddress,
  stakeAccount: SolanaAddress,
  counterparty: SolanaAddress | undefined,
): Stake {
  return stake(context, by, { action: 'lockup', stakeAccount, counterparty })
}

function stake(
  context: InstructionContext,
  by: SolanaAddress,
  act: {
    action: Stake['action']
    stakeAccount: SolanaAddress
    counterparty?: SolanaAddress | undefined
    amountMinor?: bigint
    role?: 'staker' | 'withdrawer'
  },
): Stake {
  return {
    kind: 'stake',
    ...actingAs(by, context),
    chain: context.chain,
    counterparty: undefined,
    amountMinor: undefined,
    ...act,
  }
}
