import { decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import fc from 'fast-check'
import { keccak256, serializeTransaction, type TransactionSerializable } from 'viem'
import { describe, expect, it } from 'vitest'
import { mutationsOf, unlessRefused } from '../testing/mutations.ts'
import {
  decodeEvmTransaction,
  encodeUnsignedEvmTransaction,
  evmTransactionHash,
  serializeSignedEvmTransaction,
} from './evm-transaction.ts'
import { evmTransactionIntent } from './evm-transaction-intent.ts'

/** COUNTERSIGN_FUZZ_RUNS=100000 for the long run. */
const fuzzRuns = Number(process.env.COUNTERSIGN_FUZZ_RUNS ?? 5_000)
const fuzzTimeoutMs = 1_800_000

const hexOf = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(encodeHex)
const addresses = hexOf(20)
const uint = (bits: number) =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }),
    fc.constantFrom(0n, 1n, 127n, 128n, 255n, 256n, (1n << BigInt(bits)) - 1n),
  )
const calldata = fc.oneof(
  fc.constant<Hex>('0x'),
  fc.uint8Array({ maxLength: 300 }).map(encodeHex),
  fc
    .constantFrom('0x00', '0x7f', '0x80', '0xa9059cbb', `0xa9059cbb${'00'.repeat(64)}`)
    .map((hex) => hex as Hex),
)
const chainIds = fc.oneof(
  fc.constantFrom(1, 127, 128, 8453, 31337),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
)
const nonces = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const accessLists = fc.array(
  fc.record({ address: addresses, storageKeys: fc.array(hexOf(32), { maxLength: 3 }) }),
  { maxLength: 3 },
)
const common = { chainId: chainIds, nonce: nonces, gas: uint(64), value: uint(256), data: calldata }
const prices = fc
  .tuple(uint(255), uint(255))
  .map(([a, b]) =>
    a < b ? { maxPriorityFeePerGas: a, maxFeePerGas: b } : { maxPriorityFeePerGas: b, maxFeePerGas: a },
  )
const scalars = fc.bigInt({ min: 1n, max: (1n << 255n) - 1n })

/** Random transactions of all five types, as viem has them. */
const viemTransactions: fc.Arbitrary<TransactionSerializable> = fc.oneof(
  fc.record({ ...common, type: fc.constant('legacy'), gasPrice: uint(255), to: fc.option(addresses) }),
  fc.record({
    ...common,
    type: fc.constant('eip2930'),
    gasPrice: uint(255),
    to: fc.option(addresses),
    accessList: accessLists,
  }),
  fc
    .record({
      ...common,
      type: fc.constant('eip1559'),
      to: fc.option(addresses),
      accessList: accessLists,
      prices,
    })
    .map(({ prices, ...rest }) => ({ ...rest, ...prices })),
  fc
    .record({
      ...common,
      type: fc.constant('eip4844'),
      to: addresses,
      accessList: accessLists,
      maxFeePerBlobGas: uint(255),
      blobVersionedHashes: fc.array(
        hexOf(31).map((hex) => `0x01${hex.slice(2)}` as Hex),
        { minLength: 1, maxLength: 4 },
      ),
      prices,
    })
    .map(({ prices, ...rest }) => ({ ...rest, ...prices })),
  fc
    .record({
      ...common,
      type: fc.constant('eip7702'),
      to: addresses,
      accessList: accessLists,
      authorizationList: fc.array(
        fc
          .record({
            chainId: fc.oneof(fc.constant(0), chainIds),
            address: addresses,
            nonce: nonces,
            yParity: fc.constantFrom(0, 1),
            r: scalars,
            s: scalars,
          })
          .map(({ r, s, ...rest }) => ({ ...rest, r: wordOf(r), s: wordOf(s) })),
        { minLength: 1, maxLength: 3 },
      ),
      prices,
    })
    .map(({ prices, ...rest }) => ({ ...rest, ...prices })),
) as fc.Arbitrary<TransactionSerializable>

function wordOf(value: bigint): Hex {
  return `0x${value.toString(16).padStart(64, '0')}`
}

const halfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

