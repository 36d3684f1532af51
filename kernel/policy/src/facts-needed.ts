import type { AssetId, Hex } from '@countersign/bytes'
import type { Intent } from '@countersign/intent'
import { assetsOf } from './effect-fields.ts'
import type { PolicyLayer } from './evaluate.ts'
import type { Policy } from './policy.ts'

/** Assets of one request whose prices are looked up; of any further one there is no price, so what needs it is refused. */
export const pricedAssetsMax = 128

export interface NeededPrice {
  readonly credentialId: string
  readonly asset: AssetId
  readonly currency: string
}

export interface NeededSimulation {
  readonly credentialId: string
  readonly payloadDigest: Hex
}

export interface FactsNeeded {
  readonly prices: readonly NeededPrice[]
  readonly simulations: readonly NeededSimulation[]
}

/**
 * Every fact that `evaluate` can ask for about this request: by whom the policies in force name, of what it moves, and
 * nothing else. What is not there is no fact. */
export function factsNeeded(intent: Intent, layers: readonly PolicyLayer[]): FactsNeeded {
  const prices = new Map<string, NeededPrice>()
  const simulators = new Set<string>()
  const assets = new Set<AssetId>()
  for (const { policy } of layers) {
    if (policy === undefined) continue
    for (const id of simulatorsOf(policy)) simulators.add(id)
    if (policy.prices === undefined) continue
    if (assets.size === 0) addAssets(assets, intent)
    const { by, currency } = policy.prices
    for (const credentialId of by) {
      for (const asset of assets) {
        prices.set(`${credentialId} ${currency} ${asset}`, { credentialId, asset, currency })
      }
    }
  }
  const { payloadDigest } = intent
  return {
    prices: [...prices.values()],
    simulations: [...simulators].map((credentialId) => ({ credentialId, payloadDigest })),
  }
}

const simulatorsByPolicy = new WeakMap<Policy, readonly string[]>()

/** Once per version of a policy: it may have thousands of rules. */
function simulatorsOf(policy: Policy): readonly string[] {
  const known = simulatorsByPolicy.get(policy)
  if (known !== undefined) return known
  const found = [...new Set(policy.rules.flatMap(({ simulation }) => [...(simulation?.by ?? [])]))]
  simulatorsByPolicy.set(policy, found)
  return found
}

function addAssets(assets: Set<AssetId>, { effects }: Intent): void {
  for (const effect of effects) {
    for (const asset of assetsOf(effect)) {
      if (assets.size >= pricedAssetsMax) return
      assets.add(asset)
    }
  }
}
