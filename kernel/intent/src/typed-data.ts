import {
  concatBytes,
  decodeHex,
  encodeUtf8,
  type Hex,
  isHex,
  keccak256,
  parseAddress,
} from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import {
  domainTypeName,
  encodeType,
  parseTypedDataTypes,
  type StructTypes,
  type TypedDataType,
} from './typed-data-types.ts'

/** As eth_signTypedData_v4 has it; the values are untrusted JSON. */
export interface TypedDataInput {
  readonly domain: unknown
  readonly types: unknown
  readonly primaryType: unknown
  readonly message: unknown
}

/** Typed data whose every value is known to fit its type. */
export interface CheckedTypedData {
  readonly primaryType: string
  /** The structs that the primary type reaches, and the domain's. */
  readonly types: StructTypes
  /** Addresses and bytes in lower case, integers as bigints; nothing that is not hashed. */
  readonly domain: TypedDataStruct
  readonly message: TypedDataStruct
  /** 0x19 0x01, the domain separator and the hash of the message: what is hashed to be signed. */
  readonly preimage: Uint8Array
}

export type TypedDataValue = bigint | boolean | string | readonly TypedDataValue[] | TypedDataStruct
export type TypedDataStruct = { readonly [field: string]: TypedDataValue }

const valuesMax = 10_000
const contentBytesMax = 262_144
const depthMax = 16

/**
 * Checks and hashes typed data. Everything that is in the input is hashed or refused: a field that its type does not
 * have is an error, in the domain too. Only type definitions that nothing reaches are left aside.
 * @throws {CountersignError} INTENT_TYPED_DATA_INVALID, INTENT_TOO_LARGE, BYTES_NOT_AN_ADDRESS
 * @see EIP-712 */
export function parseTypedData(input: unknown): CheckedTypedData {
  const { domain, types: givenTypes, primaryType, message } = membersOf(input, 'typedData', inputKeys)
  const domainRecord = recordOf(domain, 'domain')
  const types = parseTypedDataTypes(givenTypes, primaryType, definedKeys(domainRecord))
  const name = primaryType as string
  const hasher: Hasher = { types, typeHashes: new Map(), values: 0, contentBytes: 0 }
  const domainPart = hashStruct(hasher, domainTypeName, domainRecord, 'domain', 0)
  const messagePart = hashStruct(hasher, name, message, 'message', 0)
  return {
    primaryType: name,
    types,
    domain: domainPart.value,
    message: messagePart.value,
    preimage: concatBytes(Uint8Array.of(0x19, 0x01), domainPart.hash, messagePart.hash),
  }
}

const inputKeys = ['domain', 'types', 'primaryType', 'message']

interface Hasher {
  readonly types: StructTypes
  readonly typeHashes: Map<string, Uint8Array>
  values: number
  contentBytes: number
}

interface Hashed<Value extends TypedDataValue = TypedDataValue> {
  readonly value: Value
  /** The 32 bytes that stand for the value in what holds it. */
  readonly hash: Uint8Array
}

function hashStruct(
  hasher: Hasher,
  name: string,
  input: unknown,
  path: string,
  depth: number,
): Hashed<TypedDataStruct> {
  const fields = hasher.types.get(name) ?? []
  const record = membersOf(
    input,
    path,
    fields.map((field) => field.name),
  )
  const value: Record<string, TypedDataValue> = {}
  const parts: Uint8Array[] = [typeHash(hasher, name)]
  for (const field of fields) {
    const member = hashValue(hasher, field.type, record[field.name], `${path}.${field.name}`, depth + 1)
    value[field.name] = member.value
    parts.push(member.hash)
  }
  return { value, hash: keccak256(concatBytes(...parts)) }
}

