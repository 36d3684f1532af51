import type { Address, Hex } from '@countersign/bytes'
import { encodeAbiParameters, encodePacked, parseAbiParameters } from 'viem'
import { describe, expect, it } from 'vitest'
import {
  alice,
  bob,
  calldata,
  chain,
  coinsEffect,
  account as delegator,
  effectsOf,
  token,
  transfer,
  transferEffect,
} from '../../testing/evm-calls.ts'
import { typedDataIntent } from '../typed-data-intent.ts'

const manager = '0xdb9b1e94b5b69df7e401ddbede43491141047db3' as Address
const enforcer = `0x${'ef'.repeat(20)}` as Address
const rootAuthority = `0x${'ff'.repeat(32)}` as Hex
const singleMode = `0x${'00'.repeat(32)}` as Hex
const batchMode = `0x01${'00'.repeat(31)}` as Hex
const delegateMode = `0xff${'00'.repeat(31)}` as Hex

const delegations = parseAbiParameters(
  '(address delegate, address delegator, bytes32 authority, (address enforcer, bytes terms, bytes args)[] caveats, uint256 salt, bytes signature)[]',
)

interface Given {
  readonly delegate: Address
  readonly delegator: Address
  readonly args?: Hex
}

function contextOf(...chainOfDelegations: readonly Given[]): Hex {
  return encodeAbiParameters(delegations, [
    chainOfDelegations.map(({ delegate, delegator, args = '0x' }) => ({
      delegate,
      delegator,
      authority: rootAuthority,
      caveats: [{ enforcer, terms: '0x01' as Hex, args }],
      salt: 0n,
      signature: '0x1234' as Hex,
    })),
  ])
}

const single = encodePacked(['address', 'uint256', 'bytes'], [token, 3n, transfer(bob, 7n)])
const inner = (by: Address | undefined) => [coinsEffect(by, token, 3n), transferEffect(by, bob, 7n)]
const root = { delegate: alice, delegator }

function redeem(contexts: readonly Hex[], modes: readonly Hex[], executions: readonly Hex[]): Hex {
  return calldata('redeemDelegations(bytes[], bytes32[], bytes[])', [contexts, modes, executions])
}

const batch = (calls: number) => ({
  kind: 'batch',
  chain,
  contract: manager,
  form: 'delegation-redemption',
  calls,
  selector: '0xcef6d209',
})

