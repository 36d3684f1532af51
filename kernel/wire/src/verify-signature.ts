import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { CredentialAlgorithm } from './request.ts'

export interface VerifyingKey {
  readonly algorithm: CredentialAlgorithm
  /** As `parsePublicKey` gives it. */
  readonly publicKey: Uint8Array
}

/**
 * Whether `signature` over `base` was made with the private key of `key`. ECDSA: SHA-256, r||s, 64 bytes,
 * high s allowed (P-256 clients do not normalise, and it is the nonce that stops replays). Ed25519: RFC 8032,
 * strict. A faster one must refuse the same: `request-signature.test.ts` shows which.
 */
export type SignatureVerifier = (key: VerifyingKey, base: Uint8Array, signature: Uint8Array) => boolean

const signatureBytes = 64
const ecdsaOptions = { lowS: false, prehash: true } as const

export const verifySignature: SignatureVerifier = ({ algorithm, publicKey }, base, signature) => {
  if (signature.length !== signatureBytes) return false
  try {
    switch (algorithm) {
      case 'p256':
        return p256.verify(signature, base, publicKey, ecdsaOptions)
      case 'secp256k1':
        return secp256k1.verify(signature, base, publicKey, ecdsaOptions)
      case 'ed25519':
        return ed25519.verify(signature, base, publicKey, { zip215: false })
    }
  } catch {
    // noble throws on encodings that are no signature or no key; to the caller they are one thing.
    return false
  }
}
