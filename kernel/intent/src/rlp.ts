import { intentError } from './catalogue.ts'

export type RlpItem = Uint8Array | readonly RlpItem[]

export interface RlpLimits {
  readonly payloadBytesMax: number
  /** Strings and lists, all levels together. */
  readonly itemsMax: number
  /** Lists inside one another. */
  readonly depthMax: number
}

export const defaultRlpLimits: RlpLimits = { payloadBytesMax: 131_072, itemsMax: 8_192, depthMax: 8 }

/**
 * Decodes RLP that is in its one canonical form: what decodes here encodes back to the same bytes.
 * The strings of the result are views into `bytes`.
 * @throws {CountersignError} INTENT_RLP_INVALID, INTENT_TOO_LARGE
 * @see Ethereum yellow paper, appendix B */
export function decodeRlp(bytes: Uint8Array, limits: RlpLimits = defaultRlpLimits): RlpItem {
  if (bytes.length > limits.payloadBytesMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `RLP of ${bytes.length} bytes; ${limits.payloadBytesMax} are allowed.`,
    )
  }
  const reader: Reader = { bytes, at: 0, items: 0, limits }
  const item = readItem(reader, bytes.length, 0)
  if (reader.at !== bytes.length) throw invalid(`${bytes.length - reader.at} bytes stand after the end`)
  return item
}

export function encodeRlp(item: RlpItem): Uint8Array {
  const whole = new Uint8Array(encodedBytes(item))
  writeItem(whole, 0, item)
  return whole
}

interface Reader {
  readonly bytes: Uint8Array
  at: number
  items: number
  readonly limits: RlpLimits
}

function readItem(reader: Reader, end: number, depth: number): RlpItem {
  if (++reader.items > reader.limits.itemsMax) {
    throw intentError('INTENT_TOO_LARGE', `RLP with more than ${reader.limits.itemsMax} items.`)
  }
  if (reader.at >= end) throw invalid('it ends where an item was expected')
  const first = reader.bytes[reader.at] as number
  if (first < 0x80) return reader.bytes.subarray(reader.at, ++reader.at)
  const isList = first >= 0xc0
  const short = isList ? 0xc0 : 0x80
  reader.at++
  const length = first - short <= 55 ? first - short : readLength(reader, first - short - 55, end)
  const itemEnd = reader.at + length
  if (itemEnd > end) throw invalid('an item is longer than what holds it')
  if (isList) return readList(reader, itemEnd, depth + 1)
  const content = reader.bytes.subarray(reader.at, itemEnd)
  if (length === 1 && (content[0] as number) < 0x80) throw invalid('a single byte below 0x80 has a prefix')
  reader.at = itemEnd
  return content
}

function readList(reader: Reader, end: number, depth: number): RlpItem[] {
  if (depth > reader.limits.depthMax) {
    throw intentError('INTENT_TOO_LARGE', `RLP that nests deeper than ${reader.limits.depthMax} lists.`)
  }
  const items: RlpItem[] = []
  while (reader.at < end) items.push(readItem(reader, end, depth))
  return items
}

function readLength(reader: Reader, lengthBytes: number, end: number): number {
  // Four bytes say more than any payload holds; more would not be exact as a number.
  if (lengthBytes > 4 || reader.at + lengthBytes > end) throw invalid('a length is out of bounds')
  let length = 0
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (reader.bytes[reader.at++] as number)
  if (reader.bytes[reader.at - lengthBytes] === 0) throw invalid('a length has a leading zero')
  if (length <= 55) throw invalid('a short length is written in the long form')
  return length
}

function encodedBytes(item: RlpItem): number {
  const length = contentBytes(item)
  if (item instanceof Uint8Array && length === 1 && (item[0] as number) < 0x80) return 1
  return 1 + (length <= 55 ? 0 : lengthOfLength(length)) + length
}

function contentBytes(item: RlpItem): number {
  if (item instanceof Uint8Array) return item.length
  let sum = 0
  for (const member of item) sum += encodedBytes(member)
  return sum
}

function writeItem(out: Uint8Array, start: number, item: RlpItem): number {
  const length = contentBytes(item)
  let at = start
  if (item instanceof Uint8Array) {
    if (length !== 1 || (item[0] as number) >= 0x80) at = writePrefix(out, at, 0x80, length)
    out.set(item, at)
    return at + length
  }
  at = writePrefix(out, at, 0xc0, length)
  for (const member of item) at = writeItem(out, at, member)
  return at
}

function writePrefix(out: Uint8Array, start: number, short: number, length: number): number {
  let at = start
  if (length <= 55) {
    out[at++] = short + length
    return at
  }
  const count = lengthOfLength(length)
  out[at++] = short + 55 + count
  for (let i = count - 1; i >= 0; i--) out[at++] = (length >>> (8 * i)) & 0xff
  return at
}

function lengthOfLength(length: number): number {
  return length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4
}

function invalid(what: string) {
  return intentError('INTENT_RLP_INVALID', `The bytes are not canonical RLP: ${what}.`)
}
