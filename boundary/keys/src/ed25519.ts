import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { keysError } from './catalogue.ts'

// RFC 8410: the DER that goes before a 32-byte seed (PKCS#8) and before a 32-byte public key (SPKI).
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

export interface Ed25519Key {
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
}

/** Parses the seed once; OpenSSL keeps its own copy until the key is garbage.
 * @throws {CountersignError} KEYS_SECRET_KEY_INVALID */
export function openEd25519Key(seed: Uint8Array): Ed25519Key {
  if (seed.length !== 32) {
    throw keysError('KEYS_SECRET_KEY_INVALID', 'The bytes are not an Ed25519 seed of 32 bytes.')
  }
  const der = Buffer.concat([pkcs8Prefix, seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    publicKey: Uint8Array.from(spki.subarray(spkiPrefix.length)),
    sign: (message) => copy(sign(null, message, key)),
  }
}

export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  return openEd25519Key(seed).publicKey
}

/** Parsed public keys kept, so that checking each signature does not parse the key again. */
const parsedKeysMax = 1_000
const parsedKeys = new Map<string, KeyObject>()

/** False for anything malformed. */
export function verifyEd25519(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false
  try {
    return verify(null, message, parsedPublicKey(publicKey), signature)
  } catch {
    return false
  }
}

function parsedPublicKey(bytes: Uint8Array): KeyObject {
  const id = Buffer.from(bytes).toString('latin1')
  const known = parsedKeys.get(id)
  if (known !== undefined) return known
  const key = createPublicKey({ key: Buffer.concat([spkiPrefix, bytes]), format: 'der', type: 'spki' })
  if (parsedKeys.size >= parsedKeysMax) {
    for (const oldest of parsedKeys.keys()) {
      parsedKeys.delete(oldest)
      break
    }
  }
  parsedKeys.set(id, key)
  return key
}

function copy(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
