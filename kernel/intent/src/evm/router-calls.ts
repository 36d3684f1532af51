import {
  type Address,
  type AssetId,
  decodeHex,
  type Hex,
  isCountersignError,
  nativeAsset,
  tokenAsset,
} from '@countersign/bytes'
import { type AbiArguments, decodeArguments } from '../abi.ts'
import type { Effect } from '../effect.ts'
import { batchOf } from './account-calls.ts'
import { batchItemsMax, type Call, type KnownCall, knownCalls, zeroAddress } from './call.ts'
import { permit2Approval } from './permit-calls.ts'
import { assetPath, packedPath } from './router-paths.ts'
import { effectsOfProgram, type Recipient, type RouterStep } from './router-program.ts'

interface Steps {
  readonly steps: readonly RouterStep[]
  readonly deadlineS?: bigint | undefined
}

type StepReader = (args: AbiArguments, call: Call) => Steps | string

const exactIn = 'uint256 amountIn, uint256 amountOutMin, address[] path, address to'
const exactOut = 'uint256 amountOut, uint256 amountInMax, address[] path, address to'
const single = 'address tokenIn, address tokenOut, uint24 fee, address recipient'
const price = 'uint160 sqrtPriceLimitX96'
const signature = 'uint8 v, bytes32 r, bytes32 s'

/** Uniswap v2's router and its copies. Recipients are as they stand. */
const v2Swaps: readonly (readonly [string, StepReader])[] = [
  [`swapExactTokensForTokens(${exactIn}, uint256 deadline)`, v2Swap('tokens', 'tokens')],
  [`swapTokensForExactTokens(${exactOut}, uint256 deadline)`, v2Swap('tokens', 'tokens')],
  [
    'swapExactETHForTokens(uint256 amountOutMin, address[] path, address to, uint256 deadline)',
    v2Swap('coins', 'tokens'),
  ],
  [`swapTokensForExactETH(${exactOut}, uint256 deadline)`, v2Swap('tokens', 'coins')],
  [`swapExactTokensForETH(${exactIn}, uint256 deadline)`, v2Swap('tokens', 'coins')],
  [
    'swapETHForExactTokens(uint256 amountOut, address[] path, address to, uint256 deadline)',
    v2Swap('coins', 'tokens'),
  ],
  [
    `swapExactTokensForTokensSupportingFeeOnTransferTokens(${exactIn}, uint256 deadline)`,
    v2Swap('tokens', 'tokens'),
  ],
  [
    'swapExactETHForTokensSupportingFeeOnTransferTokens(uint256 amountOutMin, address[] path, address to, uint256 deadline)',
    v2Swap('coins', 'tokens'),
  ],
  [
    `swapExactTokensForETHSupportingFeeOnTransferTokens(${exactIn}, uint256 deadline)`,
    v2Swap('tokens', 'coins'),
  ],
]

/** Uniswap v3's SwapRouter: each swap has a deadline; the zero address is the router. */
const v3Swaps: readonly (readonly [string, StepReader])[] = [
  [
    `exactInputSingle((${single}, uint256 deadline, uint256 amountIn, uint256 amountOutMin, ${price}) params)`,
    v3Swap(zeroIsRouter),
  ],
  [
    `exactOutputSingle((${single}, uint256 deadline, uint256 amountOut, uint256 amountInMax, ${price}) params)`,
    v3Swap(zeroIsRouter),
  ],
  [
    'exactInput((bytes path, address recipient, uint256 deadline, uint256 amountIn, uint256 amountOutMin) params)',
    v3Swap(zeroIsRouter),
  ],
  [
    'exactOutput((bytes path, address recipient, uint256 deadline, uint256 amountOut, uint256 amountInMax) params)',
    v3Swap(zeroIsRouter),
  ],
]

/** SwapRouter02: no deadline; address 1 is the caller, address 2 the router; 0 in is what the router holds. */
const v3Swaps02: readonly (readonly [string, StepReader])[] = [
  [`exactInputSingle((${single}, uint256 amountIn, uint256 amountOutMin, ${price}) params)`, v3Swap(mapped)],
  [`exactOutputSingle((${single}, uint256 amountOut, uint256 amountInMax, ${price}) params)`, v3Swap(mapped)],
  [
    'exactInput((bytes path, address recipient, uint256 amountIn, uint256 amountOutMin) params)',
    v3Swap(mapped),
  ],
  [
    'exactOutput((bytes path, address recipient, uint256 amountOut, uint256 amountInMax) params)',
    v3Swap(mapped),
  ],
  [`swapExactTokensForTokens(${exactIn})`, v2Swap('tokens', 'tokens')],
  [`swapTokensForExactTokens(${exactOut})`, v2Swap('tokens', 'tokens')],
]

