import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Address, type AssetId, decodeHex, parseAddress, parseJson } from '@countersign/bytes'
import {
  type Effect,
  effectKinds,
  evmTransactionIntent,
  type Intent,
  typedDataIntent,
} from '@countersign/intent'
import { encodeFunctionData, erc20Abi, parseAbi, serializeTransaction } from 'viem'
import { describe, expect, it } from 'vitest'
import { parseAddressBook } from './address-book.ts'
import { type ConditionName, conditionKinds } from './condition.ts'
import type { Facts } from './decision.ts'
import { explainDecision } from './decision-json.ts'
import { effectFields } from './effect-fields.ts'
import { describeExposure, exposureOf } from './exposure.ts'
import { parseFact } from './fact.ts'
import { codes, decide, effect, alice as fixtureAlice, layersOf, nowMs, wallet } from './fixtures.ts'
import { lintPolicy } from './lint.ts'
import { type Policy, parsePolicy } from './policy.ts'
import { runPolicyTests } from './policy-test.ts'
import { policyReasons } from './reasons.ts'
import { policyJsonSchema } from './schema.ts'

const docs = new URL('../../../docs/', import.meta.url)
const markdown = readFileSync(new URL('policy.md', docs), 'utf8')

/** The JSON examples that are marked so. */
function fenced(mark: string): unknown[] {
  return [...markdown.matchAll(new RegExp(`\`\`\`json ${mark}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((match) =>
    parseJson(match[1]!),
  )
}

const examples = new Map(
  [...markdown.matchAll(/```json policy\n([\s\S]*?)```/g)].map((match): [string, Policy] => {
    const parsed = parsePolicy(parseJson(match[1]!))
    return [parsed.id, parsed]
  }),
)
const example = (id: string) => layersOf(examples.get(id)!)

const alice = parseAddress('0x70997970C51812dc3A010C7d01b50e0d17dc79C8')
const stranger = '0x00000000000000000000000000000000000000ff'
const usdc = parseAddress('0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913')

interface Call {
  readonly to: string
  readonly value?: bigint
  readonly data?: `0x${string}`
}

function transaction(chainId: number, { to, value = 0n, data = '0x' }: Call): Intent {
  const plain = { type: 'eip1559', chainId, nonce: 0, gas: 21_000n, maxFeePerGas: 20_000_000_000n } as const
  return evmTransactionIntent(decodeHex(serializeTransaction({ ...plain, to: to as Address, value, data })))
}

function answer(id: string, { effects, operation }: Intent, used: Record<string, bigint> = {}) {
  return decide(example(id), { effects, facts: { operation }, used })
}

describe('docs/policy.md', () => {
  it('payroll: pays half a coin a day to two people, and nobody a unit more', () => {
    const pay = (to: string, value: bigint, used?: Record<string, bigint>) =>
      answer('payroll', transaction(31_337, { to, value }), used)
    const half = 500_000_000_000_000_000n
    expect(pay(alice, half).permitted).toBe(true)
    expect(codes(pay(alice, half + 1n))).toEqual(['POLICY_WINDOW'])
    expect(codes(pay(alice, half, { 'pay|daily': 1n }))).toEqual(['POLICY_WINDOW'])
    expect(codes(pay(stranger, 1n))).toEqual(['POLICY_RECIPIENT'])
    expect(pay(alice, 1n, { 'fees|daily': 10_000_000_000_000_000n - 420_000_000_000_000n }).permitted).toBe(
      true,
    )
    expect(codes(pay(alice, 1n, { 'fees|daily': 10_000_000_000_000_001n - 420_000_000_000_000n }))).toEqual([
      'POLICY_WINDOW',
    ])
    expect(codes(answer('payroll', transaction(1, { to: alice, value: 1n })))).toContain('POLICY_CHAIN')
    expect(describeExposure(exposureOf(example('payroll'), 'wal_1', 'any'))[0]).toContain('At most 0.51 of')
    expect(lintPolicy(examples.get('payroll')!)).toEqual([])
  })

  it('trader: stakes for itself only, and small orders', () => {
    const stake = (assets: bigint, receiver: string) =>
      encodeFunctionData({
        abi: parseAbi(['function stake(uint256 assets, address receiver)']),
        args: [assets, receiver as Address],
      })
    const calls = (data: `0x${string}`) => {
      const { effects, ...rest } = transaction(8453, {
        to: '0x7777777777777777777777777777777777777777',
        data,
      })
      // The example has no rule on fees: they are not what it is about.
      return answer('trader', { ...rest, effects: effects.filter(({ kind }) => kind !== 'fee') })
    }
    expect(calls(stake(1_000_000_000n, alice)).permitted).toBe(true)
    expect(codes(calls(stake(1_000_000_001n, alice)))).toEqual(['POLICY_ARGUMENT'])
    expect(codes(calls(stake(1n, stranger)))).toEqual(['POLICY_ARGUMENT'])
    const order = (makerAmount: string, chainId = 8453) =>
      answer(
        'trader',
        typedDataIntent({
          domain: { chainId, verifyingContract: '0x8888888888888888888888888888888888888888' },
          types: { Order: [{ name: 'makerAmount', type: 'uint256' }] },
          primaryType: 'Order',
          message: { makerAmount },
        }),
      )
    expect(order('250000000').permitted).toBe(true)
    expect(codes(order('250000001'))).toEqual(['POLICY_TYPED_DATA'])
    expect(codes(order('1', 1))).toEqual(['POLICY_TYPED_DATA'])
  })

  it('treasury: token payments, permits that end, and no large approvals', () => {
    const send = (to: string, amount: bigint, used?: Record<string, bigint>) => {
      const data = encodeFunctionData({
        abi: erc20Abi,
        functionName: 'transfer',
        args: [to as Address, amount],
      })
      const { effects, ...rest } = transaction(8453, { to: usdc, data })
      return answer('treasury', { ...rest, effects: effects.filter(({ kind }) => kind !== 'fee') }, used)
    }
    expect(send(alice, 500_000_000n).permitted).toBe(true)
    expect(codes(send(alice, 500_000_001n))).toEqual(['POLICY_AMOUNT'])
    expect(codes(send(stranger, 1n))).toEqual(['POLICY_RECIPIENT'])
    expect(codes(send(alice, 2n, { 'usdc-out|weekly': 1_999_999_999n }))).toEqual(['POLICY_WINDOW'])
    expect(codes(send(alice, 1n, { 'daily-payments': 20n }))).toEqual(['POLICY_COUNT'])
    const permit = (value: string, deadline: number) =>
      answer(
        'treasury',
        typedDataIntent({
          domain: { name: 'USD Coin', version: '2', chainId: 8453, verifyingContract: usdc },
          types: {
            Permit: [
              { name: 'owner', type: 'address' },
              { name: 'spender', type: 'address' },
              { name: 'value', type: 'uint256' },
              { name: 'nonce', type: 'uint256' },
              { name: 'deadline', type: 'uint256' },
            ],
          },
          primaryType: 'Permit',
          message: {
            owner: alice,
            spender: '0x9999999999999999999999999999999999999999',
            value,
            nonce: '0',
            deadline,
          },
        }),
      )
    const soonS = nowMs / 1000 + 1800
    expect(permit('100000000', soonS).permitted).toBe(true)
    expect(codes(permit('100000001', soonS))).toEqual(['POLICY_WINDOW'])
    expect(codes(permit('1', soonS + 1))).toEqual(['POLICY_EXPIRY'])
    expect(codes(permit('1000000000', soonS))).toEqual(['POLICY_FORBIDDEN'])
  })

  it('desk: small payments alone, large ones with approvals, swaps of the smart account at a rate', () => {
    const suppliers = parseAddressBook(fenced('book')[0])
    const fact = parseFact(fenced('fact')[0])
    if (fact.type !== 'price') throw new Error('another fact')
    const nowMs = fact.atMs
    const coin = 10n ** 18n
    // 2027-01-15 is a Friday; 08:00 UTC is 09:00 in Berlin.
    const ask = (effects: readonly Effect[], more: Partial<Facts> = {}, used: Record<string, bigint> = {}) =>
      decide(example('desk'), {
        effects,
        facts: { nowMs, prices: [fact], books: new Map([['suppliers', suppliers]]), ...more },
        used,
      })
    const pay = (amountMinor: bigint, to: Address = alice) => effect.native({ recipient: to, amountMinor })
    // 0.33 coins are worth 994.1085 USD; the greatest amount that is worth 1000 is one unit under this.
    const thousand = (1000n * coin * 100n) / 301_245n + 1n
    expect(codes(ask([pay(thousand - 1n)]))).toEqual([])
    expect(ask([pay(thousand)]).outcome).toBe('needs-approval')
    expect(ask([pay(coin / 4n)], {}, { 'monthly|month:1798758000000': 5_000_000_000n }).outcome).toBe(
      'needs-approval',
    )
    expect(codes(ask([pay(1n, stranger as Address)]))).toContain('POLICY_RECIPIENT')
    expect(codes(ask([pay(1n)], { prices: [] }))).toContain('POLICY_PRICE')
    expect(codes(ask([pay(1n)], { books: new Map() }))).toContain('POLICY_BOOK')
    expect(codes(ask([pay(40n * coin)]))).toContain('POLICY_VALUE')
    const by = (...ids: string[]) => ({
      approvals: ids.map((credentialId) => ({ credentialId, atMs: nowMs })),
    })
    expect(ask([pay(10n * coin)], by('cred_ann', 'cred_cat')).outcome).toBe('permitted')
    expect(ask([pay(10n * coin)], by('cred_ann', 'cred_ben')).outcome).toBe('needs-approval')
    expect(ask([pay(10n * coin)], { ...by('cred_ann', 'cred_cat'), credentialId: 'cred_ann' }).outcome).toBe(
      'needs-approval',
    )
    const safe = parseAddress('0x4444444444444444444444444444444444444444')
    const swap = (change: object) =>
      effect.swap({
        account: safe,
        contract: parseAddress('0x2626664c2603336E57B271c5C0b26F421741e481'),
        asset: 'eip155:8453/slip44:60' as AssetId,
        amountMinor: coin,
        receivedAsset: `eip155:8453/erc20:${usdc}` as AssetId,
        receivedMinor: 2_900_000_000n,
        recipient: safe,
        deadlineS: BigInt(nowMs / 1000) + 1200n,
        ...change,
      })
    expect(codes(ask([swap({})]))).toEqual([])
    expect(codes(ask([swap({ receivedMinor: 2_899_999_999n })]))).toEqual(['POLICY_RECEIVED'])
    expect(codes(ask([swap({ amountMinor: coin + 1n })]))).toEqual(['POLICY_RECEIVED'])
    expect(codes(ask([swap({ recipient: alice })]))).toEqual(['POLICY_RECIPIENT'])
    expect(codes(ask([swap({ account: undefined, recipient: wallet })]))).toEqual(['POLICY_ACCOUNT'])
    expect(codes(ask([swap({ deadlineS: undefined })]))).toEqual(['POLICY_EXPIRY'])
    expect(codes(ask([swap({})], {}, { weekly: 4n * coin + 1n }))).toEqual(['POLICY_WINDOW'])
  })

  it('every example of a book, a fact and a test file is one', () => {
    for (const book of fenced('book')) expect(parseAddressBook(book).addresses.size).toBeGreaterThan(0)
    expect(fenced('fact').map((fact) => parseFact(fact).type)).toEqual(['price', 'simulation'])
    const [tests] = fenced('policy-test')
    const report = runPolicyTests(examples.get('desk')!, tests, { nowMs })
    expect(report.cases.flatMap(({ problems }) => problems)).toEqual([])
    expect(report.passed).toBe(2)
  })

  it('writes a policy by a program that runs', () => {
    const [, program = ''] = /```ts\n([\s\S]*?)```/.exec(markdown) ?? []
    const cwd = fileURLToPath(new URL('..', docs))
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd })
    const written = parsePolicy(parseJson(printed.toString()))
    expect(written.id).toBe('payroll')
    expect(written.rules.map(({ id, action }) => [id, action])).toEqual([
      ['pay', 'permit'],
      ['no-digests', 'forbid'],
    ])
    const paid = (amountMinor: bigint) =>
      codes(
        decide(layersOf(written), {
          effects: [effect.native({ amountMinor })],
          facts: { books: new Map([['staff', parseAddressBook(staff)]]) },
        }),
      )
    const staff = { version: 1, id: 'staff', addresses: [{ address: fixtureAlice }] }
    expect(paid(10n ** 18n)).toEqual([])
    expect(paid(10n ** 18n + 1n)).toEqual(['POLICY_AMOUNT'])
  })

  it('has every field of every kind', () => {
    const rows = [...markdown.matchAll(/^\| `([a-z0-9-]+)` *\| ((?:`[a-zA-Z]+` ?)+)\|$/gm)]
    const documented = Object.fromEntries(
      rows.map(([, kind, fields]) => [kind, [...fields!.matchAll(/`(\w+)`/g)].map((match) => match[1])]),
    )
    expect(documented).toEqual(
      Object.fromEntries(effectKinds.map((kind) => [kind, Object.keys(effectFields[kind])])),
    )
  })

  it('shows a refusal as it is printed', () => {
    const shown = /```text\n([\s\S]*?)```/.exec(markdown)![1]!.trimEnd()
    const value = 300_000_000_000_000_000n
    const decision = answer('payroll', transaction(31_337, { to: alice, value }), { 'pay|daily': value })
    expect(explainDecision(decision).join('\n')).toBe(shown)
  })

  it('has every reason code with its sentence', () => {
    const rows = [...markdown.matchAll(/^\| `(POLICY_[A-Z_]+)` *\| (.*?) *\|$/gm)]
    expect(Object.fromEntries(rows.map(([, code, text]) => [code, text]))).toEqual(policyReasons)
  })

  it('has every kind of effect with the conditions that apply to it', () => {
    const rows = [...markdown.matchAll(/^\| `([a-z0-9-]+)` *\| .* \| ((?:`[a-zA-Z]+` ?)+) *\|$/gm)]
    const documented = Object.fromEntries(
      rows.map(([, kind, conditions]) => [
        kind,
        [...conditions!.matchAll(/`(\w+)`/g)].map((match) => match[1]),
      ]),
    )
    expect(Object.keys(documented)).toEqual([...effectKinds])
    const names = Object.keys(conditionKinds) as ConditionName[]
    for (const kind of effectKinds) {
      const applicable = names.filter((name) => conditionKinds[name].includes(kind))
      expect(documented[kind]?.toSorted(), kind).toEqual(applicable.toSorted())
    }
  })

  it('has all its examples tested here', () => {
    expect([...examples.keys()]).toEqual(['payroll', 'trader', 'treasury', 'desk'])
  })
})

it('docs/policy.schema.json is the schema', () => {
  const file = readFileSync(new URL('policy.schema.json', docs), 'utf8')
  expect(JSON.parse(file)).toEqual(policyJsonSchema())
})
