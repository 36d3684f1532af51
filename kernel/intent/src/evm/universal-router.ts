import { type Address, type AssetId, decodeHex, type Hex, nativeAsset, tokenAsset } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import { type AbiFunction, parseAbiFunction } from '../abi-signature.ts'
import type { Effect } from '../effect.ts'
import { batchOf } from './account-calls.ts'
import { batchItemsMax, type Call, decodeParameters, knownCalls, zeroAddress } from './call.ts'
import { type Permit2Transfer, permit2PermitOf, permit2TransferOf } from './permit-calls.ts'
import { mapped } from './router-calls.ts'
import { assetPath, packedPath, type SwapPath } from './router-paths.ts'
import { effectsOfProgram, type RouterStep } from './router-program.ts'
import { wrappedCoin } from './wrapped-coins.ts'

/**
 * Uniswap's Universal Router, by selector at every contract, as the other routers. A program with a command that is not
 * decoded here (v4, position managers, bridges, sub-plans, and the markets of version 1) stays a contract-call as a whole.
 * @see Uniswap/universal-router, Commands.sol and Dispatcher.sol */
export const universalRouterCalls = knownCalls([
  ['execute(bytes commands, bytes[] inputs, uint256 deadline)', execute],
  ['execute(bytes commands, bytes[] inputs)', execute],
])

/** Bit of a command that may fail without the program's failing. */
const mayFail = 0x80

type CommandReader = (args: AbiArguments, context: CommandContext) => RouterStep[] | string | undefined

interface CommandContext {
  readonly call: Call
  /** What the command guarantees is none where it may fail. */
  readonly guaranteed: (amountMinor: bigint) => bigint
}

interface Command {
  readonly parameters: AbiFunction
  readonly read: CommandReader
  /** Since 2.1.1 swaps may end with least prices per hop. */
  readonly extended?: AbiFunction
}

const swapIn = 'address recipient, uint256 amountIn, uint256 amountOutMin'
const swapOut = 'address recipient, uint256 amountOut, uint256 amountInMax'
const details = '(address token, uint160 amount, uint48 expiration, uint48 nonce)'

const commands: ReadonlyMap<number, Command> = new Map([
  [0x00, swapCommand(`${swapIn}, bytes path, bool payerIsUser`)],
  [0x01, swapCommand(`${swapOut}, bytes path, bool payerIsUser`)],
  [0x02, command('address token, address recipient, uint160 amount', permit2TransferFrom)],
  [
    0x03,
    command(
      `(${details}[] details, address spender, uint256 sigDeadline) permit, bytes signature`,
      permit2Permit,
    ),
  ],
  [0x04, command('address token, address recipient, uint256 amountMin', sweep)],
  [0x05, command('address token, address recipient, uint256 amount', transfer)],
  [0x06, command('address token, address recipient, uint256 bips', payPortion)],
  [0x08, swapCommand(`${swapIn}, address[] path, bool payerIsUser`)],
  [0x09, swapCommand(`${swapOut}, address[] path, bool payerIsUser`)],
  [
    0x0a,
    command(
      `(${details} details, address spender, uint256 sigDeadline) permit, bytes signature`,
      permit2Permit,
    ),
  ],
  [0x0b, command('address recipient, uint256 amount', wrapCoins)],
  [0x0c, command('address recipient, uint256 amountMin', unwrapCoins)],
  [
    0x0d,
    command('(address from, address to, uint160 amount, address token)[] transfers', permit2TransferBatch),
  ],
  // Only a check.
  [0x0e, command('address owner, address token, uint256 minBalance', () => [])],
])

function command(parameters: string, read: CommandReader): Command {
  return { parameters: parseAbiFunction(`command(${parameters})`), read }
}

function swapCommand(parameters: string): Command {
  const extended = parseAbiFunction(`command(${parameters}, uint256[] minHopPriceX36)`)
  return { ...command(parameters, swap), extended }
}

function execute(args: AbiArguments, call: Call): Effect[] | string | undefined {
  const codes = decodeHex(args.commands as Hex)
  const inputs = args.inputs as readonly Hex[]
  if (codes.length !== inputs.length) return 'It has not as many inputs as commands.'
  if (codes.length > batchItemsMax) return `It has more than ${batchItemsMax} commands.`
  const steps: RouterStep[] = []
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number
    const known = commands.get(code & ~mayFail)
    if (known === undefined) return undefined
    const guaranteed = (amountMinor: bigint) => ((code & mayFail) === 0 ? amountMinor : 0n)
    const read = known.read(parametersOf(known, inputs[i] as Hex), { call, guaranteed })
    if (read === undefined || typeof read === 'string') return read
    steps.push(...read)
  }
  const deadlineS = args.deadline as bigint | undefined
  const effects = effectsOfProgram({ steps, deadlineS, coinsMinor: call.valueMinor }, call)
  return effects === undefined ? undefined : [batchOf(call, 'universal-router', codes.length), ...effects]
}

