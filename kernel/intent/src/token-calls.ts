import { type Address, type ChainId, decodeHex, type Hex, tokenAsset } from '@countersign/bytes'
import { type AbiArguments, decodeArguments } from './abi.ts'
import { type AbiFunction, parseAbiFunction } from './abi-signature.ts'
import type { Effect, TokenApproval, TokenTransfer } from './effect.ts'

/** Uniswap's Permit2, at this address on every chain that has it. */
export const permit2Contract = '0x000000000022d473030f116ddee9f6b43ac78ba3' as Address

/** A batch with more is not worth a decision per token: it is unknown-calldata. */
export const batchItemsMax = 256

/**
 * Decodes calls that ERC-20, ERC-721, ERC-1155 and Permit2 define, by selector alone: what `contract` really is
 * cannot be known from the bytes, so an effect names every asset that the selector fits.
 * @param calldata At least 4 bytes.
 * @returns undefined for a selector that is none of theirs; a sentence where it is one but says nothing sensible.
 * @throws {CountersignError} INTENT_CALLDATA_INVALID, INTENT_TOO_LARGE: a known selector whose arguments do not decode. */
export function decodeTokenCall(
  chain: ChainId,
  contract: Address,
  calldata: Hex,
): Effect[] | string | undefined {
  const known = knownCalls.get(calldata.slice(0, 10))
  if (known === undefined || (known.only !== undefined && known.only !== contract)) return undefined
  const args = decodeArguments(known.fn, decodeHex(calldata))
  return known.effects(args, { chain, contract, selector: known.fn.selector })
}

interface Call {
  readonly chain: ChainId
  readonly contract: Address
  readonly selector: Hex
}

interface KnownCall {
  readonly fn: AbiFunction
  /** The one contract at which the selector means this. */
  readonly only?: Address
  readonly effects: (args: AbiArguments, call: Call) => Effect[] | string
}

const knownCalls: ReadonlyMap<string, KnownCall> = new Map(
  (
    [
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
      [
        'approve(address token, address spender, uint160 amount, uint48 expiration)',
        permit2Approve,
        permit2Contract,
      ],
    ] as const
  ).map(([signature, effects, only]): [string, KnownCall] => {
    const fn = parseAbiFunction(signature)
    return [fn.selector, only === undefined ? { fn, effects } : { fn, effects, only }]
  }),
)

function erc20Transfer(args: AbiArguments, call: Call): Effect[] {
  return [
    {
      kind: 'token-transfer',
      ...call,
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

/** The token's allowance to Permit2 is what the spender gets at; so the effect names the token as its contract. */
function permit2Approve(args: AbiArguments, call: Call): Effect[] {
  const token = args.token as Address
  const assets = [tokenAsset(call.chain, 'erc20', token)]
  const amountMinor = args.amount as bigint
  // 0 means "the time of the block" to Permit2: over before any later one.
  const expiresAtS = args.expiration as bigint
  return [{ ...approval(args, call, { assets, amountMinor, mode: 'set' }), contract: token, expiresAtS }]
}

function tokenTransfer(
  args: AbiArguments,
  call: Call,
  assets: TokenTransfer['assets'],
  amountMinor: bigint,
): TokenTransfer {
  const from = args.from as Address
  return { kind: 'token-transfer', ...call, assets, from, recipient: args.to as Address, amountMinor }
}

function approval(
  args: AbiArguments,
  call: Call,
  what: Pick<TokenApproval, 'assets' | 'amountMinor' | 'mode'>,
): TokenApproval {
  const spender = args.spender as Address
  return { kind: 'approval', by: 'transaction', ...call, ...what, spender, expiresAtS: undefined }
}

function bothStandards(call: Call, amountOrId: bigint) {
  return [
    tokenAsset(call.chain, 'erc20', call.contract),
    tokenAsset(call.chain, 'erc721', call.contract, amountOrId),
  ]
}
