import type Type from 'typebox'
import { Errors } from 'typebox/value'

export interface SchemaComplaint {
  /** `rules[0].when.recipient[2]`; empty for the whole. */
  readonly path: string
  readonly message: string
  readonly tooLarge: boolean
}

/** The one thing to say of a value that breaks a schema: where, and what belongs there. */
export function complaintOf(schema: Type.TSchema, value: unknown): SchemaComplaint {
  const errors = Errors(schema, value).filter((error) => !isOtherLimit(error, value))
  // The deepest error is about the value at fault, the others about what it stands in.
  const [worst] = errors.toSorted((a, b) => depthOf(b.instancePath) - depthOf(a.instancePath))
  if (worst === undefined)
    return { path: '', message: 'it does not have the form that is needed', tooLarge: false }
  const { keyword, schemaPath, instancePath, message } = worst
  return {
    path: dottedPath(instancePath),
    message: sentence(keyword, message, schemaAt(schema, schemaPath)),
    tooLarge: keyword === 'maxItems' || keyword === 'maxProperties' || keyword === 'maxLength',
  }
}

function sentence(keyword: string, message: string, at: SchemaPart | undefined): string {
  if (keyword === 'boolean') return 'this key is not known here; remove it or correct its spelling'
  if (keyword === 'enum' && Array.isArray(at?.enum)) return `it must be one of ${at.enum.join(', ')}`
  const isAboutForm = keyword === 'pattern' || keyword === 'type' || keyword === 'const'
  const about = typeof at?.description === 'string' ? at.description.replace(/\.$/, '') : undefined
  return isAboutForm && about !== undefined ? `it ${message}: ${about}` : `it ${message}`
}

/** A limit of one kind is not told that it is none of the others; the keys that it has say which it is. */
function isOtherLimit(error: { readonly schemaPath: string }, value: unknown): boolean {
  const match = /^(.*\/limits\/items\/anyOf\/)([012])(?:\/|$)/.exec(error.schemaPath)
  if (match === null) return false
  const instancePath = (error as { readonly instancePath?: string }).instancePath ?? ''
  const limitPath = /^(\/rules\/\d+\/limits\/\d+)/.exec(instancePath)?.[1]
  const limit = limitPath === undefined ? undefined : valueAt(value, limitPath)
  if (typeof limit !== 'object' || limit === null) return false
  const kind = Object.hasOwn(limit, 'count') ? '1' : Object.hasOwn(limit, 'value') ? '2' : '0'
  return match[2] !== kind
}

interface SchemaPart {
  readonly description?: unknown
  readonly enum?: unknown
}

function schemaAt(schema: Type.TSchema, schemaPath: string): SchemaPart | undefined {
  const found = valueAt(schema, schemaPath.replace(/^#/, ''))
  return typeof found === 'object' && found !== null ? found : undefined
}

function valueAt(root: unknown, pointer: string): unknown {
  let value = root
  for (const segment of segmentsOf(pointer)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[segment]
  }
  return value
}

function segmentsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function depthOf(pointer: string): number {
  return pointer.split('/').length
}

function dottedPath(pointer: string): string {
  let path = ''
  for (const segment of segmentsOf(pointer)) {
    if (/^\d+$/.test(segment)) path += `[${segment}]`
    else path += path === '' ? segment : `.${segment}`
  }
  return path
}
