import { concatBytes, decodeHex, encodeHex, type Hex, sha256 } from '@countersign/bytes'
import {
  type CredentialAlgorithm,
  compressPublicKey,
  credentialId,
  type SigningAlgorithm,
} from '@countersign/wire'
import { privateKeyToAccount, sign as signSecp256k1 } from 'viem/accounts'
import { sdkError } from './catalogue.ts'

/** Something that can sign requests in a credential's name. The key itself may be out of reach (WebCrypto, HSM). */
export interface CredentialSigner {
  /** `cred_` and 32 hexadecimal digits, from the public key. */
  readonly id: string
  readonly algorithm: SigningAlgorithm
  /** Compressed point (33 bytes) or Ed25519 key (32 bytes). */
  readonly publicKey: Hex
  /** @returns 64 bytes: r||s over SHA-256 for the ECDSA algorithms, R||S for Ed25519. Passkeys: their assertion. */
  readonly sign: (base: Uint8Array) => Promise<Uint8Array>
}

/** One that signs with a key of its own, without asking anybody. */
export interface KeySigner extends CredentialSigner {
  readonly algorithm: CredentialAlgorithm
}

/** A new key together with its private part, to be stored by the caller. */
export interface CredentialKey {
  readonly signer: KeySigner
  /** PKCS #8 for P-256 and Ed25519, the 32-byte scalar for secp256k1. A secret. */
  readonly privateKey: Uint8Array
}

/** Makes a key whose private part can be stored. For a key that can never be read, use `createUnexportableCredential`. */
export async function createCredentialKey(algorithm: CredentialAlgorithm = 'p256'): Promise<CredentialKey> {
  if (algorithm === 'secp256k1') {
    const privateKey = crypto.getRandomValues(new Uint8Array(32))
    return { signer: secp256k1Signer(privateKey), privateKey }
  }
  const pair = await generatePair(algorithm, true)
  const privateKey = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey))
  return { signer: await credentialFromCryptoKey(pair), privateKey }
}

export interface CryptoKeyCredential {
  readonly signer: KeySigner
  /** Store it in IndexedDB and give it to `credentialFromCryptoKey` later. */
  readonly keyPair: CryptoKeyPair
}

/** A key that not even this program can read: for browsers. */
export async function createUnexportableCredential(
  algorithm: 'p256' | 'ed25519' = 'p256',
): Promise<CryptoKeyCredential> {
  const keyPair = await generatePair(algorithm, false)
  return { signer: await credentialFromCryptoKey(keyPair), keyPair }
}

/** @param keyPair The private key may be non-extractable; the public one must be extractable, as WebCrypto makes them.
 * @throws {CountersignError} SDK_CREDENTIAL_INVALID */
export async function credentialFromCryptoKey(keyPair: CryptoKeyPair): Promise<KeySigner> {
  const algorithm = algorithmOf(keyPair.privateKey)
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', keyPair.publicKey))
  const parameters = algorithm === 'p256' ? { name: 'ECDSA', hash: 'SHA-256' } : { name: 'Ed25519' }
  return signerOf(algorithm, algorithm === 'p256' ? compressPublicKey('p256', raw) : raw, async (base) => {
    const signature = await crypto.subtle.sign(parameters, keyPair.privateKey, new Uint8Array(base))
    return new Uint8Array(signature)
  })
}

/**
 * @param privateKey PKCS #8 (P-256, Ed25519), or the raw 32 bytes (scalar or Ed25519 seed); hexadecimal or bytes.
 * @throws {CountersignError} SDK_CREDENTIAL_INVALID */
export async function credentialFromPrivateKey(
  algorithm: CredentialAlgorithm,
  privateKey: Uint8Array | Hex,
): Promise<KeySigner> {
  const bytes = typeof privateKey === 'string' ? decodeHex(privateKey, 'privateKey') : privateKey
  if (algorithm === 'secp256k1') return secp256k1Signer(bytes)
  const pkcs8 = bytes.length === 32 ? concatBytes(pkcs8Head[algorithm], bytes) : bytes
  try {
    return await importPkcs8(algorithm, pkcs8)
  } catch {
    // The cause could quote key material; the reason is always the same: these bytes are no such key.
    throw sdkError('SDK_CREDENTIAL_INVALID', `The private key is no ${algorithm} key in PKCS #8 or raw form.`)
  }
}

// RFC 5958 / RFC 5915 (without the optional public key) and RFC 8410: everything before the 32 bytes of the key.
const pkcs8Head = {
  p256: decodeHex('0x3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420'),
  ed25519: decodeHex('0x302e020100300506032b657004220420'),
} as const

async function importPkcs8(algorithm: 'p256' | 'ed25519', pkcs8: Uint8Array): Promise<KeySigner> {
  const parameters = keyParameters(algorithm)
  const readable = await crypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), parameters, true, ['sign'])
  const jwk = await crypto.subtle.exportKey('jwk', readable)
  const { d: _secret, key_ops: _ops, ...publicJwk } = jwk
  const publicKey = await crypto.subtle.importKey('jwk', publicJwk, parameters, true, ['verify'])
  const privateKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), parameters, false, [
    'sign',
  ])
  return credentialFromCryptoKey({ privateKey, publicKey })
}

function generatePair(algorithm: 'p256' | 'ed25519', extractable: boolean): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(keyParameters(algorithm), extractable, [
    'sign',
    'verify',
  ]) as Promise<CryptoKeyPair>
}

function keyParameters(algorithm: 'p256' | 'ed25519') {
  return algorithm === 'p256' ? { name: 'ECDSA', namedCurve: 'P-256' } : { name: 'Ed25519' }
}

function algorithmOf(key: CryptoKey): 'p256' | 'ed25519' {
  const { name, namedCurve } = key.algorithm as { name: string; namedCurve?: string }
  if (name === 'ECDSA' && namedCurve === 'P-256') return 'p256'
  if (name === 'Ed25519') return 'ed25519'
  throw sdkError(
    'SDK_CREDENTIAL_INVALID',
    `A ${name} key cannot sign requests; ECDSA on P-256 or Ed25519 can.`,
  )
}

// WebCrypto does not have this curve, so the scalar stays in memory: prefer the other two.
function secp256k1Signer(scalar: Uint8Array): KeySigner {
  const privateKey = encodeHex(scalar)
  let uncompressed: Uint8Array
  try {
    uncompressed = decodeHex(privateKeyToAccount(privateKey).publicKey)
  } catch {
    throw sdkError('SDK_CREDENTIAL_INVALID', 'The private key is no secp256k1 scalar of 32 bytes.')
  }
  return signerOf('secp256k1', compressPublicKey('secp256k1', uncompressed), async (base) => {
    const { r, s } = await signSecp256k1({ hash: encodeHex(sha256(base)), privateKey })
    return concatBytes(decodeHex(r, 'r', 32), decodeHex(s, 's', 32))
  })
}

function signerOf(
  algorithm: CredentialAlgorithm,
  publicKey: Uint8Array,
  sign: CredentialSigner['sign'],
): KeySigner {
  return { id: credentialId(algorithm, publicKey), algorithm, publicKey: encodeHex(publicKey), sign }
}