/** What stands around swaps in a router's multicall, and means something there alone. */
const peripheral: readonly (readonly [string, StepReader])[] = [
  ['refundETH()', () => ({ steps: [{ kind: 'keep' }] })],
  ['wrapETH(uint256 amount)', wrapCoins],
  ['pull(address token, uint256 amount)', pull],
  ['unwrapWETH9(uint256 amountMin, address recipient)', sweep],
  ['unwrapWETH9(uint256 amountMin)', sweep],
  ['unwrapWETH9WithFee(uint256 amountMin, address recipient, uint256 feeBips, address feeRecipient)', sweep],
  ['unwrapWETH9WithFee(uint256 amountMin, uint256 feeBips, address feeRecipient)', sweep],
  ['sweepToken(address token, uint256 amountMin, address recipient)', sweep],
  ['sweepToken(address token, uint256 amountMin)', sweep],
  [
    'sweepTokenWithFee(address token, uint256 amountMin, address recipient, uint256 feeBips, address feeRecipient)',
    sweep,
  ],
  ['sweepTokenWithFee(address token, uint256 amountMin, uint256 feeBips, address feeRecipient)', sweep],
  [`selfPermit(address token, uint256 value, uint256 deadline, ${signature})`, selfPermit],
  [`selfPermitIfNecessary(address token, uint256 value, uint256 deadline, ${signature})`, selfPermit],
  [`selfPermitAllowed(address token, uint256 nonce, uint256 expiry, ${signature})`, selfPermit],
  [`selfPermitAllowedIfNecessary(address token, uint256 nonce, uint256 expiry, ${signature})`, selfPermit],
]

interface StepCall {
  readonly known: KnownCall
  readonly read: StepReader
}

const swaps = [...v2Swaps, ...v3Swaps, ...v3Swaps02]

const stepCalls: ReadonlyMap<string, StepCall> = new Map(
  [...swaps, ...peripheral].map(([text, read]): [string, StepCall] => {
    const [known] = knownCalls([[text, () => undefined]]) as [KnownCall]
    return [known.fn.selector, { known, read }]
  }),
)

/**
 * Swaps by selector, at every contract: the effect names the contract, and a rule says which are routers. What a
 * contract that is none does with such a call, the bytes do not say; at Uniswap's own routers a swap effect is all that
 * the call can do to its caller.
 */
export const routerCalls: readonly KnownCall[] = [
  ...knownCalls(
    swaps.map(([text, read]) => [text, (args, call) => effectsOfSteps([read(args, call)], call)]),
  ),
  ...knownCalls([
    ['multicall(bytes[] data)', multicall],
    ['multicall(uint256 deadline, bytes[] data)', multicall],
    ['multicall(bytes32 previousBlockhash, bytes[] data)', multicall],
  ]),
]

/**
 * A multicall makes its contract call itself as the caller. Where all of it is a router's, it is one program; else each
 * call is decoded as if the caller had made it. */
function multicall(args: AbiArguments, call: Call): Effect[] | string {
  const parts = args.data as readonly Hex[]
  if (parts.length > batchItemsMax) return `It makes more than ${batchItemsMax} calls.`
  const batch = batchOf(call, 'router-multicall', parts.length)
  const steps = parts.map((data) => stepOf(data, call))
  if (parts.length > 0 && !steps.includes(undefined)) {
    const effects = effectsOfSteps(steps as (Steps | string)[], call, args.deadline as bigint | undefined)
    if (typeof effects === 'string') return effects
    if (effects !== undefined) return [batch, ...effects]
  }
  return [batch, ...parts.flatMap((data) => call.again(data))]
}

/** @returns undefined for what is no step of a router. */
function stepOf(data: Hex, call: Call): Steps | string | undefined {
  const step = stepCalls.get(data.slice(0, 10))
  if (step === undefined) return undefined
  try {
    return step.read(decodeArguments(step.known.fn, decodeHex(data)), call)
  } catch (error) {
    if (isCountersignError(error)) return error.message
    throw error
  }
}

function effectsOfSteps(
  parts: readonly (Steps | string)[],
  call: Call,
  outerDeadlineS?: bigint,
): Effect[] | string | undefined {
  const steps: RouterStep[] = []
  let deadlineS = outerDeadlineS
  for (const part of parts) {
    if (typeof part === 'string') return part
    steps.push(...part.steps)
    if (part.deadlineS !== undefined && (deadlineS === undefined || part.deadlineS < deadlineS)) {
      deadlineS = part.deadlineS
    }
  }
  // A v3 router pays with coins where it is asked for the wrapped coin and still has them. Anybody whom a swap lets in
  // (a token of the path) can take them out first, and then it is the caller's wrapped coin after all: that is told.
  return effectsOfProgram({ steps, deadlineS, coinsMinor: 0n }, call)
}

