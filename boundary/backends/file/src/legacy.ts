import { createDecipheriv, createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { decodeBase64, decodeUtf8, isEqual, parseJson } from '@countersign/bytes'
import {
  type Algorithm,
  checkSecretKeyOf,
  ed25519PublicKey,
  type KeyImporter,
  type KeyUri,
  keysError,
  Secret,
} from '@countersign/keys'
import { fileBytesMax } from './key-directory.ts'

export interface LegacyKey {
  readonly algorithm: Algorithm
  /** 32 bytes: Ed25519 seed or secp256k1 scalar. The caller zeroes it. */
  readonly secretKey: Uint8Array
  /** The old file could be read by other users: what it held may be known to them. */
  readonly wasExposed: boolean
}

export interface LegacyOptions {
  readonly path: string
  readonly secret: string | Uint8Array | Secret
  /** Needed for a file of 32 bytes, which does not say what it is; one of 64 is a Solana key pair. */
  readonly algorithm?: Algorithm
}

/**
 * Opens a key file of the older format, for import: {iv, encrypted, authTag} in base64, AES-256-GCM with a
 * 16-byte IV under SHA-256 of the secret; inside, a JSON array of 64 bytes (seed and public key) or 32.
 * Never writes.
 * @throws {CountersignError} KEYS_LEGACY_UNREADABLE, KEYS_ALGORITHM_MISMATCH, KEYS_KEY_NOT_FOUND,
 * KEYS_PERMISSIONS, KEYS_STORE_UNAVAILABLE */
export async function openLegacyKeyFile(options: LegacyOptions): Promise<LegacyKey> {
  const { text, wasExposed } = await readLegacyFile(options.path)
  const plaintext = decrypt(parseEnvelope(text), options.secret)
  const bytes = parseByteArray(plaintext)
  plaintext.fill(0)
  try {
    return { ...identify(bytes, options.algorithm), wasExposed }
  } finally {
    bytes.fill(0)
  }
}

/** The old file stays as it is: the operator deletes it when signatures with the new key have been seen to work.
 * @throws {CountersignError} those of `openLegacyKeyFile`, KEYS_KEY_EXISTS, KEYS_NAME_INVALID */
export async function importLegacyKey(
  backend: KeyImporter,
  options: LegacyOptions & { readonly name: string },
): Promise<{ key: KeyUri; wasExposed: boolean }> {
  const { algorithm, secretKey, wasExposed } = await openLegacyKeyFile(options)
  try {
    return { key: await backend.importKey({ algorithm, name: options.name, secretKey }), wasExposed }
  } finally {
    secretKey.fill(0)
  }
}

interface Envelope {
  readonly iv: Uint8Array
  readonly encrypted: Uint8Array
  readonly authTag: Uint8Array
}

async function readLegacyFile(path: string): Promise<{ text: string; wasExposed: boolean }> {
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const code = String((error as { code?: unknown }).code)
    if (code === 'ENOENT') throw keysError('KEYS_KEY_NOT_FOUND', 'There is no file to import at this path.')
    if (code === 'ELOOP') throw keysError('KEYS_PERMISSIONS', 'The file to import is a symbolic link.')
    throw keysError('KEYS_STORE_UNAVAILABLE', `The file to import cannot be opened: ${code}.`)
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile() || stat.size > fileBytesMax) throw unreadable('The file to import is not a key file.')
    return { text: await handle.readFile('latin1'), wasExposed: (stat.mode & 0o077) !== 0 }
  } finally {
    await handle.close()
  }
}

function parseEnvelope(text: string): Envelope {
  try {
    const value = parseJson(text.trim()) as Record<string, unknown> | null
    const members = Object.keys(value ?? {})
      .sort()
      .join(' ')
    if (members !== 'authTag encrypted iv') throw new Error('other members')
    const [iv, encrypted, authTag] = [value?.iv, value?.encrypted, value?.authTag].map((member) =>
      decodeBase64(String(member)),
    ) as [Uint8Array, Uint8Array, Uint8Array]
    // A short tag would be a short way to a forged one.
    if (iv.length !== 16 || authTag.length !== 16) throw new Error('other lengths')
    return { iv, encrypted, authTag }
  } catch {
    throw unreadable('The file is not {iv, encrypted, authTag} in base64 with a 16-byte IV and tag.')
  }
}

function decrypt({ iv, encrypted, authTag }: Envelope, secret: LegacyOptions['secret']): Uint8Array {
  const bytes = secret instanceof Secret ? secret.reveal() : new Secret(secret).reveal()
  const key = createHash('sha256').update(bytes).digest()
  bytes.fill(0)
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
  key.fill(0)
  decipher.setAuthTag(authTag)
  const plaintext = decipher.update(encrypted)
  try {
    decipher.final()
    return plaintext
  } catch {
    plaintext.fill(0)
    throw unreadable('The secret is wrong or the file was changed; the older format cannot tell which.')
  }
}

function parseByteArray(plaintext: Uint8Array): Uint8Array {
  let value: unknown
  try {
    value = parseJson(decodeUtf8(plaintext))
  } catch {
    // Not the parser's own message: it could quote a piece of the key.
  }
  if (!isByteArray(value) || (value.length !== 32 && value.length !== 64)) {
    throw unreadable('The file opens, but what it holds is not an array of 32 or 64 bytes.')
  }
  const bytes = Uint8Array.from(value)
  value.fill(0)
  return bytes
}

function isByteArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)
}

function identify(bytes: Uint8Array, wanted: Algorithm | undefined): Omit<LegacyKey, 'wasExposed'> {
  const algorithm = bytes.length === 64 ? 'ed25519' : wanted
  if (algorithm === undefined) {
    throw keysError(
      'KEYS_ALGORITHM_MISMATCH',
      'The file holds 32 bytes and does not say of which algorithm.',
      {
        fix: 'Name the algorithm of the key when importing it.',
      },
    )
  }
  if (wanted !== undefined && wanted !== algorithm) {
    throw keysError('KEYS_ALGORITHM_MISMATCH', `The file holds an Ed25519 key pair, not a key of ${wanted}.`)
  }
  const secretKey = bytes.slice(0, 32)
  checkSecretKeyOf(algorithm, secretKey)
  if (bytes.length === 64 && !isEqual(ed25519PublicKey(secretKey), bytes.subarray(32))) {
    secretKey.fill(0)
    throw unreadable('The public key in the file is not the one of its seed.')
  }
  return { algorithm, secretKey }
}

function unreadable(message: string) {
  return keysError('KEYS_LEGACY_UNREADABLE', message)
}
