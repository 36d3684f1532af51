import { readFileSync } from 'node:fs'
import { type Address, decodeHex, type Hex, parseAddress, parseJson } from '@countersign/bytes'
import {
  authorizationIntent,
  evmTransactionIntent,
  type Intent,
  multicall3Contract,
  permit2Contract,
  rawDigestIntent,
  typedDataIntent,
} from '@countersign/intent'
import {
  type AbiFunction,
  encodeFunctionData,
  erc20Abi,
  multicall3Abi,
  parseAbi,
  parseEther,
  parseUnits,
  serializeTransaction,
} from 'viem'
import { describe, expect, it } from 'vitest'
import { blastRadius } from './blast-radius.ts'
import type { Decision, Facts, WindowKey } from './decision.ts'
import { formatDuration } from './duration.ts'
import { evaluate, windowsNeeded } from './evaluate.ts'
import { parseFact } from './fact.ts'
import { alice, bob, book, books, codes, facts, layersOf, wallet } from './fixtures.ts'
import { lintPolicy } from './lint.ts'
import { type Policy, parsePolicy } from './policy.ts'

const file = readFileSync(new URL('../../../docs/cookbook.md', import.meta.url), 'utf8')

interface Recipe {
  readonly name: string
  readonly policy: Policy
  /** What the table says: a request, and how it is decided. */
  readonly rows: readonly (readonly [request: string, decision: string])[]
  readonly blastRadius: string | undefined
}

const recipes = file.split(/^## /m).slice(1).map(readRecipe)

function readRecipe(section: string): Recipe {
  const fences = [...section.matchAll(/```json policy\n([\s\S]*?)```/g)]
  expect(fences).toHaveLength(1)
  return {
    name: section.slice(0, section.indexOf('\n')),
    policy: parsePolicy(parseJson(fences[0]?.[1] ?? '')),
    rows: [...section.matchAll(/^\| (.*?) \| (permitted|(?:refused|needs approval): `\w+`) \|$/gm)].map(
      ([, request, decision]) => [request ?? '', decision ?? ''] as const,
    ),
    blastRadius: /^Blast radius: (.*)\.$/m.exec(section)?.[1],
  }
}

const stranger = parseAddress(`0x${'ff'.repeat(20)}`)
const usdcBase = parseAddress('0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913')
const usdc = parseAddress('0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48')
const weth = parseAddress('0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2')
const router = parseAddress('0xE592427A0AEce92De3Edee1F18E0157C05861564')
const vault = addressOf('77')
const game = addressOf('66')
const items = addressOf('55')
const forwarder = addressOf('44')
const relayed = addressOf('33')

function addressOf(byte: string): Address {
  return parseAddress(`0x${byte.repeat(20)}`)
}

/** What the wallet's key is asked for: bytes, as they are signed. */
interface Sent {
  readonly chainId?: number
  readonly to: Address
  readonly data?: Hex
  readonly value?: bigint
  /** The most that it can burn; little where it is not said. */
  readonly maxFee?: bigint
}

const gas = 100_000n

function transaction({ chainId = 8453, to, data = '0x', value = 0n, maxFee = gas }: Sent): Intent {
  const unsigned = serializeTransaction({
    type: 'eip1559',
    ...{ chainId, nonce: 3, gas, maxFeePerGas: maxFee / gas, maxPriorityFeePerGas: 1n, to, data, value },
  })
  return evmTransactionIntent(decodeHex(unsigned))
}

function call(signature: string, ...args: readonly unknown[]): Hex {
  const abi = parseAbi([`function ${signature}`] as never) as unknown as [AbiFunction]
  return encodeFunctionData({ abi, functionName: abi[0].name, args } as never)
}

function transfer(to: Address, amount: bigint): Hex {
  return encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, amount] })
}

function approve(spender: Address, amount: bigint): Hex {
  return encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [spender, amount] })
}

const dollars = (amount: string) => parseUnits(amount, 6)

function permitByToken(spender: Address): Intent {
  const types = [
    ['owner', 'address'],
    ['spender', 'address'],
    ['value', 'uint256'],
    ['nonce', 'uint256'],
    ['deadline', 'uint256'],
  ].map(([name, type]) => ({ name: name as string, type: type as string }))
  return typedDataIntent({
    domain: { name: 'USD Coin', version: '2', chainId: 8453, verifyingContract: usdcBase },
    types: { Permit: types },
    primaryType: 'Permit',
    message: { owner: wallet, spender, value: '1', nonce: '0', deadline: 2_000_000_000 },
  })
}

