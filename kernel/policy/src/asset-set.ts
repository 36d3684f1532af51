import type { AssetId } from '@countersign/bytes'

const tokenForm = /^(.*\/erc(?:721|1155):0x[0-9a-f]{40})\/\d+$/

/** `eip155:1/erc721:0x…/7` -> `eip155:1/erc721:0x…`: all tokens of the contract; undefined where no token id stands. */
export function collectionOf(asset: AssetId): AssetId | undefined {
  // Most assets are native or ERC-20: do not run the expression for them.
  if (!asset.includes('/erc721:') && !asset.includes('/erc1155:')) return undefined
  return tokenForm.exec(asset)?.[1] as AssetId | undefined
}

/** Leading zeros would make two names of one token. */
export function normalTokenId(asset: AssetId): AssetId {
  const collection = collectionOf(asset)
  return collection === undefined
    ? asset
    : (`${collection}/${BigInt(asset.slice(collection.length + 1))}` as AssetId)
}

/** A list of assets, as `covers` and `touches` need it. */
export class AssetSet {
  readonly #listed: ReadonlySet<AssetId>
  /** Collections of which single tokens are listed. */
  readonly #touched: ReadonlySet<AssetId>

  constructor(assets: readonly AssetId[]) {
    this.#listed = new Set(assets)
    this.#touched = new Set(assets.map(collectionOf).filter((asset) => asset !== undefined))
  }

  /** All that `asset` means is listed. */
  covers(asset: AssetId): boolean {
    if (this.#listed.has(asset)) return true
    const collection = collectionOf(asset)
    return collection !== undefined && this.#listed.has(collection)
  }

  /** Some of what `asset` means is listed. */
  touches(asset: AssetId): boolean {
    return this.covers(asset) || this.#touched.has(asset)
  }
}

/**
 * The amount of an effect read under one of its candidate assets: a single ERC-721 token is one, whatever number
 * stands where ERC-20 has its amount. `undefined`: no bound. */
export function amountUnder(candidate: AssetId, amountMinor: bigint | undefined): bigint | undefined {
  if (amountMinor === undefined || !candidate.includes('/erc721:')) return amountMinor
  return collectionOf(candidate) === undefined ? amountMinor : 1n
}
