import { decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import type { RlpItem } from './rlp.ts'

export const uint64Max = (1n << 64n) - 1n
export const uint256Max = (1n << 256n) - 1n
/** EIP-2681: the nonce 2^64 - 1 can never be used. */
export const nonceMax = uint64Max - 1n
/** CAIP-2 ids of the eip155 namespace are written with at most 16 digits here; so every one is a safe integer. */
export const chainIdMax = BigInt(Number.MAX_SAFE_INTEGER)

/** Fields of transactions as RLP has them: strings of bytes, integers without leading zeros. */
export function decodeUint(item: RlpItem | undefined, name: string, max: bigint): bigint {
  const bytes = decodeString(item, name)
  if (bytes.length > 32) throw invalid(`${name} is longer than 32 bytes`)
  if (bytes[0] === 0) throw invalid(`${name} has a leading zero`)
  const value = uintOf(bytes)
  if (value > max) throw invalid(`${name} is over ${max}`)
  return value
}

export function decodeString(item: RlpItem | undefined, name: string): Uint8Array {
  if (!(item instanceof Uint8Array)) throw invalid(`${name} is a list`)
  return item
}

export function decodeFixed(item: RlpItem | undefined, name: string, bytes: number): Hex {
  const content = decodeString(item, name)
  if (content.length !== bytes) throw invalid(`${name} has ${content.length} bytes, not ${bytes}`)
  return encodeHex(content)
}

export function decodeList(item: RlpItem | undefined, name: string): readonly RlpItem[] {
  if (item === undefined || item instanceof Uint8Array) throw invalid(`${name} is not a list`)
  return item
}

/** @throws {CountersignError} INTENT_TRANSACTION_INVALID, for values that the field cannot hold. */
export function encodeUint(value: bigint | undefined, name: string, max: bigint): Uint8Array {
  if (typeof value !== 'bigint') throw invalid(`${name} is missing`)
  if (value < 0n || value > max) throw invalid(`${name} is not between 0 and ${max}`)
  return bytesOfUint(value)
}

export function encodeFixed(value: Hex, name: string, bytes: number): Uint8Array {
  return decodeHex(value, name, bytes)
}

/** Big-endian without leading zeros; nothing for zero. */
export function bytesOfUint(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0)
  if (value < 0x80n) return Uint8Array.of(Number(value))
  const digits = value.toString(16)
  return decodeHex(digits.length % 2 === 0 ? `0x${digits}` : `0x0${digits}`)
}

export function uintOf(bytes: Uint8Array): bigint {
  // Six bytes are exact as a number, and most fields are that short.
  if (bytes.length <= 6) {
    let value = 0
    for (const byte of bytes) value = value * 256 + byte
    return BigInt(value)
  }
  return BigInt(encodeHex(bytes))
}

function invalid(what: string) {
  return intentError('INTENT_TRANSACTION_INVALID', `The transaction does not decode: ${what}.`)
}
