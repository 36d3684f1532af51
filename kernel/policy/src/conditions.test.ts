import type { Hex } from '@countersign/bytes'
import type { Effect } from '@countersign/intent'
import { describe, expect, it } from 'vitest'
import {
  address,
  alice,
  bob,
  calldataOf,
  chain,
  codes,
  coin,
  decide,
  effect,
  type LooseRule,
  layersOf,
  nft,
  nftContract,
  nowMs,
  otherChain,
  otherCoin,
  permits,
  policy,
  tokenContract,
  wallet,
} from './fixtures.ts'

interface Case {
  readonly name: string
  readonly rule: LooseRule
  readonly good: Effect
  readonly bad: Effect
  readonly code: string
}

const swap = 'function swap(address to, uint256 amount, bool exact, bytes4 tag, int128 delta)'
const swapCall = (to: string, amount: bigint, exact = 1n, delta = 0n): Effect =>
  effect.call({
    calldata: calldataOf(swap, BigInt(to), amount, exact, 0xaabbccddn << 224n, BigInt.asUintN(256, delta)),
  })
const onSwap = (args: Record<string, unknown>): LooseRule => ({
  effects: ['contract-call'],
  when: { function: { abi: swap, args } },
})
const onTyped = (typedData: Record<string, unknown>): LooseRule => ({
  effects: ['typed-data'],
  when: { typedData },
})
const native = (when: Record<string, unknown>): LooseRule => ({ effects: ['native-transfer'], when })
const expiresAtS = BigInt(nowMs / 1000)