function permit2(token: Address, spender: Address): Intent {
  return typedDataIntent({
    domain: { name: 'Permit2', chainId: 1, verifyingContract: permit2Contract },
    types: {
      PermitSingle: [
        { name: 'details', type: 'PermitDetails' },
        { name: 'spender', type: 'address' },
        { name: 'sigDeadline', type: 'uint256' },
      ],
      PermitDetails: [
        { name: 'token', type: 'address' },
        { name: 'amount', type: 'uint160' },
        { name: 'expiration', type: 'uint48' },
        { name: 'nonce', type: 'uint48' },
      ],
    },
    primaryType: 'PermitSingle',
    message: {
      details: { token, amount: '1', expiration: 1_900_000_000, nonce: 0 },
      spender,
      sigDeadline: '1900000000',
    },
  })
}

const delegation = authorizationIntent({ chainId: 1, contractAddress: stranger, nonce: 0 })

interface Case {
  readonly intent: Intent
  readonly facts?: Partial<Facts>
  /** By the end of a window's key, or all of it: what the window holds already. */
  readonly used?: Readonly<Record<string, bigint>>
}

interface Job {
  readonly facts: Partial<Facts>
  readonly cases: Readonly<Record<string, Case>>
  readonly warnings: readonly string[]
}

const claimants = books(book('claimants', alice, bob))
const claim = (to: Address, amount: string): Intent =>
  transaction({ to: usdcBase, data: transfer(to, dollars(amount)) })

const airdrop: Job = {
  facts: { nowMs: Date.parse('2026-12-24T00:00:00Z'), books: claimants },
  warnings: [],
  cases: {
    '50 USDC to a claimant': { intent: claim(alice, '50') },
    '50.000001 USDC to a claimant': { intent: claim(alice, '50.000001') },
    '50 USDC to the same claimant again': {
      intent: claim(alice, '50'),
      used: { [`recipient:${alice}|wallet|airdrop|claims|once`]: 1n },
    },
    '50 USDC to somebody who is not in the book': { intent: claim(stranger, '50') },
    '50 USDC to a claimant, and no book': { intent: claim(alice, '50'), facts: { books: new Map() } },
    '50 USDC to a claimant in November': {
      intent: claim(alice, '50'),
      facts: { nowMs: Date.parse('2026-11-30T23:59:59Z') },
    },
    '50 USDC to a claimant, with 49.999999 left of the total': {
      intent: claim(alice, '50'),
      used: { 'claims|total': dollars('499950.000001') },
    },
    '50 USDC of somebody else to a claimant': {
      intent: transaction({
        to: usdcBase,
        data: call('transferFrom(address, address, uint256)', stranger, alice, dollars('50')),
      }),
    },
    'another token to a claimant': { intent: transaction({ to: usdc, data: transfer(alice, 1n) }) },
    'an allowance of 50 USDC for a claimant': {
      intent: transaction({ to: usdcBase, data: approve(alice, dollars('50')) }),
    },
    'claims through Multicall3': {
      intent: transaction({
        to: multicall3Contract,
        data: encodeFunctionData({
          abi: multicall3Abi,
          functionName: 'aggregate3',
          args: [[{ target: usdcBase, allowFailure: false, callData: transfer(alice, 1n) }]],
        }),
      }),
    },
  },
}

const finance = (...ids: readonly string[]): Partial<Facts> => ({
  approvals: ids.map((credentialId) => ({ credentialId, atMs: Date.parse('2026-12-15T10:00:00+01:00') })),
})
const december = `|month:${Date.parse('2026-12-01T00:00:00+01:00')}`
const firstMonday = Date.parse('2027-01-04T08:00:00+01:00')

