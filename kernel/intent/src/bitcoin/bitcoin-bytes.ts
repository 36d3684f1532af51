import { concatBytes, sha256 } from '@countersign/bytes'
import { ripemd160 } from '@noble/hashes/legacy.js'
import { intentError } from '../catalogue.ts'

/** A place in untrusted bytes. */
export interface ByteReader {
  readonly bytes: Uint8Array
  at: number
}

export function readBytes(reader: ByteReader, count: number): Uint8Array {
  const end = reader.at + count
  if (end > reader.bytes.length) throw psbtInvalid('it ends too early')
  // A copy: what was decided on must not change with the caller's buffer.
  const taken = new Uint8Array(reader.bytes.subarray(reader.at, end))
  reader.at = end
  return taken
}

export function readUint32(reader: ByteReader): number {
  return Number(littleEndianOf(readBytes(reader, 4)))
}

export function readUint64(reader: ByteReader): bigint {
  return littleEndianOf(readBytes(reader, 8))
}

/** Bitcoin's variable-length integer, in its shortest form only, as Bitcoin Core demands. */
export function readCompactSize(reader: ByteReader): number {
  const first = readBytes(reader, 1)[0] as number
  if (first < 0xfd) return first
  const width = first === 0xfd ? 2 : first === 0xfe ? 4 : 8
  const value = littleEndianOf(readBytes(reader, width))
  const least = width === 2 ? 0xfdn : width === 4 ? 0x10000n : 0x100000000n
  if (value < least) throw psbtInvalid('a length is not in its shortest form')
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw psbtInvalid('a length is too large')
  return Number(value)
}

export function readVector(reader: ByteReader): Uint8Array {
  return readBytes(reader, readCompactSize(reader))
}

/** @param bytesEach The least that an item takes: a count that the bytes cannot hold is refused before it is used. */
export function readList<T>(reader: ByteReader, bytesEach: number, read: () => T): T[] {
  const count = readCompactSize(reader)
  if (count * bytesEach > reader.bytes.length - reader.at) throw psbtInvalid('it ends too early')
  return Array.from({ length: count }, read)
}

export function littleEndianOf(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number)
  return value
}

export function uintBytes(value: number | bigint, width: number): Uint8Array {
  const bytes = new Uint8Array(width)
  let rest = BigInt(value)
  for (let i = 0; i < width; i++) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

export function compactSize(value: number): Uint8Array {
  if (value < 0xfd) return Uint8Array.of(value)
  if (value <= 0xffff) return Uint8Array.of(0xfd, ...uintBytes(value, 2))
  if (value <= 0xffffffff) return Uint8Array.of(0xfe, ...uintBytes(value, 4))
  return Uint8Array.of(0xff, ...uintBytes(value, 8))
}

export function vector(bytes: Uint8Array): Uint8Array {
  return concatBytes(compactSize(bytes.length), bytes)
}

export function doubleSha256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes))
}

export function hash160(bytes: Uint8Array): Uint8Array {
  return ripemd160(sha256(bytes))
}

export function psbtInvalid(what: string) {
  return intentError('INTENT_PSBT_INVALID', `The PSBT is refused: ${what}.`)
}
