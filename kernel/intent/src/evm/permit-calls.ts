import { type Address, type AssetId, tokenAsset } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { Effect, TokenApproval, TokenTransfer } from '../effect.ts'
import { acting, batchItemsMax, type Call, knownCalls, placeOf } from './call.ts'

/** Uniswap's Permit2, at this address on every chain that has it. */
export const permit2Contract = '0x000000000022d473030f116ddee9f6b43ac78ba3' as Address

const details = '(address token, uint160 amount, uint48 expiration, uint48 nonce)'
const permitted = '(address token, uint256 amount)'
const transferDetails = '(address to, uint256 requestedAmount)'
const single = `(${permitted} permitted, uint256 nonce, uint256 deadline) permit, ${transferDetails} details`
const batch = `(${permitted}[] permitted, uint256 nonce, uint256 deadline) permit, ${transferDetails}[] details`
const witness = 'bytes32 witness, string witnessTypeString'

const eip3009 =
  'address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce'

/** Calls of Permit2, and the calls by which a signed permit or a signed transfer (ERC-3009) reaches a token. */
export const permitCalls = [
  ...knownCalls(
    [
      ['approve(address token, address spender, uint160 amount, uint48 expiration)', permit2Approve],
      [
        `permit(address owner, (${details} details, address spender, uint256 sigDeadline) permit, bytes signature)`,
        permit2Permit,
      ],
      [
        `permit(address owner, (${details}[] details, address spender, uint256 sigDeadline) permit, bytes signature)`,
        permit2Permit,
      ],
      ['transferFrom(address from, address to, uint160 amount, address token)', permit2Transfer],
      [
        'transferFrom((address from, address to, uint160 amount, address token)[] transfers)',
        permit2Transfers,
      ],
      [`permitTransferFrom(${single}, address owner, bytes signature)`, signatureTransfer],
      [`permitTransferFrom(${batch}, address owner, bytes signature)`, signatureTransfer],
      [`permitWitnessTransferFrom(${single}, address owner, ${witness}, bytes signature)`, signatureTransfer],
      [`permitWitnessTransferFrom(${batch}, address owner, ${witness}, bytes signature)`, signatureTransfer],
      ['lockdown((address token, address spender)[] approvals)', lockdown],
    ],
    (_, contract) => contract === permit2Contract,
  ),
  ...knownCalls([
    [
      'permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)',
      erc2612,
    ],
    ['permit(address owner, address spender, uint256 value, uint256 deadline, bytes signature)', erc2612],
    [
      'permit(address holder, address spender, uint256 nonce, uint256 expiry, bool allowed, uint8 v, bytes32 r, bytes32 s)',
      daiPermit,
    ],
    [`transferWithAuthorization(${eip3009}, uint8 v, bytes32 r, bytes32 s)`, authorizedTransfer],
    [`transferWithAuthorization(${eip3009}, bytes signature)`, authorizedTransfer],
    [`receiveWithAuthorization(${eip3009}, uint8 v, bytes32 r, bytes32 s)`, authorizedTransfer],
    [`receiveWithAuthorization(${eip3009}, bytes signature)`, authorizedTransfer],
  ]),
]

interface PermitDetails {
  readonly token: Address
  readonly amount: bigint
  readonly expiration: bigint
}

/** The token's allowance to Permit2 is what the spender gets at; so the effect names the token as its contract. */
export function permit2Approval(
  call: Call,
  account: Address | undefined,
  spender: Address,
  { token, amount, expiration }: Pick<PermitDetails, 'token' | 'amount' | 'expiration'>,
): TokenApproval {
  return { ...approval(call, account, token, spender, amount), expiresAtS: expiration }
}

/** Permit2's AllowanceTransfer by signature; `owner` gives, whoever calls. */
export function permit2PermitOf(
  call: Call,
  owner: Address | undefined,
  permit: { readonly details: unknown; readonly spender: unknown; readonly sigDeadline: unknown },
): Effect[] | string {
  const given = permit.details
  const tokens = (Array.isArray(given) ? given : [given]) as readonly PermitDetails[]
  if (tokens.length === 0) return 'The permit is empty.'
  if (tokens.length > batchItemsMax) return `The permit has more than ${batchItemsMax} tokens.`
  return tokens.map((token) => {
    // Expiration 0 is the block in which the permit is used, which may be any until its deadline.
    const expiration = token.expiration === 0n ? (permit.sigDeadline as bigint) : token.expiration
    return permit2Approval(call, owner, permit.spender as Address, { ...token, expiration })
  })
}