function hashValue(hasher: Hasher, type: TypedDataType, input: unknown, path: string, depth: number): Hashed {
  if (depth > depthMax) throw tooLarge(`nests deeper than ${depthMax} levels`)
  if (++hasher.values > valuesMax) throw tooLarge(`has more than ${valuesMax} values`)
  switch (type.kind) {
    case 'struct':
      return hashStruct(hasher, type.name, input, path, depth)
    case 'array': {
      if (!Array.isArray(input)) throw invalid(path, 'is not an array')
      if (type.length !== undefined && input.length !== type.length) {
        throw invalid(path, `has ${input.length} elements, not ${type.length}`)
      }
      if (input.length > valuesMax) throw tooLarge(`has more than ${valuesMax} values`)
      const elements = Array.from(input, (element, i) =>
        hashValue(hasher, type.of, element, `${path}[${i}]`, depth + 1),
      )
      return {
        value: elements.map((element) => element.value),
        hash: keccak256(joinHashes(elements)),
      }
    }
    case 'string': {
      if (typeof input !== 'string' || !input.isWellFormed()) throw invalid(path, 'is not well-formed text')
      return { value: input, hash: keccak256(counted(hasher, encodeUtf8(input))) }
    }
    case 'bytes': {
      const value = hexOf(input, path)
      return { value, hash: keccak256(counted(hasher, decodeHex(value))) }
    }
    case 'bytesN': {
      const value = hexOf(input, path)
      if (value.length !== 2 + 2 * type.size) throw invalid(path, `is not ${type.size} bytes long`)
      return { value, hash: padded(decodeHex(value), 0) }
    }
    case 'address': {
      const value = parseAddress(input, path)
      return { value, hash: padded(decodeHex(value), 12) }
    }
    case 'bool':
      if (typeof input !== 'boolean') throw invalid(path, 'is neither true nor false')
      return { value: input, hash: word(input ? 1n : 0n) }
    default: {
      const value = integerOf(input, path)
      const fits = type.kind === 'uint' ? BigInt.asUintN(type.bits, value) : BigInt.asIntN(type.bits, value)
      if (fits !== value) throw invalid(path, `is out of the range of ${type.kind}${type.bits}`)
      return { value, hash: word(BigInt.asUintN(256, value)) }
    }
  }
}

function typeHash(hasher: Hasher, name: string): Uint8Array {
  const known = hasher.typeHashes.get(name)
  if (known !== undefined) return known
  const hash = keccak256(encodeUtf8(encodeType(hasher.types, name)))
  hasher.typeHashes.set(name, hash)
  return hash
}

const integerForm = /^(?:0x[0-9a-fA-F]{1,64}|0|-?[1-9][0-9]{0,77})$/

function integerOf(input: unknown, path: string): bigint {
  if (typeof input === 'bigint') return input
  if (typeof input === 'number' && Number.isSafeInteger(input)) return BigInt(input)
  if (typeof input === 'string' && integerForm.test(input)) return BigInt(input)
  throw invalid(path, 'is not an integer (a safe number, a decimal string or 0x hexadecimal)')
}

function hexOf(input: unknown, path: string): Hex {
  if (!isHex(input)) throw invalid(path, 'is not 0x-prefixed hexadecimal')
  return input.toLowerCase() as Hex
}

function counted(hasher: Hasher, content: Uint8Array): Uint8Array {
  hasher.contentBytes += content.length
  if (hasher.contentBytes > contentBytesMax)
    throw tooLarge(`has more than ${contentBytesMax} bytes of content`)
  return content
}

function joinHashes(elements: readonly Hashed[]): Uint8Array {
  const whole = new Uint8Array(32 * elements.length)
  for (let i = 0; i < elements.length; i++) whole.set((elements[i] as Hashed).hash, 32 * i)
  return whole
}

function padded(bytes: Uint8Array, at: number): Uint8Array {
  const whole = new Uint8Array(32)
  whole.set(bytes, at)
  return whole
}

function word(value: bigint): Uint8Array {
  return decodeHex(`0x${value.toString(16).padStart(64, '0')}`)
}

/** The object's members, which must be exactly `names`. */
function membersOf(input: unknown, path: string, names: readonly string[]): Record<string, unknown> {
  const record = recordOf(input, path)
  const given = definedKeys(record)
  for (const key of given) {
    if (!names.includes(key)) throw invalid(path, `has a field that its type does not have: ${quoted(key)}`)
  }
  for (const name of names) if (!given.includes(name)) throw invalid(path, `lacks the field ${quoted(name)}`)
  return record
}

function recordOf(input: unknown, path: string): Record<string, unknown> {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw invalid(path, 'is not an object')
  return input as Record<string, unknown>
}

/** JSON has no undefined; a program's object may, and then means that the member is not there. */
function definedKeys(record: Record<string, unknown>): string[] {
  return Object.keys(record).filter((key) => record[key] !== undefined)
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}

function invalid(path: string, what: string) {
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path
  return intentError('INTENT_TYPED_DATA_INVALID', `${shown} ${what}.`)
}

function tooLarge(what: string) {
  return intentError('INTENT_TOO_LARGE', `The typed data ${what}.`)
}
