import {
  type Address,
  type AssetId,
  bitcoinMainnet,
  type ChainId,
  encodeSolanaAddress,
  type Hex,
  nativeAsset,
  parseAddress,
  type SolanaAddress,
} from '@countersign/bytes'
import { type Effect, type Intent, type Operation, parseAbiFunction } from '@countersign/intent'
import { type AddressBook, parseAddressBook } from './address-book.ts'
import type { Decision, Facts, Layer, WindowKey } from './decision.ts'
import { evaluate, type PolicyLayer, windowsNeeded } from './evaluate.ts'
import { type Policy, parsePolicy } from './policy.ts'

/** `address(1)` is 0x11…11. */
export function address(digit: number): Address {
  return parseAddress(`0x${digit.toString(16).repeat(40)}`)
}

export const chain = 'eip155:8453' as ChainId
export const otherChain = 'eip155:1' as ChainId
export const coin = `${chain}/slip44:60` as AssetId
export const otherCoin = `${otherChain}/slip44:60` as AssetId
export const tokenContract = address(12)
export const token = `${chain}/erc20:${tokenContract}` as AssetId
export const nftContract = address(13)
export const nft = `${chain}/erc721:${nftContract}` as AssetId
export const alice = address(1)
export const bob = address(2)
export const wallet = address(9)
/** A smart account that the wallet's key has a say over. */
export const account = address(8)
export const nowMs = 1_800_000_000_000

export const solana = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' as ChainId
export const bitcoin = bitcoinMainnet
export const solanaCoin = nativeAsset(solana)
/** The same byte 32 times. */
export function solanaAddress(byte: number): SolanaAddress {
  return encodeSolanaAddress(new Uint8Array(32).fill(byte))
}

export function facts(change: Partial<Facts> = {}): Facts {
  return {
    walletId: 'wal_1',
    operation: 'sign-transaction',
    credentialId: 'cred_1',
    role: 'agent',
    nowMs,
    walletAddress: wallet,
    ...change,
  }
}

export function intent(effects: readonly Effect[], operation: Operation = 'sign-transaction'): Intent {
  return { operation, chain, effects, toSign: new Uint8Array(32), payloadDigest: `0x${'00'.repeat(32)}` }
}

type Of<Kind extends Effect['kind']> = Partial<Omit<Extract<Effect, { kind: Kind }>, 'kind'>>

