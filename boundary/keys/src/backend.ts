import type { Brand } from '@countersign/bytes'

export type Algorithm = 'secp256k1' | 'ed25519'

/** `<backend>:<algorithm>:<name>`, for example `file:secp256k1:wal_5f0c…`. Names a key, never holds one. */
export type KeyUri = Brand<string, 'KeyUri'>

export interface PublicKey {
  readonly algorithm: Algorithm
  /** secp256k1: compressed point, 33 bytes. Ed25519: 32 bytes. */
  readonly bytes: Uint8Array
}

export interface SignRequest {
  readonly key: KeyUri
  /** secp256k1: 32-byte digest. Ed25519: the message. */
  readonly payload: Uint8Array
}

export interface Signature {
  /** secp256k1: r||s with low s. Ed25519: R||S. 64 bytes. */
  readonly bytes: Uint8Array
  /** secp256k1, where the key store can tell: which of the two points R was. A hint; the signer checks it. */
  readonly recovery?: 0 | 1
}

/** A backend: the verbs that every key store has. Rarer powers are separate, optional interfaces. */
export interface KeyBackend {
  readonly custody: BackendCustody
  /** @param name Names the key inside the backend: 1 to 64 of a-z, 0-9, `_`, `-`. The wallet's id. */
  createKey(options: { algorithm: Algorithm; name: string }): Promise<KeyUri>
  publicKey(key: KeyUri): Promise<PublicKey>
  sign(request: SignRequest): Promise<Signature>
  /** Overwrites what it can of the secrets in memory and lets go of the rest. */
  close(): Promise<void>
}

/** What a custody statement says of keys in this backend. Never rosier than the truth. */
export interface BackendCustody {
  readonly backend: 'memory' | 'file' | 'env'
  /** The name that the industry gives the architecture. */
  readonly architecture: string
  /** False where `COUNTERSIGN_ENV=production` refuses to start with it. */
  readonly production: boolean
  /** False: keys are gone when the process ends. */
  readonly durable: boolean
  /** Sentences on who can read the key, for people. */
  readonly statement: string
}

/** Optional power: signatures for Taproot. A backend without it holds no wallets of that form. */
export interface SchnorrSigner {
  /**
   * BIP-340 by a secp256k1 key, tweaked for a key path without scripts (BIP-341, BIP-86): the only Schnorr signature
   * that a wallet needs, so no other can be asked for. `payload` is the 32-byte digest.
   * @returns 64 bytes */
  signTaproot(request: SignRequest): Promise<Uint8Array>
}

export interface CheckedSignature {
  readonly bytes: Uint8Array
  /** Undefined: the signature is not that key's, and must not be used. */
  readonly recovery: 0 | 1 | undefined
}

/** Optional power of backends that check an ECDSA signature beside making it, away from the caller's thread. */
export interface CheckingSigner {
  /** Whether it does so as it was opened. */
  readonly checksSignatures: boolean
  /** By a secp256k1 key; what was made is checked by recovering its key and comparing it with the caller's.
   * @param request.publicKey Compressed: whose signature it must be, by the caller's books. */
  signChecked(request: SignRequest & { readonly publicKey: Uint8Array }): Promise<CheckedSignature>
}

export function isCheckingSigner(backend: KeyBackend): backend is KeyBackend & CheckingSigner {
  return (backend as Partial<CheckingSigner>).checksSignatures === true
}

/** Optional power of backends whose keys live in this process: takes in a key made elsewhere. */
export interface KeyImporter {
  /** @param options.secretKey 32 bytes: secp256k1 scalar or Ed25519 seed. Copied; the caller zeroes its own. */
  importKey(options: { algorithm: Algorithm; name: string; secretKey: Uint8Array }): Promise<KeyUri>
}
