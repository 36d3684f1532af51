import { type AssetId, parseAssetId } from '@countersign/bytes'
import { AssetSet, normalTokenId } from './asset-set.ts'
import type { CompileContext, Condition } from './condition.ts'
import { assetsOf } from './effect-fields.ts'

export interface CompiledAssets {
  readonly set: AssetSet
  readonly listed: readonly AssetId[]
}

export function compileAssets(
  name: 'asset' | 'received',
  assets: readonly string[],
  context: CompileContext,
): CompiledAssets {
  const listed = assets.map((asset, i) =>
    context.parsed(`when.${name}[${i}]`, () => normalTokenId(parseAssetId(asset, 'The asset'))),
  )
  return { set: new AssetSet(listed), listed }
}

export function assetCondition({ set, listed }: CompiledAssets, { action }: CompileContext): Condition {
  const isPermit = action === 'permit'
  return {
    name: 'asset',
    // A forbid on one token of a collection matches effects on the collection too: those are not looked up.
    ...(isPermit ? { index: { field: 'asset', values: new Set(listed) } as const } : {}),
    judge: (effect) => {
      for (const asset of assetsOf(effect)) {
        if (isPermit ? set.covers(asset) : set.touches(asset)) return true
      }
      return false
    },
    explain: (effect) => [
      { code: 'POLICY_ASSET', message: `asset ${assetsOf(effect).join(' or ')} is not listed` },
    ],
  }
}

export function receivedCondition(assets: readonly string[], context: CompileContext): Condition {
  const { set } = compileAssets('received', assets, context)
  const isPermit = context.action === 'permit'
  return {
    name: 'received',
    judge: (effect) => {
      if (effect.kind !== 'swap') return undefined
      return isPermit ? set.covers(effect.receivedAsset) : set.touches(effect.receivedAsset)
    },
    explain: (effect) => {
      const asset = effect.kind === 'swap' ? effect.receivedAsset : 'nothing'
      return [{ code: 'POLICY_RECEIVED', message: `the swap brings ${asset}, which is not listed` }]
    },
  }
}