export const effect = {
  native: (change: Of<'native-transfer'> = {}): Effect => ({
    kind: 'native-transfer',
    chain,
    asset: coin,
    recipient: alice,
    amountMinor: 100n,
    ...change,
  }),
  token: (change: Of<'token-transfer'> = {}): Effect => ({
    kind: 'token-transfer',
    chain,
    contract: tokenContract,
    assets: [token],
    from: undefined,
    recipient: alice,
    amountMinor: 100n,
    selector: '0xa9059cbb',
    ...change,
  }),
  approval: (change: Of<'approval'> = {}): Effect => ({
    kind: 'approval',
    by: 'transaction',
    chain,
    contract: tokenContract,
    assets: [token],
    spender: alice,
    amountMinor: 100n,
    mode: 'set',
    expiresAtS: undefined,
    selector: '0x095ea7b3',
    ...change,
  }),
  call: (change: Of<'contract-call'> = {}): Effect => {
    const calldata = change.calldata ?? '0x12345678'
    return {
      kind: 'contract-call',
      chain,
      contract: address(14),
      selector: calldata.slice(0, 10) as Hex,
      calldata,
      ...change,
    }
  },
  unknown: (change: Of<'unknown-calldata'> = {}): Effect => ({
    kind: 'unknown-calldata',
    chain,
    contract: address(14),
    calldata: '0x12',
    reason: 'It is short.',
    ...change,
  }),
  deploy: (change: Of<'deploy'> = {}): Effect => ({
    kind: 'deploy',
    chain,
    initCodeHash: `0x${'d1'.repeat(32)}`,
    initCodeBytes: 5,
    valueMinor: 100n,
    ...change,
  }),
  delegation: (change: Of<'delegation'> = {}): Effect => ({
    kind: 'delegation',
    chain,
    delegate: address(7),
    authorityNonce: 1n,
    signedBy: 'own',
    ...change,
  }),
  fee: (change: Of<'fee'> = {}): Effect => ({ kind: 'fee', chain, asset: coin, amountMinor: 10n, ...change }),
  batch: (change: Of<'batch'> = {}): Effect => ({
    kind: 'batch',
    chain,
    contract: address(14),
    form: 'multicall3',
    calls: 2,
    selector: '0x82ad56cb',
    ...change,
  }),
  delegatecall: (change: Of<'delegatecall'> = {}): Effect => ({
    kind: 'delegatecall',
    chain,
    contract: address(14),
    calldata: '0x12345678',
    ...change,
  }),
  userop: (change: Of<'user-operation'> = {}): Effect => ({
    kind: 'user-operation',
    chain,
    entryPoint: address(6),
    version: '0.7',
    sender: account,
    nonce: 7n,
    factory: undefined,
    paymaster: undefined,
    userOpHash: `0x${'d5'.repeat(32)}`,
    ...change,
  }),
  safe: (change: Of<'safe-transaction'> = {}): Effect => ({
    kind: 'safe-transaction',
    chain,
    safe: account,
    by: 'signature',
    operation: 'call',
    to: alice,
    nonce: 3n,
    ...change,
  }),
  grant: (change: Of<'delegation-grant'> = {}): Effect => ({
    kind: 'delegation-grant',
    chain,
    delegationManager: address(6),
    delegator: account,
    delegate: address(7),
    authority: `0x${'ff'.repeat(32)}`,
    caveats: [{ enforcer: address(5), terms: '0x01' }],
    ...change,
  }),
  swap: (change: Of<'swap'> = {}): Effect => ({
    kind: 'swap',
    chain,
    contract: address(14),
    selector: '0x414bf389',
    asset: coin,
    amountMinor: 100n,
    receivedAsset: token,
    receivedMinor: 300n,
    recipient: wallet,
    deadlineS: undefined,
    ...change,
  }),
  deposit: (change: Of<'vault-deposit'> = {}): Effect => ({
    kind: 'vault-deposit',
    chain,
    contract: address(14),
    selector: '0x6e553f65',
    amountMinor: 100n,
    unit: 'assets',
    recipient: wallet,
    ...change,
  }),
  withdrawal: (change: Of<'vault-withdrawal'> = {}): Effect => ({
    kind: 'vault-withdrawal',
    chain,
    contract: address(14),
    selector: '0xb460af94',
    amountMinor: 100n,
    unit: 'assets',
    recipient: wallet,
    owner: wallet,
    ...change,
  }),
  wrap: (change: Of<'wrap'> = {}): Effect => ({
    kind: 'wrap',
    chain,
    contract: address(14),
    selector: '0xd0e30db0',
    direction: 'wrap',
    asset: coin,
    amountMinor: 100n,
    ...change,
  }),
  program: (change: Of<'program-call'> = {}): Effect => ({
    kind: 'program-call',
    chain: solana,
    program: solanaAddress(7),
    instruction: 'increment',
    data: '0x0102030405060708ff',
    accounts: [
      { address: solanaAddress(1), isSigner: true, isWritable: true },
      { address: solanaAddress(2), isSigner: false, isWritable: true },
    ],
    ...change,
  }),
  creation: (change: Of<'account-creation'> = {}): Effect => ({
    kind: 'account-creation',
    chain: solana,
    address: solanaAddress(3),
    program: solanaAddress(7),
    amountMinor: 100n,
    owner: solanaAddress(1),
    mint: solanaAddress(4),
    ...change,
  }),
  authority: (change: Of<'token-authority'> = {}): Effect => ({
    kind: 'token-authority',
    chain: solana,
    address: solanaAddress(3),
    authority: 'accountOwner',
    newAuthority: solanaAddress(2),
    ...change,
  }),
  stake: (change: Of<'stake'> = {}): Effect => ({
    kind: 'stake',
    chain: solana,
    action: 'withdraw',
    stakeAccount: solanaAddress(3),
    counterparty: solanaAddress(2),
    amountMinor: 100n,
    ...change,
  }),
  memo: (change: Of<'memo'> = {}): Effect => ({
    kind: 'memo',
    chain: solana,
    text: 'hello',
    memoBytes: 5,
    ...change,
  }),
  data: (change: Of<'data-output'> = {}): Effect => ({
    kind: 'data-output',
    chain: bitcoin,
    data: '0x6a01ff',
    amountMinor: 0n,
    ...change,
  }),
  message: (change: Of<'message'> = {}): Effect => ({
    kind: 'message',
    text: 'hello',
    messageBytes: 5,
    messageHash: `0x${'d2'.repeat(32)}`,
    ...change,
  }),
  typed: (change: Of<'typed-data'> = {}): Effect => ({
    kind: 'typed-data',
    chain,
    verifyingContract: address(15),
    primaryType: 'Order',
    domain: { name: 'Shop', chainId: 8453n, verifyingContract: address(15) },
    message: { maker: alice, amount: 100n, open: true, legs: [{ to: bob }] },
    ...change,
  }),
  digest: (change: Of<'raw-digest'> = {}): Effect => ({
    kind: 'raw-digest',
    digest: `0x${'d3'.repeat(32)}`,
    ...change,
  }),
  raw: (change: Of<'raw-message'> = {}): Effect => ({
    kind: 'raw-message',
    messageHash: `0x${'d4'.repeat(32)}`,
    messageBytes: 9,
    ...change,
  }),
}

