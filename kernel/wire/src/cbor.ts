import { decodeUtf8 } from '@countersign/bytes'
import { wireError } from './catalogue.ts'

export type CborMap = ReadonlyMap<number | string, CborValue>
/** What authenticators have a use for: no tags, no floating point, integers that a double holds exactly. */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap

export interface CborItem {
  readonly value: CborValue
  /** Where the item ends. */
  readonly end: number
}

interface CborOptions {
  /** Map keys in the order of CTAP2 (its section 8): by major type, then length, then bytes. */
  readonly sortedKeys: boolean
}

export const cborDepthMax = 4
/** Members of all arrays and maps of one item together. */
export const cborItemsMax = 128

/**
 * One item of CBOR (RFC 8949) in the deterministic form that CTAP2 asks of authenticators: shortest lengths, no
 * indefinite lengths, no key twice. Anything else is refused, so that one value has one form.
 * @throws {CountersignError} WIRE_PASSKEY_MALFORMED */
export function decodeCborItem(
  bytes: Uint8Array,
  at = 0,
  { sortedKeys }: CborOptions = { sortedKeys: true },
): CborItem {
  const reader: Reader = { bytes, at, items: 0, sortedKeys }
  const value = readValue(reader, 0)
  return { value, end: reader.at }
}

/** The same for bytes that are one item and nothing else.
 * @throws {CountersignError} WIRE_PASSKEY_MALFORMED */
export function decodeCbor(bytes: Uint8Array, options?: CborOptions): CborValue {
  const { value, end } = decodeCborItem(bytes, 0, options)
  if (end !== bytes.length) throw malformed('goes on after its end')
  return value
}

export function isCborMap(value: CborValue | undefined): value is CborMap {
  return value instanceof Map
}

interface Reader {
  readonly bytes: Uint8Array
  at: number
  items: number
  readonly sortedKeys: boolean
}

function readValue(reader: Reader, depth: number): CborValue {
  const first = readByte(reader)
  const major = first >> 5
  if (major === 7) return readSimple(first)
  const argument = readArgument(reader, first & 0x1f)
  switch (major) {
    case 0:
      return argument
    case 1:
      return checkedInteger(-1 - argument)
    case 2:
      return readBytes(reader, argument)
    case 3:
      return readText(reader, argument)
    case 4:
      return readArray(reader, argument, depth + 1)
    case 5:
      return readMap(reader, argument, depth + 1)
    default:
      throw malformed('has a tag')
  }
}

function readSimple(first: number): boolean | null {
  if (first === 0xf4) return false
  if (first === 0xf5) return true
  if (first === 0xf6) return null
  throw malformed('has a floating-point or simple value')
}

/** RFC 8949 section 3; section 4.2.1 for the shortest form. */
function readArgument(reader: Reader, additional: number): number {
  if (additional < 24) return additional
  if (additional > 27) throw malformed('has an item of indefinite length')
  const bytes = 1 << (additional - 24)
  let value = 0
  for (let i = 0; i < bytes; i++) value = value * 256 + readByte(reader)
  const shorterMax = additional === 24 ? 23 : 2 ** (4 * bytes) - 1
  if (value <= shorterMax) throw malformed('has a number that is not in its shortest form')
  return checkedInteger(value)
}

function checkedInteger(value: number): number {
  if (!Number.isSafeInteger(value)) throw malformed('has an integer beyond 2^53')
  return value
}

function readBytes(reader: Reader, length: number): Uint8Array {
  const { bytes, at } = reader
  if (length > bytes.length - at) throw malformed('ends too early')
  reader.at = at + length
  return bytes.slice(at, at + length)
}

function readText(reader: Reader, length: number): string {
  const bytes = readBytes(reader, length)
  try {
    return decodeUtf8(bytes)
  } catch {
    throw malformed('has a text that is not UTF-8')
  }
}

function readArray(reader: Reader, length: number, depth: number): readonly CborValue[] {
  enter(reader, length, depth)
  return Array.from({ length }, () => readValue(reader, depth))
}

function readMap(reader: Reader, length: number, depth: number): CborMap {
  enter(reader, length, depth)
  const map = new Map<number | string, CborValue>()
  let before: Uint8Array | undefined
  for (let i = 0; i < length; i++) {
    const start = reader.at
    const key = readValue(reader, depth)
    if (typeof key !== 'number' && typeof key !== 'string') throw malformed('has a key of another type')
    if (map.has(key)) throw malformed('has a key twice')
    const encoded = reader.bytes.subarray(start, reader.at)
    if (reader.sortedKeys && before !== undefined && !isBefore(before, encoded)) {
      throw malformed('has keys that are not in their order')
    }
    before = encoded
    map.set(key, readValue(reader, depth))
  }
  return map
}

function enter(reader: Reader, length: number, depth: number): void {
  if (depth > cborDepthMax) throw malformed(`nests deeper than ${cborDepthMax} levels`)
  if (length > cborItemsMax - reader.items) throw malformed(`has over ${cborItemsMax} members`)
  reader.items += length
}

function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  const majors = ((a[0] as number) >> 5) - ((b[0] as number) >> 5)
  if (majors !== 0) return majors < 0
  if (a.length !== b.length) return a.length < b.length
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

function readByte(reader: Reader): number {
  const byte = reader.bytes[reader.at]
  if (byte === undefined) throw malformed('ends too early')
  reader.at++
  return byte
}

function malformed(what: string) {
  return wireError('WIRE_PASSKEY_MALFORMED', `The authenticator’s CBOR ${what}.`)
}
