import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { checkDigest, checkSecretKey, isVerifiable, type Secp256k1 } from './secp256k1-interface.ts'

/** The part of secp256k1's bindings that is used here; the package has no types of its own. */
interface Bindings {
  contextRandomize(seed: Uint8Array): void
  ecdsaSign(digest: Uint8Array, secretKey: Uint8Array): { signature: Uint8Array; recid: number }
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed: true): Uint8Array
  publicKeyCreate(secretKey: Uint8Array, compressed: true): Uint8Array
}

/**
 * libsecp256k1 through its N-API addon, or undefined where the addon is not installed or does not load.
 * Only `bindings.js` is ever required: the package's `index.js` falls back to elliptic, whose ECDSA can
 * leak the key (CVE-2025-14505). */
export function loadNativeSecp256k1(): Secp256k1 | undefined {
  let bindings: Bindings
  try {
    bindings = createRequire(import.meta.url)('secp256k1/bindings.js') as Bindings
    // Blinds the multiplications with the secret (libsecp256k1, secp256k1_context_randomize).
    bindings.contextRandomize(randomBytes(32))
  } catch {
    return undefined
  }
  return nativeSecp256k1(bindings)
}

function nativeSecp256k1(bindings: Bindings): Secp256k1 {
  return {
    name: 'native',

    sign(digest, secretKey) {
      checkDigest(digest)
      checkSecretKey(secretKey)
      const { signature, recid } = bindings.ecdsaSign(digest, secretKey)
      return { bytes: signature, recovery: recid }
    },

    recover(digest, signature, recovery) {
      if (digest.length !== 32 || signature.length !== 64) return undefined
      try {
        return bindings.ecdsaRecover(signature, recovery, digest, true)
      } catch {
        return undefined
      }
    },

    verify(digest, signature, publicKey) {
      if (!isVerifiable(digest, signature, publicKey)) return false
      try {
        return bindings.ecdsaVerify(signature, digest, publicKey)
      } catch {
        return false
      }
    },

    publicKey(secretKey) {
      checkSecretKey(secretKey)
      return bindings.publicKeyCreate(secretKey, true)
    },
  }
}
