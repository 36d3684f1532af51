import { type Address, tokenAsset } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { Effect, TokenApproval, TokenTransfer } from '../effect.ts'
import { batchItemsMax, type Call, knownCalls, placeOf } from './call.ts'

/**
 * Calls that ERC-20, ERC-721 and ERC-1155 define, by selector alone: what the contract really is cannot be known from
 * the bytes, so an effect names every asset that the selector fits.
 */
export const tokenCalls = knownCalls([
  ['transfer(address to, uint256 amount)', erc20Transfer],
  ['transferFrom(address from, address to, uint256 amountOrId)', transferFrom],
  ['approve(address spender, uint256 amountOrId)', approve],
  ['increaseAllowance(address spender, uint256 amount)', increaseAllowance],
  ['decreaseAllowance(address spender, uint256 amount)', decreaseAllowance],
  ['safeTransferFrom(address from, address to, uint256 id)', erc721Transfer],
  ['safeTransferFrom(address from, address to, uint256 id, bytes data)', erc721Transfer],
  ['safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes data)', erc1155Transfer],
  [
    'safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] amounts, bytes data)',
    erc1155Batch,
  ],
  ['setApprovalForAll(address spender, bool approved)', setApprovalForAll],
])

function erc20Transfer(args: AbiArguments, call: Call): Effect[] {
  return [
    {
      kind: 'token-transfer',
      ...placeOf(call),
      assets: [tokenAsset(call.chain, 'erc20', call.contract)],
      from: undefined,
      recipient: args.to as Address,
      amountMinor: args.amount as bigint,
    },
  ]
}

function transferFrom(args: AbiArguments, call: Call): Effect[] {
  const amountOrId = args.amountOrId as bigint
  return [tokenTransfer(args, call, bothStandards(call, amountOrId), amountOrId)]
}

function erc721Transfer(args: AbiArguments, call: Call): Effect[] {
  const asset = tokenAsset(call.chain, 'erc721', call.contract, args.id as bigint)
  return [tokenTransfer(args, call, [asset], 1n)]
}

function erc1155Transfer(args: AbiArguments, call: Call): Effect[] {
  const asset = tokenAsset(call.chain, 'erc1155', call.contract, args.id as bigint)
  return [tokenTransfer(args, call, [asset], args.amount as bigint)]
}

function erc1155Batch(args: AbiArguments, call: Call): Effect[] | string {
  const ids = args.ids as readonly bigint[]
  const amounts = args.amounts as readonly bigint[]
  if (ids.length !== amounts.length) return 'The batch has not as many amounts as token ids.'
  // Without an effect there would be nothing for a rule to permit.
  if (ids.length === 0) return 'The batch is empty.'
  if (ids.length > batchItemsMax) return `The batch has more than ${batchItemsMax} tokens.`
  return ids.map((id, i) => {
    const asset = tokenAsset(call.chain, 'erc1155', call.contract, id)
    return tokenTransfer(args, call, [asset], amounts[i] as bigint)
  })
}

function approve(args: AbiArguments, call: Call): Effect[] {
  const amountMinor = args.amountOrId as bigint
  return [approval(args, call, { assets: bothStandards(call, amountMinor), amountMinor, mode: 'set' })]
}

function increaseAllowance(args: AbiArguments, call: Call): Effect[] {
  const assets = [tokenAsset(call.chain, 'erc20', call.contract)]
  return [approval(args, call, { assets, amountMinor: args.amount as bigint, mode: 'increase' })]
}

/** Still power over an allowance, so still an approval: one that adds nothing. */
function decreaseAllowance(args: AbiArguments, call: Call): Effect[] {
  const assets = [tokenAsset(call.chain, 'erc20', call.contract)]
  return [approval(args, call, { assets, amountMinor: 0n, mode: 'increase' })]
}

/** Taking the approval back (`false`) is the same effect with amount 0. */
function setApprovalForAll(args: AbiArguments, call: Call): Effect[] {
  const assets = [
    tokenAsset(call.chain, 'erc721', call.contract),
    tokenAsset(call.chain, 'erc1155', call.contract),
  ]
  return [approval(args, call, { assets, amountMinor: args.approved === true ? undefined : 0n, mode: 'all' })]
}

function tokenTransfer(
  args: AbiArguments,
  call: Call,
  assets: TokenTransfer['assets'],
  amountMinor: bigint,
): TokenTransfer {
  const from = args.from as Address
  return {
    kind: 'token-transfer',
    ...placeOf(call),
    assets,
    from,
    recipient: args.to as Address,
    amountMinor,
  }
}

function approval(
  args: AbiArguments,
  call: Call,
  what: Pick<TokenApproval, 'assets' | 'amountMinor' | 'mode'>,
): TokenApproval {
  const spender = args.spender as Address
  return { kind: 'approval', by: 'transaction', ...placeOf(call), ...what, spender, expiresAtS: undefined }
}

function bothStandards(call: Call, amountOrId: bigint) {
  return [
    tokenAsset(call.chain, 'erc20', call.contract),
    tokenAsset(call.chain, 'erc721', call.contract, amountOrId),
  ]
}
