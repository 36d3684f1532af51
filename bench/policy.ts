/**
 * Decisions per second on one core: policies of 10, 100 and 1,000 rules and address books of 10 and 10,000 entries,
 * requests that are permitted and requests that are refused with every reason in words. A decision is what the signer
 * does for one request: which windows are needed, and the evaluation over them.
 */
import { type AssetId, type ChainId, encodeHex, parseAddress } from '@countersign/bytes'
import type { Effect, Intent } from '@countersign/intent'
import {
  type Decision,
  evaluate,
  type Facts,
  type Policy,
  parseAddressBook,
  parsePolicy,
  type WindowKey,
  windowsNeeded,
} from '@countersign/policy'
import type { BenchOptions, BenchOutcome } from './bench.ts'

const chain = 'eip155:8453' as ChainId
const coin = `${chain}/slip44:60` as AssetId
const transferSelector = '0xa9059cbb'

/** The n-th of as many addresses as are needed, in an order that is none. */
function address(n: number) {
  const bytes = new Uint8Array(20)
  new DataView(bytes.buffer).setUint32(0, Math.imul(n + 1, 2_654_435_761) >>> 0)
  new DataView(bytes.buffer).setUint32(16, n + 1)
  return parseAddress(encodeHex(bytes))
}

const token = (n: number) => `${chain}/erc20:${address(n)}` as AssetId
const daily = (asset: string) => [{ id: 'daily', amount: '1000000', asset, window: { rolling: '24h' } }]
const fees = { id: 'fees', action: 'permit', effects: ['fee'], limits: daily(coin) }

/** Half the rules are about recipients of coins, a quarter about tokens, a quarter about contracts; one about fees. */
function mixedPolicy(count: number): Policy {
  const rules: object[] = [fees]
  for (let i = 0; rules.length < count; i++) {
    const id = `r${i}`
    if (i % 4 < 2) {
      const when = { chain: [chain], recipient: [address(i)] }
      rules.push({ id, action: 'permit', effects: ['native-transfer'], when, limits: daily(coin) })
    } else if (i % 4 === 2) {
      const when = { asset: [token(i)], recipient: [address(i)], amount: { max: '1000' } }
      rules.push({ id, action: 'permit', effects: ['token-transfer'], when, limits: daily(token(i)) })
    } else {
      const args = { amount: { max: '1000' } }
      const when = {
        contract: [address(i)],
        function: { abi: 'function mint(address to, uint256 amount)', args },
      }
      rules.push({ id, action: 'permit', effects: ['contract-call'], when })
    }
  }
  return parsePolicy({ version: 1, id: 'mixed', rules })
}

/** Nothing tells the rules apart but an amount, so that every one has to be looked at. */
function alikePolicy(count: number): Policy {
  const rules: object[] = [fees]
  for (let i = 1; i < count; i++) {
    const when = { recipient: [address(0)], amount: { min: String(i * 10), max: String(i * 10 + 9) } }
    rules.push({ id: `r${i}`, action: 'permit', effects: ['native-transfer'], when })
  }
  return parsePolicy({ version: 1, id: 'alike', rules })
}

function bookPolicy(): Policy {
  const when = { recipient: ['@payees'] }
  const pay = { id: 'pay', action: 'permit', effects: ['native-transfer'], when, limits: daily(coin) }
  return parsePolicy({ version: 1, id: 'book', rules: [fees, pay] })
}

function listPolicy(count: number): Policy {
  const when = { recipient: Array.from({ length: count }, (_, i) => address(i)) }
  const pay = { id: 'pay', action: 'permit', effects: ['native-transfer'], when, limits: daily(coin) }
  return parsePolicy({ version: 1, id: 'list', rules: [fees, pay] })
}

function bookFacts(count: number): Partial<Facts> {
  const addresses = Array.from({ length: count }, (_, i) => ({ address: address(i) }))
  return { books: new Map([['payees', parseAddressBook({ version: 1, id: 'payees', addresses })]]) }
}

const fee: Effect = { kind: 'fee', chain, asset: coin, amountMinor: 10n }
const payment = (recipient: number, amountMinor = 5n): Effect => ({
  kind: 'native-transfer',
  chain,
  asset: coin,
  recipient: address(recipient),
  amountMinor,
})
const tokens = (n: number, amountMinor: bigint): Effect => ({
  kind: 'token-transfer',
  chain,
  contract: address(n),
  assets: [token(n)],
  from: undefined,
  recipient: address(n),
  amountMinor,
  selector: transferSelector,
})

interface Case {
  readonly name: string
  readonly rules: number
  readonly expect: Decision['outcome']
  readonly policy: Policy
  readonly effects: readonly Effect[]
  readonly facts?: Partial<Facts>
}

/** Far past every address that a rule names. */
const stranger = 5_000_000