const payroll: Job = {
  facts: {
    // A Tuesday.
    nowMs: Date.parse('2026-12-15T11:00:00+01:00'),
    books: books(book('staff', alice, bob)),
  },
  warnings: [],
  cases: {
    '10,000 USDC to one of the staff, on a Tuesday': { intent: claim(alice, '10000') },
    '10,000.000001 USDC to one of the staff': { intent: claim(alice, '10000.000001') },
    'the same with two approvals': {
      intent: claim(alice, '10000.000001'),
      facts: finance('cred_ann', 'cred_ben'),
    },
    'the same with an approval of whoever asks': {
      intent: claim(alice, '10000.000001'),
      facts: { ...finance('cred_ann', 'cred_ben'), credentialId: 'cred_ann' },
    },
    '50,000.000001 USDC to one of the staff': {
      intent: claim(alice, '50000.000001'),
      facts: finance('cred_ann', 'cred_ben'),
    },
    'a second salary in the same month': {
      intent: claim(alice, '0.000001'),
      used: { [`recipient:${alice}|wallet|payroll-usdc|salaries|person${december}`]: dollars('10000') },
    },
    'a salary in January, with all of December’s paid': {
      intent: claim(alice, '10000'),
      facts: { nowMs: firstMonday },
      used: { [december]: dollars('120000') },
    },
    'the same, with December’s paid less than 25 days ago': {
      intent: claim(alice, '10000'),
      facts: { nowMs: firstMonday },
      used: { [december]: dollars('120000'), 'salaries|25d': dollars('120000') },
    },
    'a salary on a Sunday': {
      intent: claim(alice, '10000'),
      facts: { nowMs: Date.parse('2026-12-13T11:00:00+01:00') },
    },
    '1 USDC to somebody else': { intent: claim(stranger, '1') },
    '1 coin to one of the staff': { intent: transaction({ to: alice, value: parseEther('1') }) },
    'a permit by signature for one of the staff': { intent: permitByToken(alice) },
  },
}

const defiNowMs = Date.parse('2026-12-15T11:00:00Z')
const minutes = (count: number) => BigInt(defiNowMs / 1000 + count * 60)
interface Swap {
  readonly through?: Address
  readonly out?: Address
  readonly to?: Address
  readonly min?: bigint
  readonly deadlineS?: bigint
}
function swap({
  through = router,
  out = weth,
  to = wallet,
  min = parseEther('0.3'),
  deadlineS = minutes(20),
}: Swap) {
  const signature =
    'exactInputSingle((address tokenIn, address tokenOut, uint24 fee, address recipient, uint256 deadline, uint256 amountIn, uint256 amountOutMinimum, uint160 sqrtPriceLimitX96) params)'
  const args = [usdc, out, 500, to, deadlineS, dollars('1000'), min, 0n]
  const names = 'tokenIn tokenOut fee recipient deadline amountIn amountOutMinimum sqrtPriceLimitX96'
  const params = Object.fromEntries(names.split(' ').map((name, i) => [name, args[i]]))
  return transaction({ chainId: 1, to: through, data: call(signature, params) })
}
const deposit = (receiver: Address) =>
  transaction({
    chainId: 1,
    to: vault,
    data: call('deposit(uint256 assets, address receiver)', dollars('50000'), receiver),
  })
const withdraw = (receiver: Address) =>
  transaction({
    chainId: 1,
    to: vault,
    data: call(
      'withdraw(uint256 assets, address receiver, address owner)',
      dollars('50000'),
      receiver,
      wallet,
    ),
  })
function simulated(
  intent: Intent,
  { asset = usdc, amount = dollars('50000') }: { asset?: Address; amount?: bigint } = {},
): Partial<Facts> {
  const fact = parseFact({
    ...{ v: 1, type: 'simulation', payloadDigest: intent.payloadDigest, account: wallet, outcome: 'success' },
    ...{ maxOutflows: [{ asset: `eip155:1/erc20:${asset}`, amount: String(amount) }] },
    ...{ atMs: defiNowMs - 60_000, expiresAtMs: defiNowMs + 60_000, credentialId: 'cred_simulator' },
  })
  return { simulations: fact.type === 'simulation' ? [fact] : [] }
}

