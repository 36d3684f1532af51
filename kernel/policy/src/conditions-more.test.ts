import type { Effect } from '@countersign/intent'
import { effectKinds, parseAbiFunction } from '@countersign/intent'
import { describe, expect, it } from 'vitest'
import {
  account,
  address,
  alice,
  bitcoin,
  bob,
  book,
  books,
  codes,
  coin,
  decide,
  effect,
  type LooseRule,
  layersOf,
  nowMs,
  permits,
  policy,
  solana,
  solanaAddress,
  solanaCoin,
  token,
  wallet,
} from './fixtures.ts'

interface Case {
  readonly name: string
  readonly rule: LooseRule
  readonly good: Effect
  readonly bad: Effect
  readonly code: string
  /** Must be on permit rules. */
  readonly permitOnly?: true
}

const on = (kind: string, when: Record<string, unknown>): LooseRule => ({ effects: [kind], when })
const btc = 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq'
const endS = BigInt(nowMs / 1000) + 1800n

const cases: readonly Case[] = [
  {
    name: 'a Solana recipient',
    rule: on('native-transfer', { recipient: [solanaAddress(1)] }),
    good: effect.native({ chain: solana, asset: solanaCoin, recipient: solanaAddress(1) }),
    bad: effect.native({ chain: solana, asset: solanaCoin, recipient: solanaAddress(2) }),
    code: 'POLICY_RECIPIENT',
  },
  {
    name: 'a Bitcoin recipient, in whichever case it was written',
    rule: on('native-transfer', { recipient: [btc.toUpperCase()] }),
    good: effect.native({ chain: bitcoin, recipient: btc as never }),
    bad: effect.native({ chain: bitcoin, recipient: alice }),
    code: 'POLICY_RECIPIENT',
  },
  {
    name: 'the recipient that is the wallet itself',
    rule: on('swap', { recipient: ['wallet'] }),
    good: effect.swap(),
    bad: effect.swap({ recipient: alice }),
    code: 'POLICY_RECIPIENT',
  },
  {
    name: 'the recipient that is the account that acts',
    rule: on('swap', { recipient: ['account'], account: [account] }),
    good: effect.swap({ account, recipient: account }),
    bad: effect.swap({ account, recipient: wallet }),
    code: 'POLICY_RECIPIENT',
  },
  {
    name: 'account',
    rule: on('native-transfer', { account: [account] }),
    good: effect.native({ account }),
    bad: effect.native({ account: bob }),
    code: 'POLICY_ACCOUNT',
  },
  {
    name: 'account where only another is listed',
    rule: on('native-transfer', { account: [account] }),
    good: effect.native({ account }),
    bad: effect.native(),
    code: 'POLICY_ACCOUNT',
  },
  {
    name: 'account wallet',
    rule: on('fee', { account: ['wallet'] }),
    good: effect.fee(),
    bad: effect.fee({ account }),
    code: 'POLICY_ACCOUNT',
  },
  {
    name: 'account left out',
    rule: { effects: ['native-transfer'] },
    good: effect.native({ account: wallet }),
    bad: effect.native({ account }),
    code: 'POLICY_ACCOUNT',
  },
  {
    name: 'contract of a batch',
    rule: on('batch', { contract: [address(14)] }),
    good: effect.batch(),
    bad: effect.batch({ contract: bob }),
    code: 'POLICY_CONTRACT',
  },
  {
    name: 'manager of a delegation',
    rule: on('delegation-grant', { contract: [address(6)] }),
    good: effect.grant(),
    bad: effect.grant({ delegationManager: bob }),
    code: 'POLICY_CONTRACT',
  },
  {
    name: 'delegate of a delegation by signature',
    rule: on('delegation-grant', { delegate: [address(7)] }),
    good: effect.grant(),
    bad: effect.grant({ delegate: bob }),
    code: 'POLICY_DELEGATE',
  },
  {
    name: 'delegator',
    rule: on('delegation-grant', { delegator: [account] }),
    good: effect.grant(),
    bad: effect.grant({ delegator: wallet }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'owner of vault shares',
    rule: on('vault-withdrawal', { owner: [bob] }),
    good: effect.withdrawal({ owner: bob }),
    bad: effect.withdrawal({ owner: wallet }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'owner of vault shares left out',
    rule: { effects: ['vault-withdrawal'] },
    good: effect.withdrawal(),
    bad: effect.withdrawal({ owner: bob }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'owner of a new account that is none of a token',
    rule: on('account-creation', { owner: ['none'], mint: ['none'] }),
    good: effect.creation({ owner: undefined, mint: undefined }),
    bad: effect.creation({ mint: undefined }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'program',
    rule: on('program-call', { program: [solanaAddress(7)] }),
    good: effect.program(),
    bad: effect.program({ program: solanaAddress(8) }),
    code: 'POLICY_PROGRAM',
  },
  {
    name: 'instruction',
    rule: on('program-call', { instruction: ['increment'] }),
    good: effect.program(),
    bad: effect.program({ instruction: 'Increment' }),
    code: 'POLICY_INSTRUCTION',
  },
  {
    name: 'instruction that is not known',
    rule: on('program-call', { instruction: ['increment'] }),
    good: effect.program(),
    bad: effect.program({ instruction: undefined }),
    code: 'POLICY_INSTRUCTION',
  },
  {
    name: 'entry point, sender, paymaster and factory',
    rule: on('user-operation', {
      entryPoint: [address(6)],
      sender: [account],
      paymaster: ['none', alice],
      factory: ['none'],
    }),
    good: effect.userop({ paymaster: alice }),
    bad: effect.userop({ paymaster: bob }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'a paymaster where there must be none',
    rule: on('user-operation', { paymaster: ['none'] }),
    good: effect.userop(),
    bad: effect.userop({ paymaster: alice }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'no paymaster where there must be one',
    rule: on('user-operation', { paymaster: [alice] }),
    good: effect.userop({ paymaster: alice }),
    bad: effect.userop(),
    code: 'POLICY_PARTY',
  },
  {
    name: 'hash of a user operation',
    rule: on('user-operation', { digest: [`0x${'d5'.repeat(32)}`] }),
    good: effect.userop(),
    bad: effect.userop({ userOpHash: undefined }),
    code: 'POLICY_DIGEST',
  },
  {
    name: 'Safe',
    rule: on('safe-transaction', { safe: [account] }),
    good: effect.safe(),
    bad: effect.safe({ safe: bob }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'operation of a Safe',
    rule: on('safe-transaction', { operation: ['call'] }),
    good: effect.safe(),
    bad: effect.safe({ operation: 'delegatecall' }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'enforcers that are listed',
    rule: on('delegation-grant', { enforcers: { allowed: [address(5)] } }),
    good: effect.grant({ caveats: [] }),
    bad: effect.grant({
      caveats: [
        { enforcer: address(5), terms: '0x' },
        { enforcer: address(4), terms: '0x' },
      ],
    }),
    code: 'POLICY_ENFORCER',
    permitOnly: true,
  },
  {
    name: 'a caveat that is required',
    rule: on('delegation-grant', { enforcers: { required: [{ enforcer: address(5) }] } }),
    good: effect.grant(),
    bad: effect.grant({ caveats: [{ enforcer: address(4), terms: '0x01' }] }),
    code: 'POLICY_ENFORCER',
    permitOnly: true,
  },
  {
    name: 'a caveat with its terms',
    rule: on('delegation-grant', { enforcers: { required: [{ enforcer: address(5), terms: '0x01' }] } }),
    good: effect.grant(),
    bad: effect.grant({ caveats: [{ enforcer: address(5), terms: '0x02' }] }),
    code: 'POLICY_ENFORCER',
    permitOnly: true,
  },
  {
    name: 'address of an account that is created',
    rule: on('account-creation', { address: [solanaAddress(3)] }),
    good: effect.creation(),
    bad: effect.creation({ address: solanaAddress(4) }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'authority and who gets it',
    rule: on('token-authority', { authority: ['accountOwner'], newAuthority: [solanaAddress(2)] }),
    good: effect.authority(),
    bad: effect.authority({ authority: 'mintTokens' }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'an authority that goes to nobody',
    rule: on('token-authority', { newAuthority: ['none'] }),
    good: effect.authority({ newAuthority: undefined }),
    bad: effect.authority(),
    code: 'POLICY_PARTY',
  },
  {
    name: 'stake action',
    rule: on('stake', { action: ['withdraw', 'deactivate'] }),
    good: effect.stake(),
    bad: effect.stake({ action: 'authorize' }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'who gains by stake',
    rule: on('stake', { counterparty: [solanaAddress(2)] }),
    good: effect.stake(),
    bad: effect.stake({ counterparty: undefined }),
    code: 'POLICY_PARTY',
  },
  {
    name: 'selector of a swap',
    rule: on('swap', { selector: ['0x414BF389'] }),
    good: effect.swap(),
    bad: effect.swap({ selector: '0x414bf38a' }),
    code: 'POLICY_SELECTOR',
  },
  {
    name: 'what a swap spends',
    rule: on('swap', { asset: [coin], amount: { max: '100' } }),
    good: effect.swap(),
    bad: effect.swap({ amountMinor: 101n }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'what a swap brings',
    rule: on('swap', { received: [token] }),
    good: effect.swap(),
    bad: effect.swap({ receivedAsset: coin }),
    code: 'POLICY_RECEIVED',
  },
  {
    name: 'how much a swap brings',
    rule: on('swap', { received: [token], minReceived: { amount: '300' } }),
    good: effect.swap(),
    bad: effect.swap({ receivedMinor: 299n }),
    code: 'POLICY_RECEIVED',
    permitOnly: true,
  },
  {
    name: 'the rate of a swap, to the unit',
    rule: on('swap', {
      asset: [coin],
      received: [token],
      minReceived: { rate: { received: '3', spent: '7' } },
    }),
    // 100 * 3 / 7 = 42.86
    good: effect.swap({ receivedMinor: 43n }),
    bad: effect.swap({ receivedMinor: 42n }),
    code: 'POLICY_RECEIVED',
    permitOnly: true,
  },
  {
    name: 'deadline of a swap',
    rule: on('swap', { expiresWithin: '30m' }),
    good: effect.swap({ deadlineS: endS }),
    bad: effect.swap({ deadlineS: endS + 1n }),
    code: 'POLICY_EXPIRY',
    permitOnly: true,
  },
  {
    name: 'a swap without deadline',
    rule: on('swap', { expiresWithin: '30m' }),
    good: effect.swap({ deadlineS: endS }),
    bad: effect.swap(),
    code: 'POLICY_EXPIRY',
    permitOnly: true,
  },
  {
    name: 'amount of a vault in its unit',
    rule: on('vault-deposit', { unit: ['assets'], amount: { max: '100' } }),
    good: effect.deposit(),
    bad: effect.deposit({ amountMinor: 101n }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'unit of a vault',
    rule: on('vault-deposit', { unit: ['assets'], amount: { max: '100' } }),
    good: effect.deposit(),
    bad: effect.deposit({ unit: 'shares', amountMinor: 1n }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'amount that is wrapped',
    rule: on('wrap', { asset: [coin], amount: { max: '100' }, field: { direction: { equals: 'wrap' } } }),
    good: effect.wrap(),
    bad: effect.wrap({ direction: 'unwrap' }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'amount that the bytes do not say, at most',
    rule: on('account-creation', { amount: { max: '100' } }),
    good: effect.creation(),
    bad: effect.creation({ amountMinor: undefined }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'amount that the bytes do not say, at least',
    rule: on('stake', { amount: { min: '1' } }),
    good: effect.stake(),
    bad: effect.stake({ amountMinor: undefined }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'coins in a data output',
    rule: on('data-output', { amount: { max: '0' } }),
    good: effect.data(),
    bad: effect.data({ amountMinor: 1n }),
    code: 'POLICY_AMOUNT',
  },
  {
    name: 'text of a memo',
    rule: on('memo', { text: { startsWith: 'hel' } }),
    good: effect.memo(),
    bad: effect.memo({ text: 'Hello' }),
    code: 'POLICY_TEXT',
  },
  {
    name: 'the beginning of a message',
    rule: on('message', { text: { startsWith: 'hello' } }),
    good: effect.message({ text: 'hello you' }),
    bad: effect.message({ text: 'say hello' }),
    code: 'POLICY_TEXT',
  },
  {
    name: 'the beginning of instruction data, in whichever case',
    rule: on('program-call', { field: { data: { startsWith: '0x0102030405060708' } } }),
    good: effect.program({ data: '0x0102030405060708AA' }),
    bad: effect.program({ data: '0x0102030405060709ff' }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'every account of an instruction',
    rule: on('program-call', {
      field: { 'accounts.*.address': { addresses: [solanaAddress(1), solanaAddress(2)] } },
    }),
    good: effect.program(),
    bad: effect.program({
      accounts: [
        { address: solanaAddress(1), isSigner: true, isWritable: true },
        { address: solanaAddress(9), isSigner: false, isWritable: true },
      ],
    }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'one account of an instruction',
    rule: on('program-call', {
      field: { 'accounts.0.isSigner': { equals: true }, 'accounts.length': { max: '2' } },
    }),
    good: effect.program(),
    bad: effect.program({ accounts: [] }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'version and nonce of a user operation',
    rule: on('user-operation', { field: { version: { in: ['0.7', '0.8'] }, nonce: { max: '7' } } }),
    good: effect.userop(),
    bad: effect.userop({ nonce: 8n }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'form and length of a batch',
    rule: on('batch', { field: { form: { equals: 'multicall3' }, calls: { max: '2' } } }),
    good: effect.batch(),
    bad: effect.batch({ calls: 3 }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'who signs a delegation',
    rule: on('delegation', { field: { signedBy: { equals: 'own' } } }),
    good: effect.delegation(),
    bad: effect.delegation({ signedBy: 'carried' }),
    code: 'POLICY_FIELD',
  },
  {
    name: 'an address book',
    rule: on('native-transfer', { recipient: ['@payees', bob] }),
    good: effect.native(),
    bad: effect.native({ recipient: address(3) }),
    code: 'POLICY_RECIPIENT',
  },
]

const facts = { books: books(book('payees', alice, address(4))) }

describe('each condition', () => {
  it.each(cases)(
    '$name: permits what it names and refuses the nearest other',
    ({ rule, good, bad, code }) => {
      const layers = layersOf(policy(rule))
      expect(codes(decide(layers, { effects: [good], facts }))).toEqual([])
      const refused = decide(layers, { effects: [bad], facts })
      expect(refused).toMatchObject({ permitted: false, outcome: 'refused', reservations: [] })
      expect(new Set(codes(refused))).toEqual(new Set([code]))
    },
  )

  it.each(cases.filter(({ permitOnly }) => permitOnly !== true))(
    '$name: as a forbid rule, refuses what it names',
    ({ rule, good }) => {
      const everything = { effects: rule.effects, ...everyAccount(good) }
      const layers = layersOf(policy(everything, { ...rule, action: 'forbid' }))
      expect(codes(decide(layers, { effects: [good], facts }))).toEqual(['POLICY_FORBIDDEN'])
    },
  )

  it.each(cases.filter(({ permitOnly }) => permitOnly === true))(
    '$name: is refused on a forbid rule',
    ({ rule }) => {
      expect(() => policy({ ...rule, action: 'forbid' })).toThrow('on a forbid rule')
    },
  )
})

/** What a permit rule must say to cover an effect, whoever acts and whoever owns. */
function everyAccount(one: Effect): { when?: Record<string, unknown> } {
  if ('account' in one && one.account !== undefined) return { when: { account: [account, wallet] } }
  return one.kind === 'vault-withdrawal' ? { when: { owner: [bob, wallet] } } : {}
}

describe('who acts', () => {
  it('a permit without "account" covers the wallet alone, whatever the kind; a forbid covers all', () => {
    for (const make of Object.values(effect)) {
      const plain = make()
      if (!('chain' in plain) || plain.kind === 'typed-data') continue
      const elsewhere = { ...plain, account: address(3) } as Effect
      const rule = { effects: [plain.kind] }
      expect(permits(rule, plain), plain.kind).toBe(true)
      expect(codes(decide(layersOf(policy(rule)), { effects: [elsewhere] })), plain.kind).toContain(
        'POLICY_ACCOUNT',
      )
      const forbidden = layersOf(policy(rule, { action: 'forbid', effects: [plain.kind] }))
      expect(codes(decide(forbidden, { effects: [elsewhere] })), plain.kind).toEqual(['POLICY_FORBIDDEN'])
    }
  })

  it('is another account where the wallet’s own address is not known', () => {
    const rule = { effects: ['native-transfer'] }
    expect(permits(rule, effect.native({ account: wallet }))).toBe(true)
    expect(permits(rule, effect.native({ account: wallet }), { walletAddress: undefined })).toBe(false)
    const named = { effects: ['native-transfer'], when: { account: [wallet] } }
    expect(permits(named, effect.native(), { walletAddress: undefined })).toBe(false)
    expect(
      permits({ ...named, when: { account: ['wallet'] } }, effect.native(), { walletAddress: undefined }),
    ).toBe(true)
  })

  it('owns the tokens that it moves without "from"', () => {
    const rule = { effects: ['token-transfer'], when: { account: [account] } }
    expect(permits(rule, effect.token({ account }))).toBe(true)
    expect(permits(rule, effect.token({ account, from: account }))).toBe(true)
    // The wallet's own tokens, moved by an account that it has given an allowance to.
    expect(permits(rule, effect.token({ account, from: wallet }))).toBe(false)
    expect(
      permits(
        { ...rule, when: { account: [account], from: ['wallet'] } },
        effect.token({ account, from: wallet }),
      ),
    ).toBe(true)
    expect(
      permits({ ...rule, when: { account: [account], from: ['wallet'] } }, effect.token({ account })),
    ).toBe(false)
    expect(
      permits({ ...rule, when: { account: [account], from: ['account'] } }, effect.token({ account })),
    ).toBe(true)
  })
})

describe('amounts that nobody knows', () => {
  it('pass no limit', () => {
    const rule = {
      effects: ['stake'],
      limits: [{ id: 'day', amount: '1000', asset: solanaCoin, window: { rolling: '24h' } }],
    }
    expect(permits(rule, effect.stake())).toBe(true)
    const refused = decide(layersOf(policy(rule)), { effects: [effect.stake({ amountMinor: undefined })] })
    expect(codes(refused)).toEqual(['POLICY_LIMIT_UNKNOWN'])
  })

  it('match a forbid on amounts', () => {
    const layers = layersOf(
      policy(
        { effects: ['stake'] },
        { action: 'forbid', effects: ['stake'], when: { amount: { min: '1000' } } },
      ),
    )
    expect(decide(layers, { effects: [effect.stake()] }).permitted).toBe(true)
    expect(codes(decide(layers, { effects: [effect.stake({ amountMinor: undefined })] }))).toEqual([
      'POLICY_FORBIDDEN',
    ])
  })

  it.each([
    ['swap', effect.swap({ amountMinor: 60n }), coin],
    ['wrap', effect.wrap({ amountMinor: 60n }), coin],
    ['data-output', effect.data({ chain: solana, amountMinor: 60n }), solanaCoin],
    ['account-creation', effect.creation({ amountMinor: 60n }), solanaCoin],
  ] as const)('%s counts what it takes, to the unit', (kind, one, asset) => {
    const rule = {
      effects: [kind],
      limits: [{ id: 'day', amount: '100', asset, window: { rolling: '24h' } }],
    }
    const ask = (used: bigint) => decide(layersOf(policy(rule)), { effects: [one], used: { 'r0|day': used } })
    expect(ask(40n).reservations).toMatchObject([{ asset, amountMinor: 60n }])
    expect(codes(ask(41n))).toEqual(['POLICY_WINDOW'])
  })
})

describe('lists inside arguments and typed data', () => {
  const order = (...to: string[]) => effect.typed({ message: { legs: to.map((one) => ({ to: one })) } })
  const onLegs = (condition: Record<string, unknown>) => ({
    effects: ['typed-data'],
    when: { typedData: { message: condition } },
  })

  it('every element must fit a permit', () => {
    const rule = onLegs({ 'legs.*.to': { in: [alice, bob] } })
    expect(permits(rule, order(alice, bob, alice))).toBe(true)
    expect(permits(rule, order(alice, address(3)))).toBe(false)
    // None that does not fit; the length is a condition of its own.
    expect(permits(rule, order())).toBe(true)
    expect(permits(onLegs({ 'legs.*.to': { in: [alice] }, 'legs.length': { min: '1' } }), order())).toBe(
      false,
    )
    expect(permits(onLegs({ 'legs.length': { max: '2' } }), order(alice, bob))).toBe(true)
    expect(permits(onLegs({ 'legs.length': { max: '2' } }), order(alice, bob, bob))).toBe(false)
  })

  it('one element that fits is enough for a forbid, and one that cannot be judged', () => {
    const layers = layersOf(
      policy({ effects: ['typed-data'] }, { ...onLegs({ 'legs.*.to': { equals: bob } }), action: 'forbid' }),
    )
    expect(decide(layers, { effects: [order(alice, address(3))] }).permitted).toBe(true)
    expect(decide(layers, { effects: [order()] }).permitted).toBe(true)
    expect(decide(layers, { effects: [order(alice, bob)] }).permitted).toBe(false)
    expect(decide(layers, { effects: [effect.typed({ message: { legs: [{}] } })] }).permitted).toBe(false)
    expect(decide(layers, { effects: [effect.typed({ message: { legs: 5n } })] }).permitted).toBe(false)
  })

  it('what is no list fits no permit', () => {
    const rule = onLegs({ 'legs.*.to': { in: [alice] } })
    for (const legs of [undefined, alice, { 0: { to: alice }, length: 1n }]) {
      expect(permits(rule, effect.typed({ message: { legs } }))).toBe(false)
    }
  })

  it('says which element does not fit', () => {
    const rule = onLegs({ 'legs.*.to': { in: [alice] } })
    const refused = decide(layersOf(policy(rule)), { effects: [order(alice, bob)] })
    expect(refused.effects[0]?.reasons[0]?.message).toContain(`legs.*.to (at legs.1.to) is ${bob}`)
  })

  it('reach into arrays of tuples of calls', () => {
    const abi = 'function pay((address to, uint256 amount)[] payments)'
    const rule = (args: Record<string, unknown>) => ({
      effects: ['contract-call'],
      when: { function: { abi, args } },
    })
    const word = (value: bigint) => value.toString(16).padStart(64, '0')
    const call = (...payments: readonly (readonly [string, bigint])[]) =>
      effect.call({
        calldata: `${parseAbiFunction(abi).selector}${word(32n)}${word(BigInt(payments.length))}${payments
          .map(([to, amount]) => word(BigInt(to)) + word(amount))
          .join('')}` as never,
      })
    const small = rule({ 'payments.*.amount': { max: '5' }, 'payments.*.to': { addresses: ['@payees'] } })
    const ask = (one: Effect) => permits(small, one, facts)
    expect(ask(call([alice, 5n], [address(4), 1n]))).toBe(true)
    expect(ask(call([alice, 5n], [address(4), 6n]))).toBe(false)
    expect(ask(call([alice, 5n], [bob, 1n]))).toBe(false)
    expect(permits(rule({ 'payments.length': { equals: 2 } }), call([alice, 1n], [bob, 1n]))).toBe(true)
    expect(permits(rule({ 'payments.length': { equals: 2 } }), call([alice, 1n]))).toBe(false)
    expect(() => policy(rule({ 'payments.*': { equals: 1 } }))).toThrow('members')
    expect(() => policy(rule({ 'payments.*.amount.length': { equals: 1 } }))).toThrow('no argument')
    expect(() => policy(rule({ payments: { equals: 1 } }))).toThrow('payments')
  })
})

describe('what cannot be meant is refused when it is read', () => {
  it.each<[string, LooseRule, string]>([
    [
      'a rate between several assets',
      on('swap', {
        asset: [coin, token],
        received: [token],
        minReceived: { rate: { received: '1', spent: '1' } },
      }),
      'exactly one',
    ],
    [
      'a rate without assets',
      on('swap', { minReceived: { rate: { received: '1', spent: '1' } } }),
      'exactly one',
    ],
    [
      'a rate for nothing',
      on('swap', { asset: [coin], received: [token], minReceived: { rate: { received: '1', spent: '0' } } }),
      'bounds nothing',
    ],
    ['an amount of a vault without unit', on('vault-deposit', { amount: { max: '1' } }), 'unit'],
    [
      'an amount of a vault in two units',
      on('vault-deposit', { unit: ['assets', 'shares'], amount: { max: '1' } }),
      'unit',
    ],
    [
      'an amount limit on a vault',
      {
        effects: ['vault-deposit'],
        limits: [{ id: 'a', amount: '1', asset: token, window: { rolling: '1h' } }],
      },
      'no amount',
    ],
    ['a field that the effect does not have', on('fee', { field: { nonce: { max: '1' } } }), 'no field'],
    [
      'a field inside one that has nothing inside',
      on('fee', { field: { 'chain.id': { equals: 'a' } } }),
      'nothing inside',
    ],
    ['a field compared as what it is not', on('batch', { field: { calls: { equals: 'two' } } }), 'integer'],
    ['addresses of what is no address', on('memo', { field: { text: { addresses: [alice] } } }), 'addresses'],
    ['"none" where there always is one', on('native-transfer', { recipient: ['none'] }), 'pattern'],
    ['a book without a name', on('native-transfer', { recipient: ['@'] }), 'pattern'],
    [
      'a beginning that is no hexadecimal',
      on('program-call', { field: { data: { startsWith: 'abc' } } }),
      'bytes',
    ],
  ])('%s', (_name, rule, words) => {
    expect(() => policy(rule)).toThrow(words)
  })
})

it('these tests and those beside know every kind', () => {
  expect(new Set(Object.values(effect).map((make) => make().kind))).toEqual(new Set(effectKinds))
})