/** The offset of the path says which form it is: after five parameters or after six. */
function parametersOf({ parameters, extended }: Command, input: Hex): AbiArguments {
  const isExtended = extended !== undefined && BigInt(`0x0${input.slice(2 + 3 * 64, 2 + 4 * 64)}`) === 0xc0n
  return decodeParameters(isExtended ? extended : parameters, input)
}

/** Stands for all that the router holds (ActionConstants.CONTRACT_BALANCE). */
const contractBalance = 1n << 255n

function swap(args: AbiArguments, { call, guaranteed }: CommandContext): RouterStep[] | string {
  const isExactOut = args.amountOut !== undefined
  const path: SwapPath | undefined =
    typeof args.path === 'string'
      ? packedPath(call.chain, args.path as Hex, isExactOut)
      : assetPath(call.chain, args.path as readonly Address[])
  if (path === undefined) return 'A path of it leads nowhere.'
  return [
    {
      kind: 'swap',
      payer: args.payerIsUser === true ? 'user' : 'router',
      assetIn: path.first,
      amountInMax: (args.amountIn ?? args.amountInMax) as bigint,
      assetOut: path.last,
      amountOutMin: guaranteed((args.amountOutMin ?? args.amountOut) as bigint),
      recipient: mapped(args.recipient as Address),
    },
  ]
}

function permit2TransferFrom(args: AbiArguments, { call }: CommandContext): RouterStep[] {
  const [token, amount] = [args.token as Address, args.amount as bigint]
  const recipient = mapped(args.recipient as Address)
  // From the caller to the caller.
  if (recipient === 'user') return []
  if (recipient === 'router') return [{ kind: 'pull', token, amountMinor: amount }]
  return transferSteps(call, { from: undefined, to: recipient, amount, token })
}

/** The router lets through only what is the caller's; the effect says whose the bytes name. */
function permit2TransferBatch(args: AbiArguments, { call }: CommandContext): RouterStep[] {
  const transfers = args.transfers as unknown as readonly Permit2Transfer[]
  return transfers.flatMap((transfer) => transferSteps(call, transfer))
}

function transferSteps(call: Call, transfer: Permit2Transfer): RouterStep[] {
  const { to, token, amount } = transfer
  if (to === call.contract) return [{ kind: 'pull', token, amountMinor: amount }]
  return [{ kind: 'effects', effects: [permit2TransferOf(call, transfer)] }]
}

function permit2Permit(args: AbiArguments, { call }: CommandContext): RouterStep[] | string {
  const effects = permit2PermitOf(call, call.account, args.permit as never)
  return typeof effects === 'string' ? effects : [{ kind: 'effects', effects }]
}

function sweep(args: AbiArguments, { call, guaranteed }: CommandContext): RouterStep[] {
  return [payment(args, call, guaranteed(args.amountMin as bigint))]
}

function transfer(args: AbiArguments, { call, guaranteed }: CommandContext): RouterStep[] {
  const amount = args.amount as bigint
  return [payment(args, call, amount === contractBalance ? 0n : guaranteed(amount))]
}

function payPortion(args: AbiArguments, { call }: CommandContext): RouterStep[] {
  const pay = payment(args, call, 0n)
  return [{ ...pay, bips: args.bips as bigint }]
}

type Payment = Extract<RouterStep, { kind: 'pay' }>

function payment(args: AbiArguments, { chain }: Call, amountMin: bigint): Payment {
  const token = args.token as Address
  const asset: AssetId = token === zeroAddress ? nativeAsset(chain) : tokenAsset(chain, 'erc20', token)
  return { kind: 'pay', asset, recipient: mapped(args.recipient as Address), amountMin }
}

/** Where the wrapped coin goes to somebody, it must have a name. */
function wrapCoins(args: AbiArguments, { call, guaranteed }: CommandContext): RouterStep[] | undefined {
  const recipient = mapped(args.recipient as Address)
  const amount = args.amount as bigint
  if (recipient === 'router' || recipient === call.contract) return [{ kind: 'keep' }]
  const wrapped = wrappedCoin(call.chain)
  if (wrapped === undefined) return undefined
  const asset = tokenAsset(call.chain, 'erc20', wrapped)
  return [{ kind: 'pay', asset, recipient, amountMin: amount === contractBalance ? 0n : guaranteed(amount) }]
}

function unwrapCoins(args: AbiArguments, { call, guaranteed }: CommandContext): RouterStep[] {
  const asset = nativeAsset(call.chain)
  const recipient = mapped(args.recipient as Address)
  return [{ kind: 'pay', asset, recipient, amountMin: guaranteed(args.amountMin as bigint) }]
}
