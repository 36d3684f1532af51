import { encodeHex, type Hex, sha256 } from '@countersign/bytes'
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { compressPublicKey, credentialId, credentialIdForm, parsePublicKey } from './credential.ts'
import { credentialAlgorithms } from './request.ts'
import { codeOf, testKey } from './testing/signed-request.ts'

const invalid = 'WIRE_PUBLIC_KEY_INVALID'

describe('credentialId', () => {
  it('is the hash of algorithm and key', () => {
    const { publicKey, id } = testKey('p256')
    const input = new Uint8Array([...new TextEncoder().encode('p256'), 0, ...publicKey])
    expect(id).toBe(`cred_${encodeHex(sha256(input)).slice(2, 34)}`)
    expect(id).toMatch(credentialIdForm)
  })

  it('differs where only the algorithm differs', () => {
    const { publicKey } = testKey('p256')
    expect(credentialId('secp256k1', publicKey)).not.toBe(credentialId('p256', publicKey))
  })
})

describe('parsePublicKey', () => {
  it.each(credentialAlgorithms)('%s: takes bytes and hexadecimal', (algorithm) => {
    const { publicKey } = testKey(algorithm)
    expect(parsePublicKey(algorithm, publicKey)).toEqual(publicKey)
    expect(parsePublicKey(algorithm, encodeHex(publicKey))).toEqual(publicKey)
  })

  it.each(credentialAlgorithms)('%s: refuses other lengths, other text, and zeros', (algorithm) => {
    const { publicKey } = testKey(algorithm)
    for (const bytes of [new Uint8Array(0), publicKey.slice(1), new Uint8Array([...publicKey, 0])]) {
      expect(codeOf(() => parsePublicKey(algorithm, bytes))).toBe(invalid)
    }
    for (const text of ['', '0x', '0xzz', encodeHex(publicKey).slice(2), `${encodeHex(publicKey)}0`]) {
      expect(codeOf(() => parsePublicKey(algorithm, text as Hex))).toBe(invalid)
    }
    expect(codeOf(() => parsePublicKey(algorithm, new Uint8Array(publicKey.length)))).toBe(invalid)
    expect(codeOf(() => parsePublicKey(algorithm, new Uint8Array(publicKey.length).fill(255)))).toBe(invalid)
  })

  it.each(['p256', 'secp256k1'] as const)(
    '%s: refuses an x that is on no point, and prefixes but 2 and 3',
    (algorithm) => {
      const { publicKey } = testKey(algorithm)
      const codes = Array.from({ length: 64 }, (_, i) => {
        const bytes = publicKey.slice()
        bytes[32] = i
        return codeOf(() => parsePublicKey(algorithm, bytes))
      })
      expect(codes).toContain(invalid)
      expect(codes).toContain('none')
      for (const prefix of [0, 1, 4, 5, 6, 7]) {
        expect(codeOf(() => parsePublicKey(algorithm, new Uint8Array([prefix, ...publicKey.slice(1)])))).toBe(
          invalid,
        )
      }
    },
  )

  it('ed25519: refuses points of small order, also in encodings that are not canonical, and mixed ones', () => {
    for (const hex of ED25519_TORSION_SUBGROUP) {
      expect(codeOf(() => parsePublicKey('ed25519', `0x${hex}`))).toBe(invalid)
    }
    const p = 2n ** 255n - 19n
    for (const y of [p, p + 1n, p - 1n, 0n, 1n]) {
      const bytes = Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse()
      expect(codeOf(() => parsePublicKey('ed25519', new Uint8Array(bytes)))).toBe(invalid)
    }
    const small = ed25519.Point.fromHex(ED25519_TORSION_SUBGROUP[1]!)
    const mixed = ed25519.Point.fromBytes(testKey('ed25519').publicKey).add(small).toBytes()
    expect(codeOf(() => parsePublicKey('ed25519', mixed))).toBe(invalid)
  })
})

describe('compressPublicKey', () => {
  it.each([
    ['p256', p256],
    ['secp256k1', secp256k1],
  ] as const)('%s: the compressed form of either form', (algorithm, curve) => {
    const { publicKey } = testKey(algorithm)
    const long = curve.Point.fromBytes(publicKey).toBytes(false)
    expect(compressPublicKey(algorithm, long)).toEqual(publicKey)
    expect(compressPublicKey(algorithm, publicKey)).toEqual(publicKey)
    const off = long.slice()
    off[64]! ^= 1
    expect(codeOf(() => compressPublicKey(algorithm, off))).toBe(invalid)
  })
})
