import { ed25519 as noble } from '@noble/curves/ed25519.js'
import { describe, expect, it } from 'vitest'
import { ed25519PublicKey, openEd25519Key, verifyEd25519, verifySignature } from './index.ts'
import { codeOf } from './testing.ts'

describe('Ed25519', () => {
  // RFC 8032 section 7.1, test 2.
  it('is RFC 8032', () => {
    const key = openEd25519Key(hex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'))
    expect(Buffer.from(key.publicKey).toString('hex')).toBe(
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    )
    expect(Buffer.from(key.sign(hex('72'))).toString('hex')).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
  })

  it('agrees with noble', () => {
    for (let i = 0; i < 20; i++) {
      const seed = noble.utils.randomSecretKey()
      const message = seed.subarray(0, i)
      const key = openEd25519Key(seed)
      expect(key.publicKey).toEqual(noble.getPublicKey(seed))
      expect(ed25519PublicKey(seed)).toEqual(key.publicKey)
      expect(key.sign(message)).toEqual(noble.sign(message, seed))
    }
  })

  it('verifies nothing changed or malformed', async () => {
    const key = openEd25519Key(new Uint8Array(32).fill(7))
    const message = hex('0102')
    const signature = key.sign(message)
    expect(verifyEd25519(message, signature, key.publicKey)).toBe(true)
    expect(verifySignature({ algorithm: 'ed25519', bytes: key.publicKey }, message, signature)).toBe(true)
    expect(verifyEd25519(hex('0103'), signature, key.publicKey)).toBe(false)
    expect(verifyEd25519(message, signature.subarray(1), key.publicKey)).toBe(false)
    expect(verifyEd25519(message, signature, key.publicKey.subarray(1))).toBe(false)
    expect(verifyEd25519(message, signature, new Uint8Array(32).fill(255))).toBe(false)
    expect(await codeOf(() => openEd25519Key(new Uint8Array(31)))).toBe('KEYS_SECRET_KEY_INVALID')
    expect(await codeOf(() => openEd25519Key(new Uint8Array(64)))).toBe('KEYS_SECRET_KEY_INVALID')
  })

  it('goes on verifying after more keys than it keeps parsed', () => {
    const message = hex('01')
    for (let i = 0; i < 1_100; i++) {
      const seed = new Uint8Array(32)
      new DataView(seed.buffer).setUint32(0, i)
      const key = openEd25519Key(seed)
      if (!verifyEd25519(message, key.sign(message), key.publicKey)) throw new Error(`key ${i}`)
    }
  })
})

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
