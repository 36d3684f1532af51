import type { Address, Hex } from '@countersign/bytes'
import { concatHex, encodeAbiParameters, encodePacked, parseAbiParameters, toHex } from 'viem'
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

const router = '0x66a9893cc07d91d95644aedd05d03f95e1dba8af' as Address
const usdc = token
const dai = addressOf('da')
const user = `0x${'00'.repeat(19)}01` as Address
const self = `0x${'00'.repeat(19)}02` as Address
const all = 1n << 255n

type Step = readonly [code: number, input: Hex]

const encode = (types: string, values: readonly unknown[]): Hex =>
  encodeAbiParameters(parseAbiParameters(types as never) as never, values as never)
const v3Path = (...tokens: Address[]): Hex =>
  concatHex(tokens.map((one, i) => (i === 0 ? one : encodePacked(['uint24', 'address'], [500, one]))))

const swapTypes = 'address, uint256, uint256, bytes, bool'
const v2Types = 'address, uint256, uint256, address[], bool'
const v3In = (to: Address, amount = 100n, path = v3Path(usdc, dai), byUser = true): Step => [
  0x00,
  encode(swapTypes, [to, amount, 90n, path, byUser]),
]
const v3Out = (to: Address, path = v3Path(dai, weth, usdc), byUser = true): Step => [
  0x01,
  encode(swapTypes, [to, 90n, 100n, path, byUser]),
]
const v2In = (to: Address, path = [usdc, dai], byUser = true, amount = 100n): Step => [
  0x08,
  encode(v2Types, [to, amount, 90n, path, byUser]),
]
const v2Out = (to: Address, path = [usdc, dai], byUser = true): Step => [
  0x09,
  encode(v2Types, [to, 90n, 100n, path, byUser]),
]
const sweep = (asset: Address, to: Address, min: bigint): Step => [
  0x04,
  encode('address, address, uint256', [asset, to, min]),
]
const transferStep = (asset: Address, to: Address, amount: bigint): Step => [
  0x05,
  encode('address, address, uint256', [asset, to, amount]),
]
const portion = (asset: Address, to: Address, bips: bigint): Step => [
  0x06,
  encode('address, address, uint256', [asset, to, bips]),
]
const wrap = (to: Address, amount: bigint): Step => [0x0b, encode('address, uint256', [to, amount])]
const unwrap = (to: Address, min: bigint): Step => [0x0c, encode('address, uint256', [to, min])]
const allowFailure = ([code, input]: Step): Step => [code | 0x80, input]

function execute(...steps: Step[]): Hex {
  return calldata('execute(bytes, bytes[], uint256)', [
    concatHex(steps.map(([code]) => toHex(code, { size: 1 }))),
    steps.map(([, input]) => input),
    99n,
  ])
}

const batch = (calls: number) => ({
  kind: 'batch',
  chain,
  contract: router,
  form: 'universal-router',
  calls,
  selector: '0x3593564c',
})
function swap(change: object): object {
  return {
    kind: 'swap',
    chain,
    contract: router,
    selector: '0x3593564c',
    asset: erc20(usdc),
    amountMinor: 100n,
    receivedAsset: erc20(dai),
    receivedMinor: 90n,
    recipient: undefined,
    deadlineS: 99n,
    ...change,
  }
}
const contractCall = { kind: 'contract-call', chain, contract: router, selector: '0x3593564c' }

