import { decodeBase64, encodeBase64 } from '@countersign/bytes'
import { wireError } from './catalogue.ts'

/** A token stands apart from a string: `a` and `"a"` are different values. */
export interface Token {
  readonly token: string
}

/** The item types of RFC 8941 section 3.3 that RFC 9421 has a use for; decimals are refused. */
export type BareItem = string | number | boolean | Uint8Array | Token

export type Parameters = ReadonlyMap<string, BareItem>

export interface Item {
  readonly value: BareItem
  readonly params: Parameters
}

export interface InnerList {
  readonly items: readonly Item[]
  readonly params: Parameters
}

export type Member = Item | InnerList

export type Dictionary = ReadonlyMap<string, Member>

export interface DictionaryLimits {
  readonly textCharsMax: number
  readonly membersMax: number
  /** In one inner list. */
  readonly itemsMax: number
  /** On one item or inner list. */
  readonly paramsMax: number
}

/**
 * Parses an RFC 8941 dictionary. Stricter than the RFC where it lets a later key overwrite an earlier one:
 * two readers could then disagree, so a key that stands twice is refused.
 * @throws {CountersignError} WIRE_SIGNATURE_MALFORMED */
export function parseDictionary(text: string, limits: DictionaryLimits, name: string): Dictionary {
  const reader: Reader = { text, at: 0, limits, name }
  if (text.length > limits.textCharsMax) throw malformed(reader, `is over ${limits.textCharsMax} characters`)
  const members = new Map<string, Member>()
  skipSpaces(reader)
  while (reader.at < text.length) {
    const key = readKey(reader)
    if (members.has(key)) throw malformed(reader, `has the key ${key} twice`)
    if (members.size === limits.membersMax) throw malformed(reader, `has over ${limits.membersMax} members`)
    members.set(key, readMember(reader))
    skipOptionalWhitespace(reader)
    if (reader.at === text.length) return members
    if (text.charCodeAt(reader.at) !== 0x2c) throw malformed(reader, 'lacks a comma')
    reader.at++
    skipOptionalWhitespace(reader)
    if (reader.at === text.length) throw malformed(reader, 'ends in a comma')
  }
  return members
}

/** The one serialisation that RFC 8941 section 4.1.2 has for these members. */
export function encodeDictionary(dictionary: Iterable<readonly [string, Member]>): string {
  let out = ''
  for (const [key, member] of dictionary) {
    if (out !== '') out += ', '
    if ('items' in member) out += `${key}=${encodeInnerList(member)}`
    else if (member.value === true) out += key + encodeParameters(member.params)
    else out += `${key}=${encodeItem(member)}`
  }
  return out
}

export function encodeInnerList(list: InnerList): string {
  let out = '('
  for (let i = 0; i < list.items.length; i++) out += (i === 0 ? '' : ' ') + encodeItem(list.items[i] as Item)
  return `${out})${encodeParameters(list.params)}`
}

export function encodeItem(item: Item): string {
  return encodeBareItem(item.value) + encodeParameters(item.params)
}

function encodeParameters(params: Parameters): string {
  let out = ''
  for (const [key, value] of params) out += value === true ? `;${key}` : `;${key}=${encodeBareItem(value)}`
  return out
}

/** @throws {CountersignError} WIRE_SIGNATURE_MALFORMED where the value has no serialisation. */
function encodeBareItem(value: BareItem): string {
  if (typeof value === 'string') return encodeString(value)
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || Math.abs(value) > integerMax) {
      throw wireError('WIRE_SIGNATURE_MALFORMED', 'A structured field integer has at most 15 digits.')
    }
    return String(value)
  }
  if (typeof value === 'boolean') return value ? '?1' : '?0'
  if (value instanceof Uint8Array) return `:${encodeBase64(value)}:`
  return value.token
}

const integerMax = 999_999_999_999_999
const stringForm = /^[\x20-\x7e]*$/

function encodeString(text: string): string {
  if (!stringForm.test(text)) {
    throw wireError(
      'WIRE_SIGNATURE_MALFORMED',
      'A structured field string has visible ASCII characters only.',
    )
  }
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}

interface Reader {
  readonly text: string
  at: number
  readonly limits: DictionaryLimits
  readonly name: string
}

const noParameters: Parameters = new Map()

function readMember(reader: Reader): Member {
  if (reader.text.charCodeAt(reader.at) !== 0x3d) return { value: true, params: readParameters(reader) }
  reader.at++
  return reader.text.charCodeAt(reader.at) === 0x28 ? readInnerList(reader) : readItem(reader)
}

