import { type Address, decodeHex, encodeHex, evmChainId, type Hex } from '@countersign/bytes'
import fc from 'fast-check'
import {
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  encodePacked,
  multicall3Abi,
  parseAbiParameters,
  serializeTransaction,
} from 'viem'
import { toPackedUserOperation, type UserOperation } from 'viem/account-abstraction'
import { describe, expect, it } from 'vitest'
import {
  account,
  addressOf,
  alice,
  bob,
  calldata,
  coinsEffect,
  effectsOf,
  erc20,
  token,
  transfer,
  transferEffect,
} from '../../testing/evm-calls.ts'
import { mutationsOf, unlessRefused } from '../../testing/mutations.ts'
import { missingFacts, type Places, readingOf } from '../../testing/viem-reading.ts'
import { describeEffect } from '../describe-effect.ts'
import type { Effect } from '../effect.ts'
import { effectsOfEvmTransaction } from '../effects.ts'
import { evmTransactionIntent } from '../evm-transaction-intent.ts'
import { callsMax, effectsMax } from './call.ts'
import { multicall3Contract } from './multicall3.ts'
import { permit2Contract } from './permit-calls.ts'

/** 100,000 before a release; the default keeps the file quick. */
const fuzzRuns = Number(process.env.COUNTERSIGN_FUZZ_RUNS ?? 2_000)

const places: Places = {
  permit2: permit2Contract,
  multicall3: multicall3Contract,
  entryPoint07: '0x0000000071727de22e5e9d8baf0edac6f37da032' as Address,
  multiSend: '0x38869bf66a61cf6bdb996a6ae40d5853fd43b526' as Address,
}
const router = addressOf('55')
const zero = addressOf('00')
const word = `0x${'11'.repeat(32)}` as Hex
const rootAuthority = `0x${'ff'.repeat(32)}` as Hex

const pay = transfer(bob, 7n)
const take = calldata('transferFrom(address, address, uint256)', [alice, bob, 5n])
const approve = calldata('approve(address, uint256)', [bob, 9n])
const one = calldata('execute(address, uint256, bytes)', [token, 3n, pay])
const several = calldata('executeBatch((address to, uint256 value, bytes data)[])', [
  [
    { to: token, value: 0n, data: pay },
    { to: token, value: 0n, data: approve },
    { to: bob, value: 4n, data: '0x' },
    { to: account, value: 0n, data: one },
  ],
])
const execTransaction = (to: Address, data: Hex, operation: number, gasPrice = 0n): Hex =>
  calldata(
    'execTransaction(address, uint256, bytes, uint8, uint256, uint256, uint256, address, address, bytes)',
    [...[to, 2n, data, operation, 0n, 0n, gasPrice, zero, zero, '0x1234']],
  )
const multiSend = calldata('multiSend(bytes)', [
  concatHex(
    [pay, take].map((data) =>
      encodePacked(
        ['uint8', 'address', 'uint256', 'uint256', 'bytes'],
        [0, token, 1n, BigInt((data.length - 2) / 2), data],
      ),
    ),
  ),
])

function packedOp(callData: Hex): readonly unknown[] {
  const op = toPackedUserOperation({
    sender: account,
    nonce: 1n,
    callData,
    callGasLimit: 100n,
    verificationGasLimit: 20n,
    preVerificationGas: 3n,
    maxFeePerGas: 11n,
    maxPriorityFeePerGas: 2n,
    paymaster: alice,
    paymasterVerificationGasLimit: 7n,
    paymasterPostOpGasLimit: 8n,
    paymasterData: '0xbeef',
    signature: '0x1234',
  } as UserOperation)
  const { sender, nonce, initCode, accountGasLimits, preVerificationGas, gasFees, paymasterAndData } = op
  return [
    sender,
    nonce,
    initCode,
    callData,
    accountGasLimits,
    preVerificationGas,
    gasFees,
    paymasterAndData,
    '0x12',
  ]
}

interface Sent {
  readonly to: Address
  readonly data: Hex
  readonly value: bigint
}