describe('the Universal Router', () => {
  const toBob = swap({ recipient: bob })
  it.each<[string, Step, object]>([
    ['v3, exact in', v3In(bob), toBob],
    ['v3, exact out', v3Out(bob), toBob],
    ['v2, exact in', v2In(bob), toBob],
    ['v2, exact out', v2Out(bob), toBob],
    ['to the caller', v3In(user), swap({})],
    ['to the router, which is anybody’s', v3In(self), swap({ recipient: router, receivedMinor: 0n })],
    ['to the router by its address', v3In(router), swap({ recipient: router, receivedMinor: 0n })],
    [
      'with least prices per hop (since 2.1.1)',
      [0x00, encode(`${swapTypes}, uint256[]`, [bob, 100n, 90n, v3Path(usdc, dai), true, [1n]])],
      toBob,
    ],
    [
      'that may fail: nothing is guaranteed',
      allowFailure(v3In(bob)),
      swap({ recipient: bob, receivedMinor: 0n }),
    ],
  ])('%s', (_, step, effect) => {
    expect(effectsOf(router, execute(step))).toEqual([batch(1), effect])
  })

  it('without a deadline', () => {
    const data = calldata('execute(bytes, bytes[])', ['0x00', [v3In(bob)[1]]])
    expect(effectsOf(router, data)).toEqual([
      { ...batch(1), selector: '0x24856bc3' },
      swap({ recipient: bob, selector: '0x24856bc3', deadlineS: undefined }),
    ])
  })

  it('from coins: wrapped, swapped, the rest unwrapped and sent back', () => {
    const data = execute(wrap(self, 100n), v3Out(user, v3Path(dai, weth), false), unwrap(user, 0n))
    expect(effectsOf(router, data, 100n)).toEqual([
      coinsEffect(undefined, router, 100n),
      batch(3),
      swap({ asset: native }),
    ])
  })

  it('to coins, with a fee', () => {
    const data = execute(v3In(self, 100n, v3Path(usdc, weth)), portion(weth, alice, 25n), unwrap(bob, 80n))
    expect(effectsOf(router, data)).toEqual([
      batch(3),
      swap({ receivedAsset: erc20(weth), receivedMinor: 0n, recipient: alice, amountMinor: 1n }),
      swap({ receivedAsset: native, receivedMinor: 80n, recipient: bob }),
    ])
  })

  it('a fee of everything is everything', () => {
    const data = execute(v3In(self), portion(dai, alice, 10_000n), sweep(dai, user, 0n))
    expect(effectsOf(router, data)).toEqual([
      batch(3),
      swap({ receivedMinor: 0n, recipient: alice }),
      swap({ receivedMinor: 0n }),
    ])
  })

  it('shares add up, and what they leave is the router’s', () => {
    const left = swap({ receivedMinor: 0n, recipient: router })
    const data = execute(v3In(self), portion(dai, alice, 6_000n), portion(dai, alice, 6_000n))
    expect(effectsOf(router, data)).toEqual([batch(3), swap({ receivedMinor: 0n, recipient: alice }), left])
    const small = execute(v3In(self), portion(dai, user, 1n))
    expect(effectsOf(router, small)).toEqual([batch(2), swap({ amountMinor: 1n, receivedMinor: 0n }), left])
    const coins = execute(portion(zeroAddress, alice, 5_000n))
    expect(effectsOf(router, coins, 100n).slice(2)).toEqual([
      swap({ asset: native, amountMinor: 50n, receivedAsset: native, receivedMinor: 0n, recipient: alice }),
      swap({ asset: native, receivedAsset: native, receivedMinor: 0n, recipient: router }),
    ])
  })

  it('a small trade for somebody does not hide that the rest goes there, too', () => {
    const data = execute(v3In(alice, 1n), sweep(zeroAddress, alice, 0n))
    expect(effectsOf(router, data, 100n).slice(2)).toEqual([
      swap({ amountMinor: 1n, recipient: alice }),
      swap({ asset: native, receivedAsset: native, receivedMinor: 0n, recipient: alice }),
    ])
    const shared = execute(v3In(self), portion(dai, alice, 1n), sweep(dai, user, 80n), sweep(usdc, alice, 0n))
    expect(effectsOf(router, shared).slice(1)).toEqual([
      swap({ amountMinor: 1n, receivedMinor: 0n, recipient: alice }),
      swap({ receivedMinor: 80n }),
      swap({ receivedAsset: erc20(usdc), receivedMinor: 0n, recipient: alice }),
    ])
  })

  it('a split route that is swept once', () => {
    const data = execute(v3In(self, 60n), v2In(self, [usdc, weth, dai], true, 40n), sweep(dai, bob, 95n))
    expect(effectsOf(router, data)).toEqual([batch(3), swap({ receivedMinor: 95n, recipient: bob })])
  })

  it('swept to an attacker, and by less than the swap guarantees', () => {
    const data = execute(v3In(self), sweep(dai, alice, 0n))
    expect(effectsOf(router, data)).toEqual([batch(2), swap({ receivedMinor: 0n, recipient: alice })])
    const twice = execute(v3In(self), transferStep(dai, alice, 89n), sweep(dai, user, 1n))
    expect(effectsOf(router, twice)).toEqual([
      batch(3),
      swap({ receivedMinor: 89n, recipient: alice }),
      swap({ receivedMinor: 1n }),
    ])
  })

  it('a sweep that may fail guarantees nothing', () => {
    const data = execute(v3In(self), allowFailure(sweep(dai, bob, 90n)))
    expect(effectsOf(router, data)).toEqual([batch(2), swap({ receivedMinor: 0n, recipient: bob })])
  })

  it('the input paid on to somebody else is not a rest that comes back', () => {
    const coins = execute(
      wrap(self, 50n),
      v3In(user, 50n, v3Path(weth, dai), false),
      sweep(zeroAddress, alice, 0n),
    )
    expect(effectsOf(router, coins, 100n)).toEqual([
      coinsEffect(undefined, router, 100n),
      batch(3),
      swap({ asset: native }),
      swap({ asset: native, receivedAsset: native, receivedMinor: 0n, recipient: alice }),
    ])
  })

  it('coins wrapped for somebody', () => {
    const data = execute(wrap(bob, 100n))
    const effect = swap({ asset: native, receivedAsset: erc20(weth), receivedMinor: 100n, recipient: bob })
    expect(effectsOf(router, data, 100n)).toEqual([coinsEffect(undefined, router, 100n), batch(1), effect])
    expect(effectsOf(router, execute(wrap(bob, all)), 100n)[2]).toMatchObject({ receivedMinor: 0n })
    const unknownChain = effectsOfCall('eip155:999999' as never, {
      account: undefined,
      to: router,
      valueMinor: 0n,
      data,
    })
    expect(unknownChain).toMatchObject([{ kind: 'contract-call' }])
  })

  it('two trades stay apart', () => {
    const data = execute(v3In(user), v2In(bob, [dai, usdc], true, 7n))
    expect(effectsOf(router, data)).toEqual([
      batch(2),
      swap({}),
      swap({ asset: erc20(dai), receivedAsset: erc20(usdc), amountMinor: 7n, recipient: bob }),
    ])
  })

  it('through the router, two assets spent for one: received once', () => {
    const data = execute(v3In(self), v3In(self, 7n, v3Path(weth, dai)), sweep(dai, user, 95n))
    expect(effectsOf(router, data)).toEqual([
      batch(3),
      swap({ receivedMinor: 95n }),
      swap({ asset: erc20(weth), amountMinor: 7n, receivedMinor: 0n }),
    ])
  })

  it('from what the router holds alone', () => {
    const data = execute(v3In(bob, 100n, v3Path(usdc, dai), false))
    expect(effectsOf(router, data)).toEqual([batch(1), swap({ account: router, recipient: bob })])
  })

  it('for an account', () => {
    const outer = calldata('execute(address, uint256, bytes)', [router, 0n, execute(v3In(user))])
    expect(effectsOf(account, outer).slice(1)).toEqual([
      { ...batch(1), account },
      swap({ account, recipient: account }),
    ])
  })

  const detail = '(address, uint160, uint48, uint48)'
  it('Permit2 in it', () => {
    const permit: Step = [
      0x0a,
      encode(`(${detail}, address, uint256), bytes`, [[[usdc, 100n, 77, 0], router, 50n], '0x1234']),
    ]
    const permits: Step = [
      0x03,
      encode(`(${detail}[], address, uint256), bytes`, [[[[dai, 5n, 0, 0]], alice, 50n], '0x1234']),
    ]
    const pull: Step = [0x02, encode('address, address, uint160', [usdc, self, 10n])]
    const push: Step = [0x02, encode('address, address, uint160', [usdc, alice, 11n])]
    const own: Step = [0x02, encode('address, address, uint160', [usdc, user, 12n])]
    const several: Step = [0x0d, encode('(address, address, uint160, address)[]', [[[bob, alice, 13n, dai]]])]
    const check: Step = [0x0e, encode('address, address, uint256', [bob, dai, 1n])]
    const data = execute(
      permit,
      permits,
      pull,
      push,
      own,
      several,
      check,
      v3In(user, 100n, v3Path(usdc, dai), false),
    )
    expect(effectsOf(router, data)).toMatchObject([
      batch(8),
      { kind: 'approval', contract: usdc, spender: router, amountMinor: 100n, expiresAtS: 77n },
      { kind: 'approval', contract: dai, spender: alice, amountMinor: 5n, expiresAtS: 50n },
      { kind: 'token-transfer', contract: usdc, from: undefined, recipient: router, amountMinor: 10n },
      { kind: 'token-transfer', contract: usdc, from: undefined, recipient: alice, amountMinor: 11n },
      { kind: 'token-transfer', contract: dai, from: bob, recipient: alice, amountMinor: 13n },
      swap({ amountMinor: 10n }),
    ])
  })

  it.each([0x07, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x21, 0x3f, 0x40, 0x48, 0x90])(
    'with a command that is not decoded here (%i), all of it is a call',
    (code) => {
      const data = execute(v3In(bob), [code, '0x'])
      expect(effectsOf(router, data)).toEqual([{ ...contractCall, calldata: data }])
    },
  )

  it('with more flows than anybody needs, all of it is a call', () => {
    const many = Array.from({ length: 40 }, (_, i) => sweep(dai, addressOf((i + 16).toString(16)), 0n))
    const data = execute(v3In(self), ...many)
    expect(effectsOf(router, data)).toEqual([{ ...contractCall, calldata: data }])
  })

  it.each<[string, Hex]>([
    ['an input that is cut', execute([0x00, v3In(bob)[1].slice(0, -64) as Hex])],
    ['an input with bytes after it', execute([0x00, `${v3In(bob)[1]}00`])],
    [
      'a true that is 2',
      execute([0x00, v3In(bob)[1].replace(`${'0'.repeat(63)}1`, `${'0'.repeat(63)}2`) as Hex]),
    ],
    ['a path that leads nowhere', execute(v2In(bob, [usdc]))],
    ['a v3 path that is cut', execute(v3In(bob, 1n, '0x1234'))],
    ['fewer inputs than commands', calldata('execute(bytes, bytes[], uint256)', ['0x0000', ['0x'], 99n])],
    ['an input that is empty', execute([0x08, '0x'])],
  ])('%s cannot be read', (_, data) => {
    expect(effectsOf(router, data)).toMatchObject([{ kind: 'unknown-calldata', calldata: data }])
  })
})
