import { Errors } from 'typebox/value'
import { policySchema } from './schema.ts'

export interface SchemaComplaint {
  /** `rules[0].when.recipient[2]`; empty for the whole. */
  readonly path: string
  readonly message: string
  readonly tooLarge: boolean
}

/** The one thing to say of a value that breaks the schema: where, and what belongs there. */
export function schemaComplaint(value: unknown): SchemaComplaint {
  const errors = Errors(policySchema, value).filter((error) => !isOtherLimit(error, value))
  // The deepest error is about the value at fault, the others about what it stands in.
  const [worst] = errors.toSorted((a, b) => depthOf(b.instancePath) - depthOf(a.instancePath))
  if (worst === undefined)
    return { path: '', message: 'it does not have the form of a policy', tooLarge: false }
  const { keyword, schemaPath, instancePath, message } = worst
  return {
    path: dottedPath(instancePath),
    message: sentence(keyword, schemaPath, message),
    tooLarge: keyword === 'maxItems' || keyword === 'maxProperties' || keyword === 'maxLength',
  }
}

function sentence(keyword: string, schemaPath: string, message: string): string {
  if (keyword === 'boolean') return 'this key is not known here; remove it or correct its spelling'
  const at = schemaAt(schemaPath)
  if (keyword === 'enum' && Array.isArray(at?.enum)) return `it must be one of ${at.enum.join(', ')}`
  const isAboutForm = keyword === 'pattern' || keyword === 'type' || keyword === 'const'
  const about = typeof at?.description === 'string' ? at.description.replace(/\.$/, '') : undefined
  return isAboutForm && about !== undefined ? `it ${message}: ${about}` : `it ${message}`
}

/** An amount limit is not told that it is no count limit, nor the other way round. */
function isOtherLimit(error: { readonly schemaPath: string }, value: unknown): boolean {
  const match = /^(.*\/limits\/items\/anyOf\/)([01])(?:\/|$)/.exec(error.schemaPath)
  if (match === null) return false
  const instancePath = (error as { readonly instancePath?: string }).instancePath ?? ''
  const limitPath = /^(\/rules\/\d+\/limits\/\d+)/.exec(instancePath)?.[1]
  const limit = limitPath === undefined ? undefined : valueAt(value, limitPath)
  if (typeof limit !== 'object' || limit === null) return false
  return (match[2] === '1') !== Object.hasOwn(limit, 'count')
}

function schemaAt(
  schemaPath: string,
): { readonly description?: unknown; readonly enum?: unknown } | undefined {
  const found = valueAt(policySchema, schemaPath.replace(/^#/, ''))
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
