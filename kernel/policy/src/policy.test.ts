import { checksumAddress, isCountersignError, parseJson } from '@countersign/bytes'
import { effectKinds } from '@countersign/intent'
import fc from 'fast-check'
import { Check } from 'typebox/value'
import { describe, expect, it } from 'vitest'
import { conditionKinds } from './condition.ts'
import { effectFields } from './effect-fields.ts'
import {
  address,
  alice,
  amountLimit,
  bob,
  chain,
  coin,
  countLimit,
  document,
  effect,
  type LooseRule,
  nft,
  otherCoin,
  permits,
  token,
} from './fixtures.ts'
import { parsePolicy, policyHash } from './policy.ts'
import { policyJsonSchema, policyLimits, policySchema } from './schema.ts'

function refusal(value: unknown): { code: string; path: unknown; message: string; fix: string } {
  try {
    parsePolicy(value)
  } catch (error) {
    if (!isCountersignError(error)) throw error
    return { code: error.code, path: error.details?.path, message: error.message, fix: error.fix }
  }
  throw new Error('it was accepted')
}

const rule = (more: LooseRule) => document({ effects: ['native-transfer'], ...more })

describe('parsePolicy', () => {
  it('accepts every part of the format at once', () => {
    const parsed = parsePolicy({
      $schema: './policy.schema.json',
      ...document(
        {
          description: 'Everything',
          who: { credentials: ['cred_1'], roles: ['agent'] },
          operations: ['sign-transaction'],
          effects: ['native-transfer'],
          when: { chain: [chain], asset: [coin], recipient: [alice], amount: { min: '0', max: '5' } },
          limits: [amountLimit(5n), countLimit(3)],
        },
        { effects: ['fee'] },
        {
          action: 'forbid',
          effects: ['raw-digest', 'raw-message'],
          when: { digest: [`0x${'11'.repeat(32)}`] },
        },
      ),
      name: 'All',
      description: 'All of it',
    })
    expect(parsed.id).toBe('test')
    expect(parsed.rules).toHaveLength(3)
    expect(parsed.permits.fee.map(({ id }) => id)).toEqual(['r1'])
    expect(parsed.forbids['raw-message'].map(({ id }) => id)).toEqual(['r2'])
  })

  it('normalises addresses and assets', () => {
    const mixed = address(10)
    expect(checksumAddress(mixed)).not.toBe(mixed)
    const to = { effects: ['native-transfer'], when: { recipient: [checksumAddress(mixed)] } }
    expect(permits(to, effect.native({ recipient: mixed }))).toBe(true)
    const upper = token.replace(/0x.*/, (contract) => `0x${contract.slice(2).toUpperCase()}`)
    expect(permits({ effects: ['token-transfer'], limits: [amountLimit(100n, upper)] }, effect.token())).toBe(
      true,
    )
  })

  const typed = (condition: unknown) =>
    document({ effects: ['typed-data'], when: { typedData: { message: { a: condition } } } })
  const call = (abi: string, args?: unknown) =>
    document({ effects: ['contract-call'], when: { function: args === undefined ? { abi } : { abi, args } } })

  it.each<[string, unknown, string, string]>([
    ['not an object', null, '', 'object'],
    ['another version', { ...document(), version: 2 }, 'version', 'Version'],
    ['an unknown key', { ...document(), rule: [] }, 'rule', 'not known'],
    ['an unknown key of a rule', rule({ effect: 'fee' }), 'rules[0].effect', 'not known'],
    [
      'an unknown condition',
      rule({ when: { recipients: [alice] } }),
      'rules[0].when.recipients',
      'not known',
    ],
    [
      'an unknown key of a limit',
      rule({ limits: [{ ...amountLimit(5n), every: '1d' }] }),
      'rules[0].limits[0].every',
      'not known',
    ],
    [
      'a limit per what there is not',
      rule({ limits: [{ ...amountLimit(5n), per: '1d' }] }),
      'rules[0].limits[0].per',
      'one of wallet, credential',
    ],
    [
      'an unknown key of a window',
      rule({ limits: [{ ...amountLimit(5n), window: { rolling: '1h', fixed: 'day' } }] }),
      'rules[0].limits[0].window.fixed',
      'not known',
    ],
    [
      'a window of two kinds',
      rule({ limits: [{ ...amountLimit(5n), window: { rolling: '1h', calendar: 'day', timeZone: 'UTC' } }] }),
      'rules[0].limits[0].window',
      'exactly one',
    ],
    [
      'a calendar window without a time zone',
      rule({ limits: [{ ...amountLimit(5n), window: { calendar: 'day' } }] }),
      'rules[0].limits[0].window',
      'timeZone',
    ],
    [
      'a rolling window with a time zone',
      rule({ limits: [{ ...amountLimit(5n), window: { rolling: '1h', timeZone: 'UTC' } }] }),
      'rules[0].limits[0].window.timeZone',
      'no time zone',
    ],
    [
      'a time zone that is none',
      rule({ limits: [{ ...amountLimit(5n), window: { calendar: 'day', timeZone: 'Mars/Olympus' } }] }),
      'rules[0].limits[0].window.timeZone',
      'IANA',
    ],
    [
      'a limit per recipient of what has none',
      document({ effects: ['fee'], limits: [{ ...amountLimit(5n), per: 'recipient' }] }),
      'rules[0].limits[0].per',
      'no recipient',
    ],
    ['an unknown key of who', rule({ who: { role: ['agent'] } }), 'rules[0].who.role', 'not known'],
    [
      'an unknown key of a field condition',
      typed({ equal: 1 }),
      'rules[0].when.typedData.message.a.equal',
      'not known',
    ],
    [
      'an amount limit without asset',
      rule({ limits: [{ id: 'a', amount: '5', window: { rolling: '1h' } }] }),
      'rules[0].limits[0]',
      'asset',
    ],
    [
      'a limit of both kinds',
      rule({ limits: [{ ...amountLimit(5n), count: 5 }] }),
      'rules[0].limits[0].amount',
      'not known',
    ],
    ['no effects', rule({ effects: [] }), 'rules[0].effects', '1 items'],
    ['an unknown effect', rule({ effects: ['transfer'] }), 'rules[0].effects[0]', 'one of native-transfer, '],
    [
      'an unknown operation',
      rule({ operations: ['sign'] }),
      'rules[0].operations[0]',
      'one of sign-transaction',
    ],
    ['an empty list', rule({ when: { recipient: [] } }), 'rules[0].when.recipient', '1 items'],
    ['an empty "when"', rule({ when: {} }), 'rules[0].when', '1 properties'],
    ['an empty "who"', rule({ who: {} }), 'rules[0].who', '1 properties'],
    ['a bar in an id', rule({ id: 'a|b' }), 'rules[0].id', 'pattern'],
    [
      'an amount as number',
      rule({ limits: [{ ...amountLimit(5n), amount: 5 }] }),
      'rules[0].limits[0].amount',
      'smallest units',
    ],
    [
      'an amount with a sign',
      rule({ when: { amount: { max: '-1' } } }),
      'rules[0].when.amount.max',
      'pattern',
    ],
    [
      'an amount over 2^256',
      rule({ when: { amount: { max: String(2n ** 256n) } } }),
      'rules[0].when.amount.max',
      '2^256',
    ],
    ['min above max', rule({ when: { amount: { min: '2', max: '1' } } }), 'rules[0].when.amount', 'above'],
    ['no count', rule({ limits: [countLimit(0)] }), 'rules[0].limits[0].count', '1'],
    ['a count with a fraction', rule({ limits: [countLimit(1.5)] }), 'rules[0].limits[0].count', 'integer'],
    [
      'an address that is none',
      rule({ when: { recipient: ['vitalik.eth'] } }),
      'rules[0].when.recipient[0]',
      'EVM address',
    ],
    [
      'a wrong checksum',
      rule({ when: { recipient: [alice, `0xAa${'aa'.repeat(19)}`] } }),
      'rules[0].when.recipient[1]',
      'checksum',
    ],
    ['a chain that is none', rule({ when: { chain: ['base'] } }), 'rules[0].when.chain[0]', 'CAIP-2'],
    ['an asset that is none', rule({ when: { asset: ['ETH'] } }), 'rules[0].when.asset[0]', 'CAIP-19'],
    [
      'a duration that is none',
      rule({ limits: [amountLimit(5n, coin, '1 day')] }),
      'rules[0].limits[0].window.rolling',
      'pattern',
    ],
    [
      'a window that is too long',
      rule({ limits: [amountLimit(5n, coin, '367d')] }),
      'rules[0].limits[0].window.rolling',
      '366d',
    ],
    [
      'two rules of one id',
      document({ id: 'x', effects: ['fee'] }, { id: 'x', effects: ['fee'] }),
      'rules[1].id',
      'each its own',
    ],
    [
      'two limits of one id',
      rule({ limits: [amountLimit(5n), amountLimit(6n)] }),
      'rules[0].limits[1].id',
      'another limit',
    ],
    [
      'a limit on a forbid rule',
      rule({ action: 'forbid', limits: [countLimit(1)] }),
      'rules[0].limits',
      'nothing to count',
    ],
    [
      'expiresWithin on a forbid rule',
      document({ action: 'forbid', effects: ['approval'], when: { expiresWithin: '1h' } }),
      'rules[0].when.expiresWithin',
      'permit rule',
    ],
    [
      'a condition that the effect does not have',
      rule({ when: { spender: [alice] } }),
      'rules[0].when.spender',
      'has no spender',
    ],
    [
      'a condition that one effect does not have',
      rule({ effects: ['native-transfer', 'fee'], when: { recipient: [alice] } }),
      'rules[0].when.recipient',
      '"fee" a rule of its own',
    ],
    [
      'an amount limit on what has no amount',
      document({ effects: ['contract-call'], limits: [amountLimit(5n)] }),
      'rules[0].limits[0]',
      'no amount',
    ],
    [
      'a limit on what the effect never moves',
      rule({ limits: [amountLimit(5n, token)] }),
      'rules[0].limits[0].asset',
      'never moves',
    ],
    [
      'coins and tokens with a limit on coins',
      rule({ effects: ['native-transfer', 'token-transfer'], limits: [amountLimit(5n)] }),
      'rules[0].limits[0].asset',
      'never moves',
    ],
    [
      'a limit on an asset that is not listed',
      rule({ when: { asset: [coin] }, limits: [amountLimit(5n, otherCoin)] }),
      'rules[0].limits[0].asset',
      'never count',
    ],
    [
      'a limit on a chain that is not listed',
      rule({ when: { chain: [chain] }, limits: [amountLimit(5n, otherCoin)] }),
      'rules[0].limits[0].asset',
      'never count',
    ],
    [
      'one contract under two standards',
      document(
        { effects: ['token-transfer'], when: { asset: [nft] } },
        { effects: ['approval'], when: { asset: [nft.replace('erc721', 'erc20')] } },
      ),
      'rules[1].when.asset[0]',
      'one standard',
    ],
    ['a function that is no function', call('transfer'), 'rules[0].when.function.abi', 'does not parse'],
    [
      'a function that is decoded as a transfer',
      call('function transfer(address to, uint256 amount)'),
      'rules[0].when.function.abi',
      'token-transfer',
    ],
    [
      'an argument that is not there',
      call('function f(uint256 a)', { b: { equals: 1 } }),
      'rules[0].when.function.args["b"]',
      'no argument',
    ],
    [
      'an argument that is a struct',
      call('function f((uint256 x) a)', { a: { equals: 1 } }),
      'rules[0].when.function.args["a"]',
      'members',
    ],
    [
      'an index over the array',
      call('function f(uint256[2] a)', { 'a.2': { equals: 1 } }),
      'rules[0].when.function.args["a.2"]',
      'no index',
    ],
    [
      'an argument of another type',
      call('function f(uint256 a)', { a: { equals: alice } }),
      'rules[0].when.function.args["a"]',
      'integer',
    ],
    [
      'a range on an address',
      call('function f(address a)', { a: { max: '5' } }),
      'rules[0].when.function.args["a"]',
      'range',
    ],
    [
      'a boolean argument as text',
      call('function f(bool a)', { a: { equals: 'true' } }),
      'rules[0].when.function.args["a"]',
      'boolean',
    ],
    [
      'an argument address with a wrong checksum',
      call('function f(address a)', { a: { in: [`0xAa${'aa'.repeat(19)}`] } }),
      'rules[0].when.function.args["a"]',
      'checksum',
    ],
    [
      'two forms of condition',
      typed({ equals: 1, max: '5' }),
      'rules[0].when.typedData.message["a"]',
      'exactly one',
    ],
    ['a range that is empty', typed({ min: '6', max: '5' }), 'rules[0].when.typedData.message["a"]', 'above'],
    [
      'a range on text',
      document({ effects: ['message'], when: { text: { min: '5' } } }),
      'rules[0].when.text',
      'range',
    ],
    [
      'text as number',
      document({ effects: ['message'], when: { text: { equals: 5 } } }),
      'rules[0].when.text',
      'text',
    ],
    [
      'a number that is not exact',
      typed({ equals: 2 ** 53 }),
      'rules[0].when.typedData.message.a.equals',
      'integer',
    ],
    [
      'a path with a space',
      document({ effects: ['typed-data'], when: { typedData: { message: { 'a b': { equals: 1 } } } } }),
      'rules[0].when.typedData.message.a b',
      'not known',
    ],
    ['text that is no Unicode', { ...document(), name: '\ud800' }, '', 'Unicode'],
  ])('refuses %s', (_name, value, path, words) => {
    const refused = refusal(value)
    expect(refused.code).toBe('POLICY_INVALID')
    expect(refused.path).toBe(path)
    expect(refused.message).toContain(words)
    expect(refused.message).toMatch(/\.$/)
    expect(refused.fix).not.toBe('')
  })

  it('refuses what is too long, by its own code', () => {
    const many = Array.from({ length: policyLimits.listEntriesMax + 1 }, () => alice)
    expect(refusal(rule({ when: { recipient: many } }))).toMatchObject({
      code: 'POLICY_TOO_LARGE',
      path: 'rules[0].when.recipient',
    })
    expect(parsePolicy(rule({ when: { recipient: many.slice(1) } })).rules).toHaveLength(1)
    const rules = Array.from({ length: policyLimits.rulesMax + 1 }, () => ({ effects: ['fee'] }))
    expect(refusal(document(...rules))).toMatchObject({ code: 'POLICY_TOO_LARGE', path: 'rules' })
    const wide = Array.from({ length: 3 }, () => ({
      effects: ['native-transfer'],
      when: { recipient: many.slice(1) },
    }))
    expect(refusal(document(...wide)).code).toBe('POLICY_TOO_LARGE')
  })

  it('each condition is refused on every kind of effect that does not have it', () => {
    const some: Record<string, unknown> = {
      chain: [chain],
      account: [alice],
      asset: [coin],
      recipient: [alice],
      contract: [alice],
      spender: [alice],
      delegate: [alice],
      delegator: [alice],
      from: ['wallet'],
      owner: [alice],
      program: [alice],
      instruction: ['increment'],
      entryPoint: [alice],
      sender: [alice],
      paymaster: ['none'],
      factory: ['none'],
      safe: [alice],
      operation: ['call'],
      enforcers: { allowed: [alice] },
      address: [alice],
      mint: ['none'],
      authority: ['accountOwner'],
      newAuthority: ['none'],
      action: ['withdraw'],
      counterparty: ['none'],
      selector: ['0x12345678'],
      function: { abi: 'function f()' },
      typedData: { primaryType: ['A'] },
      amount: { max: '5' },
      unit: ['assets'],
      value: { currency: 'USD', max: '5' },
      received: [coin],
      minReceived: { amount: '5' },
      expiresWithin: '1h',
      text: { equals: 'a' },
      digest: [`0x${'11'.repeat(32)}`],
      field: {},
    }
    const beside: Record<string, Record<string, unknown>> = {
      minReceived: { received: [coin] },
      amount: { unit: ['assets'] },
    }
    const prices = { currency: 'USD', by: ['oracle'], maxAge: '10m' }
    expect(Object.keys(some).sort()).toEqual(Object.keys(conditionKinds).sort())
    for (const [name, kinds] of Object.entries(conditionKinds)) {
      for (const kind of effectKinds) {
        const isVault = kind.startsWith('vault')
        const more = name !== 'amount' || isVault ? beside[name] : {}
        const field = Object.keys(effectFields[kind])[0] ?? ''
        const condition = name === 'field' ? { [field]: anything(effectFields[kind], field) } : some[name]
        const value = {
          ...document({
            effects: [kind],
            when: { [name]: condition, ...(kinds.includes(kind) ? more : {}) },
          }),
          prices,
        }
        if (kinds.includes(kind)) expect(parsePolicy(value).rules).toHaveLength(1)
        else expect(refusal(value).path).toBe(`rules[0].when.${name}`)
      }
    }
  })

  function anything(fields: Readonly<Record<string, string>>, name: string): unknown {
    const type = fields[name]
    return type === 'integer'
      ? { max: '5' }
      : type === 'address'
        ? { addresses: [alice] }
        : { equals: '0x00' }
  }

  it('gives an error with a code, or a policy, for anything', () => {
    const anything = fc.anything({
      withBigInt: true,
      withNullPrototype: true,
      withSparseArray: true,
      withTypedArray: true,
    })
    const nearly = fc
      .record(
        { when: anything, limits: anything, who: anything, effects: anything, id: anything },
        { requiredKeys: [] },
      )
      .map((parts) => document(parts))
    fc.assert(
      fc.property(fc.oneof(anything, nearly), (value) => {
        try {
          parsePolicy(value)
        } catch (error) {
          expect(isCountersignError(error), String(error)).toBe(true)
        }
      }),
      { numRuns: 1500 },
    )
  })
})