function v2Swap(spends: 'tokens' | 'coins', receives: 'tokens' | 'coins'): StepReader {
  return (args, call) => {
    const path = assetPath(call.chain, args.path as readonly Address[])
    if (path === undefined) return 'Its path is shorter than two tokens.'
    const native = nativeAsset(call.chain)
    const is02 = args.deadline === undefined
    const amountIn = (args.amountIn ?? args.amountInMax) as bigint | undefined
    return {
      steps: [
        {
          kind: 'swap',
          payer: is02 && args.amountIn === 0n ? 'router' : 'user',
          assetIn: spends === 'coins' ? native : path.first,
          amountInMax: spends === 'coins' ? call.valueMinor : (amountIn ?? 0n),
          assetOut: receives === 'coins' ? native : path.last,
          amountOutMin: (args.amountOutMin ?? args.amountOut) as bigint,
          recipient: is02 ? mapped(args.to as Address) : (args.to as Address),
        },
      ],
      deadlineS: args.deadline as bigint | undefined,
    }
  }
}

function v3Swap(recipientOf: (address: Address) => Recipient): StepReader {
  return (args, call) => {
    const params = args.params as AbiArguments
    const isExactOut = params.amountOut !== undefined
    const path =
      params.path === undefined
        ? assetPath(call.chain, [params.tokenIn as Address, params.tokenOut as Address])
        : packedPath(call.chain, params.path as Hex, isExactOut)
    if (path === undefined) return 'Its path is not of tokens and fees.'
    const is02 = params.deadline === undefined
    return {
      steps: [
        {
          kind: 'swap',
          payer: is02 && params.amountIn === 0n ? 'router' : 'user',
          assetIn: path.first,
          amountInMax: (params.amountIn ?? params.amountInMax) as bigint,
          assetOut: path.last,
          amountOutMin: (params.amountOutMin ?? params.amountOut) as bigint,
          recipient: recipientOf(params.recipient as Address),
        },
      ],
      deadlineS: params.deadline as bigint | undefined,
    }
  }
}

function zeroIsRouter(address: Address): Recipient {
  return address === zeroAddress ? 'router' : address
}

const senderAlias = `0x${'00'.repeat(19)}01`
const routerAlias = `0x${'00'.repeat(19)}02`

/** SwapRouter02 and the Universal Router: addresses 1 and 2 stand for the caller and for the router. */
export function mapped(address: Address): Recipient {
  if (address === senderAlias) return 'user'
  return address === routerAlias ? 'router' : address
}

/** unwrapWETH9 and sweepToken, with a fee to a third party or without; without recipient they pay the caller. */
function sweep(args: AbiArguments, call: Call): Steps {
  const { chain } = call
  const asset: AssetId =
    args.token === undefined ? nativeAsset(chain) : tokenAsset(chain, 'erc20', args.token as Address)
  const recipient = (args.recipient ?? 'user') as Recipient
  const amountMin = args.amountMin as bigint
  const bips = args.feeBips as bigint | undefined
  if (bips === undefined) return { steps: [{ kind: 'pay', asset, recipient, amountMin }] }
  const rest = bips > 10_000n ? 0n : (amountMin * (10_000n - bips)) / 10_000n
  return {
    steps: [
      { kind: 'pay', asset, recipient: args.feeRecipient as Address, amountMin: 0n, bips },
      { kind: 'pay', asset, recipient, amountMin: rest },
    ],
  }
}

function wrapCoins(_: AbiArguments, call: Call): Steps {
  const steps: RouterStep[] = [{ kind: 'keep' }]
  if (call.valueMinor > 0n)
    steps.push({ kind: 'fund', asset: nativeAsset(call.chain), amountMinor: call.valueMinor })
  return { steps }
}

function pull(args: AbiArguments): Steps {
  return { steps: [{ kind: 'pull', token: args.token as Address, amountMinor: args.amount as bigint }] }
}

/** The caller's signature gives the router an allowance; DAI's knows only all or nothing. */
function selfPermit(args: AbiArguments, call: Call): Steps {
  const amountMinor = args.value as bigint | undefined
  const approval = permit2Approval(call, call.account, call.contract, {
    token: args.token as Address,
    amount: amountMinor ?? 0n,
    expiration: 0n,
  })
  return { steps: [{ kind: 'effects', effects: [{ ...approval, amountMinor, expiresAtS: undefined }] }] }
}
