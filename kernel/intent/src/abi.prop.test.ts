import { concatBytes, decodeHex, encodeHex } from '@countersign/bytes'
import fc from 'fast-check'
import { encodeFunctionData, parseAbi } from 'viem'
import { describe, expect, it } from 'vitest'
import { mutationsOf, unlessRefused } from '../testing/mutations.ts'
import { type AbiArguments, type AbiValue, decodeArguments, encodeArguments } from './abi.ts'
import { type AbiType, parseAbiFunction } from './abi-signature.ts'

const typeTexts = fc.letrec<{ type: string; tuple: string }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      'address',
      'bool',
      'bytes',
      'string',
      'uint256',
      'int256',
      'uint8',
      'int24',
      'bytes1',
      'bytes32',
    ),
    fc.integer({ min: 1, max: 32 }).map((size) => `uint${8 * size}`),
    tie('type').map((type) => `${type}[]`),
    fc.tuple(tie('type'), fc.integer({ min: 1, max: 3 })).map(([type, length]) => `${type}[${length}]`),
    tie('tuple'),
  ),
  tuple: fc
    .array(tie('type'), { minLength: 1, maxLength: 3 })
    .map((types) => `(${types.map((type, i) => `${type} m${i}`).join(', ')})`),
})).type

function valuesOf(type: AbiType): fc.Arbitrary<AbiValue> {
  const hex = (options: { minLength: number; maxLength: number }) => fc.uint8Array(options).map(encodeHex)
  switch (type.kind) {
    case 'uint':
      return fc.bigInt({ min: 0n, max: (1n << BigInt(type.bits)) - 1n })
    case 'int':
      return fc.bigInt({ min: -(1n << BigInt(type.bits - 1)), max: (1n << BigInt(type.bits - 1)) - 1n })
    case 'address':
      return hex({ minLength: 20, maxLength: 20 })
    case 'bool':
      return fc.boolean()
    case 'bytesN':
      return hex({ minLength: type.size, maxLength: type.size })
    case 'bytes':
      return hex({ minLength: 0, maxLength: 70 })
    case 'string':
      return fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => text.isWellFormed())
    case 'array':
      return fc.array(valuesOf(type.of), { minLength: type.length ?? 0, maxLength: type.length ?? 3 })
    case 'tuple':
      return fc.record(Object.fromEntries(type.components.map((part) => [part.name, valuesOf(part.type)])))
  }
}

const calls = fc.array(typeTexts, { maxLength: 4 }).chain((types) => {
  const signature = `function f(${types.map((type, i) => `${type} p${i}`).join(', ')})`
  const fn = parseAbiFunction(signature)
  return fc.record({
    signature: fc.constant(signature),
    fn: fc.constant(fn),
    args: fc.record(
      Object.fromEntries(fn.inputs.map((input) => [input.name, valuesOf(input.type)])),
    ) as fc.Arbitrary<AbiArguments>,
  })
})

/** viem takes small integers as numbers. */
function forViem(type: AbiType, value: AbiValue): unknown {
  if (type.kind === 'array') return (value as AbiValue[]).map((element) => forViem(type.of, element))
  if (type.kind === 'tuple') {
    return Object.fromEntries(
      type.components.map((part) => [part.name, forViem(part.type, (value as AbiArguments)[part.name]!)]),
    )
  }
  if ((type.kind === 'int' || type.kind === 'uint') && type.bits <= 48) return Number(value)
  return value
}

describe('ABI against viem', () => {
  it('encodes as viem does, and decodes what viem encodes', () => {
    fc.assert(
      fc.property(calls, ({ signature, fn, args }) => {
        const abi = parseAbi([signature] as readonly string[])
        const data = encodeFunctionData({
          abi,
          functionName: 'f',
          args: fn.inputs.map((input) => forViem(input.type, args[input.name]!)),
        } as never)
        expect(encodeHex(encodeArguments(fn, args))).toBe(data)
        expect({ ...decodeArguments(fn, decodeHex(data)) }).toEqual(args)
      }),
      { numRuns: 300 },
    )
  })

  it('refuses what is near a call, or reads it as exactly those bytes', () => {
    const near = calls.chain(({ fn, args }) =>
      fc.record({ fn: fc.constant(fn), bytes: mutationsOf(encodeArguments(fn, args)) }),
    )
    fc.assert(
      fc.property(near, ({ fn, bytes }) => {
        const args = unlessRefused(() => decodeArguments(fn, bytes))
        if (args !== undefined) expect(encodeHex(encodeArguments(fn, args))).toBe(encodeHex(bytes))
      }),
      { numRuns: 2_000 },
    )
  })

  it('never throws anything but its own errors on noise', () => {
    const words = fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.nat(300).map((small) => decodeHex(`0x${small.toString(16).padStart(64, '0')}`)),
      ),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(calls, words, ({ fn }, noise) => {
        const bytes = concatBytes(decodeHex(fn.selector), ...noise)
        const args = unlessRefused(() => decodeArguments(fn, bytes))
        if (args !== undefined) expect(encodeHex(encodeArguments(fn, args))).toBe(encodeHex(bytes))
      }),
      { numRuns: 2_000 },
    )
  })

  it('never throws anything but its own errors on signatures', () => {
    const soup = fc
      .array(
        fc.constantFrom(
          'function',
          'f',
          '(',
          ')',
          ',',
          '[',
          ']',
          '3',
          'uint256',
          'tuple',
          'returns',
          ' ',
          'a',
          '💥',
          '0',
        ),
        { maxLength: 20 },
      )
      .map((tokens) => tokens.join(''))
    fc.assert(
      fc.property(fc.oneof(soup, fc.string()), (text) => {
        unlessRefused(() => parseAbiFunction(text))
      }),
      { numRuns: 2_000 },
    )
  })
})