const context = encodeAbiParameters(
  parseAbiParameters('(address, address, bytes32, (address, bytes, bytes)[], uint256, bytes)[]'),
  [[[alice, account, rootAuthority, [[bob, '0x01', '0x']], 0n, '0x1234']]],
)
const path = encodePacked(['address', 'uint24', 'address'], [token, 500, addressOf('da')])

const transactions: readonly Sent[] = [
  { to: bob, data: '0x', value: 5n },
  { to: token, data: pay, value: 0n },
  { to: token, data: take, value: 1n },
  { to: token, data: calldata('setApprovalForAll(address, bool)', [bob, true]), value: 0n },
  {
    to: token,
    data: calldata('permit(address, address, uint256, uint256, uint8, bytes32, bytes32)', [
      ...[alice, bob, 5n, 99n, 27, word, word],
    ]),
    value: 0n,
  },
  {
    to: token,
    data: calldata('transferWithAuthorization(address, address, uint256, uint256, uint256, bytes32, bytes)', [
      ...[alice, bob, 5n, 0n, 99n, word, '0x1234'],
    ]),
    value: 0n,
  },
  { to: account, data: one, value: 0n },
  { to: account, data: several, value: 2n },
  {
    to: account,
    data: calldata('executeBatch(address[], uint256[], bytes[])', [
      [token, bob],
      [0n, 3n],
      [pay, '0x'],
    ]),
    value: 0n,
  },
  {
    to: account,
    data: calldata('execute(bytes32, bytes)', [
      `0x01${'00'.repeat(31)}`,
      encodeAbiParameters(parseAbiParameters('(address to, uint256 value, bytes data)[]'), [
        [
          { to: token, value: 1n, data: pay },
          { to: account, value: 0n, data: several },
        ],
      ]),
    ]),
    value: 0n,
  },
  {
    to: multicall3Contract,
    data: encodeFunctionData({
      abi: multicall3Abi,
      functionName: 'aggregate3',
      args: [
        [
          { target: token, allowFailure: true, callData: take },
          { target: token, allowFailure: false, callData: pay },
          { target: account, allowFailure: false, callData: one },
        ],
      ],
    }),
    value: 0n,
  },
  {
    to: multicall3Contract,
    data: calldata('aggregate3Value((address, bool, uint256, bytes)[])', [
      [
        [bob, false, 5n, '0x'],
        [token, false, 0n, pay],
      ],
    ]),
    value: 5n,
  },
  {
    to: places.entryPoint07,
    data: calldata(
      'handleOps((address, uint256, bytes, bytes, bytes32, uint256, bytes32, bytes, bytes)[], address)',
      [[packedOp(one), packedOp(several)], alice],
    ),
    value: 0n,
  },
  { to: account, data: execTransaction(token, pay, 0, 3n), value: 0n },
  { to: account, data: execTransaction(token, pay, 1), value: 0n },
  { to: account, data: execTransaction(places.multiSend, multiSend, 1), value: 0n },
  { to: router, data: calldata('multicall(bytes[])', [[pay, approve]]), value: 0n },
  {
    to: router,
    data: calldata('multicall(bytes[])', [
      [
        calldata('exactInput((bytes, address, uint256, uint256))', [
          [path, `0x${'00'.repeat(19)}02`, 100n, 90n],
        ]),
        calldata('sweepToken(address, uint256, address)', [addressOf('da'), 80n, bob]),
      ],
    ]),
    value: 0n,
  },
  {
    to: router,
    data: calldata('execute(bytes, bytes[], uint256)', [
      '0x00',
      [
        encodeAbiParameters(parseAbiParameters('address, uint256, uint256, bytes, bool'), [
          ...([bob, 100n, 90n, path, true] as const),
        ]),
      ],
      99n,
    ]),
    value: 0n,
  },
  {
    to: permit2Contract,
    data: calldata('transferFrom((address, address, uint160, address)[])', [[[alice, bob, 5n, token]]]),
    value: 0n,
  },
  {
    to: router,
    data: calldata('redeemDelegations(bytes[], bytes32[], bytes[])', [
      [context],
      [`0x${'00'.repeat(32)}`],
      [encodePacked(['address', 'uint256', 'bytes'], [token, 3n, pay])],
    ]),
    value: 0n,
  },
]

