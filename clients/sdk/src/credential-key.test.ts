import { generateKeyPairSync } from 'node:crypto'
import { decodeHex, encodeHex, encodeUtf8 } from '@countersign/bytes'
import {
  type CredentialAlgorithm,
  credentialAlgorithms,
  parsePublicKey,
  verifySignature,
} from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import {
  createCredentialKey,
  createUnexportableCredential,
  credentialFromCryptoKey,
  credentialFromPrivateKey,
  type KeySigner,
} from './credential-key.ts'
import { credentialFromKeyObject } from './node/key-object-credential.ts'

const base = encodeUtf8('"@method": POST')

function verifies(signer: KeySigner, signature: Uint8Array, over = base): boolean {
  const publicKey = parsePublicKey(signer.algorithm, signer.publicKey)
  return verifySignature({ algorithm: signer.algorithm, publicKey }, over, signature)
}

describe.each(credentialAlgorithms)('a %s credential', (algorithm: CredentialAlgorithm) => {
  it('signs what the signer verifies, and comes back the same from its stored key', async () => {
    const { signer, privateKey } = await createCredentialKey(algorithm)
    expect(signer.algorithm).toBe(algorithm)
    expect(verifies(signer, await signer.sign(base))).toBe(true)
    expect(verifies(signer, await signer.sign(base), encodeUtf8('"@method": GET'))).toBe(false)

    for (const stored of [privateKey, encodeHex(privateKey)]) {
      const again = await credentialFromPrivateKey(algorithm, stored)
      expect({ id: again.id, publicKey: again.publicKey }).toEqual({
        id: signer.id,
        publicKey: signer.publicKey,
      })
      expect(verifies(signer, await again.sign(base))).toBe(true)
    }
  })

  it('is the same credential under node:crypto as under WebCrypto', async () => {
    const keyObject =
      algorithm === 'ed25519'
        ? generateKeyPairSync('ed25519').privateKey
        : generateKeyPairSync('ec', { namedCurve: algorithm === 'p256' ? 'prime256v1' : 'secp256k1' })
            .privateKey
    const native = credentialFromKeyObject(keyObject)
    const secret =
      algorithm === 'secp256k1'
        ? Buffer.from(keyObject.export({ format: 'jwk' }).d ?? '', 'base64url')
        : keyObject.export({ format: 'der', type: 'pkcs8' })
    const web = await credentialFromPrivateKey(algorithm, new Uint8Array(secret))
    expect(native.id).toBe(web.id)
    expect(native.publicKey).toBe(web.publicKey)
    expect(verifies(web, await native.sign(base))).toBe(true)
    expect(verifies(native, await web.sign(base))).toBe(true)
  })

  it('takes a raw key of 32 bytes', async () => {
    const raw = decodeHex(`0x${'07'.repeat(32)}`)
    const signer = await credentialFromPrivateKey(algorithm, raw)
    expect(verifies(signer, await signer.sign(base))).toBe(true)
  })

  it('refuses what is no key, without quoting it', async () => {
    for (const bytes of [new Uint8Array(31).fill(0xab), new Uint8Array(100).fill(0xab)]) {
      const failure = await credentialFromPrivateKey(algorithm, bytes).catch((error) => error)
      expect(failure).toMatchObject({ code: 'SDK_CREDENTIAL_INVALID' })
      expect(JSON.stringify(failure) + failure.stack).not.toContain('abab')
    }
  })
})

describe('WebCrypto keys', () => {
  it.each(['p256', 'ed25519'] as const)('sign although %s cannot be exported', async (algorithm) => {
    const { signer, keyPair } = await createUnexportableCredential(algorithm)
    expect(keyPair.privateKey.extractable).toBe(false)
    await expect(crypto.subtle.exportKey('pkcs8', keyPair.privateKey)).rejects.toThrow()
    expect(verifies(signer, await signer.sign(base))).toBe(true)
    expect((await credentialFromCryptoKey(keyPair)).id).toBe(signer.id)
  })

  it('of another kind are refused', async () => {
    const parameters = { name: 'ECDSA', namedCurve: 'P-384' }
    const pair = (await crypto.subtle.generateKey(parameters, false, ['sign', 'verify'])) as CryptoKeyPair
    await expect(credentialFromCryptoKey(pair)).rejects.toMatchObject({ code: 'SDK_CREDENTIAL_INVALID' })
  })
})

describe('key objects', () => {
  it('of another kind are refused', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const ed25519 = generateKeyPairSync('ed25519')
    for (const key of [rsa.privateKey, p384.privateKey, ed25519.publicKey]) {
      expect(() => credentialFromKeyObject(key)).toThrow(
        expect.objectContaining({ code: 'SDK_CREDENTIAL_INVALID' }),
      )
    }
  })
})
