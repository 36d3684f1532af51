import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, encodeU32 } from './byte-writer.ts'
import { ed25519Scalars, secp256k1Scalars } from './scalar-field.ts'
import { blockPrefix, hashToScalar, taggedHash } from './tagged-hash.ts'

const ascii = (text: string) => new TextEncoder().encode(text)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The definition, word for word. */
function plain(tag: string, fields: readonly Uint8Array[]): Uint8Array {
  const digest = sha256(ascii(`countersign/dkls/v1/${tag}`))
  return sha256(concatBytes(digest, digest, ...fields.flatMap((field) => [encodeU32(field.length), field])))
}

const fields = fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 5 })

describe('TH', () => {
  it('is its definition, short and long', () => {
    fc.assert(
      fc.property(fields, (list) => {
        expect(hex(taggedHash('dkg/com', ...list))).toBe(hex(plain('dkg/com', list)))
      }),
      { numRuns: 100 },
    )
    const long = new Uint8Array(49_152).fill(5)
    expect(hex(taggedHash('rvole/tr', long))).toBe(hex(plain('rvole/tr', [long])))
  })

  it('tells apart fields that only join to the same bytes', () => {
    const digests = [
      taggedHash('ctx', ascii('ab'), ascii('c')),
      taggedHash('ctx', ascii('a'), ascii('bc')),
      taggedHash('ctx', ascii('abc')),
      taggedHash('ctx', ascii('abc'), new Uint8Array(0)),
      taggedHash('ctx', new Uint8Array(0), ascii('abc')),
      taggedHash('dkg/sid', ascii('abc')),
    ]
    expect(new Set(digests.map(hex)).size).toBe(digests.length)
  })

  it('does not touch its fields', () => {
    const field = ascii('abc')
    taggedHash('ctx', field)
    expect(field).toEqual(ascii('abc'))
  })
})

it('HS is 512 bits, big endian, modulo the order of each suite', () => {
  fc.assert(
    fc.property(fields, (list) => {
      const wide = BigInt(`0x${hex(plain('dkg/pok/0', list))}${hex(plain('dkg/pok/1', list))}`)
      for (const field of [secp256k1Scalars, ed25519Scalars]) {
        expect(hashToScalar(field, 'dkg/pok', ...list)).toBe(wide % field.order)
      }
    }),
    { numRuns: 50 },
  )
})

it('a block is the hash of its tag, then its head', () => {
  const head = new Uint8Array(32).fill(9)
  const wanted = concatBytes(sha256(ascii('countersign/dkls/v1/ote/prg')), head)
  expect(hex(blockPrefix('ote/prg', head))).toBe(hex(wanted))
  expect(() => blockPrefix('ote/row', new Uint8Array(31))).toThrow(/32 bytes/)
})
