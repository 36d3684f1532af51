import type { Address, Hex } from '@countersign/bytes'
import { concatHex, encodePacked, type Hex as ViemHex } from 'viem'
import { describe, expect, it } from 'vitest'
import {
  alice,
  bob,
  calldata,
  chain,
  coinsEffect,
  effectsOf,
  erc20,
  native,
  account as safe,
  token,
  transfer,
  transferEffect,
} from '../../testing/evm-calls.ts'
import { typedDataIntent } from '../typed-data-intent.ts'
import { batchItemsMax, zeroAddress } from './call.ts'

const pay = transfer(bob, 7n)
const multiSend = '0x38869bf66a61cf6bdb996a6ae40d5853fd43b526' as Address
const multiSendCallOnly = '0x9641d764fc13c8b624c04430c7356c1c7c8102e2' as Address
const oldMultiSend = '0x8d29be29923b68abfdd21e541b9374737b49cdad' as Address

interface Item {
  readonly operation?: number
  readonly to: Address
  readonly value?: bigint
  readonly data?: Hex
}

function packed(items: readonly Item[]): Hex {
  return concatHex(
    items.map(({ operation = 0, to, value = 0n, data = '0x' }) =>
      encodePacked(
        ['uint8', 'address', 'uint256', 'uint256', 'bytes'],
        [operation, to, value, BigInt((data.length - 2) / 2), data],
      ),
    ) as ViemHex[],
  )
}

function multiSendData(items: readonly Item[]): Hex {
  return calldata('multiSend(bytes)', [packed(items)])
}

interface SafeFields {
  readonly to: Address
  readonly value: bigint
  readonly data: Hex
  readonly operation: number
  readonly safeTxGas: bigint
  readonly baseGas: bigint
  readonly gasPrice: bigint
  readonly gasToken: Address
  readonly refundReceiver: Address
}

const plain: SafeFields = {
  to: token,
  value: 0n,
  data: pay,
  operation: 0,
  safeTxGas: 0n,
  baseGas: 0n,
  gasPrice: 0n,
  gasToken: zeroAddress,
  refundReceiver: zeroAddress,
}

function execTransaction(change: Partial<SafeFields>): Hex {
  const tx = { ...plain, ...change }
  return calldata(
    'execTransaction(address, uint256, bytes, uint8, uint256, uint256, uint256, address, address, bytes)',
    [
      tx.to,
      tx.value,
      tx.data,
      tx.operation,
      tx.safeTxGas,
      tx.baseGas,
      tx.gasPrice,
      tx.gasToken,
      tx.refundReceiver,
      `0x${'11'.repeat(65)}`,
    ],
  )
}

const executed = {
  kind: 'safe-transaction',
  chain,
  safe,
  by: 'transaction',
  nonce: undefined,
  operation: 'call',
  to: token,
}

describe('execTransaction', () => {
  it('a call', () => {
    const data = execTransaction({ value: 2n })
    expect(data.slice(0, 10)).toBe('0x6a761202')
    expect(effectsOf(safe, data, 1n)).toEqual([
      coinsEffect(undefined, safe, 1n),
      executed,
      coinsEffect(safe, token, 2n),
      transferEffect(safe, bob, 7n),
    ])
  })

  it('a delegatecall is flagged, and what it would do is not guessed', () => {
    expect(effectsOf(safe, execTransaction({ operation: 1 }))).toEqual([
      { ...executed, operation: 'delegatecall' },
      { kind: 'delegatecall', account: safe, chain, contract: token, calldata: pay },
    ])
  })

  it('an operation that no Safe knows', () => {
    expect(effectsOf(safe, execTransaction({ operation: 2 }))).toMatchObject([{ kind: 'unknown-calldata' }])
  })

  it('a module’s calls', () => {
    for (const name of ['execTransactionFromModule', 'execTransactionFromModuleReturnData']) {
      const data = calldata(`${name}(address, uint256, bytes, uint8)`, [token, 0n, pay, 0])
      expect(effectsOf(safe, data)).toEqual([executed, transferEffect(safe, bob, 7n)])
    }
  })

  it('of a Safe that another account owns', () => {
    const outer = calldata('execute(address, uint256, bytes)', [safe, 0n, execTransaction({})])
    expect(effectsOf(alice, outer).slice(1)).toEqual([
      { ...executed, account: alice },
      transferEffect(safe, bob, 7n),
    ])
  })
})