export type LooseRule = Record<string, unknown>

export function policy(...rules: readonly LooseRule[]): Policy {
  return parsePolicy(document(...rules))
}

/** With keys of the file besides its rules. */
export function policyWith(more: Record<string, unknown>, ...rules: readonly LooseRule[]): Policy {
  return parsePolicy({ ...document(...rules), ...more })
}

export function document(...rules: readonly LooseRule[]) {
  return {
    version: 1,
    id: 'test',
    rules: rules.map((rule, i) => ({ id: `r${i}`, action: 'permit', ...rule })),
  }
}

export function amountLimit(amount: bigint | string, asset: string = coin, rolling = '24h', id = 'day') {
  return { id, amount: String(amount), asset, window: { rolling } }
}

export function countLimit(count: number, rolling = '24h', id = 'count') {
  return { id, count, window: { rolling } }
}

export interface Asked {
  readonly effects: readonly Effect[]
  readonly facts?: Partial<Facts>
  /** By the end of the window's key, for example `r0|day`; every other total is 0. */
  readonly used?: Readonly<Record<string, bigint>>
}

export function book(id: string, ...addresses: readonly string[]): AddressBook {
  return parseAddressBook({ version: 1, id, addresses: addresses.map((entry) => ({ address: entry })) })
}

export function books(...all: readonly AddressBook[]): ReadonlyMap<string, AddressBook> {
  return new Map(all.map((one) => [one.id, one]))
}

export function layersOf(...policies: readonly (Policy | undefined)[]): PolicyLayer[] {
  const names: readonly Layer[] = ['wallet', 'organisation', 'grant']
  return policies.map((one, i) => ({ layer: names[i] as Layer, policy: one }))
}

export function decide(layers: readonly PolicyLayer[], asked: Asked): Decision {
  const known = facts(asked.facts)
  const request = intent(asked.effects, known.operation)
  const used = new Map<WindowKey, bigint>()
  for (const { key } of windowsNeeded(request, known, layers)) {
    const entry = Object.entries(asked.used ?? {}).find(([suffix]) => key.endsWith(suffix))
    used.set(key, entry?.[1] ?? 0n)
  }
  return evaluate({ intent: request, facts: known, layers, used })
}

/** One rule, one effect. */
export function permits(rule: LooseRule, one: Effect, change?: Partial<Facts>): boolean {
  return decide(layersOf(policy(rule)), {
    effects: [one],
    ...(change === undefined ? {} : { facts: change }),
  }).permitted
}

export function codes(decision: Decision): string[] {
  return [...decision.reasons, ...decision.effects.flatMap(({ reasons }) => reasons)].map(({ code }) => code)
}

/** The calldata of a call whose arguments are all static words. */
export function calldataOf(signature: string, ...words: readonly bigint[]): Hex {
  const { selector } = parseAbiFunction(signature)
  return `${selector}${words.map((word) => word.toString(16).padStart(64, '0')).join('')}`
}
