import type { Address, ChainId, Hex } from '@countersign/bytes'
import { type AbiFunction, encodeFunctionData, erc20Abi, parseAbi } from 'viem'
import type { Effect } from '../src/effect.ts'
import { effectsOfCall } from '../src/evm/unroll.ts'

export const chain = 'eip155:1' as ChainId
export const native = 'eip155:1/slip44:60'

/** An address of one repeated byte. */
export function addressOf(byte: string): Address {
  return `0x${byte.repeat(20)}` as Address
}

export const alice = addressOf('aa')
export const bob = addressOf('bb')
export const token = addressOf('cc')
export const account = addressOf('dd')
export const weth = '0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2' as Address

export function erc20(contract: Address): string {
  return `eip155:1/erc20:${contract}`
}

/** The effects of a call that the wallet makes. */
export function effectsOf(to: Address, data: Hex, valueMinor = 0n): Effect[] {
  return effectsOfCall(chain, { account: undefined, to, valueMinor, data })
}

/** Calldata by viem, from one signature. */
export function calldata(signature: string, args: readonly unknown[]): Hex {
  const abi = parseAbi([`function ${signature}`] as never) as unknown as [AbiFunction]
  return encodeFunctionData({ abi, functionName: abi[0].name, args } as never)
}

export function transfer(to: Address, amount: bigint): Hex {
  return encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, amount] })
}

/** What an ERC-20 transfer of `token` by an account must be decoded to. */
export function transferEffect(by: Address | undefined, to: Address, amountMinor: bigint): object {
  return {
    kind: 'token-transfer',
    ...(by === undefined ? {} : { account: by }),
    chain,
    contract: token,
    selector: '0xa9059cbb',
    assets: [erc20(token)],
    from: undefined,
    recipient: to,
    amountMinor,
  }
}

export function coinsEffect(by: Address | undefined, to: Address, amountMinor: bigint): object {
  return {
    kind: 'native-transfer',
    ...(by === undefined ? {} : { account: by }),
    chain,
    asset: native,
    recipient: to,
    amountMinor,
  }
}