describe('the refund', () => {
  const gas = { safeTxGas: 100_000n, baseGas: 20_000n, gasPrice: 3n }
  const amountMinor = (100_000n + 20_000n + 50_000n) * 3n

  it.each<[string, Partial<SafeFields>, object | undefined]>([
    ['none at price 0', { ...gas, gasPrice: 0n, refundReceiver: bob }, undefined],
    ['in coins, to whoever sends it', gas, { kind: 'fee', account: safe, chain, asset: native, amountMinor }],
    ['in coins, to somebody', { ...gas, refundReceiver: bob }, coinsEffect(safe, bob, amountMinor)],
    [
      'in a token, to whoever sends it',
      { ...gas, gasToken: token },
      { kind: 'fee', account: safe, chain, asset: erc20(token), amountMinor },
    ],
    [
      'in a token, to somebody',
      { ...gas, gasToken: token, refundReceiver: bob },
      { ...transferEffect(safe, bob, amountMinor), selector: undefined },
    ],
  ])('%s', (_, change, refund) => {
    const effects = effectsOf(safe, execTransaction(change))
    expect(effects.slice(2)).toEqual(refund === undefined ? [] : [refund])
    const { effects: signed } = typedDataIntent(safeTx(change))
    expect(signed.slice(2, -1)).toEqual(refund === undefined ? [] : [refund])
  })

  it('at a price that takes everything', () => {
    const gasPrice = (1n << 256n) - 1n
    expect(effectsOf(safe, execTransaction({ gasPrice, baseGas: 1n })).at(-1)).toMatchObject({
      kind: 'fee',
      amountMinor: 50_001n * gasPrice,
    })
  })
})

describe('MultiSend', () => {
  const items: Item[] = [
    { to: token, data: pay },
    { to: bob, value: 4n },
    { operation: 1, to: alice, data: '0x12345678' },
  ]
  const inner = (by: Address) => [
    transferEffect(by, bob, 7n),
    coinsEffect(by, bob, 4n),
    { kind: 'delegatecall', account: by, chain, contract: alice, calldata: '0x12345678' },
  ]
  const batch = (contract: Address, by: Address | undefined) => ({
    kind: 'batch',
    ...(by === undefined ? {} : { account: by }),
    chain,
    contract,
    form: 'multisend',
    calls: 3,
    selector: '0x8d80ff0a',
  })

  it.each([
    multiSend,
    multiSendCallOnly,
    '0xa238cbeb142c10ef7ad8442c6d1f9e89e07e7761' as Address,
    '0x218543288004cd07832472d464648173c77d7eb7' as Address,
  ])('unrolls a delegatecall to %s', (to) => {
    const data = execTransaction({ to, data: multiSendData(items), operation: 1 })
    expect(effectsOf(safe, data)).toEqual([
      { ...executed, operation: 'delegatecall', to },
      batch(to, safe),
      ...inner(safe),
    ])
  })

  it('makes the calls as itself when it is called plainly', () => {
    expect(effectsOf(multiSendCallOnly, multiSendData(items))).toEqual([
      batch(multiSendCallOnly, undefined),
      ...inner(multiSendCallOnly),
    ])
  })

  it.each([oldMultiSend, token])('is nothing special at %s', (to) => {
    const data = multiSendData(items)
    expect(effectsOf(safe, execTransaction({ to, data, operation: 1 }))).toMatchObject([
      { kind: 'safe-transaction' },
      { kind: 'delegatecall', account: safe, contract: to, calldata: data },
    ])
    expect(effectsOf(to, data)).toMatchObject([{ kind: 'contract-call', contract: to }])
  })

  it('nests', () => {
    const nested = multiSendData([{ operation: 1, to: multiSend, data: multiSendData(items) }])
    const data = execTransaction({ to: multiSend, data: nested, operation: 1 })
    expect(effectsOf(safe, data).slice(2)).toEqual([batch(multiSend, safe), ...inner(safe)])
  })

  it('reads the zero address as nobody and as the Safe', () => {
    const data = multiSendData([{ to: zeroAddress, data: '0x12345678' }])
    expect(effectsOf(safe, execTransaction({ to: multiSend, data, operation: 1 })).slice(2)).toMatchObject([
      { kind: 'contract-call', account: safe, contract: zeroAddress },
      { kind: 'contract-call', account: safe, contract: safe },
    ])
  })

  const good = packed(items)
  it.each<[string, Hex]>([
    ['cut in a head', good.slice(0, -2 * 20) as Hex],
    ['cut in a call', good.slice(0, -2) as Hex],
    ['with bytes after the end', `${good}00`],
    ['of an operation that nobody knows', packed([{ operation: 2, to: bob }])],
    ['of a length over everything', `0x00${bob.slice(2)}${'00'.repeat(32)}${'ff'.repeat(32)}`],
    ['too long', packed(Array.from({ length: batchItemsMax + 1 }, () => ({ to: bob })))],
  ])('%s it is a delegatecall like any other', (_, transactions) => {
    const data = calldata('multiSend(bytes)', [transactions])
    expect(effectsOf(safe, execTransaction({ to: multiSend, data, operation: 1 }))).toMatchObject([
      { kind: 'safe-transaction' },
      { kind: 'delegatecall', contract: multiSend, calldata: data },
    ])
    expect(effectsOf(multiSend, data)).toMatchObject([{ kind: 'unknown-calldata' }])
  })
})

