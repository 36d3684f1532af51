import { keysError } from './catalogue.ts'

/** What Countersign needs of the curve, and no more: two implementations must agree on every byte of it. */
export interface Secp256k1 {
  readonly name: 'native' | 'noble'
  /** Deterministic (RFC 6979), low s. `recovery` is 0 or 1 but for one signature in 2^127.
   * @throws {CountersignError} KEYS_PAYLOAD_INVALID, KEYS_SECRET_KEY_INVALID */
  sign(digest: Uint8Array, secretKey: Uint8Array): { bytes: Uint8Array; recovery: number }
  /** @returns compressed public key, or undefined where no key could have made this signature. */
  recover(digest: Uint8Array, signature: Uint8Array, recovery: 0 | 1): Uint8Array | undefined
  /** False for a high s, and for anything malformed.
   * @param publicKey Compressed, 33 bytes. */
  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
  /** @returns compressed, 33 bytes.
   * @throws {CountersignError} KEYS_SECRET_KEY_INVALID */
  publicKey(secretKey: Uint8Array): Uint8Array
}

// SEC 2, section 2.4.1.
const orderN = Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex')

export function isSecp256k1SecretKey(bytes: Uint8Array): boolean {
  return bytes.length === 32 && bytes.some((byte) => byte !== 0) && Buffer.compare(bytes, orderN) < 0
}

export function checkSecretKey(bytes: Uint8Array): void {
  if (!isSecp256k1SecretKey(bytes)) {
    throw keysError('KEYS_SECRET_KEY_INVALID', 'The bytes are not a secp256k1 secret key.')
  }
}

export function checkDigest(digest: Uint8Array): void {
  if (!(digest instanceof Uint8Array) || digest.length !== 32) {
    throw keysError('KEYS_PAYLOAD_INVALID', 'A secp256k1 key signs a digest of 32 bytes.', {
      details: { payloadBytes: digest?.length },
    })
  }
}

export function isVerifiable(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  return digest.length === 32 && signature.length === 64 && publicKey.length === 33
}