function listCases(): Case[] {
  const cases: Case[] = []
  for (const rules of [10, 100, 1_000]) {
    const mixed = mixedPolicy(rules)
    // The last rule of each kind: what is tried in order comes to it last.
    const lastPay = lastOf(rules - 2, (i) => i % 4 < 2)
    const lastToken = lastOf(rules - 2, (i) => i % 4 === 2)
    cases.push(
      { name: 'permit', rules, expect: 'permitted', policy: mixed, effects: [payment(lastPay), fee] },
      {
        name: 'permit-token',
        rules,
        expect: 'permitted',
        policy: mixed,
        effects: [tokens(lastToken, 5n), fee],
      },
      { name: 'refuse', rules, expect: 'refused', policy: mixed, effects: [payment(stranger), fee] },
      {
        name: 'refuse-amount',
        rules,
        expect: 'refused',
        policy: mixed,
        effects: [tokens(lastToken, 1_001n), fee],
      },
    )
    const alike = alikePolicy(rules)
    const last = BigInt((rules - 1) * 10)
    cases.push(
      { name: 'permit-alike', rules, expect: 'permitted', policy: alike, effects: [payment(0, last), fee] },
      { name: 'refuse-alike', rules, expect: 'refused', policy: alike, effects: [payment(0, 1n), fee] },
    )
  }
  for (const entries of [10, 10_000]) {
    const facts = bookFacts(entries)
    const book = { policy: bookPolicy(), rules: entries, facts }
    cases.push(
      { name: 'permit-book', expect: 'permitted', effects: [payment(entries - 1), fee], ...book },
      { name: 'refuse-book', expect: 'refused', effects: [payment(stranger), fee], ...book },
      {
        name: 'permit-list',
        rules: entries,
        expect: 'permitted',
        policy: listPolicy(entries),
        effects: [payment(entries - 1), fee],
      },
    )
  }
  return cases
}

function lastOf(from: number, fits: (i: number) => boolean): number {
  let i = from
  while (!fits(i)) i--
  return i
}

interface Measured {
  readonly name: string
  /** Rules of the policy, or entries of the book or list. */
  readonly size: number
  /** The best of many short rounds: what else the machine does only ever adds. */
  readonly us: number
  readonly medianUs: number
  readonly perSecond: number
}

export async function benchPolicy({ full, say }: BenchOptions): Promise<BenchOutcome> {
  const cases = listCases()
  const results: Measured[] = []
  for (const one of cases) {
    const measured = measure(one, full)
    results.push(measured)
    say(
      `${measured.name} at ${measured.size}: ${measured.us.toFixed(2)} µs (median ${measured.medianUs.toFixed(2)})`,
    )
  }
  const us = (name: string, size: number) =>
    results.find((result) => result.name === name && result.size === size)?.us ?? Number.NaN
  const ratio = (name: string, large: number, small: number) => us(name, large) / us(name, small)
  return {
    results,
    ratios: {
      permit1000Over10: ratio('permit', 1_000, 10),
      refuse1000Over100: ratio('refuse', 1_000, 100),
      refuse1000Over10: ratio('refuse', 1_000, 10),
      alikePermit1000Over10: ratio('permit-alike', 1_000, 10),
      book10000Over10: ratio('permit-book', 10_000, 10),
      refuseBook10000Over10: ratio('refuse-book', 10_000, 10),
      list10000Over10: ratio('permit-list', 10_000, 10),
    },
    usAt100Rules: worstAt(results, 100),
    usAt1000Rules: worstAt(results, 1_000),
  }
}

/** Over permits and refusals, of every kind that is measured. */
function worstAt(results: readonly Measured[], rules: number): number {
  return Math.max(...results.filter(({ size }) => size === rules).map(({ us }) => us))
}

function measure({ name, rules, expect, policy, effects, facts: more }: Case, full: boolean): Measured {
  const intent: Intent = {
    operation: 'sign-transaction',
    chain,
    effects,
    toSign: new Uint8Array(32),
    payloadDigest: `0x${'00'.repeat(32)}`,
  }
  const layers = [{ layer: 'wallet', policy }] as const
  const rounds = full ? 100 : 3
  const count = full ? 400 : 20
  const warmUp = full ? 5_000 : 20
  let nowMs = 1_800_000_000_000
  const decide = (i: number): Decision => {
    nowMs += 1
    const facts: Facts = {
      walletId: `wal_${i % 100}`,
      operation: 'sign-transaction',
      credentialId: 'cred_1',
      role: 'agent',
      nowMs,
      walletAddress: address(1),
      ...more,
    }
    const used = new Map<WindowKey, bigint>()
    for (const { key } of windowsNeeded(intent, facts, layers)) used.set(key, 0n)
    return evaluate({ intent, facts, layers, used })
  }
  for (let i = 0; i < warmUp; i++) {
    const { outcome } = decide(i)
    if (outcome !== expect) throw new Error(`${name} at ${rules} is ${outcome}, not ${expect}`)
  }
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now()
    for (let i = 0; i < count; i++) decide(i)
    times.push(((performance.now() - startMs) / count) * 1_000)
  }
  times.sort((a, b) => a - b)
  const us = times[0] ?? Number.NaN
  const medianUs = times[Math.floor(times.length / 2)] ?? us
  return { name, size: rules, us, medianUs, perSecond: 1e6 / us }
}
