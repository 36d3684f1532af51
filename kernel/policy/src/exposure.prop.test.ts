import type { AssetId } from '@countersign/bytes'
import type { Effect } from '@countersign/intent'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { WindowKey } from './decision.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
import { exposureOf } from './exposure.ts'
import {
  address,
  amountLimit,
  coin,
  countLimit,
  document,
  effect,
  facts,
  intent,
  type LooseRule,
  layersOf,
  nft,
  nftContract,
  token,
  wallet,
} from './fixtures.ts'
import { parsePolicy } from './policy.ts'

const hourMs = 3_600_000
const amount = fc.bigInt({ min: 0n, max: 9n })
const nft1 = `${nft}/1` as AssetId

/** An attacker asks for as much of everything as small numbers allow, one or several things at once. */
const wish: fc.Arbitrary<Effect> = fc.oneof(
  amount.map((amountMinor) => effect.native({ amountMinor })),
  amount.map((amountMinor) => effect.fee({ amountMinor })),
  amount.map((valueMinor) => effect.deploy({ valueMinor })),
  amount.map((amountMinor) => effect.token({ amountMinor })),
  fc
    .bigInt({ min: 0n, max: 2n })
    .map((id) =>
      effect.token({ contract: nftContract, assets: [`${nft}/${id}` as AssetId], amountMinor: 1n }),
    ),
  // The NFT contract's transferFrom, which could be that of a coin.
  fc.bigInt({ min: 0n, max: 2n }).map((id) =>
    effect.token({
      contract: nftContract,
      assets: [nft.replace('erc721', 'erc20') as AssetId, `${nft}/${id}` as AssetId],
      amountMinor: id,
      from: wallet,
    }),
  ),
  fc.option(amount, { nil: undefined }).map((amountMinor) => effect.approval({ amountMinor })),
)

const window = fc.constantFrom('1h', '5h', '24h')
const limitsOn = (...assets: string[]) =>
  fc.uniqueArray(
    fc
      .oneof(
        {
          weight: 4,
          arbitrary: fc.tuple(amount, fc.constantFrom(...assets), window, fc.constantFrom('a', 'b', 'c')),
        },
        { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 1, max: 4 }), window) },
      )
      .map((drawn) => (drawn.length === 4 ? amountLimit(...drawn) : countLimit(...drawn))),
    { minLength: 1, maxLength: 3, selector: ({ id }) => id },
  )

const ruleOn = (kinds: readonly string[], ...assets: string[]): fc.Arbitrary<LooseRule> =>
  fc
    .tuple(
      fc.subarray([...kinds], { minLength: 1 }),
      fc.option(limitsOn(...assets), { freq: 12, nil: undefined }),
      fc.option(fc.constantFrom('cred_1', 'cred_2'), { nil: undefined, freq: 3 }),
    )
    .map(([effects, limits, credential]) => ({
      effects,
      ...(limits === undefined ? {} : { limits }),
      ...(credential === undefined ? {} : { who: { credentials: [credential] } }),
    }))

const rules = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: ruleOn(['native-transfer', 'fee', 'deploy'], coin) },
      { weight: 2, arbitrary: ruleOn(['token-transfer', 'approval'], token) },
      { weight: 2, arbitrary: ruleOn(['token-transfer'], nft, nft1, token) },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((all) => all.map((rule, i) => ({ ...rule, id: `r${i}` })))

