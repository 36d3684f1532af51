import type { Hex } from '@countersign/bytes'
import { encodeFunctionData, multicall3Abi } from 'viem'
import { describe, expect, it } from 'vitest'
import {
  alice,
  bob,
  calldata,
  chain,
  coinsEffect,
  effectsOf,
  token,
  transfer,
  transferEffect,
} from '../../testing/evm-calls.ts'
import { batchItemsMax } from './call.ts'
import { multicall3Contract as multicall3 } from './multicall3.ts'

const pay = transfer(bob, 7n)
const take = calldata('transferFrom(address, address, uint256)', [alice, bob, 3n])
const pairs = [
  { target: token, callData: pay },
  { target: token, callData: take },
]
const batch = (data: Hex) => ({
  kind: 'batch',
  chain,
  contract: multicall3,
  form: 'multicall3',
  calls: 2,
  selector: data.slice(0, 10),
})
const inner = [
  transferEffect(multicall3, bob, 7n),
  {
    kind: 'token-transfer',
    account: multicall3,
    contract: token,
    from: alice,
    recipient: bob,
    amountMinor: 3n,
  },
]

describe('Multicall3', () => {
  const plain = '(address target, bytes callData)[]'
  it.each<[string, Hex]>([
    ['aggregate', calldata(`aggregate(${plain})`, [pairs])],
    ['tryAggregate', calldata(`tryAggregate(bool, ${plain})`, [false, pairs])],
    ['blockAndAggregate', calldata(`blockAndAggregate(${plain})`, [pairs])],
    ['tryBlockAndAggregate', calldata(`tryBlockAndAggregate(bool, ${plain})`, [true, pairs])],
    [
      'aggregate3, as viem has it',
      encodeFunctionData({
        abi: multicall3Abi,
        functionName: 'aggregate3',
        args: [pairs.map((pair) => ({ ...pair, allowFailure: true }))],
      }),
    ],
  ])('%s', (_, data) => {
    expect(effectsOf(multicall3, data)).toMatchObject([batch(data), ...inner])
    expect(effectsOf(token, data)).toMatchObject([{ kind: 'contract-call', contract: token }])
  })

  it('aggregate3Value: every value is an effect, beside what came along', () => {
    const data = calldata('aggregate3Value((address, bool, uint256, bytes)[])', [
      [
        [bob, false, 5n, '0x'],
        [token, false, 2n, pay],
      ],
    ])
    expect(data.slice(0, 10)).toBe('0x174dea71')
    expect(effectsOf(multicall3, data, 7n)).toEqual([
      coinsEffect(undefined, multicall3, 7n),
      batch(data),
      coinsEffect(multicall3, bob, 5n),
      coinsEffect(multicall3, token, 2n),
      transferEffect(multicall3, bob, 7n),
    ])
  })

  it('calls itself', () => {
    const inside = calldata(`aggregate(${plain})`, [pairs])
    const data = calldata(`aggregate(${plain})`, [[{ target: multicall3, callData: inside }]])
    expect(effectsOf(multicall3, data)).toMatchObject([
      { kind: 'batch', calls: 1 },
      { ...batch(inside), account: multicall3 },
      ...inner,
    ])
  })

  it('with too many calls, or none', () => {
    const many = Array.from({ length: batchItemsMax + 1 }, () => pairs[0])
    expect(effectsOf(multicall3, calldata(`aggregate(${plain})`, [many]))).toMatchObject([
      { kind: 'unknown-calldata' },
    ])
    expect(effectsOf(multicall3, calldata(`aggregate(${plain})`, [[]]))).toMatchObject([
      { kind: 'batch', calls: 0 },
    ])
  })
})
