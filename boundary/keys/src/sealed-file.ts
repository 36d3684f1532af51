import { createHash } from 'node:crypto'
import {
  canonicalJson,
  decodeBase64Url,
  encodeBase64Url,
  encodeUtf8,
  type JsonObject,
  parseJson,
} from '@countersign/bytes'
import { keysError } from './catalogue.ts'

/** Public: stands in every sealed file. One salt per store, so that the slow derivation runs once per store. */
export interface KdfParams {
  readonly name: 'scrypt'
  readonly N: number
  readonly r: number
  readonly p: number
  /** base64url, 16 to 64 bytes. */
  readonly salt: string
}

/** What a sealed file is and whose; authenticated with the body. */
export interface SealedHeader {
  /** What the file is for, for example `countersign-key`. */
  readonly type: string
  /** The wallet's id, or the name of the signer's own secret. */
  readonly name: string
  /** Of the key inside, or `none`. */
  readonly algorithm: string
}

/** Byte strings are base64url. */
export interface SealedFile extends SealedHeader {
  readonly version: 1
  readonly kdf: KdfParams
  /** The file's own, 32 bytes. */
  readonly salt: string
  /** Tells a wrong secret from a changed file; 16 bytes derived from the secret. */
  readonly check: string
  readonly iv: string
  readonly ciphertext: string
  readonly tag: string
  /** SHA-256 of the canonical JSON of all other members. Finds accidents; the tag finds intent. */
  readonly digest: string
}

export const sealedFileCharsMax = 65_536

/** One line of canonical JSON (RFC 8785): a file has exactly one spelling, so no byte of it can vary. */
export function encodeSealedFile(file: SealedFile): string {
  return `${canonicalJson(file)}\n`
}

/** The digest rule is the same in every version, or an old reader could not tell a newer file from a damaged one. */
export function digestOfSealed(members: object): string {
  return encodeBase64Url(createHash('sha256').update(canonicalJson(members)).digest())
}

/**
 * Finds every accidental change without knowing the secret.
 * @throws {CountersignError} KEYS_FILE_TRUNCATED, KEYS_FILE_DAMAGED, KEYS_FILE_VERSION_UNKNOWN, KEYS_FILE_LEGACY */
export function parseSealedFile(text: string): SealedFile {
  if (text.length > sealedFileCharsMax) throw damaged('is longer than any file this software writes')
  const value = parseObject(text)
  if (value !== undefined && isLegacyShape(value)) {
    throw keysError('KEYS_FILE_LEGACY', 'The key file is in the older {iv, encrypted, authTag} format.')
  }
  if (!text.endsWith('}\n')) throw keysError('KEYS_FILE_TRUNCATED', 'The sealed file ends before its end.')
  if (value === undefined) throw damaged('is not JSON')
  const { digest, ...members } = value
  if (!isSpelledCanonically(value, text) || digest !== digestOfSealed(members)) {
    throw damaged('does not match its own digest')
  }
  if (value.version !== 1) {
    throw keysError('KEYS_FILE_VERSION_UNKNOWN', 'The sealed file has a version this software does not read.')
  }
  if (!isSealedFile(value)) throw damaged('lacks a member or has one too many')
  return value
}

const memberNames = 'algorithm check ciphertext digest iv kdf name salt tag type version'
const kdfMemberNames = 'N name p r salt'

function isSealedFile(value: object): value is SealedFile {
  const file = value as Record<string, unknown>
  const kdf = file.kdf as Record<string, unknown> | null
  return (
    Object.keys(file).sort().join(' ') === memberNames &&
    typeof kdf === 'object' &&
    kdf !== null &&
    Object.keys(kdf).sort().join(' ') === kdfMemberNames &&
    kdf.name === 'scrypt' &&
    [kdf.N, kdf.r, kdf.p].every((cost) => Number.isSafeInteger(cost)) &&
    [file.type, file.name, file.algorithm].every((text) => typeof text === 'string') &&
    isBytes(kdf.salt, 16, 64) &&
    isBytes(file.salt, 32, 32) &&
    isBytes(file.check, 16, 16) &&
    isBytes(file.iv, 12, 12) &&
    isBytes(file.tag, 16, 16) &&
    isBytes(file.ciphertext, 0, sealedFileCharsMax)
  )
}

function isBytes(value: unknown, lengthMin: number, lengthMax: number): boolean {
  if (typeof value !== 'string') return false
  try {
    const { length } = decodeBase64Url(value)
    return length >= lengthMin && length <= lengthMax
  } catch {
    return false
  }
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value = parseJson(text, { textCharsMax: sealedFileCharsMax, depthMax: 2 })
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}

function isSpelledCanonically(value: JsonObject, text: string): boolean {
  try {
    return `${canonicalJson(value)}\n` === text
  } catch {
    return false
  }
}

function isLegacyShape(value: JsonObject): boolean {
  return Object.keys(value).sort().join(' ') === 'authTag encrypted iv'
}

function damaged(what: string) {
  return keysError('KEYS_FILE_DAMAGED', `The sealed file ${what}.`)
}

/** The additional authenticated data: every member that is not the cipher's own input or output. */
export function headerBytes(file: Omit<SealedFile, 'iv' | 'ciphertext' | 'tag' | 'digest'>): Uint8Array {
  const { version, type, name, algorithm, kdf, salt, check } = file
  return encodeUtf8(canonicalJson({ version, type, name, algorithm, kdf, salt, check }))
}
