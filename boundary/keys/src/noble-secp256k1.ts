import { secp256k1 as noble } from '@noble/curves/secp256k1.js'
import { checkDigest, checkSecretKey, isVerifiable, type Secp256k1 } from './secp256k1-interface.ts'

/** Pure JavaScript: works wherever Node does, ten times slower than libsecp256k1 at signing, 25 times at verifying. */
export const nobleSecp256k1: Secp256k1 = {
  name: 'noble',

  sign(digest, secretKey) {
    checkDigest(digest)
    checkSecretKey(secretKey)
    // RFC 6979 without extra entropy; noble puts the recovery id in front of r||s.
    const recovered = noble.sign(digest, secretKey, {
      prehash: false,
      lowS: true,
      format: 'recovered',
      extraEntropy: false,
    })
    return { bytes: recovered.slice(1), recovery: recovered[0] as number }
  },

  recover(digest, signature, recovery) {
    if (digest.length !== 32 || signature.length !== 64) return undefined
    try {
      return noble.Signature.fromBytes(signature, 'compact')
        .addRecoveryBit(recovery)
        .recoverPublicKey(digest)
        .toBytes(true)
    } catch {
      return undefined
    }
  },

  verify(digest, signature, publicKey) {
    if (!isVerifiable(digest, signature, publicKey)) return false
    try {
      return noble.verify(signature, digest, publicKey, { prehash: false, lowS: true, format: 'compact' })
    } catch {
      return false
    }
  },

  publicKey(secretKey) {
    checkSecretKey(secretKey)
    return noble.getPublicKey(secretKey, true)
  },
}