function readInnerList(reader: Reader): InnerList {
  reader.at++
  const items: Item[] = []
  for (;;) {
    skipSpaces(reader)
    if (reader.text.charCodeAt(reader.at) === 0x29) {
      reader.at++
      return { items, params: readParameters(reader) }
    }
    if (items.length === reader.limits.itemsMax) {
      throw malformed(reader, `has a list of over ${reader.limits.itemsMax} items`)
    }
    items.push(readItem(reader))
    const next = reader.text.charCodeAt(reader.at)
    if (next !== 0x20 && next !== 0x29) throw malformed(reader, 'has a list that does not end')
  }
}

function readItem(reader: Reader): Item {
  const value = readBareItem(reader)
  return { value, params: readParameters(reader) }
}

function readParameters(reader: Reader): Parameters {
  if (reader.text.charCodeAt(reader.at) !== 0x3b) return noParameters
  const params = new Map<string, BareItem>()
  while (reader.text.charCodeAt(reader.at) === 0x3b) {
    reader.at++
    skipSpaces(reader)
    const key = readKey(reader)
    if (params.has(key)) throw malformed(reader, `has the parameter ${key} twice`)
    if (params.size === reader.limits.paramsMax) {
      throw malformed(reader, `has over ${reader.limits.paramsMax} parameters`)
    }
    if (reader.text.charCodeAt(reader.at) === 0x3d) {
      reader.at++
      params.set(key, readBareItem(reader))
    } else {
      params.set(key, true)
    }
  }
  return params
}

const keyForm = /[a-z*][a-z0-9_.*-]{0,63}/y

function readKey(reader: Reader): string {
  const key = readForm(reader, keyForm)
  if (key === undefined) throw malformed(reader, 'lacks a lower-case key')
  return key
}

const integerForm = /-?[0-9]{1,15}(?![0-9.])/y
const bytesForm = /:[A-Za-z0-9+/]*={0,2}:/y
const tokenForm = /[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*/y
const booleanForm = /\?[01]/y

function readBareItem(reader: Reader): BareItem {
  const first = reader.text.charCodeAt(reader.at)
  if (first === 0x22) return readString(reader)
  if (first === 0x3a) {
    const bytes = readForm(reader, bytesForm)
    if (bytes === undefined) throw malformed(reader, 'has a byte sequence that is not base64')
    return readBytes(reader, bytes.slice(1, -1))
  }
  if (first === 0x3f) {
    const boolean = readForm(reader, booleanForm)
    if (boolean === undefined) throw malformed(reader, 'has a boolean that is neither ?0 nor ?1')
    return boolean === '?1'
  }
  if (first === 0x2d || (first >= 0x30 && first <= 0x39)) {
    const integer = readForm(reader, integerForm)
    if (integer === undefined) throw malformed(reader, 'has a number that is not an integer of 15 digits')
    return Number(integer)
  }
  const token = readForm(reader, tokenForm)
  if (token === undefined) throw malformed(reader, 'lacks a value')
  return { token }
}

function readString(reader: Reader): string {
  const { text } = reader
  const start = reader.at + 1
  let plain = true
  for (let at = start; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === 0x22) {
      reader.at = at + 1
      const value = text.slice(start, at)
      return plain ? value : value.replace(/\\(.)/g, '$1')
    }
    if (unit < 0x20 || unit > 0x7e) throw malformed(reader, 'has a string with a character outside of ASCII')
    if (unit === 0x5c) {
      plain = false
      const escaped = text.charCodeAt(++at)
      if (escaped !== 0x22 && escaped !== 0x5c) throw malformed(reader, 'has a string with a bad escape')
    }
  }
  throw malformed(reader, 'has a string that does not end')
}

function readBytes(reader: Reader, base64: string): Uint8Array {
  try {
    return decodeBase64(base64)
  } catch {
    throw malformed(reader, 'has a byte sequence that is not base64 with padding')
  }
}

function readForm(reader: Reader, form: RegExp): string | undefined {
  form.lastIndex = reader.at
  const match = form.exec(reader.text)
  if (match === null) return undefined
  reader.at += match[0].length
  return match[0]
}

function skipSpaces(reader: Reader): void {
  while (reader.text.charCodeAt(reader.at) === 0x20) reader.at++
}

function skipOptionalWhitespace(reader: Reader): void {
  for (;;) {
    const unit = reader.text.charCodeAt(reader.at)
    if (unit !== 0x20 && unit !== 0x09) return
    reader.at++
  }
}

function malformed(reader: Reader, what: string) {
  return wireError('WIRE_SIGNATURE_MALFORMED', `The ${reader.name} header ${what} (character ${reader.at}).`)
}
