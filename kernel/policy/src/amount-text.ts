import type { AssetId } from '@countersign/bytes'

const nativeDecimals = 18

/** Coins in whole units with their chain, anything else in its smallest units. */
export function formatAmount(amountMinor: bigint | undefined, ...assets: readonly AssetId[]): string {
  const [asset = 'an unknown asset'] = assets
  if (assets.length === 1 && asset.endsWith('/slip44:60') && amountMinor !== undefined) {
    return `${formatCoins(amountMinor)} native coin (${asset.slice(0, asset.indexOf('/'))})`
  }
  const amount = amountMinor === undefined ? 'unlimited' : String(amountMinor)
  return `${amount} of ${assets.length === 0 ? asset : assets.join(' or ')}`
}

/** Every EVM chain counts its own coin with 18 decimals. */
export function formatCoins(amountMinor: bigint): string {
  const digits = amountMinor.toString().padStart(nativeDecimals + 1, '0')
  const fraction = digits.slice(-nativeDecimals).replace(/0+$/, '')
  const whole = digits.slice(0, -nativeDecimals)
  return fraction === '' ? whole : `${whole}.${fraction}`
}
