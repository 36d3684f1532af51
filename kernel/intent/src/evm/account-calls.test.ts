import { type Address, concatBytes, decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import { encodeAbiParameters, encodePacked, parseAbiParameters } from 'viem'
import { describe, expect, it } from 'vitest'
import {
  account,
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
import { batchItemsMax, callDepthMax, callsMax, effectsMax, zeroAddress } from './call.ts'

const pay = transfer(bob, 7n)
const calls = '(address to, uint256 value, bytes data)[]'

function batch(form: string, count: number, data: Hex): object {
  return { kind: 'batch', chain, contract: account, selector: data.slice(0, 10), form, calls: count }
}

describe('execute and its kind', () => {
  const one = [coinsEffect(account, token, 5n), transferEffect(account, bob, 7n)]
  const two = [transferEffect(account, bob, 7n), coinsEffect(account, alice, 3n)]
  const cases: [string, string, string, readonly unknown[], readonly object[]][] = [
    ['SimpleAccount', '0xb61d27f6', 'execute(address, uint256, bytes)', [token, 5n, pay], one],
    ['Biconomy', '0x0000189a', 'execute_ncC(address, uint256, bytes)', [token, 5n, pay], one],
    ['Kernel 2', '0x51945447', 'execute(address, uint256, bytes, uint8)', [token, 5n, pay, 0], one],
    [
      "the Safe's module",
      '0x7bb37428',
      'executeUserOp(address, uint256, bytes, uint8)',
      [token, 5n, pay, 0],
      one,
    ],
    [
      "the Safe's module, with reasons",
      '0x541d63c8',
      'executeUserOpWithErrorString(address, uint256, bytes, uint8)',
      [token, 5n, pay, 0],
      one,
    ],
    [
      'SimpleAccount 0.6 in a batch',
      '0x18dfb3c7',
      'executeBatch(address[], bytes[])',
      [
        [token, alice],
        [pay, '0x'],
      ],
      [transferEffect(account, bob, 7n), coinsEffect(account, alice, 0n)],
    ],
    [
      'SimpleAccount 0.7 in a batch',
      '0x47e1da2a',
      'executeBatch(address[], uint256[], bytes[])',
      [
        [token, alice],
        [0n, 3n],
        [pay, '0x'],
      ],
      two,
    ],
    [
      'SimpleAccount 0.7 without values',
      '0x47e1da2a',
      'executeBatch(address[], uint256[], bytes[])',
      [[token, alice], [], [pay, '0x']],
      [transferEffect(account, bob, 7n), coinsEffect(account, alice, 0n)],
    ],
    [
      'Biconomy in a batch',
      '0x00004680',
      'executeBatch_y6U(address[], uint256[], bytes[])',
      [
        [token, alice],
        [0n, 3n],
        [pay, '0x'],
      ],
      two,
    ],
    [
      'SimpleAccount 0.8 and Coinbase in a batch',
      '0x34fcd5be',
      `executeBatch(${calls})`,
      [
        [
          { to: token, value: 0n, data: pay },
          { to: alice, value: 3n, data: '0x' },
        ],
      ],
      two,
    ],
    [
      'execute with a list',
      '0x3f707e6b',
      `execute(${calls})`,
      [
        [
          { to: token, value: 0n, data: pay },
          { to: alice, value: 3n, data: '0x' },
        ],
      ],
      two,
    ],
  ]
  it.each(cases)('%s', (_, selector, signature, args, inner) => {
    const data = calldata(signature, args)
    expect(data.slice(0, 10)).toBe(selector)
    const count = signature.startsWith('executeBatch') || signature.includes('[]') ? 2 : 1
    expect(effectsOf(account, data)).toEqual([batch('account-execute', count, data), ...inner])
  })

  it('a DeleGator’s single call', () => {
    const data = calldata('execute((address to, uint256 value, bytes data) call)', [
      { to: token, value: 5n, data: pay },
    ])
    expect(effectsOf(account, data)).toEqual([batch('account-execute', 1, data), ...one])
  })

  it('coins that the wallet sends along are its own', () => {
    const data = calldata('execute(address, uint256, bytes)', [bob, 9n, '0x'])
    expect(effectsOf(account, data, 4n)).toEqual([
      coinsEffect(undefined, account, 4n),
      batch('account-execute', 1, data),
      coinsEffect(account, bob, 9n),
    ])
  })

  it.each([['execute(address, uint256, bytes, uint8)'], ['executeUserOp(address, uint256, bytes, uint8)']])(
    'a delegatecall by %s',
    (signature) => {
      const data = calldata(signature, [token, 0n, pay, 1])
      expect(effectsOf(account, data)).toEqual([
        batch('account-execute', 1, data),
        { kind: 'delegatecall', account, chain, contract: token, calldata: pay },
      ])
      expect(effectsOf(account, calldata(signature, [token, 0n, pay, 2]))).toMatchObject([
        { kind: 'unknown-calldata', contract: account },
      ])
    },
  )

  it('calls of itself that hold on every chain', () => {
    const inner = calldata('execute(address, uint256, bytes)', [bob, 9n, '0x'])
    const data = calldata('executeWithoutChainIdValidation(bytes[])', [[inner, '0x12345678']])
    expect(effectsOf(account, data)).toMatchObject([
      { kind: 'batch', calls: 2 },
      { kind: 'batch', account, contract: account, calls: 1 },
      { kind: 'native-transfer', account, recipient: bob, amountMinor: 9n },
      { kind: 'contract-call', account, contract: account, selector: '0x12345678' },
    ])
  })

  it('what a module makes an account do is no call of the wallet’s: it stays as it is', () => {
    const data = calldata('executeFromExecutor(bytes32, bytes)', [`0x${'00'.repeat(32)}`, '0x'])
    expect(effectsOf(account, data)).toMatchObject([{ kind: 'contract-call', selector: '0xd691c964' }])
  })

  it.each<[string, Hex]>([
    ['lists of two lengths', calldata('executeBatch(address[], bytes[])', [[token], []])],
    [
      'values of another length',
      calldata('executeBatch(address[], uint256[], bytes[])', [[token, bob], [1n], ['0x', '0x']]),
    ],
    ['a byte after the end', `${calldata('execute(address, uint256, bytes)', [token, 0n, pay])}00`],
    ['executeUserOp with what only the account knows', `0x8dd7712f${pay.slice(2)}`],
  ])('%s cannot be read', (_, data) => {
    expect(effectsOf(account, data)).toMatchObject([
      { kind: 'unknown-calldata', contract: account, calldata: data },
    ])
  })
})

describe('ERC-7579 and ERC-7821', () => {
  const signature = 'execute(bytes32 mode, bytes executionData)'
  const mode = (head: string): Hex => `0x${head.padEnd(64, '0')}`
  const executed = (head: string, data: Hex): Hex => calldata(signature, [mode(head), data])
  const list = parseAbiParameters('(address to, uint256 value, bytes data)[] calls')
  const listWithData = parseAbiParameters('(address to, uint256 value, bytes data)[] calls, bytes opData')
  const items = [
    { to: token, value: 0n, data: pay },
    { to: bob, value: 3n, data: '0x' as Hex },
  ]
  const single = encodePacked(['address', 'uint256', 'bytes'], [token, 5n, pay])
  const inner = [transferEffect(account, bob, 7n), coinsEffect(account, bob, 3n)]

  it.each([
    ['one', '00'],
    ['one that may fail', '0001'],
    ['one that is static, read as a call', 'fe'],
  ])('%s', (_, head) => {
    const data = executed(head, single)
    expect(data.slice(0, 10)).toBe('0xe9ae5c53')
    expect(effectsOf(account, data)).toEqual([
      batch('erc7579', 1, data),
      coinsEffect(account, token, 5n),
      transferEffect(account, bob, 7n),
    ])
  })

  it.each([
    ['a batch', '01', 'erc7579'],
    ['a batch that may fail', '0101', 'erc7579'],
    ['a batch of ERC-7821 without opData', '01000000000078210001', 'erc7821'],
  ])('%s', (_, head, form) => {
    const data = executed(head, encodeAbiParameters(list, [items]))
    expect(effectsOf(account, data)).toEqual([batch(form, 2, data), ...inner])
  })

  it('a batch with opData: what it means is unreadable', () => {
    const data = executed('01000000000078210001', encodeAbiParameters(listWithData, [items, '0xbeef']))
    expect(effectsOf(account, data)).toEqual([
      batch('erc7821', 2, data),
      ...inner,
      expect.objectContaining({ kind: 'unknown-calldata', account, contract: account, calldata: '0xbeef' }),
    ])
    const empty = executed('01000000000078210001', encodeAbiParameters(listWithData, [items, '0x']))
    expect(effectsOf(account, empty)).toEqual([batch('erc7821', 2, empty), ...inner])
  })

  it('a batch of batches', () => {
    const part = encodeAbiParameters(list, [items])
    const data = executed(
      '01000000000078210002',
      encodeAbiParameters(parseAbiParameters('bytes[]'), [[part, part]]),
    )
    expect(effectsOf(account, data)).toEqual([batch('erc7821', 4, data), ...inner, ...inner])
  })

  it('the zero address is the account itself, or nobody', () => {
    const items = [{ to: zeroAddress, value: 2n, data: '0x12345678' as Hex }]
    const data = executed('01000000000078210001', encodeAbiParameters(list, [items]))
    expect(effectsOf(account, data)).toMatchObject([
      { kind: 'batch', calls: 1 },
      { kind: 'native-transfer', account, recipient: zeroAddress, amountMinor: 2n },
      { kind: 'contract-call', account, contract: zeroAddress },
      { kind: 'native-transfer', account, recipient: account, amountMinor: 2n },
      { kind: 'contract-call', account, contract: account },
    ])
  })

  it('a delegatecall is flagged', () => {
    const data = executed('ff', encodePacked(['address', 'bytes'], [token, pay]))
    expect(effectsOf(account, data)).toEqual([
      batch('erc7579', 1, data),
      { kind: 'delegatecall', account, chain, contract: token, calldata: pay },
    ])
  })

  it.each<[string, string, Hex]>([
    ['a call type that nobody knows', '02', single],
    ['an execution type that nobody knows', '0002', single],
    ['a selector that nobody knows', '01000000000012345678', encodeAbiParameters(list, [items])],
    ['a single call with a selector', '00000000000078210001', single],
    ['unused bytes that are used', '0000ff', single],
    ['a payload', `${'00'.repeat(31)}01`, single],
    ['a single call without its value', '00', token],
    ['a delegatecall without an address', 'ff', '0x1234'],
    ['a batch that is a single call', '01', single],
    ['opData in a plain batch', '01', encodeAbiParameters(listWithData, [items, '0xbeef'])],
    ['a batch with a byte too many', '01', `${encodeAbiParameters(list, [items])}00`],
  ])('%s cannot be read', (_, head, execution) => {
    const data = executed(head, execution)
    expect(effectsOf(account, data)).toMatchObject([
      { kind: 'unknown-calldata', contract: account, calldata: data },
    ])
  })
})

describe('limits', () => {
  const wrap = (to: Address, data: Hex): Hex => calldata('execute(address, uint256, bytes)', [to, 0n, data])
  const nested = (levels: number): Hex => {
    let data = pay
    let to = token
    for (let level = 0; level < levels; level++) {
      data = wrap(to, data)
      to = account
    }
    return data
  }

  it('stacks the innermost account', () => {
    const inner = wrap(token, pay)
    const outer = wrap(alice, inner)
    expect(effectsOf(account, outer)).toEqual([
      batch('account-execute', 1, outer),
      {
        kind: 'batch',
        account,
        chain,
        contract: alice,
        selector: '0xb61d27f6',
        form: 'account-execute',
        calls: 1,
      },
      transferEffect(alice, bob, 7n),
    ])
  })

  it(`unrolls ${callDepthMax} levels and not one more`, () => {
    expect(effectsOf(account, nested(callDepthMax)).at(-1)).toEqual(transferEffect(account, bob, 7n))
    const tooDeep = effectsOf(account, nested(callDepthMax + 1))
    expect(tooDeep).toHaveLength(callDepthMax + 2)
    expect(tooDeep.at(-1)).toMatchObject({
      kind: 'unknown-calldata',
      account,
      contract: token,
      calldata: pay,
    })
  })

  it('keeps the coins of what is nested too deep', () => {
    let data = calldata('execute(address, uint256, bytes)', [token, 6n, pay])
    for (let level = 0; level < callDepthMax; level++) data = wrap(account, data)
    expect(effectsOf(account, data).slice(-2)).toMatchObject([
      { kind: 'native-transfer', account, recipient: token, amountMinor: 6n },
      { kind: 'unknown-calldata', account, contract: token },
    ])
  })

  const many = (count: number, data: Hex): Hex =>
    calldata(`executeBatch(${calls})`, [
      Array.from({ length: count }, () => ({ to: token, value: 0n, data })),
    ])

  it(`reads ${batchItemsMax} calls of one batch and not one more`, () => {
    expect(effectsOf(account, many(batchItemsMax, pay))).toHaveLength(batchItemsMax + 1)
    expect(effectsOf(account, many(batchItemsMax + 1, pay))).toMatchObject([{ kind: 'unknown-calldata' }])
  })

  it('with too many calls altogether, all of it is unreadable', () => {
    const inner = many(batchItemsMax, '0x')
    const outer = (count: number) => many(count, inner)
    expect(effectsOf(account, outer(1))).toHaveLength(batchItemsMax + 2)
    expect(3 * batchItemsMax).toBeGreaterThan(callsMax)
    expect(effectsOf(account, outer(3), 1n)).toMatchObject([
      { kind: 'native-transfer', recipient: account, amountMinor: 1n },
      { kind: 'unknown-calldata', contract: account, reason: expect.stringContaining(`${callsMax}`) },
    ])
  })

  it('with too many effects altogether, too', () => {
    const ids = Array.from({ length: 200 }, (_, i) => BigInt(i))
    const inner = calldata('safeBatchTransferFrom(address, address, uint256[], uint256[], bytes)', [
      alice,
      bob,
      ids,
      ids,
      '0x',
    ])
    expect(effectsOf(account, many(5, inner))).toHaveLength(1_001)
    expect(effectsOf(account, many(6, inner))).toMatchObject([
      { kind: 'unknown-calldata', reason: expect.stringContaining(`${effectsMax}`) },
    ])
  })

  it('refuses nothing for its size alone', () => {
    const data = encodeHex(concatBytes(decodeHex('0xb61d27f6'), new Uint8Array(200_000)))
    expect(effectsOf(account, data)).toMatchObject([{ kind: 'unknown-calldata' }])
  })
})
