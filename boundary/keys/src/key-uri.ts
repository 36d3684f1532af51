import type { Algorithm, KeyUri } from './backend.ts'
import { keysError } from './catalogue.ts'

export interface KeyUriParts {
  readonly backend: string
  readonly algorithm: Algorithm
  readonly name: string
}

const uriForm = /^([a-z][a-z0-9]{0,31}):(secp256k1|ed25519):([a-z0-9_-]{1,64})$/
const backendForm = /^[a-z][a-z0-9]{0,31}$/
const nameForm = /^[a-z0-9_-]{1,64}$/

/** @throws {CountersignError} KEYS_URI_MALFORMED */
export function parseKeyUri(value: unknown): KeyUriParts {
  const match = typeof value === 'string' ? uriForm.exec(value) : null
  // The value is not repeated: whoever mixes up variables may have passed a secret here.
  if (match === null) {
    throw keysError('KEYS_URI_MALFORMED', 'A key URI does not read <backend>:<algorithm>:<name>.')
  }
  return { backend: match[1] as string, algorithm: match[2] as Algorithm, name: match[3] as string }
}

/** @throws {CountersignError} KEYS_URI_MALFORMED, KEYS_NAME_INVALID */
export function formatKeyUri({ backend, algorithm, name }: KeyUriParts): KeyUri {
  if (!backendForm.test(backend) || !isAlgorithm(algorithm)) {
    throw keysError('KEYS_URI_MALFORMED', 'A key URI needs a backend and an algorithm that exist.')
  }
  return `${backend}:${algorithm}:${parseKeyName(name)}` as KeyUri
}

/** Names become file names and labels in other people's key stores, hence so few characters.
 * @throws {CountersignError} KEYS_NAME_INVALID */
export function parseKeyName(value: unknown): string {
  if (typeof value !== 'string' || !nameForm.test(value)) {
    throw keysError('KEYS_NAME_INVALID', 'A key name is not 1 to 64 of a-z, 0-9, _ and -.')
  }
  return value
}

export function isAlgorithm(value: unknown): value is Algorithm {
  return value === 'secp256k1' || value === 'ed25519'
}
