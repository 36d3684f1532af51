import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { frostPublicKey, taprootTweak } from './frost-key.ts'
import { isFrostSignatureValid } from './frost-suites.ts'
import type { KeyShare } from './key-share.ts'
import { nobleSecp256k1Group as group } from './secp256k1-noble.ts'
import { dealFrostShares } from './testing/deal-frost-shares.ts'
import { seededRandom } from './testing/seeded-random.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const vectors = (file: string) =>
  readFileSync(new URL(`../../../test/vectors/bips/${file}`, import.meta.url), 'utf8')

describe('BIP-340', () => {
  const rows = vectors('bip-0340.csv')
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => row.split(','))

  it('has 15 vectors, of which 5 are valid', () => {
    expect(rows).toHaveLength(15)
    expect(rows.filter((row) => row[6] === 'TRUE')).toHaveLength(5)
  })

  it.each(rows)('vector %s', (...row) => {
    const [publicKey, message, signature] = [row[2], row[4], row[5]].map((text) => unhex(text as string))
    const signed = { publicKey, message, signature } as Record<
      'publicKey' | 'message' | 'signature',
      Uint8Array
    >
    expect(isFrostSignatureValid(4, signed)).toBe(row[6] === 'TRUE')
    expect(isFrostSignatureValid(4, { ...signed, signature: signed.signature.slice(1) })).toBe(false)
  })
})

interface TweakVector {
  readonly internalPrivkey: string
  readonly internalPubkey: string
  readonly merkleRoot: string | null
  readonly tweak: string
  readonly tweakedPubkey: string
  readonly tweakedPrivkey: string
}

describe('BIP-341', () => {
  it.each(JSON.parse(vectors('bip-0341-tweaks.json')) as TweakVector[])('output $tweakedPubkey', (vector) => {
    const publicKey = group.multiplyBase(BigInt(`0x${vector.internalPrivkey}`))
    const parent = { suite: 4, group, publicKey, chainCode: new Uint8Array(32) } as const
    const merkleRoot = unhex(vector.merkleRoot ?? '')
    expect(hex(frostPublicKey(parent))).toBe(vector.internalPubkey)
    expect(hex(taprootTweak(unhex(vector.internalPubkey), merkleRoot))).toBe(vector.tweak)
    expect(hex(frostPublicKey(parent, { merkleRoot }))).toBe(vector.tweakedPubkey)
    const output = group.multiplyBase(BigInt(`0x${vector.tweakedPrivkey}`))
    expect(hex(group.encode(output).subarray(1))).toBe(vector.tweakedPubkey)
  })
})

describe('the choice of a key', () => {
  const shareOf = (suite: 2 | 3 | 4) => {
    const random = seededRandom(new Uint8Array(32).fill(suite))
    return dealFrostShares({ suite, threshold: 2, indices: [1, 2], random }).get(1) as KeyShare
  }
  const [ed25519, secp256k1, bip340] = [shareOf(2), shareOf(3), shareOf(4)]

  it('has the lengths of the suites', () => {
    expect(frostPublicKey(ed25519)).toHaveLength(32)
    expect(frostPublicKey(secp256k1, { path: [1] })).toHaveLength(33)
    expect(frostPublicKey(bip340, { path: [1] })).toHaveLength(32)
  })

  it.each([
    ['a path on Ed25519', () => frostPublicKey(ed25519, { path: [0] }), 'no public derivation'],
    ['a hardened index', () => frostPublicKey(bip340, { path: [0x8000_0000] }), 'hardened'],
    ['taproot on suite 2', () => frostPublicKey(ed25519, { merkleRoot: new Uint8Array(0) }), 'no taproot'],
    ['taproot on suite 3', () => frostPublicKey(secp256k1, { merkleRoot: new Uint8Array(32) }), 'no taproot'],
    ['a root of 31 bytes', () => frostPublicKey(bip340, { merkleRoot: new Uint8Array(31) }), '32 bytes'],
    ['a root of 33 bytes', () => frostPublicKey(bip340, { merkleRoot: new Uint8Array(33) }), '32 bytes'],
    ['a key of ECDSA', () => frostPublicKey({ ...secp256k1, suite: 1 }), 'does not sign with FROST'],
  ])('refuses %s', (_, choose, message) => {
    expect(choose).toThrow(message)
    expect(choose).toThrow(expect.objectContaining({ code: 'MPC_INPUT_INVALID' }))
  })

  it('no script, an empty root and a root of zeros are three different keys', () => {
    const keys = [{}, { merkleRoot: new Uint8Array(0) }, { merkleRoot: new Uint8Array(32) }].map((choice) =>
      hex(frostPublicKey(bip340, choice)),
    )
    expect(new Set(keys).size).toBe(3)
  })
})