function check({ to, data, value }: Sent, effects: readonly Effect[]): void {
  expect(effects.length).toBeGreaterThan(0)
  expect(effects.length).toBeLessThanOrEqual(effectsMax + 1)
  for (const effect of effects) {
    expect(describeEffect(effect)).not.toBe('')
    if ('account' in effect) expect(effect.account).toMatch(/^0x[0-9a-f]{40}$/)
  }
  const reading = readingOf(places, { to, by: undefined, value, data })
  expect(missingFacts(reading, effects)).toEqual([])
}

describe('against viem', () => {
  it.each(transactions.map((sent, i) => [i, sent] as const))(
    'transaction %i holds what viem reads',
    (_, sent) => {
      const effects = effectsOf(sent.to, sent.data, sent.value)
      check(sent, effects)
      expect(effects.map(({ kind }) => kind)).not.toContain('unknown-calldata')
    },
  )

  it('would miss an effect that is left out', () => {
    let found = 0
    for (const { to, data, value } of transactions) {
      const reading = readingOf(places, { to, by: undefined, value, data })
      const effects = effectsOf(to, data, value)
      for (let i = 0; i < effects.length; i++) {
        const kind = effects[i]?.kind
        if (kind !== 'token-transfer' && kind !== 'approval' && kind !== 'native-transfer') continue
        const rest = effects.filter((_, j) => j !== i)
        if (missingFacts(reading, rest).length > 0) found++
      }
    }
    expect(found).toBeGreaterThan(40)
  })

  it(`loses no effect of ${fuzzRuns} mutated transactions`, { timeout: 600_000 }, () => {
    const mutated = fc.oneof(
      fc
        .constantFrom(...transactions)
        .chain((sent) =>
          mutationsOf(decodeHex(sent.data)).map((bytes) => ({ ...sent, data: encodeHex(bytes) })),
        ),
      fc.constantFrom(...transactions).chain((sent) => wordMutations(sent)),
    )
    fc.assert(
      fc.property(mutated, (sent) => check(sent, effectsOf(sent.to, sent.data, sent.value))),
      { numRuns: Math.ceil(fuzzRuns / 2) },
    )
    const serialized = fc.constantFrom(...transactions).chain(({ to, data, value }) =>
      mutationsOf(
        decodeHex(
          serializeTransaction({
            type: 'eip1559',
            ...{
              chainId: 1,
              nonce: 1,
              gas: 21_000n,
              maxFeePerGas: 9n,
              maxPriorityFeePerGas: 1n,
              to,
              data,
              value,
            },
          }),
        ),
      ),
    )
    fc.assert(
      fc.property(serialized, (bytes) => {
        const intent = unlessRefused(() => evmTransactionIntent(bytes))
        if (intent?.transaction?.to === undefined) return
        const { to, data, value } = intent.transaction
        expect(intent.effects.at(-1)?.kind).toBe('fee')
        check({ to: to as Address, data, value }, intent.effects)
      }),
      { numRuns: Math.floor(fuzzRuns / 2) },
    )
  })
})

/** A word of the arguments is replaced by one that is likely to mean something: offsets, lengths, limits, addresses. */
function wordMutations(sent: Sent): fc.Arbitrary<Sent> {
  const words = Math.floor((sent.data.length - 10) / 64)
  if (words < 1) return fc.constant(sent)
  const values = fc.oneof(
    fc.bigInt({ min: 0n, max: 1_024n }),
    fc.constantFrom(1n << 255n, (1n << 256n) - 1n, (1n << 160n) - 1n, BigInt(bob), BigInt(places.multicall3)),
  )
  return fc.array(fc.tuple(fc.nat(words - 1), values), { minLength: 1, maxLength: 3 }).map((changes) => {
    let { data } = sent
    for (const [i, value] of changes) {
      const at = 10 + 64 * i
      data = `${data.slice(0, at)}${value.toString(16).padStart(64, '0')}${data.slice(at + 64)}` as Hex
    }
    return { ...sent, data }
  })
}

