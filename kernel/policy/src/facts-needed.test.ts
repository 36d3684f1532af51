import type { Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { factsNeeded, pricedAssetsMax } from './facts-needed.ts'
import { coin, effect, layersOf, policyWith, token } from './fixtures.ts'

const payloadDigest: Hex = `0x${'ab'.repeat(32)}`
const asked = (effects: readonly object[]) => ({ effects, payloadDigest }) as never
const prices = { currency: 'USD', by: ['oracle', 'second'], maxAge: '10m' }
const valued = { effects: ['native-transfer'], when: { value: { currency: 'USD', max: '1' } } }

describe('factsNeeded', () => {
  it('names nobody where no policy does', () => {
    const layers = layersOf(policyWith({}, { effects: ['native-transfer'] }))
    expect(factsNeeded(asked([effect.native()]), layers)).toEqual({ prices: [], simulations: [] })
    expect(factsNeeded(asked([effect.native()]), [{ layer: 'wallet', policy: undefined }])).toEqual({
      prices: [],
      simulations: [],
    })
  })

  it('names whom the policy names, of the assets that move', () => {
    const layers = layersOf(policyWith({ prices }, valued))
    const { prices: needed } = factsNeeded(asked([effect.native(), effect.native()]), layers)
    expect(needed).toEqual([
      { credentialId: 'oracle', asset: coin, currency: 'USD' },
      { credentialId: 'second', asset: coin, currency: 'USD' },
    ])
    expect(factsNeeded(asked([effect.token()]), layers).prices.map(({ asset }) => asset)).toEqual([
      token,
      token,
    ])
  })

  it('names simulators of every rule, once, with the bytes', () => {
    const requires = { simulation: { by: ['sim-a', 'sim-b'] } }
    const layers = layersOf(
      policyWith({}, { effects: ['native-transfer'], requires }, { effects: ['fee'], requires }),
    )
    const { simulations } = factsNeeded(asked([effect.native()]), layers)
    expect(simulations).toEqual([
      { credentialId: 'sim-a', payloadDigest },
      { credentialId: 'sim-b', payloadDigest },
    ])
  })

  it('looks up no more assets than the limit', () => {
    const layers = layersOf(policyWith({ prices: { ...prices, by: ['oracle'] } }, valued))
    const many = Array.from({ length: pricedAssetsMax + 5 }, (_, i) =>
      effect.token({ assets: [`eip155:1/erc20:0x${i.toString(16).padStart(40, '0')}`] as never }),
    )
    expect(factsNeeded(asked(many), layers).prices).toHaveLength(pricedAssetsMax)
  })
})
