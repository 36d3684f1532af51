import { intentError } from './catalogue.ts'

export type TypedDataType =
  | { readonly kind: 'address' | 'bool' | 'bytes' | 'string' }
  | { readonly kind: 'bytesN'; readonly size: number }
  | { readonly kind: 'uint' | 'int'; readonly bits: number }
  | { readonly kind: 'array'; readonly of: TypedDataType; readonly length: number | undefined }
  | { readonly kind: 'struct'; readonly name: string }

export interface TypedDataField {
  readonly name: string
  /** As written, which is what is hashed. */
  readonly typeText: string
  readonly type: TypedDataType
}

export type StructTypes = ReadonlyMap<string, readonly TypedDataField[]>

export const domainTypeName = 'EIP712Domain'

/** EIP-712, "Definition of domainSeparator": these five and no others, in this order where the caller gives none. */
const domainFields: Readonly<Record<string, string>> = {
  name: 'string',
  version: 'string',
  chainId: 'uint256',
  verifyingContract: 'address',
  salt: 'bytes32',
}

const typesMax = 64
const fieldsMax = 64
const definitionCharsMax = 32_768
const arrayLevelsMax = 4
const nameForm = /^[A-Za-z_$][A-Za-z0-9_$]{0,127}$/
/** Some protocols put a namespace into struct names ("HyperliquidTransaction:UsdSend"); the hash stays unambiguous. */
const structNameForm = /^[A-Za-z_$][A-Za-z0-9_$:]{0,127}$/

/**
 * The struct types that `primaryType` and the domain reach. A struct may hold itself, in arrays; the values end that.
 * @param domainKeys Fields that the domain has.
 * @throws {CountersignError} INTENT_TYPED_DATA_INVALID, INTENT_TOO_LARGE */
export function parseTypedDataTypes(
  given: unknown,
  primaryType: unknown,
  domainKeys: readonly string[],
): StructTypes {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid('types is not an object')
  if (typeof primaryType !== 'string') throw invalid('primaryType is not a string')
  if (primaryType === domainTypeName) throw invalid('primaryType is the domain itself')
  const definitions = given as Record<string, unknown>
  if (Object.keys(definitions).length > typesMax) throw tooMany(`${typesMax} types`)
  const reader: TypesReader = { definitions, types: new Map(), chars: 0 }
  reader.types.set(domainTypeName, domainTypeOf(reader, domainKeys))
  readStruct(reader, primaryType)
  return reader.types
}

/** `Mail(Person from,Person to)Person(string name)`: the struct, then those it refers to, sorted by name. */
export function encodeType(types: StructTypes, name: string): string {
  const reached = new Set<string>()
  const pending = [name]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (reached.has(next)) continue
    reached.add(next)
    for (const field of types.get(next) ?? []) {
      const struct = structOf(field.type)
      if (struct !== undefined) pending.push(struct)
    }
  }
  reached.delete(name)
  return [name, ...[...reached].sort()]
    .map((struct) => definitionText(struct, types.get(struct) ?? []))
    .join('')
}

interface TypesReader {
  readonly definitions: Record<string, unknown>
  readonly types: Map<string, readonly TypedDataField[]>
  /** Of all definitions together: each may be hashed once per type that reaches it. */
  chars: number
}

function domainTypeOf(reader: TypesReader, domainKeys: readonly string[]): readonly TypedDataField[] {
  for (const key of domainKeys) {
    if (!Object.hasOwn(domainFields, key))
      throw invalid(`the domain has a field ${quoted(key)} that EIP-712 has not`)
  }
  const given = definitionOf(reader, domainTypeName)
  if (given === undefined) {
    return Object.entries(domainFields)
      .filter(([name]) => domainKeys.includes(name))
      .map(([name, typeText]) => ({ name, typeText, type: parseType(typeText) }))
  }
  const fields = parseFields(reader, domainTypeName, given)
  for (const { name, typeText } of fields) {
    if (!Object.hasOwn(domainFields, name) || domainFields[name] !== typeText) {
      throw invalid(`EIP712Domain has a field ${quoted(`${typeText} ${name}`)} that EIP-712 has not`)
    }
  }
  return fields
}