const defi: Job = {
  facts: { nowMs: defiNowMs },
  warnings: [],
  cases: {
    '1,000 USDC for at least 0.3 WETH': { intent: swap({}) },
    '1,000 USDC for at least 0.3 WETH less one unit': { intent: swap({ min: parseEther('0.3') - 1n }) },
    'the swap’s WETH to somebody else': { intent: swap({ to: stranger }) },
    'a swap that can be sent for an hour': { intent: swap({ deadlineS: minutes(60) }) },
    '1,000 USDC for another token': { intent: swap({ out: stranger }) },
    'a swap through another router': { intent: swap({ through: stranger }) },
    'an allowance of 50,000 USDC for the router': {
      intent: transaction({ chainId: 1, to: usdc, data: approve(router, dollars('50000')) }),
    },
    'an unlimited allowance for the router': {
      intent: transaction({ chainId: 1, to: usdc, data: approve(router, 2n ** 256n - 1n) }),
    },
    'an allowance for somebody else': {
      intent: transaction({ chainId: 1, to: usdc, data: approve(stranger, 1n) }),
    },
    'the router’s allowance as a Permit2 signature': { intent: permit2(usdc, router) },
    'a deposit with a simulation, by which 50,000 USDC leave': {
      intent: deposit(wallet),
      facts: simulated(deposit(wallet)),
    },
    'one by which a unit more leaves': {
      intent: deposit(wallet),
      facts: simulated(deposit(wallet), { amount: dollars('50000') + 1n }),
    },
    'one by which another token leaves': {
      intent: deposit(wallet),
      facts: simulated(deposit(wallet), { asset: weth, amount: 1n }),
    },
    // Of the same call for somebody else: it says nothing about these bytes.
    'a deposit with the simulation of another': {
      intent: deposit(wallet),
      facts: simulated(deposit(alice)),
    },
    'a deposit for somebody else': { intent: deposit(stranger), facts: simulated(deposit(stranger)) },
    'a withdrawal to the wallet': { intent: withdraw(wallet) },
    'a withdrawal to somebody else': { intent: withdraw(stranger) },
  },
}

const play = (move: number, more: Partial<Sent> = {}) =>
  transaction({ to: game, data: call('play(uint256 game, uint8 move)', 1n, move), ...more })
const item = (id: bigint, amount: bigint) =>
  transaction({
    to: items,
    data: call(
      'safeTransferFrom(address, address, uint256, uint256, bytes)',
      wallet,
      alice,
      id,
      amount,
      '0x',
    ),
  })

const gameJob: Job = {
  facts: { bearer: true },
  // Players are not known before: what bounds the rule is the item, and how many of them.
  warnings: ['any-recipient'],
  cases: {
    'move 8': { intent: play(8) },
    'move 9': { intent: play(9) },
    'the 61st move within a minute': { intent: play(8), used: { 'moves|minute': 60n } },
    'another function of the game’s contract': { intent: play(8, { data: call('resign(uint256)', 1n) }) },
    'the same function of another contract': { intent: play(8, { to: stranger }) },
    'a move with a coin': { intent: play(8, { value: 1n }) },
    'item 7 for a player': { intent: item(7n, 1n) },
    'two of item 7 for a player': { intent: item(7n, 2n) },
    'item 8 for a player': { intent: item(8n, 1n) },
    'a fourth item for the player within a day': {
      intent: item(7n, 1n),
      used: { [`recipient:${alice}|wallet|game|items|player`]: 3n },
    },
    'item 7 by a key that is no API key': { intent: item(7n, 1n), facts: { bearer: false } },
  },
}

interface Relayed {
  readonly to?: Address
  readonly inside?: bigint
  readonly beside?: bigint
  readonly callGas?: bigint
  readonly maxFee?: bigint
}
const forwardRequest =
  '(address from, address to, uint256 value, uint256 gas, uint48 deadline, bytes data, bytes signature)'
function requestOf({ to = relayed, inside = 0n, callGas = 500_000n }: Relayed): object {
  return {
    ...{ from: alice, to, value: inside, gas: callGas },
    ...{ deadline: 1_900_000_000, data: '0x12345678', signature: `0x${'11'.repeat(65)}` },
  }
}
function relay(one: Relayed): Intent {
  const { beside = 0n, maxFee = parseEther('0.0005') } = one
  return transaction({
    to: forwarder,
    data: call(`execute(${forwardRequest} request)`, requestOf(one)),
    ...{ value: beside, maxFee },
  })
}

