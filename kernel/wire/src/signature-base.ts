import { encodeUtf8 } from '@countersign/bytes'
import { wireError } from './catalogue.ts'
import {
  type BareItem,
  type DictionaryLimits,
  encodeDictionary,
  encodeInnerList,
  encodeItem,
  type InnerList,
  type Item,
  type Parameters,
  parseDictionary,
} from './structured-field.ts'

/** A component of RFC 9421 section 2: a derived one (`@method`) or a header field, with its parameters. */
export interface Component {
  readonly name: string
  readonly params: Parameters
}

/** What one label of Signature-Input says: the covered components and the signature parameters, in order. */
export interface SignatureInput {
  readonly components: readonly Component[]
  readonly params: Parameters
}

/** The message as far as signatures see it. Of `status` and `method` a message has one. */
export interface HttpMessage {
  readonly method?: string
  /** Path and query as in the request line. */
  readonly path?: string
  readonly scheme?: string
  /** Host as RFC 9421 section 2.2.3 normalises it: lower case, no default port. */
  readonly authority?: string
  readonly status?: number
  /** Lower-case names. Several lines of one field are an array. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
}

export const signatureLimits = {
  textCharsMax: 4096,
  membersMax: 8,
  itemsMax: 16,
  paramsMax: 8,
} as const satisfies DictionaryLimits

/**
 * The signature base of RFC 9421 section 2.5, which is what a key signs.
 * @throws {CountersignError} WIRE_SIGNATURE_MALFORMED where a component is missing, unknown or ambiguous */
export function signatureBase(message: HttpMessage, input: SignatureInput): Uint8Array {
  return encodeUtf8(
    `${signatureBaseLines(message, input.components)}"@signature-params": ${encodeSignatureInput(input)}`,
  )
}

/** The lines of the covered components, each with its line feed: the same for every label over one message. */
export function signatureBaseLines(message: HttpMessage, components: readonly Component[]): string {
  const seen = new Set<string>()
  let lines = ''
  for (const component of components) {
    const identifier = encodeItem(toItem(component))
    // Section 2: each component identifier may stand only once.
    if (seen.has(identifier)) throw malformed(`covers ${identifier} twice`)
    seen.add(identifier)
    lines += `${identifier}: ${componentValue(message, component)}\n`
  }
  return lines
}

export function encodeSignatureInput(input: SignatureInput): string {
  return encodeInnerList(toInnerList(input))
}

/** @throws {CountersignError} WIRE_SIGNATURE_MALFORMED */
export function parseSignatureInputs(text: string): ReadonlyMap<string, SignatureInput> {
  const inputs = new Map<string, SignatureInput>()
  for (const [label, member] of parseDictionary(text, signatureLimits, 'Signature-Input')) {
    if (!('items' in member)) throw malformed(`has no list of components under ${label}`)
    inputs.set(label, { components: member.items.map(toComponent), params: member.params })
  }
  return inputs
}

/** @throws {CountersignError} WIRE_SIGNATURE_MALFORMED */
export function parseSignatures(text: string): ReadonlyMap<string, Uint8Array> {
  const signatures = new Map<string, Uint8Array>()
  for (const [label, member] of parseDictionary(text, signatureLimits, 'Signature')) {
    if ('items' in member || !(member.value instanceof Uint8Array) || member.params.size > 0) {
      throw wireError(
        'WIRE_SIGNATURE_MALFORMED',
        `The Signature header has no bare byte sequence under ${label}.`,
      )
    }
    signatures.set(label, member.value)
  }
  return signatures
}

export function encodeSignatureInputs(inputs: Iterable<readonly [string, SignatureInput]>): string {
  return encodeDictionary([...inputs].map(([label, input]) => [label, toInnerList(input)]))
}

export function encodeSignatures(signatures: Iterable<readonly [string, Uint8Array]>): string {
  return encodeDictionary([...signatures].map(([label, value]) => [label, { value, params: new Map() }]))
}

export function component(name: string, params: Readonly<Record<string, BareItem>> = {}): Component {
  return { name, params: new Map(Object.entries(params)) }
}

/** A path and query (`/a?b=c`) as the derived components see it. */
export function splitPath(pathAndQuery: string): { readonly path: string; readonly query: string } {
  const at = pathAndQuery.indexOf('?')
  if (at === -1) return { path: pathAndQuery === '' ? '/' : pathAndQuery, query: '?' }
  return { path: at === 0 ? '/' : pathAndQuery.slice(0, at), query: pathAndQuery.slice(at) }
}

function componentValue(message: HttpMessage, { name, params }: Component): string {
  if (name === '@query-param') return queryParamValue(message, params)
  // `sf`, `bs`, `key`, `req` and `tr` change what is covered; none is taken for the plain component.
  if (params.size > 0) throw malformed(`covers "${name}" with a parameter that is not supported`)
  return name.charCodeAt(0) === 0x40 ? derivedValue(message, name) : fieldValue(message, name)
}

function derivedValue(message: HttpMessage, name: string): string {
  const { method, path, scheme, authority, status } = message
  switch (name) {
    case '@method':
      if (method !== undefined) return checkedValue(method, name)
      break
    case '@path':
      if (path !== undefined) return checkedValue(splitPath(path).path, name)
      break
    case '@query':
      if (path !== undefined) return checkedValue(splitPath(path).query, name)
      break
    case '@request-target':
      if (path !== undefined) return checkedValue(path, name)
      break
    case '@authority':
      if (authority !== undefined) return checkedValue(authority, name)
      break
    case '@scheme':
      if (scheme !== undefined) return checkedValue(scheme, name)
      break
    case '@target-uri':
      if (scheme !== undefined && authority !== undefined && path !== undefined) {
        return checkedValue(`${scheme}://${authority}${path}`, name)
      }
      break
    case '@status':
      if (status !== undefined) return String(status)
      break
  }
  throw malformed(`covers "${name}", which this message does not have`)
}

function fieldValue({ headers }: HttpMessage, name: string): string {
  const lines = Object.hasOwn(headers, name) ? headers[name] : undefined
  if (typeof lines === 'string') return checkedValue(trim(lines), name)
  if (lines === undefined) throw malformed(`covers "${name}", which this message does not have`)
  return checkedValue(lines.map(trim).join(', '), name)
}

/** RFC 9421 section 2.2.8. */
function queryParamValue(message: HttpMessage, params: Parameters): string {
  const name = params.get('name')
  if (message.path === undefined || typeof name !== 'string' || params.size !== 1) {
    throw malformed('covers "@query-param" without exactly a name, or in a message without a query')
  }
  let value: string | undefined
  for (const pair of splitPath(message.path).query.slice(1).split('&')) {
    const at = pair.indexOf('=')
    if (recoded(at === -1 ? pair : pair.slice(0, at)) !== name) continue
    if (value !== undefined) throw malformed(`covers the query parameter ${name}, which stands twice`)
    value = at === -1 ? '' : recoded(pair.slice(at + 1))
  }
  if (value === undefined)
    throw malformed(`covers the query parameter ${name}, which this message does not have`)
  return value
}

/** From application/x-www-form-urlencoded to that format's percent-encode set, with %20 for a space. */
function recoded(text: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(text.replaceAll('+', ' '))).replace(
      /[!'()~]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    )
  } catch {
    throw malformed('covers a query parameter that is not percent-encoded UTF-8')
  }
}

const valueForm = /^[\x20-\x7e\t]*$/

/** A line feed in a value would forge further lines of the base; other characters have no one encoding. */
function checkedValue(value: string, name: string): string {
  if (!valueForm.test(value)) throw malformed(`covers "${name}", whose value is not one line of ASCII`)
  return value
}

function trim(line: string): string {
  return line.replace(/^[ \t]+|[ \t]+$/g, '')
}

function toComponent({ value, params }: Item): Component {
  if (typeof value !== 'string') throw malformed('covers a component whose name is not a string')
  if (value !== value.toLowerCase()) throw malformed(`covers "${value}", which is not in lower case`)
  return { name: value, params }
}

function toItem({ name, params }: Component): Item {
  return { value: name, params }
}

function toInnerList({ components, params }: SignatureInput): InnerList {
  return { items: components.map(toItem), params }
}

function malformed(what: string) {
  return wireError('WIRE_SIGNATURE_MALFORMED', `The Signature-Input header ${what}.`)
}