function readStruct(reader: TypesReader, name: string): void {
  if (reader.types.has(name)) return
  const definition = structNameForm.test(name) && !isReserved(name) ? definitionOf(reader, name) : undefined
  if (definition === undefined) throw invalid(`the type ${quoted(name)} is not defined`)
  const fields = parseFields(reader, name, definition)
  reader.types.set(name, fields)
  for (const field of fields) {
    const struct = structOf(field.type)
    if (struct !== undefined) readStruct(reader, struct)
  }
}

function definitionOf(reader: TypesReader, name: string): unknown {
  return Object.hasOwn(reader.definitions, name) ? reader.definitions[name] : undefined
}

function parseFields(reader: TypesReader, struct: string, definition: unknown): readonly TypedDataField[] {
  if (!Array.isArray(definition)) throw invalid(`the definition of ${quoted(struct)} is not an array`)
  if (definition.length > fieldsMax) throw tooMany(`${fieldsMax} fields in one struct`)
  const fields = Array.from(definition, (entry) => parseField(struct, entry))
  if (new Set(fields.map((field) => field.name)).size !== fields.length) {
    throw invalid(`${quoted(struct)} has two fields of one name`)
  }
  reader.chars += definitionText(struct, fields).length
  if (reader.chars > definitionCharsMax) throw tooMany(`${definitionCharsMax} characters of type definitions`)
  return fields
}

function parseField(struct: string, entry: unknown): TypedDataField {
  const {
    name,
    type: typeText,
    ...rest
  } = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>
  if (typeof name !== 'string' || typeof typeText !== 'string' || Object.keys(rest).length > 0) {
    throw invalid(`a field of ${quoted(struct)} is not {name, type}`)
  }
  // Assigning __proto__ to a plain object would not make a key of it.
  if (!nameForm.test(name) || name === '__proto__') throw invalid(`${quoted(name)} is no name for a field`)
  return { name, typeText, type: parseType(typeText) }
}

const arrayForm = /^(.*)\[(|[1-9][0-9]{0,4})\]$/s

function parseType(text: string, arrayLevels = 0): TypedDataType {
  const array = arrayForm.exec(text)
  if (array !== null) {
    if (arrayLevels === arrayLevelsMax) throw tooMany(`${arrayLevelsMax} levels of arrays`)
    const length = array[2] === '' ? undefined : Number(array[2])
    return { kind: 'array', of: parseType(array[1] as string, arrayLevels + 1), length }
  }
  if (text === 'address' || text === 'bool' || text === 'bytes' || text === 'string') return { kind: text }
  const sized = /^(bytes|uint|int)([1-9][0-9]{0,2})$/.exec(text)
  if (sized !== null) {
    const size = Number(sized[2])
    if (sized[1] === 'bytes') {
      if (size <= 32) return { kind: 'bytesN', size }
    } else if (size % 8 === 0 && size <= 256) {
      return { kind: sized[1] as 'uint' | 'int', bits: size }
    }
  }
  // The aliases uint and int are not types of EIP-712, and no struct may bear a name that looks like an atomic type.
  if (!structNameForm.test(text) || isReserved(text)) throw invalid(`${quoted(text)} is not a type`)
  return { kind: 'struct', name: text }
}

function isReserved(name: string): boolean {
  return (
    name === '__proto__' ||
    /^(?:address|bool|string|tuple|function|(?:bytes|u?int|u?fixed)[0-9x]*)$/.test(name)
  )
}

function structOf(type: TypedDataType): string | undefined {
  if (type.kind === 'array') return structOf(type.of)
  return type.kind === 'struct' ? type.name : undefined
}

function definitionText(struct: string, fields: readonly TypedDataField[]): string {
  return `${struct}(${fields.map(({ name, typeText }) => `${typeText} ${name}`).join(',')})`
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}

function tooMany(what: string) {
  return intentError('INTENT_TOO_LARGE', `The typed data has more than ${what}.`)
}

function invalid(what: string) {
  return intentError('INTENT_TYPED_DATA_INVALID', `The typed data is not valid: ${what}.`)
}