const relayer: Job = {
  facts: { books: books(book('relayed', relayed)) },
  warnings: [],
  cases: {
    'a call of a contract in the book': { intent: relay({}) },
    'a call of another contract': { intent: relay({ to: stranger }) },
    'a call with a unit of coins inside': { intent: relay({ inside: 1n }) },
    'a call with a unit of coins beside it': { intent: relay({ beside: 1n }) },
    'a call with 500,001 gas': { intent: relay({ callGas: 500_001n }) },
    'a transaction that can burn one unit more than 0.0005 ETH': {
      // Fees are multiples of the gas, here of 100,000 units.
      intent: relay({ maxFee: parseEther('0.0005') + gas }),
    },
    'a call with 0.0004 ETH left of the hour’s fees, at 0.0005': {
      intent: relay({}),
      used: { 'fees|hourly': parseEther('0.0196') },
    },
    'the forwarder’s batch, which the rule does not name': {
      intent: transaction({
        to: forwarder,
        data: call(
          `executeBatch(${forwardRequest}[] requests, address refundReceiver)`,
          [requestOf({})],
          wallet,
        ),
      }),
    },
    'the book changed to one without the contract': {
      intent: relay({}),
      facts: { books: books(book('relayed', stranger)) },
    },
    'an EIP-7702 authorization': { intent: delegation },
  },
}

const treasuryNowMs = Date.parse('2026-12-15T11:00:00Z')
function price(ageMs: number): Partial<Facts> {
  const fact = parseFact({
    ...{ v: 1, type: 'price', asset: 'eip155:1/slip44:60', currency: 'USD', price: '4000', decimals: 18 },
    ...{ atMs: treasuryNowMs - ageMs, expiresAtMs: treasuryNowMs + 3_600_000, credentialId: 'cred_oracle' },
  })
  return { prices: fact.type === 'price' ? [fact] : [] }
}
const approvedBy = (ids: readonly string[], ageMs = 0): Partial<Facts> => ({
  approvals: ids.map((credentialId) => ({ credentialId, atMs: treasuryNowMs - ageMs })),
})
const everybody = ['cred_ann', 'cred_ben', 'cred_dan']
const pay = (to: Address, value: bigint) => transaction({ chainId: 1, to, value })

const treasury: Job = {
  facts: { nowMs: treasuryNowMs, books: books(book('suppliers', alice, bob)), ...price(0) },
  warnings: [],
  cases: {
    '0.25 coins to a supplier, at 4,000 dollars each': { intent: pay(alice, parseEther('0.25')) },
    'one unit more': { intent: pay(alice, parseEther('0.25') + 1n) },
    '0.25 coins to a supplier, at a price eleven minutes old': {
      intent: pay(alice, parseEther('0.25')),
      facts: price(660_000),
    },
    '0.25 coins to somebody else': {
      intent: pay(stranger, parseEther('0.25')),
      facts: approvedBy(everybody),
    },
    '200 coins to a supplier, with two treasurers and one of the board': {
      intent: pay(alice, parseEther('200')),
      facts: approvedBy(everybody),
    },
    '200 coins to a supplier, with three treasurers': {
      intent: pay(alice, parseEther('200')),
      facts: approvedBy(['cred_ann', 'cred_ben', 'cred_cat']),
    },
    '200 coins to a supplier, with approvals a day and a second old': {
      intent: pay(alice, parseEther('200')),
      facts: approvedBy(everybody, 86_401_000),
    },
    '200 coins and one unit to a supplier, with all approvals': {
      intent: pay(alice, parseEther('200') + 1n),
      facts: approvedBy(everybody),
    },
    'an allowance of one unit, with all approvals': {
      intent: transaction({ chainId: 1, to: usdc, data: approve(alice, 1n) }),
      facts: approvedBy(everybody),
    },
    'a Permit2 signature': { intent: permit2(usdc, alice), facts: approvedBy(everybody) },
    'an EIP-7702 authorization': { intent: delegation, facts: approvedBy(everybody) },
    'a bare digest': { intent: rawDigestIntent(new Uint8Array(32).fill(7)), facts: approvedBy(everybody) },
  },
}

const jobs = new Map([
  ['Airdrop', airdrop],
  ['Payroll', payroll],
  ['DeFi', defi],
  ['Game', gameJob],
  ['Relayer', relayer],
  ['Treasury', treasury],
])