describe('EVM transactions against viem', () => {
  it('reads what viem serialises, field by field, and writes the same bytes', () => {
    fc.assert(
      fc.property(viemTransactions, (given) => {
        const bytes = decodeHex(serializeTransaction(given))
        const decoded = decodeEvmTransaction(bytes)
        expect(encodeHex(encodeUnsignedEvmTransaction(decoded))).toBe(encodeHex(bytes))
        expect(decoded).toMatchObject({
          chainId: BigInt(given.chainId!),
          nonce: BigInt(given.nonce!),
          gasLimit: given.gas,
          to: given.to ?? undefined,
          value: given.value,
          data: given.data,
        })
        for (const field of [
          'gasPrice',
          'maxFeePerGas',
          'maxPriorityFeePerGas',
          'maxFeePerBlobGas',
        ] as const) {
          expect(decoded[field]).toBe((given as Record<string, unknown>)[field])
        }
        const { accessList, blobVersionedHashes, authorizationList } = given as Record<string, unknown>
        expect(decoded.accessList).toEqual(accessList)
        expect(decoded.blobVersionedHashes).toEqual(blobVersionedHashes)
        expect(
          decoded.authorizationList?.map(({ r, s, chainId, nonce, ...rest }) => ({
            ...rest,
            chainId: Number(chainId),
            nonce: Number(nonce),
            r: wordOf(r),
            s: wordOf(s),
          })),
        ).toEqual(authorizationList)
      }),
      { numRuns: 400 },
    )
  })

  it('signs the digest that viem would, and makes the same signed bytes', () => {
    const signatures = fc.record({
      r: fc.bigInt({ min: 1n, max: halfOrder }),
      s: fc.oneof(fc.bigInt({ min: 1n, max: halfOrder }), fc.constantFrom(1n, halfOrder)),
      yParity: fc.constantFrom(0, 1),
    })
    fc.assert(
      fc.property(viemTransactions, signatures, (given, { r, s, yParity }) => {
        const unsigned = serializeTransaction(given)
        const intent = evmTransactionIntent(decodeHex(unsigned))
        expect(encodeHex(intent.toSign)).toBe(keccak256(unsigned))
        const signed = serializeTransaction(given, {
          r: wordOf(r),
          s: wordOf(s),
          ...(given.type === 'legacy' ? { v: 27n + BigInt(yParity) } : { yParity }),
        } as never)
        const ours = serializeSignedEvmTransaction(intent.transaction!, {
          r,
          s: decodeHex(wordOf(s)),
          yParity,
        })
        expect(encodeHex(ours)).toBe(signed)
        expect(evmTransactionHash(ours)).toBe(keccak256(signed))
        expect(() => decodeEvmTransaction(ours)).toThrow(
          expect.objectContaining({ code: 'INTENT_TRANSACTION_SIGNED' }),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('refuses what is near a transaction, or reads it as exactly those bytes; an effect and a fee each', {
    timeout: fuzzTimeoutMs,
  }, () => {
    const near = viemTransactions.chain((given) => mutationsOf(decodeHex(serializeTransaction(given))))
    fc.assert(
      fc.property(near, (bytes) => {
        const intent = unlessRefused(() => evmTransactionIntent(bytes))
        if (intent === undefined) return
        expect(encodeHex(encodeUnsignedEvmTransaction(intent.transaction!))).toBe(encodeHex(bytes))
        expect(intent.effects.length).toBeGreaterThan(1)
        expect(intent.effects.filter((effect) => effect.kind === 'fee')).toHaveLength(1)
      }),
      { numRuns: fuzzRuns },
    )
  })

  it('never throws anything but its own errors on noise', () => {
    const noise = fc.tuple(
      fc.constantFrom(0, 1, 2, 3, 4, 5, 0xc0, 0xc9, 0xf8),
      fc.uint8Array({ maxLength: 200 }),
    )
    fc.assert(
      fc.property(noise, ([first, rest]) => {
        unlessRefused(() => evmTransactionIntent(Uint8Array.of(first, ...rest)))
      }),
      { numRuns: fuzzRuns },
    )
  })
})
