import { encodeHex, encodeUtf8, type Hex, keccak256 } from '@countersign/bytes'
import { intentError } from './catalogue.ts'

interface AbiTypeFacts {
  /** As it stands in a canonical signature: `uint256`, `(address,bytes)[]`. */
  readonly canonical: string
  readonly dynamic: boolean
  /** What it takes in the head of its sequence: 32 for dynamic types, else its whole size. */
  readonly headBytes: number
}

/** Types that take one 32-byte word. */
export type AbiWordType = AbiTypeFacts &
  (
    | { readonly kind: 'uint' | 'int'; readonly bits: number }
    | { readonly kind: 'address' | 'bool' }
    | { readonly kind: 'bytesN'; readonly size: number }
  )

export type AbiType =
  | AbiWordType
  | (AbiTypeFacts &
      (
        | { readonly kind: 'bytes' | 'string' }
        | { readonly kind: 'array'; readonly of: AbiType; readonly length: number | undefined }
        | { readonly kind: 'tuple'; readonly components: readonly AbiParameter[] }
      ))

export interface AbiParameter {
  /** From the signature; `arg0`, `arg1`, ... by place where it gives none. */
  readonly name: string
  readonly type: AbiType
}

export interface AbiFunction {
  readonly name: string
  /** First 4 bytes of Keccak-256 over `signature`. */
  readonly selector: Hex
  readonly inputs: readonly AbiParameter[]
  /** Canonical: `transfer(address,uint256)`. */
  readonly signature: string
}

/** Calldata that is over this is not decoded: it would not fit into a transaction either. */
export const calldataBytesMax = 131_072
const signatureCharsMax = 4_096
const parametersMax = 64
const typeDepthMax = 8
const fixedLengthMax = 4_096

/**
 * Parses a human-readable function signature: `function mint(address to, uint256 amount)`, with or without the
 * word `function`, with visibility, mutability, data locations and `returns (...)`, none of which matter to calldata.
 * Structs are written as tuples: `(address a, uint256 b) order`.
 * @throws {CountersignError} INTENT_ABI_SIGNATURE_INVALID */
export function parseAbiFunction(signature: string): AbiFunction {
  if (typeof signature !== 'string' || signature.length > signatureCharsMax) {
    throw intentError(
      'INTENT_ABI_SIGNATURE_INVALID',
      `A function signature is text of at most ${signatureCharsMax} characters.`,
    )
  }
  const reader: TokenReader = { signature, tokens: tokensOf(signature), at: 0 }
  if (reader.tokens[0] === 'function') reader.at++
  const name = next(reader)
  if (!isIdentifier(name)) throw invalid(reader, 'a function name was expected')
  const inputs = readParameters(reader, 0)
  while (functionWords.has(peek(reader) ?? '')) reader.at++
  if (peek(reader) === 'returns') {
    reader.at++
    readParameters(reader, 0)
  }
  if (peek(reader) === ';') reader.at++
  if (peek(reader) !== undefined) throw invalid(reader, 'text after the end')
  const canonical = `${name}${canonicalList(inputs)}`
  const selector = encodeHex(keccak256(encodeUtf8(canonical)).subarray(0, 4))
  return { name, selector, inputs, signature: canonical }
}

interface TokenReader {
  readonly signature: string
  readonly tokens: readonly string[]
  at: number
}

const functionWords = new Set([
  'external',
  'public',
  'view',
  'pure',
  'payable',
  'nonpayable',
  'virtual',
  'override',
])
const parameterWords = new Set(['calldata', 'memory', 'storage', 'payable'])
const tokenForm = /\s*([A-Za-z_$][A-Za-z0-9_$]*|\d+|[(),;[\]])\s*/y

function tokensOf(signature: string): string[] {
  const tokens: string[] = []
  tokenForm.lastIndex = 0
  while (tokenForm.lastIndex < signature.length) {
    const at = tokenForm.lastIndex
    const match = tokenForm.exec(signature)
    if (match === null) {
      throw intentError(
        'INTENT_ABI_SIGNATURE_INVALID',
        `The function signature has an unexpected character at place ${at}.`,
      )
    }
    tokens.push(match[1] as string)
  }
  return tokens
}

function readParameters(reader: TokenReader, depth: number): AbiParameter[] {
  if (depth > typeDepthMax) throw invalid(reader, `types nest deeper than ${typeDepthMax} levels`)
  if (next(reader) !== '(') throw invalid(reader, 'an opening parenthesis was expected')
  const parameters: AbiParameter[] = []
  if (peek(reader) === ')') {
    reader.at++
    return parameters
  }
  for (;;) {
    parameters.push(readParameter(reader, parameters.length, depth))
    if (parameters.length > parametersMax) throw invalid(reader, `more than ${parametersMax} parameters`)
    const token = next(reader)
    if (token === ')') break
    if (token !== ',') throw invalid(reader, 'a comma or a closing parenthesis was expected')
  }
  const names = new Set(parameters.map((parameter) => parameter.name))
  if (names.size !== parameters.length) throw invalid(reader, 'two parameters of one list have the same name')
  return parameters
}