const steps = fc.array(
  fc.record({
    waitMs: fc.integer({ min: 0, max: 3 * hourMs }),
    asked: fc.array(wish, { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 5, maxLength: 60 },
)

interface Signed {
  readonly atMs: number
  readonly asset: AssetId
  readonly amountMinor: bigint
}

it('attackers never sign away more than the exposure says', () => {
  let claims = 0
  fc.assert(
    fc.property(fc.array(rules, { minLength: 1, maxLength: 2 }), steps, (policies, wishes) => {
      const layers = layersOf(...policies.map((one) => parsePolicy(document(...one))))
      const exposure = exposureOf(layers, 'wal_1', ['cred_1'])
      const signed: Signed[] = []
      const booked: { key: WindowKey; atMs: number; amountMinor: bigint }[] = []
      let nowMs = 1_800_000_000_000
      for (const { waitMs, asked } of wishes) {
        nowMs += waitMs
        const request = intent(asked)
        const known = facts({ nowMs })
        const used = new Map(
          windowsNeeded(request, known, layers).map(({ key, windowMs }) => [
            key,
            booked
              .filter((entry) => entry.key === key && entry.atMs > nowMs - windowMs)
              .reduce((sum, entry) => sum + entry.amountMinor, 0n),
          ]),
        )
        const decision = evaluate({ intent: request, facts: known, layers, used })
        for (const { key, amountMinor } of decision.reservations)
          booked.push({ key, atMs: nowMs, amountMinor })
        if (!decision.permitted) continue
        for (const one of asked)
          signed.push(
            ...movedBy(
              one,
              nowMs,
              exposure.unbounded.map((entry) => entry.effect),
            ),
          )
      }
      for (const { asset, bounds } of exposure.assets) {
        for (const { amountMinor, windowMs } of bounds) {
          claims++
          for (const { atMs } of signed) {
            const sum = signed
              .filter(
                (entry) => isPartOf(entry.asset, asset) && entry.atMs >= atMs && entry.atMs < atMs + windowMs,
              )
              .reduce((total, entry) => total + entry.amountMinor, 0n)
            expect(sum <= amountMinor, `${sum} of ${asset} in ${windowMs}`).toBe(true)
          }
        }
      }
      if (exposure.bounded) {
        for (const { asset, amountMinor } of signed) {
          const named = exposure.assets.some((entry) => isPartOf(asset, entry.asset))
          expect(named || amountMinor === 0n, `${asset} left unnamed`).toBe(true)
        }
      }
    }),
    { numRuns: 500 },
  )
  // Without claims the property would hold of anything.
  expect(claims).toBeGreaterThan(300)
})

/** What leaves by an effect; nothing where the exposure says of the kind that nothing bounds it. */
function movedBy(one: Effect, atMs: number, unbounded: readonly string[]): Signed[] {
  if (unbounded.includes(one.kind)) return []
  switch (one.kind) {
    case 'native-transfer':
    case 'fee':
      return [{ atMs, asset: one.asset, amountMinor: one.amountMinor }]
    case 'deploy':
      return [{ atMs, asset: coin, amountMinor: one.valueMinor }]
    case 'token-transfer':
      return one.contract === nftContract
        ? [{ atMs, asset: one.assets.at(-1)!, amountMinor: 1n }]
        : [{ atMs, asset: one.assets[0]!, amountMinor: one.amountMinor }]
    case 'approval':
      if (one.amountMinor === undefined) throw new Error('an approval without bound got through')
      return [{ atMs, asset: one.assets[0]!, amountMinor: one.amountMinor }]
    default:
      throw new Error(`unexpected ${one.kind}`)
  }
}

function isPartOf(asset: AssetId, whole: AssetId): boolean {
  return asset === whole || asset.startsWith(`${whole}/`)
}

it('the bound of a common policy is reached exactly', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 10n ** 20n }),
      fc.bigInt({ min: 1n, max: 10n ** 20n }),
      (first, second) => {
        const layers = layersOf(
          parsePolicy(
            document(
              {
                effects: ['native-transfer'],
                when: { recipient: [address(1)] },
                limits: [amountLimit(first)],
              },
              { effects: ['fee'], limits: [amountLimit(second)] },
            ),
          ),
        )
        const exposure = exposureOf(layers, 'wal_1', 'any')
        expect(exposure.assets).toMatchObject([{ asset: coin, bounds: [{ amountMinor: first + second }] }])
        const request = intent([effect.native({ amountMinor: first }), effect.fee({ amountMinor: second })])
        const used = new Map(windowsNeeded(request, facts(), layers).map(({ key }) => [key, 0n]))
        expect(evaluate({ intent: request, facts: facts(), layers, used }).permitted).toBe(true)
      },
    ),
    { numRuns: 50 },
  )
})
