import { decodeHex, decodeUtf8, encodeHex, encodeUtf8, isEqual } from '@countersign/bytes'
import {
  type AbiFunction,
  type AbiParameter,
  type AbiType,
  type AbiWordType,
  calldataBytesMax,
} from './abi-signature.ts'
import { intentError } from './catalogue.ts'

/**
 * A decoded argument: integers are bigints, addresses and bytes lower-case Hex, tuples objects by component name.
 * `string` and bytes are both text here; the type in the signature tells them apart.
 */
export type AbiValue = bigint | boolean | string | readonly AbiValue[] | { readonly [name: string]: AbiValue }

export type AbiArguments = Readonly<Record<string, AbiValue>>

/**
 * Decodes a call, strictly: the bytes must be the one canonical encoding of what is returned, as compilers make it.
 * Padding that is not zero, offsets that point anywhere but to the next free place, and bytes after the end are
 * refused, so no two readers can see different arguments and no small input can grow.
 * @param calldata Selector and arguments.
 * @throws {CountersignError} INTENT_CALLDATA_INVALID, INTENT_TOO_LARGE */
export function decodeArguments(fn: AbiFunction, calldata: Uint8Array): AbiArguments {
  if (calldata.length > calldataBytesMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `The calldata has ${calldata.length} bytes; ${calldataBytesMax} are allowed.`,
    )
  }
  if (calldata.length < 4 || encodeHex(calldata.subarray(0, 4)) !== fn.selector) {
    throw invalid(`the selector is not ${fn.selector} of ${fn.signature}`)
  }
  const data = calldata.subarray(4)
  const reader: Reader = {
    data,
    view: new DataView(data.buffer, data.byteOffset, data.byteLength),
    end: 0,
  }
  const args = readTuple(reader, fn.inputs, 0)
  if (reader.end !== data.length) throw invalid(`${data.length - reader.end} bytes stand after the arguments`)
  // The reader admits canonical bytes only; this does not rest on its being right.
  if (!isEqual(encodeArguments(fn, args), calldata)) throw invalid('it is not the canonical encoding')
  return args
}

/**
 * The inverse of `decodeArguments`.
 * @returns Selector and arguments.
 * @throws {CountersignError} INTENT_ARGUMENTS_INVALID, INTENT_TOO_LARGE */
