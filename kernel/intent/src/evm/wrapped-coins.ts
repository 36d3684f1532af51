import { type Address, type ChainId, nativeAsset, tokenAsset } from '@countersign/bytes'
import type { AbiArguments } from '../abi.ts'
import type { Effect } from '../effect.ts'
import { type Call, knownCalls, placeOf } from './call.ts'

const opStack = '0x4200000000000000000000000000000000000006'

/** The wrapped coin of each chain that is known here, by chain number. From Uniswap's deployments. */
const wrappedCoins: ReadonlyMap<string, string> = new Map([
  ['eip155:1', '0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2'],
  ['eip155:10', opStack],
  ['eip155:56', '0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c'],
  ['eip155:130', opStack],
  ['eip155:137', '0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270'],
  ['eip155:324', '0x5aea5775959fbc2557cc8789bc1bf90a239d9a91'],
  ['eip155:480', opStack],
  ['eip155:8453', opStack],
  ['eip155:42161', '0x82af49447d8a07e3bd95bd0d56f35241523fbab1'],
  ['eip155:43114', '0xb31f66aa3c1e785363f0875a1b74e27b85fd66c7'],
  ['eip155:59144', '0xe5d7c2a44ffddf6b295a15c148167daaaf5cf34f'],
  ['eip155:81457', '0x4300000000000000000000000000000000000004'],
  ['eip155:84532', opStack],
  ['eip155:7777777', opStack],
  ['eip155:11155111', '0xfff9976782d46cc05630d1f6ebab18b2324d6b14'],
  ['eip155:11155420', opStack],
])

export function wrappedCoin(chain: ChainId): Address | undefined {
  return wrappedCoins.get(chain) as Address | undefined
}

/** What is wrapped is a native-transfer beside, as the coins of every call are. */
export const wrapCalls = knownCalls(
  [
    ['deposit()', wrap],
    ['withdraw(uint256 amount)', unwrap],
  ],
  (chain, contract) => wrappedCoins.get(chain) === contract,
)

function wrap(_: AbiArguments, call: Call): Effect[] {
  const asset = nativeAsset(call.chain)
  return [{ kind: 'wrap', ...placeOf(call), direction: 'wrap', asset, amountMinor: call.valueMinor }]
}

function unwrap(args: AbiArguments, call: Call): Effect[] {
  const asset = tokenAsset(call.chain, 'erc20', call.contract)
  return [{ kind: 'wrap', ...placeOf(call), direction: 'unwrap', asset, amountMinor: args.amount as bigint }]
}