const cases: readonly Case[] = [
  {
    name: 'chain',
    rule: native({ chain: [chain] }),
    good: effect.native(),
    bad: effect.native({ chain: otherChain, asset: otherCoin }),
    code: 'POLICY_CHAIN',
  },
  {
    name: 'chain where the bytes name none',
    rule: { effects: ['delegation'], when: { chain: [chain] } },
    good: effect.delegation(),
    bad: effect.delegation({ chain: undefined }),
    code: 'POLICY_CHAIN',
  },
  {
    name: 'asset',
    rule: native({ asset: [coin] }),
    good: effect.native(),
    bad: effect.native({ asset: otherCoin }),
    code: 'POLICY_ASSET',
  },
  {
    name: 'asset of one token of a collection',
    rule: { effects: ['token-transfer'], when: { asset: [`${nft}/07`] } },
    good: effect.token({ contract: nftContract, assets: [`${nft}/7` as never] }),
    bad: effect.token({ contract: nftContract, assets: [`${nft}/8` as never] }),
    code: 'POLICY_ASSET',
  },
  {
    name: 'asset of a collection covers its tokens, one token not the collection',
    rule: { effects: ['approval'], when: { asset: [`${nft}/7`] } },
    good: effect.approval({ assets: [`${nft}/7` as never] }),
    bad: effect.approval({ assets: [nft], mode: 'all', amountMinor: undefined }),
    code: 'POLICY_ASSET',
  },
  {
    name: 'recipient',
    rule: native({ recipient: [alice] }),
    good: effect.native(),
    bad: effect.native({ recipient: bob }),
    code: 'POLICY_RECIPIENT',
  },
  {
    name: 'contract',
    rule: { effects: ['token-transfer'], when: { contract: [tokenContract] } },
    good: effect.token(),
    bad: effect.token({ contract: bob }),
    code: 'POLICY_CONTRACT',
  },
  {
    name: 'contract that verifies typed data',
    rule: { effects: ['typed-data'], when: { contract: [address(15)] } },
    good: effect.typed(),
    bad: effect.typed({ verifyingContract: undefined }),
    code: 'POLICY_CONTRACT',
  },
  {
    name: 'spender',
    rule: { effects: ['approval'], when: { spender: [alice] } },
    good: effect.approval(),
    bad: effect.approval({ spender: bob }),
    code: 'POLICY_SPENDER',
  },
  {
    name: 'delegate',
    rule: { effects: ['delegation'], when: { delegate: [address(7)] } },
    good: effect.delegation(),
    bad: effect.delegation({ delegate: bob }),
    code: 'POLICY_DELEGATE',
  },
  {
    name: 'from wallet',
    rule: { effects: ['token-transfer'], when: { from: ['wallet'] } },
    good: effect.token(),
    bad: effect.token({ from: bob }),
    code: 'POLICY_FROM',
  },
  {
    name: 'from an account',
    rule: { effects: ['token-transfer'], when: { from: [bob] } },
    good: effect.token({ from: bob }),
    bad: effect.token({ from: alice }),
    code: 'POLICY_FROM',
  },
  {
    name: 'from left out',
    rule: { effects: ['token-transfer'] },
    good: effect.token({ from: wallet }),
    bad: effect.token({ from: bob }),
    code: 'POLICY_FROM',
  },
  {
    name: 'selector',
    rule: { effects: ['contract-call'], when: { selector: ['0x12345678'] } },
    good: effect.call(),
    bad: effect.call({ calldata: '0x12345679' }),
    code: 'POLICY_SELECTOR',
  },
  {
    name: 'selector of a signature that has none',
    rule: { effects: ['approval'], when: { selector: ['0x095ea7b3'] } },
    good: effect.approval(),
    bad: effect.approval({ by: 'signature', selector: undefined }),
    code: 'POLICY_SELECTOR',
  },
  {
    name: 'function',
    rule: { effects: ['contract-call'], when: { function: { abi: swap } } },
    good: swapCall(alice, 1n),
    bad: effect.call(),
    code: 'POLICY_FUNCTION',
  },
  {
    name: 'function whose arguments do not decode',
    rule: { effects: ['contract-call'], when: { function: { abi: swap } } },
    good: swapCall(alice, 1n),
    bad: effect.call({ calldata: `${calldataOf(swap, 1n, 1n, 1n, 0n, 0n)}00` as Hex }),
    code: 'POLICY_FUNCTION',
  },
  {
    name: 'argument over max',
    rule: onSwap({ amount: { max: '500' } }),
    good: swapCall(alice, 500n),
    bad: swapCall(alice, 501n),
    code: 'POLICY_ARGUMENT',
  },
  {
    name: 'argument under min',
    rule: onSwap({ amount: { min: '500' } }),
    good: swapCall(alice, 500n),
    bad: swapCall(alice, 499n),
    code: 'POLICY_ARGUMENT',
  },
  {
    name: 'signed argument',
    rule: onSwap({ delta: { min: '-5', max: '-5' } }),
    good: swapCall(alice, 1n, 1n, -5n),
    bad: swapCall(alice, 1n, 1n, -6n),
    code: 'POLICY_ARGUMENT',
  },
  {
    name: 'argument address in a list',
    rule: onSwap({ to: { in: [alice, bob] } }),
    good: swapCall(bob, 1n),
    bad: swapCall(address(3), 1n),
    code: 'POLICY_ARGUMENT',
  },
  {
    name: 'argument boolean',
    rule: onSwap({ exact: { equals: true } }),
    good: swapCall(alice, 1n),
    bad: swapCall(alice, 1n, 0n),
    code: 'POLICY_ARGUMENT',
  },
  {
    name: 'argument integer as number',
    rule: onSwap({ amount: { in: [1, '2'] }, tag: { equals: '0xAABBCCDD' } }),
    good: swapCall(alice, 2n),
    bad: swapCall(alice, 3n),
    code: 'POLICY_ARGUMENT',
  },
  {
    name: 'primary type',
    rule: onTyped({ primaryType: ['Order'] }),
    good: effect.typed(),
    bad: effect.typed({ primaryType: 'order' }),
    code: 'POLICY_TYPED_DATA',
  },
  {
    name: 'typed data named like a permit',
    rule: { effects: ['typed-data'] },
    good: effect.typed(),
    bad: effect.typed({ opaquePermit: true }),
    code: 'POLICY_TYPED_DATA',
  },
  {
    name: 'domain field',
    rule: onTyped({ domain: { chainId: { equals: '8453' }, name: { in: ['Shop'] } } }),
    good: effect.typed(),
    bad: effect.typed({ domain: { name: 'shop', chainId: 8453n } }),
    code: 'POLICY_TYPED_DATA',
  },
  {
    name: 'message field at most',
    rule: onTyped({ message: { amount: { max: '100' }, open: { equals: true } } }),
    good: effect.typed(),
    bad: effect.typed({ message: { amount: 101n, open: true } }),
    code: 'POLICY_TYPED_DATA',
  },
  {
    name: 'message field deep inside',
    rule: onTyped({ message: { 'legs.0.to': { equals: bob } } }),
    good: effect.typed(),
    bad: effect.typed({ message: { legs: [{ to: alice }] } }),
    code: 'POLICY_TYPED_DATA',
  },
  {
    name: 'message field that is missing',
    rule: onTyped({ message: { amount: { max: '100' } } }),
    good: effect.typed(),
    bad: effect.typed({ message: {} }),
    code: 'POLICY_TYPED_DATA',
  },
  {
    name: 'message field of a type that does not compare',
    rule: onTyped({ message: { amount: { equals: 100 } } }),
    good: effect.typed(),
    bad: effect.typed({ message: { amount: [100n] } }),
    code: 'POLICY_TYPED_DATA',
  },
  {
    name: 'amount at most',
    rule: native({ amount: { max: '100' } }),
    good: effect.native(),
    bad: effect.native({ amountMinor: 101n }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'amount at least',
    rule: native({ amount: { min: '100' } }),
    good: effect.native(),
    bad: effect.native({ amountMinor: 99n }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'amount of an approval without bound',
    rule: { effects: ['approval'], when: { amount: { max: String(2n ** 256n - 1n) } } },
    good: effect.approval({ amountMinor: 2n ** 256n - 1n }),
    bad: effect.approval({ amountMinor: undefined }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'amount of coins in a deployment',
    rule: { effects: ['deploy'], when: { amount: { max: '100' } } },
    good: effect.deploy(),
    bad: effect.deploy({ valueMinor: 101n }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'fee cap',
    rule: { effects: ['fee'], when: { amount: { max: '10' } } },
    good: effect.fee(),
    bad: effect.fee({ amountMinor: 11n }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'approval that ends in time',
    rule: { effects: ['approval'], when: { expiresWithin: '30m' } },
    good: effect.approval({ expiresAtS: expiresAtS + 1800n }),
    bad: effect.approval({ expiresAtS: expiresAtS + 1801n }),
    code: 'POLICY_EXPIRY',
  },
  {
    name: 'approval that never ends',
    rule: { effects: ['approval'], when: { expiresWithin: '366d' } },
    good: effect.approval({ expiresAtS: 0n }),
    bad: effect.approval(),
    code: 'POLICY_EXPIRY',
  },
  {
    name: 'text',
    rule: { effects: ['message'], when: { text: { in: ['hello', '0xAB'] } } },
    good: effect.message(),
    bad: effect.message({ text: 'Hello' }),
    code: 'POLICY_TEXT',
  },
  {
    name: 'text that looks like hexadecimal is still exact',
    rule: { effects: ['message'], when: { text: { equals: '0xAB' } } },
    good: effect.message({ text: '0xAB' }),
    bad: effect.message({ text: '0xab' }),
    code: 'POLICY_TEXT',
  },
  {
    name: 'text of a message that is not text',
    rule: { effects: ['message'], when: { text: { equals: 'hello' } } },
    good: effect.message(),
    bad: effect.message({ text: undefined }),
    code: 'POLICY_TEXT',
  },
  ...(['digest', 'raw', 'message', 'deploy'] as const).map((kind): Case => {
    const good = effect[kind]()
    const field = { digest: 'digest', raw: 'messageHash', message: 'messageHash', deploy: 'initCodeHash' }[
      kind
    ]
    const hash = (good as unknown as Record<string, Hex>)[field] as Hex
    return {
      name: `digest of ${good.kind}`,
      rule: { effects: [good.kind], when: { digest: [hash.toUpperCase().replace('0X', '0x')] } },
      good,
      bad: { ...good, [field]: `0x${'ee'.repeat(32)}` } as Effect,
      code: 'POLICY_DIGEST',
    }
  }),
]

describe('each condition', () => {
  it.each(cases)(
    '$name: permits what it names and refuses the nearest other',
    ({ rule, good, bad, code }) => {
      expect(decide(layersOf(policy(rule)), { effects: [good] })).toMatchObject({ permitted: true })
      const refused = decide(layersOf(policy(rule)), { effects: [bad] })
      expect(refused).toMatchObject({ permitted: false, reservations: [] })
      expect(codes(refused)).toEqual([code])
    },
  )

  it.each(cases)('$name: as a forbid rule, refuses what it names', ({ rule, good }) => {
    const { when, effects } = rule as { when?: Record<string, unknown>; effects: string[] }
    if (when?.expiresWithin !== undefined) return
    const both = layersOf(
      policy(
        { effects, ...(effects[0] === 'token-transfer' ? { when: { from: ['wallet', bob, alice] } } : {}) },
        {
          ...rule,
          action: 'forbid',
        },
      ),
    )
    expect(codes(decide(both, { effects: [good] }))).toEqual(['POLICY_FORBIDDEN'])
  })
})

describe('a forbid rule matches what it cannot judge', () => {
  const anything = (kind: string) => ({
    effects: [kind],
    ...(kind === 'typed-data' ? { when: { typedData: { primaryType: ['Order'] } } } : {}),
  })
  it.each([
    [
      'arguments that do not decode',
      onSwap({ amount: { min: '5' } }),
      effect.call({ calldata: calldataOf(swap, 1n) }),
    ],
    ['a field that is missing', onTyped({ message: { gone: { equals: 1 } } }), effect.typed()],
    ['a field of another type', onTyped({ message: { maker: { min: '5' } } }), effect.typed()],
    [
      'no chain',
      { effects: ['delegation'], when: { chain: [otherChain] } },
      effect.delegation({ chain: undefined }),
    ],
    [
      'a message that is no text',
      { effects: ['message'], when: { text: { equals: 'x' } } },
      effect.message({ text: undefined }),
    ],
    [
      'an approval without bound',
      { effects: ['approval'], when: { amount: { min: '5' } } },
      effect.approval({ amountMinor: undefined }),
    ],
    [
      'a token of a listed collection',
      { effects: ['approval'], when: { asset: [`${nft}/7`] } },
      effect.approval({ assets: [nft] }),
    ],
  ])('%s', (_name, rule: LooseRule, one) => {
    const decision = decide(layersOf(policy(anything(one.kind), { ...rule, action: 'forbid' })), {
      effects: [one],
    })
    expect(codes(decision)).toEqual(['POLICY_FORBIDDEN'])
    expect(decision.effects[0]?.reasons[0]).toMatchObject({ rule: 'r1' })
  })

  it('but not what it can judge to be otherwise', () => {
    const forbid = { ...onSwap({ to: { equals: alice }, amount: { min: '5' } }), action: 'forbid' }
    const layers = layersOf(policy({ effects: ['contract-call'] }, forbid))
    expect(decide(layers, { effects: [swapCall(alice, 5n)] }).permitted).toBe(false)
    expect(decide(layers, { effects: [swapCall(alice, 4n)] }).permitted).toBe(true)
    expect(decide(layers, { effects: [swapCall(bob, 5n)] }).permitted).toBe(true)
    expect(decide(layers, { effects: [effect.call()] }).permitted).toBe(true)
  })
})

describe('bytes that fit two token standards', () => {
  const either = (amountOrId: bigint) =>
    effect.token({
      contract: nftContract,
      assets: [`${chain}/erc20:${nftContract}` as never, `${nft}/${amountOrId}` as never],
      from: wallet,
      amountMinor: amountOrId,
    })

  it('a permit on either reading permits, and counts by that reading', () => {
    expect(
      permits({ effects: ['token-transfer'], when: { asset: [nft], amount: { max: '1' } } }, either(900n)),
    ).toBe(true)
    const asCoins = { asset: [`${chain}/erc20:${nftContract}`], amount: { max: '900' } }
    expect(permits({ effects: ['token-transfer'], when: asCoins }, either(900n))).toBe(true)
    expect(permits({ effects: ['token-transfer'], when: asCoins }, either(901n))).toBe(false)
  })

  it('without an asset condition the amount must hold under both', () => {
    const rule = (amount: Record<string, string>) => ({ effects: ['token-transfer'], when: { amount } })
    expect(permits(rule({ max: '5' }), either(6n))).toBe(false)
    expect(permits(rule({ max: '5' }), either(5n))).toBe(true)
    expect(permits(rule({ min: '1', max: '5' }), either(0n))).toBe(false)
  })

  it('token 0 counts as one token', () => {
    const rule = {
      effects: ['token-transfer'],
      limits: [{ id: 'day', amount: '1', asset: nft, window: { rolling: '24h' } }],
    }
    const layers = layersOf(policy(rule))
    expect(decide(layers, { effects: [either(0n)] }).reservations).toMatchObject([{ amountMinor: 1n }])
    expect(decide(layers, { effects: [either(0n), either(0n)] }).permitted).toBe(false)
  })

  it('a forbid on either reading forbids', () => {
    for (const asset of [nft, `${nft}/3`, `${chain}/erc20:${nftContract}`]) {
      const layers = layersOf(
        policy(
          { effects: ['token-transfer'] },
          { action: 'forbid', effects: ['token-transfer'], when: { asset: [asset] } },
        ),
      )
      expect(codes(decide(layers, { effects: [either(3n)] }))).toEqual(['POLICY_FORBIDDEN'])
    }
  })
})

describe('whose tokens', () => {
  const rule = (from?: string[]) => ({
    effects: ['token-transfer'],
    ...(from === undefined ? {} : { when: { from } }),
  })

  it('without the wallet’s own address, a named owner is never the wallet', () => {
    const unknown = { walletAddress: undefined }
    expect(permits(rule(), effect.token({ from: wallet }), unknown)).toBe(false)
    expect(permits(rule(['wallet']), effect.token({ from: wallet }), unknown)).toBe(false)
    expect(permits(rule(['wallet']), effect.token(), unknown)).toBe(true)
  })

  it('the wallet’s own address can be written out', () => {
    expect(permits(rule([wallet]), effect.token())).toBe(true)
    expect(permits(rule([wallet]), effect.token(), { walletAddress: undefined })).toBe(false)
    expect(permits(rule([bob]), effect.token())).toBe(false)
  })

  it('a forbid without "from" covers everybody’s tokens', () => {
    const layers = layersOf(policy(rule(['wallet', bob]), { action: 'forbid', effects: ['token-transfer'] }))
    for (const from of [undefined, wallet, bob]) {
      expect(codes(decide(layers, { effects: [effect.token({ from })] }))).toEqual(['POLICY_FORBIDDEN'])
    }
  })

  it('a forbid on the wallet’s tokens matches where that cannot be known', () => {
    const layers = layersOf(
      policy(rule([bob]), { action: 'forbid', effects: ['token-transfer'], when: { from: ['wallet'] } }),
    )
    const asked = { effects: [effect.token({ from: bob })] }
    expect(decide(layers, asked).permitted).toBe(true)
    expect(decide(layers, { ...asked, facts: { walletAddress: undefined } }).permitted).toBe(false)
  })
})

describe('who and what for', () => {
  const one = { effects: [effect.native()] }
  const rule = (more: LooseRule) => layersOf(policy({ effects: ['native-transfer'], ...more }))

  it('credentials', () => {
    expect(decide(rule({ who: { credentials: ['cred_1'] } }), one).permitted).toBe(true)
    expect(codes(decide(rule({ who: { credentials: ['cred_2'] } }), one))).toEqual(['POLICY_WHO'])
  })

  it('roles', () => {
    expect(decide(rule({ who: { roles: ['admin', 'agent'] } }), one).permitted).toBe(true)
    expect(codes(decide(rule({ who: { roles: ['admin'] } }), one))).toEqual(['POLICY_WHO'])
  })

  it('both must hold', () => {
    const both = rule({ who: { credentials: ['cred_1'], roles: ['admin'] } })
    expect(decide(both, one).permitted).toBe(false)
    expect(decide(both, { ...one, facts: { role: 'admin' } }).permitted).toBe(true)
  })

  it('operations', () => {
    const typed = rule({ operations: ['sign-typed-data'] })
    expect(codes(decide(typed, one))).toEqual(['POLICY_OPERATION'])
    expect(decide(typed, { ...one, facts: { operation: 'sign-typed-data' } }).permitted).toBe(true)
  })

  it('a forbid rule for others does not apply', () => {
    const layers = layersOf(
      policy(
        { effects: ['native-transfer'] },
        { action: 'forbid', effects: ['native-transfer'], who: { credentials: ['cred_2'] } },
      ),
    )
    expect(decide(layers, one).permitted).toBe(true)
    expect(decide(layers, { ...one, facts: { credentialId: 'cred_2' } }).permitted).toBe(false)
  })
})
