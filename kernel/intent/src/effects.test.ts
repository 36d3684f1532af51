import { type Address, decodeHex, encodeHex, type Hex, keccak256 } from '@countersign/bytes'
import { encodeFunctionData, erc20Abi, erc721Abi, erc1155Abi, parseAbi } from 'viem'
import { describe, expect, it } from 'vitest'
import type { Effect } from './effect.ts'
import { effectsOfEvmTransaction } from './effects.ts'
import { batchItemsMax } from './evm/call.ts'
import { permit2Contract } from './evm/permit-calls.ts'
import type { EvmTransaction } from './intent.ts'

const contract = `0x${'cc'.repeat(20)}` as Address
const alice = `0x${'aa'.repeat(20)}` as Address
const bob = `0x${'bb'.repeat(20)}` as Address
const native = 'eip155:8453/slip44:60'
const uint256Max = (1n << 256n) - 1n

const plain: EvmTransaction = {
  type: 2,
  chainId: 8453n,
  nonce: 7n,
  gasLimit: 21_000n,
  maxPriorityFeePerGas: 1n,
  maxFeePerGas: 10n,
  to: contract,
  value: 0n,
  data: '0x',
  accessList: [],
}

/** All effects but the fee, which comes last. */
function effectsOf(change: Partial<EvmTransaction>): readonly Effect[] {
  const effects = effectsOfEvmTransaction({ ...plain, ...change })
  expect(effects.at(-1)?.kind).toBe('fee')
  expect(effects.filter((effect) => effect.kind === 'fee')).toHaveLength(1)
  return effects.slice(0, -1)
}

describe('effects of coins', () => {
  it('a transfer', () => {
    expect(effectsOf({ value: 5n, to: bob })).toEqual([
      { kind: 'native-transfer', chain: 'eip155:8453', asset: native, recipient: bob, amountMinor: 5n },
    ])
  })

  it('a transfer of nothing still names its recipient', () => {
    expect(effectsOf({ to: bob })).toMatchObject([
      { kind: 'native-transfer', recipient: bob, amountMinor: 0n },
    ])
  })

  it('coins that go along with a call are not lost', () => {
    expect(effectsOf({ value: 5n, data: '0x12345678' })).toEqual([
      { kind: 'native-transfer', chain: 'eip155:8453', asset: native, recipient: contract, amountMinor: 5n },
      {
        kind: 'contract-call',
        chain: 'eip155:8453',
        contract,
        selector: '0x12345678',
        calldata: '0x12345678',
      },
    ])
    expect(effectsOf({ value: 5n, data: '0x12' }).map((effect) => effect.kind)).toEqual([
      'native-transfer',
      'unknown-calldata',
    ])
    const data = encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [bob, 1n] })
    expect(effectsOf({ value: 5n, data }).map((effect) => effect.kind)).toEqual([
      'native-transfer',
      'token-transfer',
    ])
  })

  it('a deployment carries its coins', () => {
    expect(effectsOf({ to: undefined, value: 5n, data: '0x6000' })).toEqual([
      {
        kind: 'deploy',
        chain: 'eip155:8453',
        initCodeHash: encodeHex(keccak256(decodeHex('0x6000'))),
        initCodeBytes: 2,
        valueMinor: 5n,
      },
    ])
    expect(effectsOf({ to: undefined })).toMatchObject([{ kind: 'deploy', initCodeBytes: 0 }])
  })
})

describe('the fee', () => {
  it.each<[string, Partial<EvmTransaction>, bigint]>([
    ['the highest price, not the tip', {}, 210_000n],
    ['one price', { type: 0, gasPrice: 3n, maxFeePerGas: undefined as never }, 63_000n],
    ['one price of type 1', { type: 1, gasPrice: 4n, maxFeePerGas: undefined as never }, 84_000n],
    [
      'blobs too',
      { type: 3, maxFeePerBlobGas: 7n, blobVersionedHashes: ['0x01', '0x01'] as Hex[] },
      210_000n + 2n * 131_072n * 7n,
    ],
    [
      'without overflow',
      { gasLimit: (1n << 64n) - 1n, maxFeePerGas: uint256Max },
      ((1n << 64n) - 1n) * uint256Max,
    ],
  ])('counts %s', (_, change, amountMinor) => {
    const fee = effectsOfEvmTransaction({ ...plain, ...change }).at(-1)
    expect(fee).toEqual({ kind: 'fee', chain: 'eip155:8453', asset: native, amountMinor })
  })
})