describe('redeemDelegations', () => {
  it('acts as the root’s delegator', () => {
    expect(effectsOf(manager, redeem([contextOf(root)], [singleMode], [single]))).toEqual([
      batch(1),
      ...inner(delegator),
    ])
    const chained = contextOf({ delegate: bob, delegator: alice }, root)
    expect(effectsOf(manager, redeem([chained], [singleMode], [single]))).toEqual([
      batch(1),
      ...inner(delegator),
    ])
  })

  it('without delegations acts as whoever redeems', () => {
    const data = redeem([contextOf()], [singleMode], [single])
    expect(effectsOf(manager, data)).toEqual([batch(1), ...inner(undefined)])
    const outer = calldata('execute(address, uint256, bytes)', [manager, 0n, data])
    expect(effectsOf(alice, outer).slice(1)).toEqual([{ ...batch(1), account: alice }, ...inner(alice)])
  })

  it('several, each in its mode', () => {
    const items = [{ to: bob, value: 1n, data: '0x' as Hex }]
    const executed = encodeAbiParameters(parseAbiParameters('(address to, uint256 value, bytes data)[]'), [
      items,
    ])
    const code = encodePacked(['address', 'bytes'], [token, '0x12345678'])
    const other = contextOf({ delegate: alice, delegator: bob })
    const data = redeem(
      [contextOf(root), other, contextOf(root)],
      [singleMode, batchMode, delegateMode],
      [single, executed, code],
    )
    expect(effectsOf(manager, data)).toEqual([
      batch(3),
      ...inner(delegator),
      coinsEffect(bob, bob, 1n),
      { kind: 'delegatecall', account: delegator, chain, contract: token, calldata: '0x12345678' },
    ])
  })

  it('what the redeemer gives an enforcer is unreadable', () => {
    const data = redeem([contextOf({ ...root, args: '0xbeef' })], [singleMode], [single])
    expect(effectsOf(manager, data)).toMatchObject([
      batch(1),
      ...inner(delegator),
      { kind: 'unknown-calldata', account: delegator, contract: enforcer, calldata: '0xbeef' },
    ])
  })

  it.each<[string, Hex]>([
    ['lists of two lengths', redeem([contextOf(root)], [], [single])],
    ['a context that is none', redeem(['0x1234'], [singleMode], [single])],
    ['a context with bytes after it', redeem([`${contextOf(root)}00`], [singleMode], [single])],
    ['a mode that nobody knows', redeem([contextOf(root)], [`0x02${'00'.repeat(31)}`], [single])],
    ['an execution that is cut', redeem([contextOf(root)], [singleMode], ['0x1234'])],
  ])('%s cannot be read', (_, data) => {
    expect(effectsOf(manager, data)).toMatchObject([
      { kind: 'unknown-calldata', contract: manager, calldata: data },
    ])
  })

  it('disabling and enabling are mere calls', () => {
    const one = '(address, address, bytes32, (address, bytes, bytes)[], uint256, bytes)'
    for (const name of ['disableDelegation', 'enableDelegation']) {
      const data = calldata(`${name}(${one})`, [[alice, delegator, rootAuthority, [], 0n, '0x']])
      expect(effectsOf(manager, data)).toMatchObject([{ kind: 'contract-call', contract: manager }])
    }
  })
})

describe('Delegation', () => {
  const typed = {
    domain: { name: 'DelegationManager', version: '1', chainId: 1, verifyingContract: manager },
    types: {
      Caveat: [
        { name: 'enforcer', type: 'address' },
        { name: 'terms', type: 'bytes' },
      ],
      Delegation: [
        { name: 'delegate', type: 'address' },
        { name: 'delegator', type: 'address' },
        { name: 'authority', type: 'bytes32' },
        { name: 'caveats', type: 'Caveat[]' },
        { name: 'salt', type: 'uint256' },
      ],
    },
    primaryType: 'Delegation',
    message: {
      delegate: alice,
      delegator,
      authority: rootAuthority,
      caveats: [{ enforcer, terms: '0x01' }],
      salt: 0,
    },
  }

  it('is a grant by the delegator, and typed data as well', () => {
    expect(typedDataIntent(typed).effects).toEqual([
      {
        kind: 'delegation-grant',
        account: delegator,
        chain,
        delegationManager: manager,
        delegator,
        delegate: alice,
        authority: rootAuthority,
        caveats: [{ enforcer, terms: '0x01' }],
      },
      expect.objectContaining({ kind: 'typed-data', primaryType: 'Delegation' }),
    ])
  })

  const { domain, types, message } = typed
  it.each<[string, object]>([
    ['without a chain', { ...typed, domain: { ...domain, chainId: undefined } }],
    ['without a manager', { ...typed, domain: { ...domain, verifyingContract: undefined } }],
    [
      'with another field',
      {
        ...typed,
        types: { ...types, Delegation: [...types.Delegation, { name: 'more', type: 'bytes' }] },
        message: { ...message, more: '0x' },
      },
    ],
    [
      'with other caveats',
      {
        ...typed,
        types: { ...types, Caveat: [{ name: 'enforcer', type: 'address' }] },
        message: { ...message, caveats: [{ enforcer }] },
      },
    ],
  ])('%s is opaque', (_, data) => {
    expect(typedDataIntent(data as never).effects).toMatchObject([{ kind: 'typed-data', opaquePermit: true }])
  })
})
