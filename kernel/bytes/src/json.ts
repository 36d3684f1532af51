import { bytesError } from './catalogue.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export interface JsonLimits {
  /** Characters of text. */
  readonly textCharsMax: number
  /** Arrays and objects inside one another. */
  readonly depthMax: number
}

export const defaultJsonLimits: JsonLimits = { textCharsMax: 1_000_000, depthMax: 32 }

/**
 * Parses untrusted JSON once, at the edge. Unlike `JSON.parse` it refuses a key that stands twice in one
 * object (two readers could take different ones), `__proto__`, and numbers that a double cannot hold exactly.
 * @throws {CountersignError} JSON_INVALID, JSON_TOO_LARGE */
export function parseJson(text: string, limits: JsonLimits = defaultJsonLimits): Json {
  if (text.length > limits.textCharsMax) {
    throw bytesError(
      'JSON_TOO_LARGE',
      `The JSON text has ${text.length} characters; ${limits.textCharsMax} are allowed.`,
    )
  }
  const reader = { text, at: 0, depthMax: limits.depthMax }
  skipSpace(reader)
  const value = readValue(reader, 0)
  skipSpace(reader)
  if (reader.at !== text.length) throw invalid(reader, 'text after the end of the value')
  return value
}

/**
 * RFC 8785 canonical form, which is what is hashed and signed.
 * Integers only: money is a decimal string, so a fraction or an unsafe integer is a bug of the caller.
 * Members that are `undefined` are left out.
 * @throws {TypeError} on a bigint, function, symbol, fraction or lone surrogate. */
export function canonicalJson(value: unknown): string {
  if (value === null || value === true || value === false) return String(value)
  if (typeof value === 'string') return canonicalString(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError('canonical JSON: not a safe integer')
    return String(value === 0 ? 0 : value)
  }
  if (Array.isArray(value)) {
    let out = '['
    for (let i = 0; i < value.length; i++) out += (i === 0 ? '' : ',') + canonicalJson(value[i])
    return `${out}]`
  }
  if (typeof value === 'object') {
    const record = value as Record<string, unknown>
    // RFC 8785 section 3.2.3 orders by UTF-16 code units, which is what Array.prototype.sort does.
    const keys = Object.keys(record).sort()
    let out = '{'
    for (const key of keys) {
      const member = record[key]
      if (member === undefined) continue
      out += `${(out.length === 1 ? '' : ',') + canonicalKey(key)}:${canonicalJson(member)}`
    }
    return `${out}}`
  }
  throw new TypeError(`canonical JSON: cannot encode a ${typeof value}`)
}

/** The same few hundred names stand in everything that is hashed. */
const canonicalKeys = new Map<string, string>()
const canonicalKeysMax = 1_000

function canonicalKey(key: string): string {
  const known = canonicalKeys.get(key)
  if (known !== undefined) return known
  const text = canonicalString(key)
  // Keys that strangers make up do not push out the usual ones.
  if (canonicalKeys.size < canonicalKeysMax && key.length <= 32) canonicalKeys.set(key, text)
  return text
}

/** What no escape is needed in; most keys and values. */
const plainForm = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

function canonicalString(text: string): string {
  if (text.length <= 128 && plainForm.test(text)) return `"${text}"`
  // JSON.stringify escapes as RFC 8785 section 3.2.2.2 asks, but for lone surrogates, which have no UTF-8 form.
  if (!text.isWellFormed()) throw new TypeError('canonical JSON: lone surrogate')
  return JSON.stringify(text)
}

interface Reader {
  readonly text: string
  at: number
  readonly depthMax: number
}

function readValue(reader: Reader, depth: number): Json {
  switch (reader.text[reader.at]) {
    case '{':
      return readObject(reader, depth + 1)
    case '[':
      return readArray(reader, depth + 1)
    case '"':
      return readString(reader)
    case 't':
      return readWord(reader, 'true', true)
    case 'f':
      return readWord(reader, 'false', false)
    case 'n':
      return readWord(reader, 'null', null)
    default:
      return readNumber(reader)
  }
}

function readObject(reader: Reader, depth: number): Json {
  checkDepth(reader, depth)
  reader.at++
  const object: Record<string, Json> = {}
  skipSpace(reader)
  if (reader.text[reader.at] === '}') {
    reader.at++
    return object
  }
  for (;;) {
    skipSpace(reader)
    if (reader.text[reader.at] !== '"') throw invalid(reader, 'a key was expected')
    const key = readString(reader)
    if (key === '__proto__') throw invalid(reader, 'the key __proto__ is not allowed')
    if (Object.hasOwn(object, key)) throw invalid(reader, `the key ${JSON.stringify(key)} stands twice`)
    skipSpace(reader)
    if (reader.text[reader.at] !== ':') throw invalid(reader, 'a colon was expected')
    reader.at++
    skipSpace(reader)
    object[key] = readValue(reader, depth)
    skipSpace(reader)
    const next = reader.text[reader.at++]
    if (next === '}') return object
    if (next !== ',') throw invalid(reader, 'a comma or the end of an object was expected')
  }
}

function readArray(reader: Reader, depth: number): Json {
  checkDepth(reader, depth)
  reader.at++
  const array: Json[] = []
  skipSpace(reader)
  if (reader.text[reader.at] === ']') {
    reader.at++
    return array
  }
  for (;;) {
    skipSpace(reader)
    array.push(readValue(reader, depth))
    skipSpace(reader)
    const next = reader.text[reader.at++]
    if (next === ']') return array
    if (next !== ',') throw invalid(reader, 'a comma or the end of an array was expected')
  }
}

function readString(reader: Reader): string {
  const start = reader.at
  const { text } = reader
  let at = start + 1
  let plain = true
  for (;;) {
    const unit = text.charCodeAt(at)
    if (Number.isNaN(unit)) throw invalid(reader, 'a string does not end')
    if (unit === 0x22) break
    if (unit < 0x20) throw invalid(reader, 'a control character stands in a string')
    if (unit === 0x5c) {
      plain = false
      at++
    }
    at++
  }
  reader.at = at + 1
  if (plain) {
    const value = text.slice(start + 1, at)
    if (!value.isWellFormed()) throw invalid(reader, 'a string has a lone surrogate')
    return value
  }
  let value: string
  try {
    value = JSON.parse(text.slice(start, at + 1))
  } catch {
    throw invalid(reader, 'a string has a bad escape')
  }
  if (!value.isWellFormed()) throw invalid(reader, 'a string has a lone surrogate')
  return value
}

const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

function readNumber(reader: Reader): number {
  numberForm.lastIndex = reader.at
  const match = numberForm.exec(reader.text)
  if (match === null) throw invalid(reader, 'a value was expected')
  const value = Number(match[0])
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw invalid(reader, 'a number is too large to be exact; write it as a string')
  }
  reader.at += match[0].length
  return value
}

function readWord<T extends Json>(reader: Reader, word: string, value: T): T {
  if (!reader.text.startsWith(word, reader.at)) throw invalid(reader, 'a value was expected')
  reader.at += word.length
  return value
}

function skipSpace(reader: Reader): void {
  for (;;) {
    const unit = reader.text.charCodeAt(reader.at)
    if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return
    reader.at++
  }
}

function checkDepth(reader: Reader, depth: number): void {
  if (depth > reader.depthMax) {
    throw bytesError('JSON_TOO_LARGE', `The JSON text nests deeper than ${reader.depthMax} levels.`)
  }
}

function invalid(reader: Reader, what: string) {
  return bytesError(
    'JSON_INVALID',
    `The JSON text is not valid at character ${Math.min(reader.at, reader.text.length)}: ${what}.`,
  )
}