describe('effects of token calls', () => {
  const erc20 = `eip155:8453/erc20:${contract}`
  const erc721 = `eip155:8453/erc721:${contract}`
  const erc1155 = `eip155:8453/erc1155:${contract}`
  const more = parseAbi([
    'function increaseAllowance(address spender, uint256 amount)',
    'function decreaseAllowance(address spender, uint256 amount)',
    'function approve(address token, address spender, uint160 amount, uint48 expiration)',
  ])
  const common = { chain: 'eip155:8453', contract }
  const approval = { ...common, kind: 'approval', by: 'transaction', spender: bob, expiresAtS: undefined }

  const cases: [string, Hex, object[]][] = [
    [
      'ERC-20 transfer',
      encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [bob, uint256Max] }),
      [
        {
          ...common,
          kind: 'token-transfer',
          assets: [erc20],
          from: undefined,
          recipient: bob,
          amountMinor: uint256Max,
          selector: '0xa9059cbb',
        },
      ],
    ],
    [
      'transferFrom, of either standard',
      encodeFunctionData({ abi: erc20Abi, functionName: 'transferFrom', args: [alice, bob, 7n] }),
      [
        {
          ...common,
          kind: 'token-transfer',
          assets: [erc20, `${erc721}/7`],
          from: alice,
          recipient: bob,
          amountMinor: 7n,
          selector: '0x23b872dd',
        },
      ],
    ],
    [
      'ERC-721 safeTransferFrom',
      encodeFunctionData({ abi: erc721Abi, functionName: 'safeTransferFrom', args: [alice, bob, 7n] }),
      [
        {
          ...common,
          kind: 'token-transfer',
          assets: [`${erc721}/7`],
          from: alice,
          recipient: bob,
          amountMinor: 1n,
          selector: '0x42842e0e',
        },
      ],
    ],
    [
      'ERC-721 safeTransferFrom with data',
      encodeFunctionData({
        abi: erc721Abi,
        functionName: 'safeTransferFrom',
        args: [alice, bob, 7n, '0x1234'],
      }),
      [
        {
          ...common,
          kind: 'token-transfer',
          assets: [`${erc721}/7`],
          from: alice,
          recipient: bob,
          amountMinor: 1n,
          selector: '0xb88d4fde',
        },
      ],
    ],
    [
      'ERC-1155 safeTransferFrom',
      encodeFunctionData({
        abi: erc1155Abi,
        functionName: 'safeTransferFrom',
        args: [alice, bob, 7n, 9n, '0x'],
      }),
      [
        {
          ...common,
          kind: 'token-transfer',
          assets: [`${erc1155}/7`],
          from: alice,
          recipient: bob,
          amountMinor: 9n,
          selector: '0xf242432a',
        },
      ],
    ],
    [
      'ERC-1155 safeBatchTransferFrom, an effect for each',
      encodeFunctionData({
        abi: erc1155Abi,
        functionName: 'safeBatchTransferFrom',
        args: [alice, bob, [7n, 7n, 8n], [1n, 2n, 3n], '0x'],
      }),
      [7n, 7n, 8n].map((id, i) => ({
        ...common,
        kind: 'token-transfer',
        assets: [`${erc1155}/${id}`],
        from: alice,
        recipient: bob,
        amountMinor: BigInt(i + 1),
        selector: '0x2eb2c2d6',
      })),
    ],
    [
      'approve, of either standard',
      encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [bob, uint256Max] }),
      [
        {
          ...approval,
          assets: [erc20, `${erc721}/${uint256Max}`],
          amountMinor: uint256Max,
          mode: 'set',
          selector: '0x095ea7b3',
        },
      ],
    ],
    [
      'increaseAllowance',
      encodeFunctionData({ abi: more, functionName: 'increaseAllowance', args: [bob, 3n] }),
      [{ ...approval, assets: [erc20], amountMinor: 3n, mode: 'increase', selector: '0x39509351' }],
    ],
    [
      'decreaseAllowance, which adds nothing',
      encodeFunctionData({ abi: more, functionName: 'decreaseAllowance', args: [bob, 3n] }),
      [{ ...approval, assets: [erc20], amountMinor: 0n, mode: 'increase', selector: '0xa457c2d7' }],
    ],
    [
      'setApprovalForAll, without bound',
      encodeFunctionData({ abi: erc721Abi, functionName: 'setApprovalForAll', args: [bob, true] }),
      [
        {
          ...approval,
          assets: [erc721, erc1155],
          amountMinor: undefined,
          mode: 'all',
          selector: '0xa22cb465',
        },
      ],
    ],
    [
      'setApprovalForAll taken back',
      encodeFunctionData({ abi: erc721Abi, functionName: 'setApprovalForAll', args: [bob, false] }),
      [{ ...approval, assets: [erc721, erc1155], amountMinor: 0n, mode: 'all', selector: '0xa22cb465' }],
    ],
  ]
  it.each(cases)('%s', (_, data, effects) => {
    expect(effectsOf({ data })).toEqual(effects)
  })

  it('an approval inside Permit2, and the same selector elsewhere as a mere call', () => {
    const token = `0x${'dd'.repeat(20)}` as Address
    const data = encodeFunctionData({ abi: more, functionName: 'approve', args: [token, bob, 5n, 99] })
    expect(effectsOf({ to: permit2Contract, data })).toEqual([
      {
        ...approval,
        contract: token,
        assets: [`eip155:8453/erc20:${token}`],
        amountMinor: 5n,
        mode: 'set',
        expiresAtS: 99n,
        selector: '0x87517c45',
      },
    ])
    expect(effectsOf({ data })).toMatchObject([{ kind: 'contract-call', selector: '0x87517c45' }])
  })

  it.each<[string, Hex]>([
    ['1 byte', '0xa9'],
    ['3 bytes', '0xa9059c'],
    ['a known selector alone', '0xa9059cbb'],
    [
      'a byte after a transfer',
      `${encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [bob, 1n] })}00`,
    ],
    ['a cut transfer', `0xa9059cbb${'00'.repeat(63)}`],
    ['a transfer with a dirty address', `0xa9059cbb01${'00'.repeat(63)}`],
    [
      'a batch of unequal lists',
      encodeFunctionData({
        abi: erc1155Abi,
        functionName: 'safeBatchTransferFrom',
        args: [alice, bob, [7n], [1n, 2n], '0x'],
      }),
    ],
    [
      'an empty batch',
      encodeFunctionData({
        abi: erc1155Abi,
        functionName: 'safeBatchTransferFrom',
        args: [alice, bob, [], [], '0x'],
      }),
    ],
    [
      'a batch over the limit',
      encodeFunctionData({
        abi: erc1155Abi,
        functionName: 'safeBatchTransferFrom',
        args: [alice, bob, Array(batchItemsMax + 1).fill(7n), Array(batchItemsMax + 1).fill(1n), '0x'],
      }),
    ],
  ])('%s is unknown calldata, with a reason', (_, data) => {
    expect(effectsOf({ data })).toEqual([
      {
        kind: 'unknown-calldata',
        chain: 'eip155:8453',
        contract,
        calldata: data,
        reason: expect.stringMatching(/.{10}/),
      },
    ])
  })

  it('admits a batch at the limit', () => {
    const data = encodeFunctionData({
      abi: erc1155Abi,
      functionName: 'safeBatchTransferFrom',
      args: [alice, bob, Array(batchItemsMax).fill(7n), Array(batchItemsMax).fill(1n), '0x'],
    })
    expect(effectsOf({ data })).toHaveLength(batchItemsMax)
  })
})

describe('effects of authorizations', () => {
  it('each is a delegation beside the call', () => {
    const authorization = { chainId: 8453n, address: alice, nonce: 3n, yParity: 0, r: 1n, s: 1n } as const
    expect(
      effectsOf({
        type: 4,
        authorizationList: [authorization, { ...authorization, chainId: 0n, address: bob }],
      }),
    ).toEqual([
      { kind: 'native-transfer', chain: 'eip155:8453', asset: native, recipient: contract, amountMinor: 0n },
      { kind: 'delegation', chain: 'eip155:8453', delegate: alice, authorityNonce: 3n, signedBy: 'carried' },
      { kind: 'delegation', chain: undefined, delegate: bob, authorityNonce: 3n, signedBy: 'carried' },
    ])
  })
})
