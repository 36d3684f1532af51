import type { AssetId } from '@countersign/bytes'
import type { Effect } from '@countersign/intent'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  address,
  chain,
  coin,
  effect,
  facts,
  intent,
  type LooseRule,
  nft,
  nftContract,
  otherChain,
  otherCoin,
  policy,
  token,
  tokenContract,
  wallet,
} from './fixtures.ts'
import { matches } from './match.ts'

const person = fc.integer({ min: 1, max: 4 }).map(address)
const people = fc.uniqueArray(fc.oneof(person.map(String), fc.constantFrom('wallet', 'account', '@book')), {
  minLength: 1,
  maxLength: 3,
})
const chains = fc.subarray([chain, otherChain], { minLength: 1 })
const assets = fc.subarray([coin, otherCoin, token, nft, `${nft}/1`, `${nft}/2`], {
  minLength: 1,
  maxLength: 2,
})

const anyEffect: fc.Arbitrary<Effect> = fc.oneof(
  fc
    .record({ recipient: person, isOther: fc.boolean(), account: fc.option(person, { nil: undefined }) })
    .map(({ recipient, isOther, account }) =>
      effect.native({
        recipient,
        ...(isOther ? { chain: otherChain, asset: otherCoin } : {}),
        ...(account === undefined ? {} : { account }),
      }),
    ),
  fc
    .record({ recipient: person, id: fc.integer({ min: 1, max: 3 }), isNft: fc.boolean() })
    .map(({ recipient, id, isNft }) =>
      effect.token({
        recipient,
        ...(isNft
          ? {
              contract: nftContract,
              assets: [`${chain}/erc20:${nftContract}` as AssetId, `${nft}/${id}` as AssetId],
            }
          : {}),
      }),
    ),
  fc
    .record({ spender: person, isSigned: fc.boolean(), isAll: fc.boolean() })
    .map(({ spender, isSigned, isAll }) =>
      effect.approval({
        spender,
        ...(isSigned ? { selector: undefined } : {}),
        ...(isAll ? { contract: nftContract, assets: [nft], amountMinor: undefined } : {}),
      }),
    ),
  fc
    .record({ delegate: person, isEverywhere: fc.boolean() })
    .map(({ delegate, isEverywhere }) =>
      effect.delegation({ delegate, ...(isEverywhere ? { chain: undefined } : {}) }),
    ),
  fc.option(person, { nil: undefined }).map((paymaster) => effect.userop({ paymaster })),
)

const maybe = <T>(key: string, arbitrary: fc.Arbitrary<T>) =>
  fc.option(arbitrary, { nil: undefined }).map((value) => (value === undefined ? {} : { [key]: value }))

const rule = (kind: string, ...parts: fc.Arbitrary<object>[]): fc.Arbitrary<LooseRule> =>
  fc
    .tuple(
      fc.constantFrom('permit', 'forbid'),
      fc.option(fc.uniqueArray(fc.constantFrom('cred_1', 'cred_2', 'cred_3'), { minLength: 1 }), {
        nil: undefined,
      }),
      ...parts,
    )
    .map(([action, credentials, ...found]) => {
      const when: object = Object.assign({}, ...found)
      return {
        action,
        effects: [kind],
        ...(credentials === undefined ? {} : { who: { credentials } }),
        ...(Object.keys(when).length === 0 ? {} : { when }),
      }
    })

const anyRule = fc.oneof(
  rule(
    'native-transfer',
    maybe('recipient', people),
    maybe('chain', chains),
    maybe('asset', assets),
    maybe('account', people),
  ),
  rule(
    'token-transfer',
    maybe('recipient', people),
    maybe('asset', assets),
    maybe('contract', fc.constant([tokenContract])),
    maybe('from', people),
  ),
  rule(
    'approval',
    maybe('spender', people),
    maybe('asset', assets),
    maybe('selector', fc.constant(['0x095ea7b3'])),
  ),
  rule('delegation', maybe('delegate', people), maybe('chain', chains)),
  rule('user-operation', maybe('paymaster', fc.constantFrom(['none'], [address(1)], [address(1), 'none']))),
)

describe('the index of rules', () => {
  it('finds every rule that matches, each once, in the order of the file', () => {
    let found = 0
    let skipped = 0
    fc.assert(
      fc.property(
        fc.array(anyRule, { minLength: 80, maxLength: 200 }),
        fc.array(anyEffect, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('cred_1', 'cred_2'),
        fc.boolean(),
        (rules, effects, credentialId, isKnown) => {
          const parsed = policy(...rules)
          const known = facts({ credentialId, walletAddress: isKnown ? wallet : undefined })
          for (const one of effects) {
            for (const action of ['permits', 'forbids'] as const) {
              const asked = { intent: intent(effects), facts: known }
              const all = parsed[action][one.kind]
              const candidates = parsed.index[action][one.kind].candidates(one, known)
              const matching = (list: typeof all) =>
                list.filter((candidate) => matches(candidate, one, asked))
              expect(matching(candidates).map(({ id }) => id)).toEqual(matching(all).map(({ id }) => id))
              expect(new Set(candidates).size).toBe(candidates.length)
              found += matching(all).length
              skipped += all.length - candidates.length
            }
          }
        },
      ),
      { numRuns: 120 },
    )
    // It would be no index if it never left anything out, and no test if nothing ever matched.
    expect(found).toBeGreaterThan(300)
    expect(skipped).toBeGreaterThan(1_000)
  })

  it('looks at next to nothing where rules are about different people', () => {
    const many = policy(
      ...Array.from({ length: 1_000 }, (_, i) => ({
        effects: ['native-transfer'],
        when: { chain: [chain], recipient: [`0x${(i + 1).toString(16).padStart(40, '0')}`] },
      })),
    )
    const to = (i: number) =>
      many.index.permits['native-transfer'].candidates(
        effect.native({ recipient: `0x${i.toString(16).padStart(40, '0')}` as never }),
        facts(),
      )
    expect(to(700).map(({ id }) => id)).toEqual(['r699'])
    expect(to(0)).toEqual([])
  })
})