describe('policyHash', () => {
  it('is of the document as written, whatever the order of its keys', () => {
    const one = parsePolicy(parseJson('{"version":1,"id":"a","rules":[]}'))
    const other = parsePolicy(parseJson('{"rules":[], "id":"a", "version":1}'))
    expect(one.hash).toBe(other.hash)
    // SHA-256 of {"id":"a","rules":[],"version":1}
    expect(one.hash).toBe('0x9f3f7ad9b503ac9a0f7e719591233a7ca572b78fc2844961fd3790171c367773')
    expect(policyHash(one.document)).toBe(one.hash)
    const changed = parsePolicy({ ...one.document, name: 'b' })
    expect(changed.hash).not.toBe(one.hash)
  })
})

describe('policyJsonSchema', () => {
  it('describes every property and bounds every list', () => {
    const seen: string[] = []
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return
      const schema = node as Record<string, unknown>
      if (schema.type === 'array') expect(schema.maxItems, path).toBeTypeOf('number')
      if (schema.type === 'object') expect(schema.additionalProperties, path).toBe(false)
      for (const [name, property] of Object.entries((schema.properties ?? {}) as object)) {
        expect((property as { description?: string }).description, `${path}.${name}`).toBeTypeOf('string')
        seen.push(name)
      }
      for (const [key, value] of Object.entries(schema)) visit(value, `${path}/${key}`)
    }
    visit(policyJsonSchema(), '')
    expect(seen.length).toBeGreaterThan(30)
  })

  it('is plain JSON and the schema that parsePolicy uses', () => {
    const { $schema, ...rest } = policyJsonSchema()
    expect($schema).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(rest).toEqual(JSON.parse(JSON.stringify(policySchema)))
    expect(Check(rest, document())).toBe(true)
    expect(Check(rest, { ...document(), extra: 1 })).toBe(false)
  })

  it('lets nobody through that parsePolicy stops for its form', () => {
    expect(Check(policySchema, rule({ when: { recipient: [bob] } }))).toBe(true)
    expect(Check(policySchema, rule({ when: { recipient: ['bob'] } }))).toBe(false)
  })
})