const safeTxType = [
  { name: 'to', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'data', type: 'bytes' },
  { name: 'operation', type: 'uint8' },
  { name: 'safeTxGas', type: 'uint256' },
  { name: 'baseGas', type: 'uint256' },
  { name: 'gasPrice', type: 'uint256' },
  { name: 'gasToken', type: 'address' },
  { name: 'refundReceiver', type: 'address' },
  { name: 'nonce', type: 'uint256' },
]

function safeTx(change: Partial<SafeFields>) {
  return {
    domain: { chainId: 1, verifyingContract: safe } as Record<string, unknown>,
    types: { SafeTx: safeTxType } as Record<string, { name: string; type: string }[]>,
    primaryType: 'SafeTx',
    message: { ...plain, ...change, nonce: 9n } as Record<string, unknown>,
  }
}

describe('SafeTx', () => {
  it('is read, and stands as typed data as well', () => {
    const { effects, chain: named } = typedDataIntent(safeTx({ value: 2n }))
    expect(named).toBe(chain)
    expect(effects.slice(0, -1)).toEqual([
      { ...executed, account: safe, by: 'signature', nonce: 9n },
      coinsEffect(safe, token, 2n),
      transferEffect(safe, bob, 7n),
    ])
    expect(effects.at(-1)).toMatchObject({
      kind: 'typed-data',
      primaryType: 'SafeTx',
      verifyingContract: safe,
    })
    expect(effects.at(-1)).not.toHaveProperty('opaquePermit')
  })

  it('with a delegatecall to MultiSend', () => {
    const data = multiSendData([{ to: token, data: pay }])
    const { effects } = typedDataIntent(safeTx({ to: multiSend, data, operation: 1 }))
    expect(effects.slice(0, -1)).toMatchObject([
      { kind: 'safe-transaction', operation: 'delegatecall' },
      { kind: 'batch', account: safe, form: 'multisend' },
      transferEffect(safe, bob, 7n),
    ])
  })

  const before13 = safeTx({})
  const renamed = safeTx({})
  it.each([
    ['without a chain, as before 1.3.0', { ...before13, domain: { verifyingContract: safe } }],
    ['without a Safe', { ...before13, domain: { chainId: 1 } }],
    ['with an operation that no Safe knows', safeTx({ operation: 2 })],
    [
      'with a field of another name',
      {
        ...renamed,
        types: { SafeTx: safeTxType.map((f) => (f.name === 'baseGas' ? { ...f, name: 'dataGas' } : f)) },
        message: { ...plain, baseGas: undefined, dataGas: 0n, nonce: 9n },
      },
    ],
    [
      'inside another struct',
      {
        ...renamed,
        primaryType: 'Order',
        types: { Order: [{ name: 'tx', type: 'SafeTx' }], SafeTx: safeTxType },
        message: { tx: renamed.message },
      },
    ],
  ])('%s is opaque', (_, data) => {
    expect(typedDataIntent(data).effects).toMatchObject([{ kind: 'typed-data', opaquePermit: true }])
  })
})

describe('SafeMessage', () => {
  const message = (content: Hex) => ({
    domain: { chainId: 1, verifyingContract: safe },
    types: { SafeMessage: [{ name: 'message', type: 'bytes' }] },
    primaryType: 'SafeMessage',
    message: { message: content },
  })

  it('of 32 bytes is a digest of the Safe', () => {
    const digest = `0x${'ab'.repeat(32)}` as Hex
    expect(typedDataIntent(message(digest)).effects).toMatchObject([
      { kind: 'raw-digest', account: safe, digest },
      { kind: 'typed-data' },
    ])
  })

  it('of any other length is a message of the Safe', () => {
    expect(typedDataIntent(message('0x68690a')).effects).toMatchObject([
      { kind: 'message', account: safe, text: 'hi\n', messageBytes: 3 },
      { kind: 'typed-data' },
    ])
  })
})
