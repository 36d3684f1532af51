import { type Address, type AssetId, type ChainId, type Hex, tokenAsset } from '@countersign/bytes'

/** What a swap starts and ends with. */
export interface SwapPath {
  readonly first: AssetId
  readonly last: AssetId
}

/** @returns undefined for a path that leads nowhere. */
export function assetPath(chain: ChainId, tokens: readonly Address[]): SwapPath | undefined {
  const [first, last] = [tokens[0], tokens.at(-1)]
  if (first === undefined || last === undefined || tokens.length < 2) return undefined
  return { first: tokenAsset(chain, 'erc20', first), last: tokenAsset(chain, 'erc20', last) }
}

const addressDigits = 40
const hopDigits = addressDigits + 6

/** Uniswap v3: token, fee (3 bytes), token, and so on without padding; from the end where the output is exact. */
export function packedPath(chain: ChainId, path: Hex, reversed: boolean): SwapPath | undefined {
  const digits = path.slice(2)
  const hops = (digits.length - addressDigits) / hopDigits
  if (!Number.isInteger(hops) || hops < 1) return undefined
  const tokens: Address[] = []
  for (let at = 0; at < digits.length; at += hopDigits) {
    tokens.push(`0x${digits.slice(at, at + addressDigits)}` as Address)
  }
  return assetPath(chain, reversed ? tokens.reverse() : tokens)
}
