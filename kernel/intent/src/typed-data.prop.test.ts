import { encodeHex } from '@countersign/bytes'
import fc from 'fast-check'
import { hashTypedData } from 'viem'
import { describe, expect, it } from 'vitest'
import { unlessRefused } from '../testing/mutations.ts'
import { typedDataIntent } from './typed-data-intent.ts'

type Types = Record<string, { name: string; type: string }[]>

const hex = (minLength: number, maxLength = minLength) =>
  fc.uint8Array({ minLength, maxLength }).map(encodeHex)
const bits = fc.integer({ min: 1, max: 32 }).map((bytes) => 8 * bytes)

const atomicTypes = fc.oneof(
  fc.constantFrom('address', 'bool', 'string', 'bytes', 'uint256', 'int256'),
  bits.map((size) => `uint${size}`),
  bits.map((size) => `int${size}`),
  fc.integer({ min: 1, max: 32 }).map((size) => `bytes${size}`),
)

/** Struct i may refer to structs before it, and a Node type holds itself. */
const typeSets: fc.Arbitrary<Types> = fc
  .array(
    fc.array(
      fc.record({
        base: fc.oneof(
          { weight: 3, arbitrary: atomicTypes },
          { weight: 1, arbitrary: fc.constant('Struct') },
        ),
        struct: fc.nat(10),
        suffix: fc.constantFrom('', '', '', '[]', '[2]', '[][1]', '[2][]'),
      }),
      { maxLength: 4 },
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((structs) =>
    Object.fromEntries(
      structs.map((fields, i) => [
        `S${i}`,
        fields.map(({ base, struct, suffix }, f) => ({
          name: `f${f}`,
          type: `${base !== 'Struct' ? base : i === 0 ? 'bool' : `S${struct % i}`}${suffix}`,
        })),
      ]),
    ),
  )

function valuesOf(types: Types, type: string): fc.Arbitrary<unknown> {
  const array = /^(.*)\[(\d*)\]$/.exec(type)
  if (array !== null) {
    const length = array[2] === '' ? undefined : Number(array[2])
    return fc.array(valuesOf(types, array[1]!), { minLength: length ?? 0, maxLength: length ?? 2 })
  }
  const fields = types[type]
  if (fields !== undefined) {
    return fc.record(Object.fromEntries(fields.map((field) => [field.name, valuesOf(types, field.type)])))
  }
  if (type === 'address') return hex(20)
  if (type === 'bool') return fc.boolean()
  if (type === 'string') return fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed())
  if (type === 'bytes') return hex(0, 70)
  const size = BigInt(/\d+$/.exec(type)![0])
  if (type.startsWith('bytes')) return hex(Number(size))
  const integer = type.startsWith('uint')
    ? fc.bigInt({ min: 0n, max: (1n << size) - 1n })
    : fc.bigInt({ min: -(1n << (size - 1n)), max: (1n << (size - 1n)) - 1n })
  return integer.map((value) => value.toString())
}

const domains = fc.record(
  {
    name: fc.string(),
    version: fc.string(),
    chainId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    verifyingContract: hex(20),
    salt: hex(32),
  },
  { requiredKeys: [] },
)

const documents = typeSets.chain((types) => {
  const primaryType = Object.keys(types).at(-1)!
  return fc.record({
    domain: domains,
    types: fc.constant(types),
    primaryType: fc.constant(primaryType),
    message: valuesOf(types, primaryType),
  })
})

describe('typed data against viem', () => {
  it('hashes as viem does', () => {
    fc.assert(
      fc.property(documents, (document) => {
        const { name, version, chainId, verifyingContract, salt } = document.domain
        // viem drops a name that is empty from a derived domain type; here every key that is given counts.
        const domainType = [
          name !== undefined && { name: 'name', type: 'string' },
          version !== undefined && { name: 'version', type: 'string' },
          chainId !== undefined && { name: 'chainId', type: 'uint256' },
          verifyingContract !== undefined && { name: 'verifyingContract', type: 'address' },
          salt !== undefined && { name: 'salt', type: 'bytes32' },
        ].filter((field) => field !== false)
        const explicit = { ...document, types: { ...document.types, EIP712Domain: domainType } }
        const expected = hashTypedData(explicit as never)
        expect(encodeHex(typedDataIntent(explicit).toSign)).toBe(expected)
        expect(encodeHex(typedDataIntent(document).toSign)).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })

  it('hashes its own normal form to the same digest', () => {
    fc.assert(
      fc.property(documents, (document) => {
        const intent = typedDataIntent(document)
        const effect = intent.effects.at(-1)
        if (effect?.kind !== 'typed-data') throw new Error('no typed data')
        const again = typedDataIntent({ ...document, domain: effect.domain, message: effect.message })
        expect(encodeHex(again.toSign)).toBe(encodeHex(intent.toSign))
      }),
      { numRuns: 100 },
    )
  })

  it('never throws anything but its own errors', () => {
    const anything = fc.anything({ withBigInt: true, withNullPrototype: true, maxDepth: 4 })
    const hostile = fc.oneof(
      anything,
      fc.record({ domain: anything, types: anything, primaryType: anything, message: anything }),
      fc.record({
        domain: domains,
        types: fc.dictionary(
          fc.constantFrom('A', 'B', '__proto__', 'uint8'),
          fc.array(
            fc.record({
              name: fc.constantFrom('a', 'b', '', '__proto__'),
              type: fc.constantFrom('A', 'B[]', 'uint8', 'uint8[1]', 'bytes3', '[]', 'A[99999]'),
            }),
            { maxLength: 3 },
          ),
        ),
        primaryType: fc.constantFrom('A', 'B', 'uint8', '__proto__'),
        message: fc.oneof(anything, fc.dictionary(fc.constantFrom('a', 'b'), anything)),
      }),
      // One member of a good document replaced.
      fc
        .tuple(documents, fc.constantFrom('domain', 'types', 'primaryType', 'message'), anything)
        .map(([document, key, value]) => ({ ...document, [key]: value })),
    )
    fc.assert(
      fc.property(hostile, (input) => {
        unlessRefused(() => typedDataIntent(input as never))
      }),
      { numRuns: 2_000 },
    )
  })
})