function decideCase(policy: Policy, job: Job, one: Case): Decision {
  const { intent } = one
  const known = facts({ operation: intent.operation, ...job.facts, ...one.facts })
  const layers = layersOf(policy)
  const unmatched = new Set(Object.keys(one.used ?? {}))
  const used = new Map<WindowKey, bigint>()
  for (const { key } of windowsNeeded(intent, known, layers)) {
    const [name, amount] = Object.entries(one.used ?? {}).find(([suffix]) => key.endsWith(suffix)) ?? []
    if (name !== undefined) unmatched.delete(name)
    used.set(key, amount ?? 0n)
  }
  // A name that no window has would test an empty window; but what December used must not count in January.
  expect([...unmatched].filter((name) => name !== december)).toEqual([])
  return evaluate({ intent, facts: known, layers, used })
}

const outcomes = { permitted: 'permitted', refused: 'refused', 'needs-approval': 'needs approval' } as const

describe.each(recipes)('docs/cookbook.md: $name', ({ name, policy, rows, blastRadius: stated }) => {
  const job = jobs.get(name) as Job

  it.each(rows)('%s: %s', (request, stated) => {
    const decision = decideCase(policy, job, job.cases[request] as Case)
    const [, code] = /`(\w+)`/.exec(stated) ?? []
    expect(outcomes[decision.outcome], JSON.stringify(codes(decision))).toBe(stated.replace(/: `.*/, ''))
    if (code !== undefined) expect(codes(decision)).toContain(code)
  })

  it('has every request in its table, some of each kind', () => {
    expect(Object.keys(job.cases)).toEqual(rows.map(([request]) => request))
    expect(rows.filter(([, decision]) => decision === 'permitted').length).toBeGreaterThan(0)
    expect(rows.filter(([, decision]) => decision.startsWith('refused')).length).toBeGreaterThan(2)
  })

  it('without the policy, nothing of it is signed', () => {
    for (const { intent, facts: more } of Object.values(job.cases)) {
      const known = facts({ operation: intent.operation, ...job.facts, ...more })
      const decision = evaluate({ intent, facts: known, layers: layersOf(undefined), used: new Map() })
      expect(codes(decision)).toContain('POLICY_NONE')
    }
  })

  it('costs at most what it says', () => {
    const found = blastRadius({
      walletId: 'wal_1',
      layers: layersOf(policy),
      owned: [{ subject: 'cred_1', role: 'agent', bearer: job.facts.bearer ?? false }],
      quorum: { needed: 2, looseningDelayMs: 0 },
      ownsKey: false,
    })
    expect(found.beyondPolicy).toEqual([])
    const bounds = found.exposure.assets
      .flatMap(({ asset, bounds }) =>
        bounds.map(
          ({ amountMinor, windowMs }) => `${shown(amountMinor, asset)} in any ${lengthOf(windowMs)}`,
        ),
      )
      .join(', ')
    const reasons = found.exposure.unbounded.map(({ rule, why }) => `rule ${rule} (${why})`)
    const rest = reasons.length === 0 ? '; nothing else' : `; beside that unbounded by ${reasons.join(', ')}`
    expect(stated).toBe(`at most ${bounds}${rest}`)
  })

  it('has no warning but those that are meant', () => {
    expect(lintPolicy(policy).map(({ code }) => code)).toEqual(job.warnings)
  })
})

/** A month of 31 days in which clocks are set back. */
function lengthOf(windowMs: number): string {
  return formatDuration(windowMs).replace('746h', 'month')
}

const units: readonly (readonly [end: string, unit: string, decimals: number])[] = [
  ['/slip44:60', 'ETH', 18],
  [usdcBase, 'USDC', 6],
  [usdc, 'USDC', 6],
  ['/7', 'items', 0],
]

function shown(amountMinor: bigint, asset: string): string {
  const [, unit, decimals = 0] = units.find(([end]) => asset.endsWith(end)) ?? []
  const scale = 10n ** BigInt(decimals)
  const part = String(amountMinor % scale)
    .padStart(decimals, '0')
    .replace(/0+$/, '')
  return `${amountMinor / scale}${decimals === 0 || part === '' ? '' : `.${part}`} ${unit}`
}

it('docs/cookbook.md has a policy for each of the six jobs', () => {
  expect(recipes.map(({ name }) => name)).toEqual([...jobs.keys()])
})