function readParameter(reader: TokenReader, place: number, depth: number): AbiParameter {
  let type = readBaseType(reader, depth)
  let arrays = 0
  while (peek(reader) === '[') {
    reader.at++
    if (++arrays > typeDepthMax) throw invalid(reader, `arrays nest deeper than ${typeDepthMax} levels`)
    type = arrayType(reader, type, peek(reader) === ']' ? undefined : next(reader))
    if (next(reader) !== ']') throw invalid(reader, 'a closing bracket was expected')
  }
  if (parameterWords.has(peek(reader) ?? '')) reader.at++
  const token = peek(reader)
  if (!isIdentifier(token)) return { name: `arg${place}`, type }
  reader.at++
  // Assigning __proto__ to a plain object would not make a key of it.
  if (token === '__proto__') throw invalid(reader, 'a parameter cannot be called __proto__')
  return { name: token, type }
}

function readBaseType(reader: TokenReader, depth: number): AbiType {
  if (peek(reader) === 'tuple' && reader.tokens[reader.at + 1] === '(') reader.at++
  if (peek(reader) === '(') {
    const components = readParameters(reader, depth + 1)
    if (components.length === 0) throw invalid(reader, 'a tuple has no members')
    const dynamic = components.some((component) => component.type.dynamic)
    const wholeBytes = components.reduce((sum, component) => sum + component.type.headBytes, 0)
    if (wholeBytes > calldataBytesMax) throw invalid(reader, 'a type is larger than any calldata')
    const canonical = canonicalList(components)
    return { kind: 'tuple', components, canonical, dynamic, headBytes: dynamic ? 32 : wholeBytes }
  }
  const word = next(reader) ?? ''
  const type = elementaryType(word)
  if (type === undefined) throw invalid(reader, `${JSON.stringify(word)} is not a type`)
  return type
}

function arrayType(reader: TokenReader, of: AbiType, lengthText: string | undefined): AbiType {
  const suffix = `[${lengthText ?? ''}]`
  const canonical = `${of.canonical}${suffix}`
  if (lengthText === undefined) {
    return { kind: 'array', of, length: undefined, canonical, dynamic: true, headBytes: 32 }
  }
  if (!/^[1-9]\d{0,4}$/.test(lengthText) || Number(lengthText) > fixedLengthMax) {
    throw invalid(reader, `an array length is not a number from 1 to ${fixedLengthMax}`)
  }
  const length = Number(lengthText)
  if (of.headBytes * length > calldataBytesMax) throw invalid(reader, 'a type is larger than any calldata')
  const headBytes = of.dynamic ? 32 : of.headBytes * length
  return { kind: 'array', of, length, canonical, dynamic: of.dynamic, headBytes }
}

function elementaryType(word: string): AbiType | undefined {
  if (word === 'address' || word === 'bool') {
    return { kind: word, canonical: word, dynamic: false, headBytes: 32 }
  }
  if (word === 'bytes' || word === 'string') {
    return { kind: word, canonical: word, dynamic: true, headBytes: 32 }
  }
  const bytesN = /^bytes([1-9]\d?)$/.exec(word)
  if (bytesN !== null && Number(bytesN[1]) <= 32) {
    return { kind: 'bytesN', size: Number(bytesN[1]), canonical: word, dynamic: false, headBytes: 32 }
  }
  const integer = /^(u?int)([1-9]\d{0,2})?$/.exec(word)
  if (integer === null) return undefined
  const kind = integer[1] as 'uint' | 'int'
  const bits = integer[2] === undefined ? 256 : Number(integer[2])
  if (bits % 8 !== 0 || bits > 256) return undefined
  return { kind, bits, canonical: `${kind}${bits}`, dynamic: false, headBytes: 32 }
}

function canonicalList(parameters: readonly AbiParameter[]): string {
  return `(${parameters.map((parameter) => parameter.type.canonical).join(',')})`
}

function isIdentifier(token: string | undefined): token is string {
  return token !== undefined && /^[A-Za-z_$]/.test(token)
}

function peek(reader: TokenReader): string | undefined {
  return reader.tokens[reader.at]
}

function next(reader: TokenReader): string | undefined {
  return reader.tokens[reader.at++]
}

function invalid(reader: TokenReader, what: string) {
  const shown = reader.signature.length > 120 ? `${reader.signature.slice(0, 120)}…` : reader.signature
  return intentError(
    'INTENT_ABI_SIGNATURE_INVALID',
    `The function signature ${JSON.stringify(shown)} does not parse: ${what}.`,
  )
}
