import { createPrivateKey, type KeyObject } from 'node:crypto'
import { closeSync, constants, fchmodSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { decodeBase64, decodeUtf8, encodeBase64, type Hex } from '@countersign/bytes'
import type { CredentialAlgorithm } from '@countersign/wire'
import { sdkError } from '../catalogue.ts'
import { type CredentialKey, createCredentialKey, type KeySigner } from '../credential-key.ts'
import { credentialFromKeyObject } from './key-object-credential.ts'

/** What a credential's file holds beside its key: enough to print and to register it without reading the key. */
interface CredentialFile {
  readonly version: 1
  readonly id: string
  readonly algorithm: CredentialAlgorithm
  readonly publicKey: Hex
  /** Base64: PKCS #8, or the scalar for secp256k1. */
  readonly privateKey: string
}

const fileBytesMax = 16_384
const othersMode = 0o077
const sec1Head = Buffer.from('302e0201010420', 'hex')
const sec1Curve = Buffer.from('a00706052b8104000a', 'hex')

/**
 * Reads a credential from its own JSON file or from an unencrypted PKCS #8 PEM.
 * @throws {CountersignError} SDK_CREDENTIAL_FILE_EXPOSED where anyone but the owner can read it,
 * SDK_CREDENTIAL_INVALID where it is no such file or its public part does not belong to its key. */
export function credentialFromFile(path: string): KeySigner {
  const text = readOwnFile(path)
  if (text.includes('-----BEGIN')) return credentialFromKeyObject(keyFromPem(text, path))
  const file = parseFile(text, path)
  const signer = credentialFromKeyObject(keyFromBytes(file, path))
  if (signer.id !== file.id || signer.publicKey !== file.publicKey) {
    throw sdkError('SDK_CREDENTIAL_INVALID', `The public part of ${path} does not belong to its private key.`)
  }
  return signer
}

/** Makes a credential and its file (0600). An existing file is never overwritten.
 * @throws {CountersignError} SDK_CREDENTIAL_INVALID where the file exists */
export async function createCredentialFile(
  path: string,
  algorithm: CredentialAlgorithm = 'p256',
): Promise<KeySigner> {
  const key = await createCredentialKey(algorithm)
  saveCredentialFile(path, key)
  return credentialFromFile(path)
}

/** Writes a credential's file (0600). An existing file is never overwritten.
 * @throws {CountersignError} SDK_CREDENTIAL_INVALID where the file exists or cannot be made */
export function saveCredentialFile(path: string, key: CredentialKey): void {
  const { id, algorithm, publicKey } = key.signer
  const file: CredentialFile = {
    version: 1,
    id,
    algorithm,
    publicKey,
    privateKey: encodeBase64(key.privateKey),
  }
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    throw sdkError(
      'SDK_CREDENTIAL_INVALID',
      exists ? `${path} exists already and is not overwritten.` : `${path} cannot be made.`,
      { fix: 'Choose another path for the credential.', cause },
    )
  }
  try {
    fchmodSync(descriptor, 0o600)
    writeFileSync(descriptor, `${JSON.stringify(file, null, 2)}\n`)
  } finally {
    closeSync(descriptor)
  }
}

/** Opens once and asks the open file, so that nothing can be swapped between the check and the read. */
function readOwnFile(path: string): string {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDONLY)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw sdkError('SDK_CREDENTIAL_INVALID', `The credential file ${path} cannot be opened (${code}).`, {
      fix: 'Check the path and that this user owns the file.',
      cause,
    })
  }
  try {
    const { mode, size } = fstatSync(descriptor)
    if (process.platform !== 'win32' && (mode & othersMode) !== 0) {
      throw sdkError('SDK_CREDENTIAL_FILE_EXPOSED', `Other users have access to ${path}.`)
    }
    if (size > fileBytesMax)
      throw sdkError('SDK_CREDENTIAL_INVALID', `${path} is too large for a credential.`)
    return decodeUtf8(readFileSync(descriptor))
  } finally {
    closeSync(descriptor)
  }
}

function parseFile(text: string, path: string): CredentialFile {
  let file: Partial<CredentialFile>
  try {
    file = JSON.parse(text) as Partial<CredentialFile>
  } catch {
    // The parser's message quotes the text, which may be a key.
    throw notACredential(path)
  }
  const { version, id, algorithm, publicKey, privateKey } = file
  const known = algorithm === 'p256' || algorithm === 'ed25519' || algorithm === 'secp256k1'
  if (
    version !== 1 ||
    !known ||
    typeof privateKey !== 'string' ||
    id === undefined ||
    publicKey === undefined
  ) {
    throw notACredential(path)
  }
  return { version, id, algorithm, publicKey, privateKey }
}

function keyFromPem(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    throw notACredential(path)
  }
}

function keyFromBytes(file: CredentialFile, path: string): KeyObject {
  try {
    const bytes = decodeBase64(file.privateKey, 'privateKey')
    if (file.algorithm !== 'secp256k1') {
      return createPrivateKey({ key: Buffer.from(bytes), format: 'der', type: 'pkcs8' })
    }
    // RFC 5915 without the optional public key: OpenSSL derives it.
    const sec1 = Buffer.concat([sec1Head, bytes, sec1Curve])
    return createPrivateKey({ key: sec1, format: 'der', type: 'sec1' })
  } catch {
    throw notACredential(path)
  }
}

function notACredential(path: string) {
  return sdkError(
    'SDK_CREDENTIAL_INVALID',
    `${path} is neither a credential file nor an unencrypted PKCS #8 PEM.`,
  )
}
