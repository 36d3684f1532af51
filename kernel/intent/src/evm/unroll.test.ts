import type { Address, Hex } from '@countersign/bytes'
import { toFunctionSelector } from 'viem'
import { describe, expect, it } from 'vitest'
import {
  account,
  addressOf,
  bob,
  calldata,
  chain,
  effectsOf,
  token,
  transfer,
} from '../../testing/evm-calls.ts'
import { accountCalls } from './account-calls.ts'
import { zeroAddress } from './call.ts'
import { delegationCalls } from './delegations.ts'
import { handleOpsCalls } from './handle-ops.ts'
import { multicall3Calls, multicall3Contract } from './multicall3.ts'
import { multiSendCalls } from './multisend.ts'
import { permit2Contract, permitCalls } from './permit-calls.ts'
import { routerCalls } from './router-calls.ts'
import { safeCalls } from './safe.ts'
import { tokenCalls } from './token-calls.ts'
import { universalRouterCalls } from './universal-router.ts'
import { effectsOfCall, isDecodedEverywhere } from './unroll.ts'
import { vaultCalls } from './vault-calls.ts'
import { wrapCalls } from './wrapped-coins.ts'

const tables = {
  tokenCalls,
  permitCalls,
  accountCalls,
  safeCalls,
  multiSendCalls,
  multicall3Calls,
  delegationCalls,
  handleOpsCalls,
  routerCalls,
  universalRouterCalls,
  vaultCalls,
  wrapCalls,
}
const all = Object.values(tables).flat()

describe('what is decoded', () => {
  it('no selector has two meanings', () => {
    const selectors = all.map(({ fn }) => fn.selector)
    expect(selectors.length).toBeGreaterThan(80)
    expect(new Set(selectors).size).toBe(selectors.length)
  })

  it('selectors are viem’s', () => {
    for (const { fn } of all) expect(fn.selector).toBe(toFunctionSelector(`function ${fn.signature}`))
  })

  it.each(all.map(({ fn, at }) => [fn.signature, fn.selector, at] as const))('%s', (_, selector, at) => {
    // A selector alone lacks its arguments, if it has any; wherever it means nothing special it is a call.
    const effects = effectsOf(token, selector)
    const isCall = effects.every(({ kind }) => kind === 'contract-call')
    if (at !== undefined) expect(isCall).toBe(true)
    expect(isDecodedEverywhere(selector)).toBe(at === undefined)
  })

  it.each(all.map(({ fn, at }) => [fn.signature, fn, at] as const))('%s with nonsense', (_, fn, at) => {
    const places = [token, permit2Contract, multicall3Contract, ...entryPoints, ...others]
    const place = places.find((one) => at === undefined || at(chain, one))
    expect(place).toBeDefined()
    for (const noise of ['ff', '00'.repeat(31), 'ff'.repeat(33), 'ff'.repeat(1_025)]) {
      expect(effectsOf(place as Address, `${fn.selector}${noise}` as Hex)).toMatchObject([
        { kind: 'unknown-calldata', contract: place },
      ])
    }
  })
})

const entryPoints = [
  '0x5ff137d4b0fdcd49dca30c7cf57e578a026d2789',
  '0x0000000071727de22e5e9d8baf0edac6f37da032',
] as unknown as readonly Address[]
const others = [
  '0xa238cbeb142c10ef7ad8442c6d1f9e89e07e7761',
  '0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2',
] as unknown as readonly Address[]

describe('a call as its root', () => {
  it('a delegatecall', () => {
    const call = { account, to: token, valueMinor: 0n, data: transfer(bob, 1n), delegatecall: true } as const
    expect(effectsOfCall(chain, call)).toEqual([
      { kind: 'delegatecall', account, chain, contract: token, calldata: call.data },
    ])
    expect(effectsOfCall(chain, { ...call, data: '0x' })).toMatchObject([{ kind: 'delegatecall' }])
  })

  it('twice through the zero address, and still within its limits', () => {
    const mode = `0x01000000000078210001${'00'.repeat(22)}` as Hex
    const items = '(address to, uint256 value, bytes data)[]'
    let data = calldata('execute(bytes32, bytes)', [mode, itemsOf(items, [[token, 0n, '0x12345678']])])
    for (let i = 0; i < 7; i++) {
      const item = [zeroAddress, 0n, data]
      data = calldata('execute(bytes32, bytes)', [mode, itemsOf(items, [item, item, item])])
    }
    const effects = effectsOf(addressOf('99'), data)
    expect(effects.length).toBeGreaterThan(0)
    expect(effects).toMatchObject([{ kind: 'unknown-calldata', contract: addressOf('99') }])
  })
})

/** The parameters of a call, without its selector. */
function itemsOf(types: string, items: readonly (readonly unknown[])[]): Hex {
  const whole = calldata(`f(${types})`, [items.map(([to, value, data]) => ({ to, value, data }))])
  return `0x${whole.slice(10)}`
}
