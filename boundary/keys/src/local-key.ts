import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import type { Algorithm, PublicKey, Signature } from './backend.ts'
import { keysError } from './catalogue.ts'
import { isSecp256k1SecretKey, type Secp256k1, secp256k1 } from './curve.ts'
import { type Ed25519Key, openEd25519Key, verifyEd25519 } from './ed25519.ts'
import { signTaproot } from './taproot.ts'

/**
 * A secret key in this process's memory: what the memory, file and env backends sign with.
 * Shows only its algorithm to inspection and serialisation. */
export class LocalKey {
  readonly algorithm: Algorithm
  readonly #curve: Secp256k1
  #secret: Uint8Array | undefined
  #ed25519: Ed25519Key | undefined
  #publicKey: PublicKey | undefined

  /** Copies the secret key; the caller still owns, and should zero, its own.
   * @throws {CountersignError} KEYS_SECRET_KEY_INVALID */
  constructor(options: { algorithm: Algorithm; secretKey: Uint8Array; curve?: Secp256k1 }) {
    this.algorithm = options.algorithm
    this.#curve = options.curve ?? secp256k1
    if (options.algorithm === 'ed25519') {
      this.#ed25519 = openEd25519Key(options.secretKey)
    } else {
      checkSecretKeyOf('secp256k1', options.secretKey)
      this.#secret = Uint8Array.from(options.secretKey)
    }
  }

  get isClosed(): boolean {
    return this.#secret === undefined && this.#ed25519 === undefined
  }

  publicKey(): PublicKey {
    this.#publicKey ??= { algorithm: this.algorithm, bytes: this.#publicBytes() }
    return this.#publicKey
  }

  /** @throws {CountersignError} KEYS_PAYLOAD_INVALID, KEYS_CLOSED */
  sign(payload: Uint8Array): Signature {
    if (this.#ed25519 !== undefined) return { bytes: this.#ed25519.sign(payload) }
    if (this.#secret === undefined) throw closed()
    const { bytes, recovery } = this.#curve.sign(payload, this.#secret)
    return recovery === 0 || recovery === 1 ? { bytes, recovery } : { bytes }
  }

  /** See `SchnorrSigner`.
   * @throws {CountersignError} KEYS_ALGORITHM_MISMATCH, KEYS_PAYLOAD_INVALID, KEYS_CLOSED */
  signTaproot(digest: Uint8Array): Uint8Array {
    if (this.algorithm !== 'secp256k1') {
      throw keysError('KEYS_ALGORITHM_MISMATCH', 'An Ed25519 key makes no signatures for Taproot.')
    }
    if (this.#secret === undefined) throw closed()
    return signTaproot(digest, this.#secret)
  }

  /** Zeroes the bytes that JavaScript can reach; OpenSSL wipes its own copy when the key object is collected. */
  close(): void {
    this.#secret?.fill(0)
    this.#secret = undefined
    this.#ed25519 = undefined
  }

  toJSON(): object {
    return { algorithm: this.algorithm }
  }

  [inspect.custom](): string {
    return `LocalKey { ${this.algorithm} }`
  }

  #publicBytes(): Uint8Array {
    if (this.#ed25519 !== undefined) return this.#ed25519.publicKey
    if (this.#secret === undefined) throw closed()
    return this.#curve.publicKey(this.#secret)
  }
}

/** @returns fresh random secret key bytes; the caller zeroes them. */
export function createSecretKey(algorithm: Algorithm): Uint8Array {
  for (;;) {
    const bytes = new Uint8Array(randomBytes(32))
    if (algorithm === 'ed25519' || isSecp256k1SecretKey(bytes)) return bytes
  }
}

/** @throws {CountersignError} KEYS_SECRET_KEY_INVALID */
export function checkSecretKeyOf(algorithm: Algorithm, secretKey: Uint8Array): void {
  const valid = algorithm === 'ed25519' ? secretKey.length === 32 : isSecp256k1SecretKey(secretKey)
  if (!valid) {
    throw keysError('KEYS_SECRET_KEY_INVALID', `The bytes are not an ${algorithm} secret key.`)
  }
}

/** The check of every signature before it leaves: independent of the backend that made it.
 * @param payload secp256k1: 32-byte digest. Ed25519: the message. */
export function verifySignature(publicKey: PublicKey, payload: Uint8Array, signature: Uint8Array): boolean {
  return publicKey.algorithm === 'ed25519'
    ? verifyEd25519(payload, signature, publicKey.bytes)
    : secp256k1.verify(payload, signature, publicKey.bytes)
}

function closed() {
  return keysError('KEYS_CLOSED', 'The key was closed.')
}