function permit2Approve(args: AbiArguments, call: Call): Effect[] {
  // 0 means "the time of the block" to Permit2: over before any later one.
  const { token, amount, expiration } = args as unknown as PermitDetails
  return [permit2Approval(call, call.account, args.spender as Address, { token, amount, expiration })]
}

function permit2Permit(args: AbiArguments, call: Call): Effect[] | string {
  return permit2PermitOf(call, args.owner as Address, args.permit as never)
}

function permit2Transfer(args: AbiArguments, call: Call): Effect[] {
  return [permit2TransferOf(call, args as unknown as Permit2Transfer)]
}

export interface Permit2Transfer {
  readonly from: Address | undefined
  readonly to: Address
  readonly amount: bigint
  readonly token: Address
}

function permit2Transfers(args: AbiArguments, call: Call): Effect[] | string {
  const transfers = args.transfers as unknown as readonly Permit2Transfer[]
  if (transfers.length === 0) return 'The batch is empty.'
  if (transfers.length > batchItemsMax) return `The batch has more than ${batchItemsMax} transfers.`
  return transfers.map((transfer) => permit2TransferOf(call, transfer))
}

export function permit2TransferOf(call: Call, { from, to, amount, token }: Permit2Transfer): TokenTransfer {
  return {
    kind: 'token-transfer',
    ...placeOf(call),
    contract: token,
    assets: [tokenAsset(call.chain, 'erc20', token)],
    from,
    recipient: to,
    amountMinor: amount,
  }
}

function signatureTransfer(args: AbiArguments, call: Call): Effect[] | string {
  const permit = args.permit as unknown as { permitted: PermitDetails | readonly PermitDetails[] }
  const tokens = [permit.permitted].flat()
  const moves = [args.details].flat() as unknown as readonly { to: Address; requestedAmount: bigint }[]
  if (tokens.length !== moves.length) return 'The batch has not as many transfers as tokens.'
  if (tokens.length === 0) return 'The batch is empty.'
  if (tokens.length > batchItemsMax) return `The batch has more than ${batchItemsMax} tokens.`
  return tokens.map(({ token }, i) => {
    const { to, requestedAmount: amount } = moves[i] as (typeof moves)[number]
    return permit2TransferOf(call, { from: args.owner as Address, to, amount, token })
  })
}

/** Allowances taken back: approvals of nothing. */
function lockdown(args: AbiArguments, call: Call): Effect[] | string {
  const pairs = args.approvals as unknown as readonly { token: Address; spender: Address }[]
  if (pairs.length === 0) return 'The batch is empty.'
  if (pairs.length > batchItemsMax) return `The batch has more than ${batchItemsMax} tokens.`
  return pairs.map(({ token, spender }) => approval(call, call.account, token, spender, 0n))
}

/** The owner gives, whoever submits the signature. The deadline is the signature's: the allowance stays. */
function erc2612(args: AbiArguments, call: Call): Effect[] {
  const owner = args.owner as Address
  return [approval(call, owner, call.contract, args.spender as Address, args.value as bigint)]
}

/** DAI sets the allowance to 2^256 - 1 and never lowers it. */
function daiPermit(args: AbiArguments, call: Call): Effect[] {
  const amountMinor = args.allowed === true ? undefined : 0n
  return [approval(call, args.holder as Address, call.contract, args.spender as Address, amountMinor)]
}

function authorizedTransfer(args: AbiArguments, call: Call): Effect[] {
  const { contract: token } = call
  const [from, to, amount] = [args.from as Address, args.to as Address, args.value as bigint]
  return [permit2TransferOf(call, { from, to, amount, token })]
}

/** Power over `account`'s tokens. */
export function approval(
  call: Call,
  account: Address | undefined,
  token: Address,
  spender: Address,
  amountMinor: bigint | undefined,
): TokenApproval {
  const assets: AssetId[] = [tokenAsset(call.chain, 'erc20', token)]
  return {
    kind: 'approval',
    by: 'transaction',
    ...acting(account),
    chain: call.chain,
    contract: token,
    assets,
    spender,
    amountMinor,
    mode: 'set',
    expiresAtS: undefined,
    selector: call.selector,
  }
}