/** Trees of calls, with the effects that they must have, in order. */
interface Tree {
  readonly encode: () => { readonly to: Address; readonly value: bigint; readonly data: Hex }
  readonly effects: (by: Address | undefined) => readonly object[]
}

const amounts = fc.bigInt({ min: 1n, max: (1n << 256n) - 1n })
const accounts = fc.constantFrom(account, alice, addressOf('12'), addressOf('34'))

const leaves: fc.Arbitrary<Tree> = fc.oneof(
  amounts.map((amount) => ({
    encode: () => ({ to: token, value: 0n, data: transfer(bob, amount) }),
    effects: (by: Address | undefined) => [transferEffect(by, bob, amount)],
  })),
  amounts.map((value) => ({
    encode: () => ({ to: bob, value, data: '0x' as Hex }),
    effects: (by: Address | undefined) => [coinsEffect(by, bob, value)],
  })),
  amounts.map((value) => ({
    encode: () => ({ to: token, value, data: '0x12345678' as Hex }),
    effects: (by: Address | undefined) => [
      coinsEffect(by, token, value),
      expect.objectContaining({ kind: 'contract-call', ...(by === undefined ? {} : { account: by }) }),
    ],
  })),
)

function batchesOf(children: fc.Arbitrary<Tree>): fc.Arbitrary<Tree> {
  return fc
    .tuple(
      accounts,
      fc.array(children, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('list', 'lists', 'mode', 'many'),
    )
    .map(
      ([to, parts, form]): Tree => ({
        encode: () => {
          const items = parts.map((part) => part.encode())
          const list = () =>
            encodeAbiParameters(parseAbiParameters('(address to, uint256 value, bytes data)[]'), [items])
          const data = {
            list: () => calldata('executeBatch((address to, uint256 value, bytes data)[])', [items]),
            lists: () =>
              calldata('executeBatch(address[], uint256[], bytes[])', [
                items.map((item) => item.to),
                items.map((item) => item.value),
                items.map((item) => item.data),
              ]),
            mode: () => calldata('execute(bytes32, bytes)', [`0x01${'00'.repeat(31)}`, list()]),
            many: () =>
              calldata('aggregate3Value((address, bool, uint256, bytes)[])', [
                items.map((item) => [item.to, false, item.value, item.data]),
              ]),
          }[form]?.() as Hex
          return { to: form === 'many' ? multicall3Contract : to, value: 0n, data }
        },
        effects: (by) => {
          const contract = form === 'many' ? multicall3Contract : to
          const envelope = {
            kind: 'batch',
            contract,
            calls: parts.length,
            ...(by === undefined ? {} : { account: by }),
          }
          return [expect.objectContaining(envelope), ...parts.flatMap((part) => part.effects(contract))]
        },
      }),
    )
}

describe('calls within calls', () => {
  const trees = batchesOf(fc.oneof(leaves, batchesOf(fc.oneof(leaves, batchesOf(leaves)))))

  it('have exactly their effects, in order, each with the innermost account', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const { to, data } = tree.encode()
        expect(effectsOf(to, data)).toEqual(tree.effects(undefined))
      }),
      { numRuns: 300 },
    )
  })

  it('read the same twice, and never more than the limits allow', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2_000 }),
        fc.constantFrom(...transactions),
        (noise, { to, data }) => {
          const whole = `${data.slice(0, 10)}${encodeHex(noise).slice(2)}` as Hex
          const effects = effectsOf(to, whole)
          expect(effectsOf(to, whole)).toEqual(effects)
          expect(effects.length).toBeLessThanOrEqual(effectsMax)
        },
      ),
      { numRuns: 500 },
    )
    expect(callsMax).toBeLessThan(effectsMax)
  })
})

describe('the hot path', () => {
  it('a plain transfer has one effect beside its fee', () => {
    const effects = effectsOfEvmTransaction({
      ...{ type: 2, chainId: 1n, nonce: 0n, gasLimit: 21_000n, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n },
      ...{ to: bob, value: 1n, data: '0x', accessList: [] },
    })
    expect(effects).toEqual([coinsEffect(undefined, bob, 1n), expect.objectContaining({ kind: 'fee' })])
    expect(erc20(token)).toContain(evmChainId(1))
  })
})
