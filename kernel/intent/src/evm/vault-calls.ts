import type { Address } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { VaultDeposit, VaultWithdrawal } from '../defi-effect.ts'
import type { Effect } from '../effect.ts'
import { type Call, knownCalls, placeOf } from './call.ts'

/** ERC-4626, by selector at every contract: the effect names the contract. */
export const vaultCalls = knownCalls([
  ['deposit(uint256 amount, address receiver)', deposit('assets')],
  ['mint(uint256 amount, address receiver)', deposit('shares')],
  ['withdraw(uint256 amount, address receiver, address owner)', withdrawal('assets')],
  ['redeem(uint256 amount, address receiver, address owner)', withdrawal('shares')],
])

function deposit(unit: VaultDeposit['unit']) {
  return (args: AbiArguments, call: Call): Effect[] => {
    const [amountMinor, recipient] = [args.amount as bigint, args.receiver as Address]
    return [{ kind: 'vault-deposit', ...placeOf(call), amountMinor, unit, recipient }]
  }
}

function withdrawal(unit: VaultWithdrawal['unit']) {
  return (args: AbiArguments, call: Call): Effect[] => {
    const [amountMinor, recipient] = [args.amount as bigint, args.receiver as Address]
    return [
      {
        kind: 'vault-withdrawal',
        ...placeOf(call),
        amountMinor,
        unit,
        recipient,
        owner: args.owner as Address,
      },
    ]
  }
}
