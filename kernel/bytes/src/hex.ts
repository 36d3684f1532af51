import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { base58, base64, base64urlnopad } from '@scure/base'
import { bytesError } from './catalogue.ts'
import { decodeFast, encodeFast } from './native-base64.ts'

export type Hex = `0x${string}`

const hexDigits = /^0x(?:[0-9a-fA-F]{2})*$/

export function isHex(value: unknown): value is Hex {
  return typeof value === 'string' && hexDigits.test(value)
}

export function encodeHex(bytes: Uint8Array): Hex {
  return `0x${bytesToHex(bytes)}`
}

/**
 * @param expectedBytes Exact length wanted, in bytes.
 * @throws {CountersignError} BYTES_NOT_HEX */
export function decodeHex(value: unknown, name = 'value', expectedBytes?: number): Uint8Array {
  if (!isHex(value)) throw bytesError('BYTES_NOT_HEX', `${name} is not 0x-prefixed hexadecimal.`)
  if (expectedBytes !== undefined && value.length !== 2 + 2 * expectedBytes) {
    throw bytesError(
      'BYTES_NOT_HEX',
      `${name} is ${(value.length - 2) / 2} bytes long where ${expectedBytes} are needed.`,
    )
  }
  return hexToBytes(value.slice(2))
}

export function encodeBase64(bytes: Uint8Array): string {
  return encodeFast(bytes, 'base64') ?? base64.encode(bytes)
}

/** @throws {CountersignError} BYTES_NOT_BASE64 */
export function decodeBase64(text: string, name = 'value'): Uint8Array {
  const fast = decodeFast(text, 'base64')
  if (fast !== undefined) return fast
  try {
    return base64.decode(text)
  } catch (cause) {
    throw bytesError('BYTES_NOT_BASE64', `${name} is not base64.`, { cause })
  }
}

export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeFast(bytes, 'base64url') ?? base64urlnopad.encode(bytes)
}

/** @throws {CountersignError} BYTES_NOT_BASE64 */
export function decodeBase64Url(text: string, name = 'value'): Uint8Array {
  const fast = decodeFast(text, 'base64url')
  if (fast !== undefined) return fast
  try {
    return base64urlnopad.decode(text)
  } catch (cause) {
    throw bytesError('BYTES_NOT_BASE64', `${name} is not base64url.`, { cause })
  }
}

export function encodeBase58(bytes: Uint8Array): string {
  return base58.encode(bytes)
}

/** @throws {Error} on what is no base58; the caller turns it into its own error. */
export function decodeBase58(text: string): Uint8Array {
  return base58.decode(text)
}

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeUtf8(text: string): Uint8Array {
  return utf8Encoder.encode(text)
}

/** @throws {TypeError} on bytes that are not UTF-8; the caller turns it into its own error. */
export function decodeUtf8(bytes: Uint8Array): string {
  return utf8Decoder.decode(bytes)
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** Public values only: stops at the first difference. For secrets use `isEqualConstantTime`. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Time depends on the lengths only. */
export function isEqualConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
