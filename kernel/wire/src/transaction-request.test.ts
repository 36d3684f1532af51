import type { Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import {
  checkPrepared,
  highestFeeMinor,
  type PreparedTransaction,
  type TransactionRequest,
} from './transaction-request.ts'

const address = '0x52908400098527886e0f7030069857d2e4169ee7'
const checksummed = '0x52908400098527886E0F7030069857D2E4169EE7'
const otherAddress = '0x000000000000000000000000000000000000dead'
const slot = `0x${'ab'.repeat(32)}` as Hex
const blobHash = `0x01${'cd'.repeat(31)}` as Hex
const authorization = { chainId: 1n, address, nonce: 3n, yParity: 1, r: 5n, s: 6n } as const

/** The field that `checkPrepared` names, or none. */
function fieldOf(
  request: TransactionRequest,
  prepared: PreparedTransaction,
  maxFeeMinor?: string | bigint,
): string {
  try {
    checkPrepared(request, prepared, maxFeeMinor)
  } catch (error) {
    const { code, details } = error as { code: string; details?: { field?: string } }
    if (code !== 'WIRE_PREPARED_DIFFERS') throw error
    return details?.field ?? 'unnamed'
  }
  return 'none'
}

const wanted: TransactionRequest = { chainId: 1, to: checksummed, value: '1000', data: '0xABcd' }
const prepared: PreparedTransaction = {
  type: 2,
  chainId: 1n,
  nonce: 7n,
  gasLimit: 21000n,
  maxFeePerGas: 30n,
  maxPriorityFeePerGas: 2n,
  to: address,
  value: 1000n,
  data: '0xabcd',
  accessList: [],
}

describe('what the engine may fill in', () => {
  it('is nonce, gas, prices and type', () => {
    expect(fieldOf(wanted, prepared)).toBe('none')
    expect(
      fieldOf(wanted, { ...prepared, nonce: 8n, gasLimit: 1n, maxFeePerGas: 1n, maxPriorityFeePerGas: 0n }),
    ).toBe('none')
    const legacy = {
      type: 0,
      chainId: 1n,
      nonce: 0n,
      gasLimit: 1n,
      gasPrice: 9n,
      to: address,
      value: 1000n,
      data: '0xabcd',
    } as const
    expect(fieldOf(wanted, legacy)).toBe('none')
    expect(fieldOf({ chainId: 1 }, { ...legacy, to: undefined, value: 0n, data: '0x' })).toBe('none')
  })

  it('takes every way to write a number', () => {
    for (const value of [1000, '1000', '0x3e8', '0x3E8'])
      expect(fieldOf({ ...wanted, value }, prepared)).toBe('none')
  })
})

describe('an engine that is owned', () => {
  it.each<[string, Partial<PreparedTransaction>]>([
    ['chainId', { chainId: 10n }],
    ['to', { to: otherAddress }],
    ['to', { to: undefined }],
    ['value', { value: 1001n }],
    ['value', { value: 999n }],
    ['value', { value: 0n }],
    ['data', { data: '0xabce' }],
    ['data', { data: '0x' }],
    ['data', { data: '0xabcd00' }],
    ['accessList', { accessList: [{ address, storageKeys: [] }] }],
    ['authorizationList', { authorizationList: [authorization] }],
    ['authorizationList', { type: 4, authorizationList: [authorization] }],
    ['blobVersionedHashes', { blobVersionedHashes: [blobHash] }],
    ['blobVersionedHashes', { type: 3, blobVersionedHashes: [blobHash], maxFeePerBlobGas: 1n }],
    ['surprise', { surprise: 1n } as object],
  ])('cannot alter %s (%#)', (field, change) =>
    expect(fieldOf(wanted, { ...prepared, ...change })).toBe(field),
  )

  it.each<[keyof TransactionRequest, Partial<PreparedTransaction>]>([
    ['to', { to: address }],
    ['value', { value: 1n }],
    ['data', { data: '0x00' }],
  ])('cannot add the %s that the caller left out', (field, change) => {
    const bare: PreparedTransaction = { ...prepared, to: undefined, value: 0n, data: '0x' }
    expect(fieldOf({ chainId: 1 }, bare)).toBe('none')
    expect(fieldOf({ chainId: 1 }, { ...bare, ...change })).toBe(field)
  })

  const full: TransactionRequest = {
    ...wanted,
    type: 4,
    nonce: '7',
    gas: '21000',
    maxFeePerGas: '30',
    maxPriorityFeePerGas: '2',
    accessList: [{ address: checksummed, storageKeys: [slot] }],
    authorizationList: [{ chainId: 1, address: checksummed, nonce: 3, yParity: 1, r: '0x5', s: '6' }],
  }
  const fullPrepared: PreparedTransaction = {
    ...prepared,
    type: 4,
    accessList: [{ address, storageKeys: [slot] }],
    authorizationList: [authorization],
  }

  it.each<[string, Partial<PreparedTransaction>]>([
    ['none', {}],
    ['type', { type: 2 }],
    ['nonce', { nonce: 8n }],
    ['gas', { gasLimit: 21001n }],
    ['maxFeePerGas', { maxFeePerGas: 31n }],
    ['maxFeePerGas', { maxFeePerGas: 29n }],
    ['maxPriorityFeePerGas', { maxPriorityFeePerGas: 3n }],
    ['accessList', { accessList: [] }],
    ['accessList', { accessList: [{ address: otherAddress, storageKeys: [slot] }] }],
    ['accessList', { accessList: [{ address, storageKeys: [] }] }],
    ['accessList', { accessList: [{ address, storageKeys: [slot, slot] }] }],
    [
      'accessList',
      {
        accessList: [
          { address, storageKeys: [slot] },
          { address, storageKeys: [] },
        ],
      },
    ],
    ['authorizationList', { authorizationList: [] }],
    ['authorizationList', { authorizationList: [authorization, authorization] }],
    ['authorizationList', { authorizationList: [{ ...authorization, chainId: 0n }] }],
    ['authorizationList', { authorizationList: [{ ...authorization, address: otherAddress }] }],
    ['authorizationList', { authorizationList: [{ ...authorization, nonce: 4n }] }],
    ['authorizationList', { authorizationList: [{ ...authorization, yParity: 0 }] }],
    ['authorizationList', { authorizationList: [{ ...authorization, r: 6n }] }],
    ['authorizationList', { authorizationList: [{ ...authorization, s: 5n }] }],
  ])('cannot alter what is stated: %s (%#)', (field, change) => {
    expect(fieldOf(full, { ...fullPrepared, ...change })).toBe(field)
  })

  it('cannot answer a stated price with a transaction that has no such field', () => {
    expect(fieldOf({ ...wanted, gasPrice: '30' }, prepared)).toBe('gasPrice')
    const { maxFeePerGas, maxPriorityFeePerGas, ...legacy } = { ...prepared, type: 0, gasPrice: 30n }
    expect(fieldOf({ ...wanted, maxFeePerGas: '30' }, legacy)).toBe('maxFeePerGas')
    expect(fieldOf({ ...wanted, maxPriorityFeePerGas: '0' }, legacy)).toBe('maxPriorityFeePerGas')
    expect(fieldOf({ ...wanted, maxFeePerBlobGas: '1' }, prepared)).toBe('maxFeePerBlobGas')
    expect(fieldOf({ ...wanted, gasPrice: 30, type: 0 }, legacy)).toBe('none')
  })

  it('cannot alter blobs', () => {
    const request: TransactionRequest = { ...wanted, blobVersionedHashes: [blobHash], maxFeePerBlobGas: '4' }
    const blobs = { ...prepared, type: 3, blobVersionedHashes: [blobHash], maxFeePerBlobGas: 4n }
    expect(fieldOf(request, blobs)).toBe('none')
    expect(fieldOf(request, { ...blobs, maxFeePerBlobGas: 5n })).toBe('maxFeePerBlobGas')
    expect(fieldOf(request, { ...blobs, blobVersionedHashes: [] })).toBe('blobVersionedHashes')
    expect(fieldOf(request, { ...blobs, blobVersionedHashes: [blobHash, blobHash] })).toBe(
      'blobVersionedHashes',
    )
    expect(fieldOf(request, { ...blobs, blobVersionedHashes: [slot] })).toBe('blobVersionedHashes')
  })

  it('cannot pass a request field that this version does not know', () => {
    expect(fieldOf({ ...wanted, sidecars: [] } as TransactionRequest, prepared)).toBe('sidecars')
  })
})

describe('maxFeeMinor', () => {
  it('holds to the unit, for either price and with blobs', () => {
    expect(highestFeeMinor(prepared)).toBe(630_000n)
    expect(fieldOf(wanted, prepared, '630000')).toBe('none')
    expect(fieldOf(wanted, prepared, '629999')).toBe('maxFeeMinor')
    expect(fieldOf(wanted, prepared, 629_999n)).toBe('maxFeeMinor')
    expect(fieldOf(wanted, prepared, '0')).toBe('maxFeeMinor')
    const blobs = { ...prepared, type: 3, blobVersionedHashes: [blobHash, blobHash], maxFeePerBlobGas: 3n }
    const request: TransactionRequest = { ...wanted, blobVersionedHashes: [blobHash, blobHash] }
    const feeMinor = 630_000n + 2n * 131_072n * 3n
    expect(fieldOf(request, blobs, feeMinor)).toBe('none')
    expect(fieldOf(request, blobs, feeMinor - 1n)).toBe('maxFeeMinor')
    const { maxFeePerGas, maxPriorityFeePerGas, ...legacy } = { ...prepared, type: 0, gasPrice: 31n }
    expect(fieldOf(wanted, legacy, '651000')).toBe('none')
    expect(fieldOf(wanted, legacy, '650999')).toBe('maxFeeMinor')
  })

  it('binds also what the caller stated itself', () => {
    expect(fieldOf({ ...wanted, gas: '21000', maxFeePerGas: '30' }, prepared, '1')).toBe('maxFeeMinor')
  })
})
