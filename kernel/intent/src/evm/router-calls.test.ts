import type { Address, Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import {
  account,
  addressOf,
  alice,
  bob,
  calldata,
  chain,
  coinsEffect,
  effectsOf,
  erc20,
  native,
  token,
  weth,
} from '../../testing/evm-calls.ts'
import { zeroAddress } from './call.ts'
import { effectsOfCall } from './unroll.ts'

const router = addressOf('55')
const usdc = token
const dai = addressOf('da')
const sender = `0x${'00'.repeat(19)}01` as Address
const self = `0x${'00'.repeat(19)}02` as Address
const word = `0x${'11'.repeat(32)}` as Hex

function swap(change: object): object {
  return {
    kind: 'swap',
    chain,
    contract: router,
    selector: expect.any(String),
    asset: erc20(usdc),
    amountMinor: 100n,
    receivedAsset: erc20(dai),
    receivedMinor: 90n,
    recipient: bob,
    deadlineS: 99n,
    ...change,
  }
}

describe('Uniswap v2', () => {
  const path = [usdc, weth, dai]
  const exactIn = 'uint256, uint256, address[], address, uint256'
  const coinsIn = 'uint256, address[], address, uint256'
  const toCoins = { receivedAsset: native }
  const fromCoins = { asset: native }
  it.each<[string, string, string, readonly unknown[], object]>([
    ['swapExactTokensForTokens', '0x38ed1739', exactIn, [100n, 90n, path, bob, 99n], {}],
    ['swapTokensForExactTokens', '0x8803dbee', exactIn, [90n, 100n, path, bob, 99n], {}],
    ['swapExactETHForTokens', '0x7ff36ab5', coinsIn, [90n, [weth, dai], bob, 99n], fromCoins],
    ['swapTokensForExactETH', '0x4a25d94a', exactIn, [90n, 100n, [usdc, weth], bob, 99n], toCoins],
    ['swapExactTokensForETH', '0x18cbafe5', exactIn, [100n, 90n, [usdc, weth], bob, 99n], toCoins],
    ['swapETHForExactTokens', '0xfb3bdb41', coinsIn, [90n, [weth, dai], bob, 99n], fromCoins],
    [
      'swapExactTokensForTokensSupportingFeeOnTransferTokens',
      '0x5c11d795',
      exactIn,
      [100n, 90n, path, bob, 99n],
      {},
    ],
    [
      'swapExactETHForTokensSupportingFeeOnTransferTokens',
      '0xb6f9de95',
      coinsIn,
      [90n, [weth, dai], bob, 99n],
      fromCoins,
    ],
    [
      'swapExactTokensForETHSupportingFeeOnTransferTokens',
      '0x791ac947',
      exactIn,
      [100n, 90n, [usdc, weth], bob, 99n],
      toCoins,
    ],
  ])('%s', (name, selector, types, args, change) => {
    const data = calldata(`${name}(${types})`, args)
    expect(data.slice(0, 10)).toBe(selector)
    const coins = 'asset' in change ? 100n : 0n
    const before = coins === 0n ? [] : [coinsEffect(undefined, router, 100n)]
    expect(effectsOf(router, data, coins)).toEqual([...before, swap(change)])
  })

  it('has no aliases: addresses 1 and 2 are recipients', () => {
    for (const to of [sender, self]) {
      const data = calldata(`swapExactTokensForTokens(${exactIn})`, [100n, 90n, path, to, 99n])
      expect(effectsOf(router, data)).toEqual([swap({ recipient: to })])
    }
  })

  it('with a path that leads nowhere', () => {
    const data = calldata(`swapExactTokensForTokens(${exactIn})`, [100n, 90n, [usdc], bob, 99n])
    expect(effectsOf(router, data)).toMatchObject([{ kind: 'unknown-calldata' }])
  })

  it('for an account', () => {
    const data = calldata(`swapExactTokensForTokens(${exactIn})`, [100n, 90n, path, bob, 99n])
    const outer = calldata('execute(address, uint256, bytes)', [router, 0n, data])
    expect(effectsOf(account, outer).slice(1)).toEqual([swap({ account })])
  })
})

const single = 'address, address, uint24, address'
const inSingle = (to: Address, amountIn = 100n, tokenIn = usdc, tokenOut = dai) =>
  calldata(`exactInputSingle((${single}, uint256, uint256, uint256, uint160))`, [
    [tokenIn, tokenOut, 500, to, 99n, amountIn, 90n, 0n],
  ])
const outSingle = (to: Address, tokenIn = usdc, tokenOut = dai) =>
  calldata(`exactOutputSingle((${single}, uint256, uint256, uint256, uint160))`, [
    [tokenIn, tokenOut, 500, to, 99n, 90n, 100n, 0n],
  ])
const inSingle02 = (to: Address, amountIn = 100n, tokenIn = usdc, tokenOut = dai) =>
  calldata(`exactInputSingle((${single}, uint256, uint256, uint160))`, [
    [tokenIn, tokenOut, 500, to, amountIn, 90n, 0n],
  ])
const packed = (...tokens: Address[]): Hex =>
  `0x${tokens.map((one, i) => (i === 0 ? one.slice(2) : `0001f4${one.slice(2)}`)).join('')}`

describe('Uniswap v3', () => {
  const forward = packed(usdc, weth, dai)
  const backward = packed(dai, weth, usdc)
  const noDeadline = { deadlineS: undefined }
  it.each<[string, string, Hex, object]>([
    ['exactInputSingle', '0x414bf389', inSingle(bob), {}],
    ['exactOutputSingle', '0xdb3e2198', outSingle(bob), {}],
    [
      'exactInput',
      '0xc04b8d59',
      calldata('exactInput((bytes, address, uint256, uint256, uint256))', [[forward, bob, 99n, 100n, 90n]]),
      {},
    ],
    [
      'exactOutput, whose path is reversed',
      '0xf28c0498',
      calldata('exactOutput((bytes, address, uint256, uint256, uint256))', [[backward, bob, 99n, 90n, 100n]]),
      {},
    ],
    [
      'exactInputSingle to the router by zero',
      '0x414bf389',
      inSingle(zeroAddress),
      { recipient: router, receivedMinor: 0n },
    ],
    ['exactInputSingle of 02', '0x04e45aaf', inSingle02(bob), noDeadline],
    [
      'exactOutputSingle of 02',
      '0x5023b4df',
      calldata(`exactOutputSingle((${single}, uint256, uint256, uint160))`, [
        [usdc, dai, 500, bob, 90n, 100n, 0n],
      ]),
      noDeadline,
    ],
    [
      'exactInput of 02',
      '0xb858183f',
      calldata('exactInput((bytes, address, uint256, uint256))', [[forward, bob, 100n, 90n]]),
      noDeadline,
    ],
    [
      'exactOutput of 02',
      '0x09b81346',
      calldata('exactOutput((bytes, address, uint256, uint256))', [[backward, bob, 90n, 100n]]),
      noDeadline,
    ],
    [
      'v2 by 02',
      '0x472b43f3',
      calldata('swapExactTokensForTokens(uint256, uint256, address[], address)', [
        100n,
        90n,
        [usdc, dai],
        bob,
      ]),
      noDeadline,
    ],
    [
      'v2 by 02, exact out',
      '0x42712a67',
      calldata('swapTokensForExactTokens(uint256, uint256, address[], address)', [
        90n,
        100n,
        [usdc, dai],
        bob,
      ]),
      noDeadline,
    ],
    ['02 to its caller', '0x04e45aaf', inSingle02(sender), { ...noDeadline, recipient: undefined }],
    ['02 to itself', '0x04e45aaf', inSingle02(self), { ...noDeadline, recipient: router, receivedMinor: 0n }],
    [
      '02 to its own address',
      '0x04e45aaf',
      inSingle02(router),
      { ...noDeadline, recipient: router, receivedMinor: 0n },
    ],
    ['02 to zero', '0x04e45aaf', inSingle02(zeroAddress), { ...noDeadline, recipient: zeroAddress }],
    [
      '02 of what the router holds',
      '0x04e45aaf',
      inSingle02(bob, 0n),
      { ...noDeadline, amountMinor: 0n, account: router },
    ],
  ])('%s', (_, selector, data, change) => {
    expect(data.slice(0, 10)).toBe(selector)
    expect(effectsOf(router, data)).toEqual([swap(change)])
  })

  it('its caller is the account that acts', () => {
    const outer = calldata('execute(address, uint256, bytes)', [router, 0n, inSingle02(sender)])
    expect(effectsOf(account, outer)[1]).toEqual(swap({ account, recipient: account, deadlineS: undefined }))
  })

  it.each<[string, Hex]>([
    ['a path that is cut', packed(usdc, dai).slice(0, -2) as Hex],
    ['one token', packed(usdc)],
    ['no path', '0x'],
  ])('%s', (_, path) => {
    const data = calldata('exactInput((bytes, address, uint256, uint256))', [[path, bob, 100n, 90n]])
    expect(effectsOf(router, data)).toMatchObject([{ kind: 'unknown-calldata' }])
  })
})

describe('a multicall of a v3 router', () => {
  const multicall = (...data: Hex[]): Hex => calldata('multicall(bytes[])', [data])
  const unwrap = (to: Address, min: bigint) => calldata('unwrapWETH9(uint256, address)', [min, to])
  const refund = calldata('refundETH()', [])
  const batch = (calls: number, selector = '0xac9650d8') => ({
    kind: 'batch',
    chain,
    contract: router,
    form: 'router-multicall',
    calls,
    selector,
  })

  it('pays out in coins: spent and received, not what passes between', () => {
    const data = multicall(inSingle(zeroAddress, 100n, usdc, weth), unwrap(bob, 80n))
    expect(effectsOf(router, data)).toEqual([batch(2), swap({ receivedAsset: native, receivedMinor: 80n })])
  })

  it('to an attacker: the recipient is the attacker, whatever the swap guarantees', () => {
    const data = multicall(inSingle(zeroAddress, 100n, usdc, weth), unwrap(alice, 0n))
    expect(effectsOf(router, data)[1]).toEqual(
      swap({ receivedAsset: native, receivedMinor: 0n, recipient: alice }),
    )
  })

  it('that leaves everything in the router', () => {
    const data = multicall(inSingle(zeroAddress, 100n, usdc, weth))
    expect(effectsOf(router, data)[1]).toEqual(
      swap({ receivedAsset: erc20(weth), receivedMinor: 0n, recipient: router }),
    )
  })

  it('with coins for the wrapped coin: both may leave', () => {
    const data = multicall(outSingle(bob, weth), refund)
    expect(effectsOf(router, data, 100n)).toEqual([
      coinsEffect(undefined, router, 100n),
      batch(2),
      swap({ asset: erc20(weth) }),
    ])
  })

  it('wrapped on the way in: coins are spent, once', () => {
    const wrapCoins = calldata('wrapETH(uint256)', [60n])
    const data = multicall(wrapCoins, wrapCoins, inSingle02(bob, 0n, weth))
    expect(effectsOf(router, data, 100n)).toEqual([
      coinsEffect(undefined, router, 100n),
      batch(3),
      swap({ asset: native, deadlineS: undefined }),
    ])
  })

  it('adds up the parts of one trade, and keeps others apart', () => {
    const data = multicall(inSingle(bob), inSingle(bob, 50n), inSingle(alice, 5n))
    expect(effectsOf(router, data)).toEqual([
      batch(3),
      swap({ amountMinor: 150n, receivedMinor: 180n }),
      swap({ amountMinor: 5n, recipient: alice }),
    ])
  })

  it('with a fee: a share to whoever takes it', () => {
    const fee = calldata('sweepTokenWithFee(address, uint256, address, uint256, address)', [
      dai,
      90n,
      bob,
      100n,
      alice,
    ])
    expect(effectsOf(router, multicall(inSingle(zeroAddress), fee))).toEqual([
      batch(2),
      swap({ recipient: alice, amountMinor: 1n, receivedMinor: 0n }),
      swap({ recipient: bob, receivedMinor: 89n }),
    ])
  })

  it('sweeps and unwraps of 02 pay the caller', () => {
    const sweep = calldata('sweepToken(address, uint256)', [dai, 70n])
    const data = calldata('multicall(uint256, bytes[])', [77n, [inSingle02(self), sweep]])
    expect(effectsOf(router, data)).toEqual([
      batch(2, '0x5ae401dc'),
      swap({ recipient: undefined, receivedMinor: 70n, deadlineS: 77n }),
    ])
  })

  it('the earliest deadline counts', () => {
    const data = calldata('multicall(uint256, bytes[])', [100n, [inSingle(bob)]])
    expect(effectsOf(router, data)[1]).toEqual(swap({ deadlineS: 99n }))
  })

  it('a permit in it is an approval for the router', () => {
    const permit = calldata('selfPermit(address, uint256, uint256, uint8, bytes32, bytes32)', [
      usdc,
      100n,
      99n,
      27,
      word,
      word,
    ])
    const dais = calldata('selfPermitAllowed(address, uint256, uint256, uint8, bytes32, bytes32)', [
      dai,
      0n,
      99n,
      27,
      word,
      word,
    ])
    expect(effectsOf(router, multicall(permit, dais, inSingle(bob)))).toMatchObject([
      batch(3),
      { kind: 'approval', contract: usdc, spender: router, amountMinor: 100n, expiresAtS: undefined },
      { kind: 'approval', contract: dai, spender: router, amountMinor: undefined },
      swap({}),
    ])
  })

  it('tokens pulled in are a transfer and are spent', () => {
    const pull = calldata('pull(address, uint256)', [usdc, 100n])
    const data = multicall(pull, inSingle02(bob, 0n))
    expect(effectsOf(router, data)).toMatchObject([
      batch(2),
      { kind: 'token-transfer', contract: usdc, from: undefined, recipient: router, amountMinor: 100n },
      swap({ deadlineS: undefined }),
    ])
  })

  it('what the router holds of others is not the wallet’s', () => {
    const sweep = calldata('sweepToken(address, uint256, address)', [dai, 7n, bob])
    expect(effectsOf(router, multicall(sweep, unwrap(alice, 3n)))).toMatchObject([
      batch(2),
      { kind: 'token-transfer', account: router, contract: dai, recipient: bob, amountMinor: 7n },
      coinsEffect(router, alice, 3n),
    ])
  })

  it('with a step that is none, each call is its own', () => {
    const mint = calldata('mint(uint256, address)', [5n, bob])
    const data = multicall(inSingle(bob), mint, '0x12345678', '0x1234')
    expect(effectsOf(router, data, 4n)).toMatchObject([
      coinsEffect(undefined, router, 4n),
      batch(4),
      swap({}),
      { kind: 'vault-deposit', contract: router },
      { kind: 'contract-call', contract: router, selector: '0x12345678' },
      { kind: 'unknown-calldata', contract: router, calldata: '0x1234' },
    ])
  })

  it('with a step that cannot be read, none of it is', () => {
    const data = multicall(inSingle(bob), `${unwrap(bob, 1n)}00`)
    expect(effectsOf(router, data)).toMatchObject([{ kind: 'unknown-calldata', calldata: data }])
  })

  it('nests no deeper than others', () => {
    let data = inSingle(bob)
    for (let i = 0; i < 10; i++) data = multicall(data)
    expect(effectsOf(router, data).at(-1)).toMatchObject({ kind: 'unknown-calldata' })
  })
})

describe('vaults and wrapped coins', () => {
  const vault = addressOf('77')
  it.each<[string, string, Hex, object]>([
    ['deposit', '0x6e553f65', calldata('deposit(uint256, address)', [5n, bob]), { unit: 'assets' }],
    ['mint', '0x94bf804d', calldata('mint(uint256, address)', [5n, bob]), { unit: 'shares' }],
  ])('%s', (_, selector, data, change) => {
    expect(effectsOf(vault, data)).toEqual([
      { kind: 'vault-deposit', chain, contract: vault, selector, amountMinor: 5n, recipient: bob, ...change },
    ])
  })

  it.each<[string, string, Hex, object]>([
    [
      'withdraw',
      '0xb460af94',
      calldata('withdraw(uint256, address, address)', [5n, bob, alice]),
      { unit: 'assets' },
    ],
    [
      'redeem',
      '0xba087652',
      calldata('redeem(uint256, address, address)', [5n, bob, alice]),
      { unit: 'shares' },
    ],
  ])('%s', (_, selector, data, change) => {
    expect(effectsOf(vault, data)).toEqual([
      {
        kind: 'vault-withdrawal',
        chain,
        contract: vault,
        selector,
        amountMinor: 5n,
        recipient: bob,
        owner: alice,
        ...change,
      },
    ])
  })

  it('wraps and unwraps at the wrapped coin of the chain alone', () => {
    const deposit = calldata('deposit()', [])
    const withdraw = calldata('withdraw(uint256)', [5n])
    const place = { kind: 'wrap', chain, contract: weth }
    expect(effectsOf(weth, deposit, 5n)).toEqual([
      coinsEffect(undefined, weth, 5n),
      { ...place, selector: '0xd0e30db0', direction: 'wrap', asset: native, amountMinor: 5n },
    ])
    expect(effectsOf(weth, withdraw)).toEqual([
      { ...place, selector: '0x2e1a7d4d', direction: 'unwrap', asset: erc20(weth), amountMinor: 5n },
    ])
    expect(effectsOf(token, deposit, 5n)).toMatchObject([
      { kind: 'native-transfer' },
      { kind: 'contract-call' },
    ])
    const base = { account: undefined, to: weth, valueMinor: 0n, data: withdraw }
    expect(effectsOfCall('eip155:8453' as never, base)).toMatchObject([{ kind: 'contract-call' }])
    const onBase = '0x4200000000000000000000000000000000000006' as Address
    expect(effectsOfCall('eip155:8453' as never, { ...base, to: onBase })).toMatchObject([{ kind: 'wrap' }])
  })
})