export function encodeArguments(fn: AbiFunction, args: AbiArguments): Uint8Array {
  const writer: Writer = { parts: [], bytes: 0 }
  append(writer, decodeHex(fn.selector))
  writeSequence(writer, typesOf(fn.inputs), membersOf(fn.inputs, args, fn.name), fn.name)
  const whole = new Uint8Array(writer.bytes)
  let at = 0
  for (const part of writer.parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

interface Reader {
  readonly data: Uint8Array
  readonly view: DataView
  /** Where the last value that was read ends, its dynamic part included. */
  end: number
}

function readTuple(reader: Reader, parameters: readonly AbiParameter[], at: number): AbiArguments {
  const values = readSequence(reader, typesOf(parameters), at)
  const members: Record<string, AbiValue> = {}
  for (let i = 0; i < parameters.length; i++) {
    members[(parameters[i] as AbiParameter).name] = values[i] as AbiValue
  }
  return members
}

/** Heads from `base` on, then the dynamic parts in order without gaps (ABI specification, "Formal Specification"). */
function readSequence(reader: Reader, types: readonly AbiType[], base: number): AbiValue[] {
  let head = base
  let tail = base
  for (const type of types) tail += type.headBytes
  checkRoom(reader, tail)
  const values: AbiValue[] = []
  for (const type of types) {
    if (type.dynamic) {
      if (readSmall(reader, head) !== tail - base) {
        throw invalid(`the offset at byte ${head + 4} does not point to the next free place`)
      }
      values.push(readValue(reader, type, tail))
      tail = reader.end
    } else {
      values.push(readValue(reader, type, head))
    }
    head += type.headBytes
  }
  reader.end = tail
  return values
}

function readValue(reader: Reader, type: AbiType, at: number): AbiValue {
  switch (type.kind) {
    case 'tuple':
      return readTuple(reader, type.components, at)
    case 'array':
      return readArray(reader, type.of, type.length, at)
    case 'bytes':
      return encodeHex(readBytes(reader, at))
    case 'string':
      return readText(reader, at)
    default:
      return readWord(reader, type, at)
  }
}

function readArray(reader: Reader, of: AbiType, fixedLength: number | undefined, at: number): AbiValue[] {
  const length = fixedLength ?? readSmall(reader, at)
  const start = fixedLength === undefined ? at + 32 : at
  // Before anything is made as long as the calldata claims.
  checkRoom(reader, start + length * of.headBytes)
  return readSequence(reader, new Array<AbiType>(length).fill(of), start)
}

function readBytes(reader: Reader, at: number): Uint8Array {
  const length = readSmall(reader, at)
  const start = at + 32
  const paddedEnd = start + Math.ceil(length / 32) * 32
  checkRoom(reader, paddedEnd)
  for (let i = start + length; i < paddedEnd; i++) {
    if (reader.data[i] !== 0) throw invalid(`the padding at byte ${i + 4} is not zero`)
  }
  reader.end = paddedEnd
  return reader.data.subarray(start, start + length)
}

function readText(reader: Reader, at: number): string {
  const bytes = readBytes(reader, at)
  try {
    return decodeUtf8(bytes)
  } catch {
    throw invalid(`the string at byte ${at + 4} is not UTF-8`)
  }
}

function readWord(reader: Reader, word: AbiWordType, at: number): AbiValue {
  checkRoom(reader, at + 32)
  switch (word.kind) {
    case 'uint': {
      const value = readUint256(reader, at)
      if (word.bits < 256 && value >> BigInt(word.bits) !== 0n) throw outOfRange(word, at)
      return value
    }
    case 'int': {
      const value = BigInt.asIntN(256, readUint256(reader, at))
      if (BigInt.asIntN(word.bits, value) !== value) throw outOfRange(word, at)
      return value
    }
    case 'address':
      for (let i = at; i < at + 12; i++) if (reader.data[i] !== 0) throw outOfRange(word, at)
      return encodeHex(reader.data.subarray(at + 12, at + 32))
    case 'bool': {
      const value = readUint256(reader, at)
      if (value > 1n) throw outOfRange(word, at)
      return value === 1n
    }
    case 'bytesN':
      for (let i = at + word.size; i < at + 32; i++) if (reader.data[i] !== 0) throw outOfRange(word, at)
      return encodeHex(reader.data.subarray(at, at + word.size))
  }
}

function readUint256(reader: Reader, at: number): bigint {
  const { view } = reader
  const low = (view.getBigUint64(at + 16) << 64n) | view.getBigUint64(at + 24)
  const high = (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8)
  return high === 0n ? low : (high << 128n) | low
}

/** A length or an offset. Whatever is over the size of the data cannot be right, so it need not be exact. */
function readSmall(reader: Reader, at: number): number {
  checkRoom(reader, at + 32)
  const value = readUint256(reader, at)
  if (value > BigInt(reader.data.length))
    throw invalid(`the length or offset at byte ${at + 4} is out of bounds`)
  return Number(value)
}

function checkRoom(reader: Reader, end: number): void {
  if (end > reader.data.length) throw invalid('it ends before its arguments do')
}

interface Writer {
  readonly parts: Uint8Array[]
  bytes: number
}

function writeSequence(
  writer: Writer,
  types: readonly AbiType[],
  values: readonly AbiValue[],
  path: string,
): void {
  const tails: Writer = { parts: [], bytes: 0 }
  let headBytes = 0
  for (const type of types) headBytes += type.headBytes
  for (let i = 0; i < types.length; i++) {
    const type = types[i] as AbiType
    const value = values[i] as AbiValue
    if (type.dynamic) {
      append(writer, wordOf(BigInt(headBytes + tails.bytes)))
      writeValue(tails, type, value, path)
    } else {
      writeValue(writer, type, value, path)
    }
  }
  for (const part of tails.parts) append(writer, part)
}

function writeValue(writer: Writer, type: AbiType, value: AbiValue, path: string): void {
  switch (type.kind) {
    case 'tuple':
      writeSequence(writer, typesOf(type.components), membersOf(type.components, value, path), path)
      break
    case 'array': {
      if (!Array.isArray(value) || (type.length !== undefined && value.length !== type.length)) {
        throw badValue(path, type)
      }
      if (type.length === undefined) append(writer, wordOf(BigInt(value.length)))
      writeSequence(writer, new Array<AbiType>(value.length).fill(type.of), value, path)
      break
    }
    case 'bytes':
      writeBytes(writer, bytesOf(value, path, type))
      break
    case 'string':
      if (typeof value !== 'string' || !value.isWellFormed()) throw badValue(path, type)
      writeBytes(writer, encodeUtf8(value))
      break
    default:
      append(writer, encodeWord(type, value, path))
  }
}

function writeBytes(writer: Writer, bytes: Uint8Array): void {
  append(writer, wordOf(BigInt(bytes.length)))
  if (bytes.length === 0) return
  const padded = new Uint8Array(Math.ceil(bytes.length / 32) * 32)
  padded.set(bytes)
  append(writer, padded)
}

function encodeWord(type: AbiWordType, value: AbiValue, path: string): Uint8Array {
  switch (type.kind) {
    case 'uint':
      if (typeof value !== 'bigint' || BigInt.asUintN(type.bits, value) !== value) throw badValue(path, type)
      return wordOf(value)
    case 'int':
      if (typeof value !== 'bigint' || BigInt.asIntN(type.bits, value) !== value) throw badValue(path, type)
      return wordOf(BigInt.asUintN(256, value))
    case 'bool':
      if (typeof value !== 'boolean') throw badValue(path, type)
      return wordOf(value ? 1n : 0n)
    case 'address':
      return padWord(bytesOf(value, path, type, 20), 12)
    case 'bytesN':
      return padWord(bytesOf(value, path, type, type.size), 0)
  }
}

function padWord(bytes: Uint8Array, at: number): Uint8Array {
  const word = new Uint8Array(32)
  word.set(bytes, at)
  return word
}

function wordOf(value: bigint): Uint8Array {
  const word = new Uint8Array(32)
  const view = new DataView(word.buffer)
  view.setBigUint64(24, BigInt.asUintN(64, value))
  let rest = value >> 64n
  for (let at = 16; at >= 0 && rest !== 0n; at -= 8) {
    view.setBigUint64(at, BigInt.asUintN(64, rest))
    rest >>= 64n
  }
  return word
}

function append(writer: Writer, part: Uint8Array): void {
  writer.parts.push(part)
  writer.bytes += part.length
  if (writer.bytes > calldataBytesMax) {
    throw intentError('INTENT_TOO_LARGE', `The arguments encode to more than ${calldataBytesMax} bytes.`)
  }
}

function bytesOf(value: AbiValue, path: string, type: AbiType, size?: number): Uint8Array {
  try {
    return decodeHex(value, path, size)
  } catch {
    throw badValue(path, type)
  }
}

function membersOf(parameters: readonly AbiParameter[], value: AbiValue, path: string): AbiValue[] {
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw intentError('INTENT_ARGUMENTS_INVALID', `${path} needs an object of named values.`)
  }
  const members = value as AbiArguments
  const known = new Set(parameters.map((parameter) => parameter.name))
  for (const name of Object.keys(members)) {
    if (!known.has(name)) throw intentError('INTENT_ARGUMENTS_INVALID', `${path} has no parameter ${name}.`)
  }
  return parameters.map(({ name }) => {
    const member = Object.hasOwn(members, name) ? members[name] : undefined
    if (member === undefined) throw intentError('INTENT_ARGUMENTS_INVALID', `${path} lacks ${name}.`)
    return member
  })
}

function typesOf(parameters: readonly AbiParameter[]): AbiType[] {
  return parameters.map((parameter) => parameter.type)
}

function badValue(path: string, type: AbiType) {
  return intentError('INTENT_ARGUMENTS_INVALID', `A value of ${path} is not a ${type.canonical}.`)
}

function outOfRange(type: AbiType, at: number) {
  return invalid(`the word at byte ${at + 4} is not a ${type.canonical}`)
}

function invalid(what: string) {
  return intentError('INTENT_CALLDATA_INVALID', `The calldata does not decode: ${what}.`)
}
