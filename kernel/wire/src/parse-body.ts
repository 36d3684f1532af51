import type { Json } from '@countersign/bytes'
import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { wireError } from './catalogue.ts'

/** Each schema is compiled once, when it is first used. */
const validators = new WeakMap<TSchema, Validator>()

/** @throws {CountersignError} WIRE_INVALID_BODY, with the JSON pointer of the field in details.path */
export function parseBody<Schema extends TSchema>(schema: Schema, body: Json | undefined): Static<Schema> {
  const problem = findProblem(schema, body)
  if (problem === undefined) return body as Static<Schema>
  throw wireError('WIRE_INVALID_BODY', `The body is not what this route takes: ${problem.message}.`, {
    details: { path: problem.path },
  })
}

/** @throws {CountersignError} WIRE_INVALID_REQUEST, with the name in details.path */
export function parseQuery<Schema extends TSchema>(
  schema: Schema,
  query: Readonly<Record<string, string>>,
): Static<Schema> {
  const problem = findProblem(schema, query)
  if (problem === undefined) return query as Static<Schema>
  throw wireError('WIRE_INVALID_REQUEST', `The query is not what this route takes: ${problem.message}.`, {
    details: { path: problem.path },
  })
}

interface Problem {
  readonly path: string
  readonly message: string
}

const pathCharsShown = 200
/** More than any list of a body may have. */
const listItemsSearched = 1_025

function findProblem(schema: TSchema, value: unknown): Problem | undefined {
  let validator = validators.get(schema)
  if (validator === undefined) {
    validator = Compile(schema) as Validator
    validators.set(schema, validator)
  }
  if (validator.Check(value)) return undefined
  const errors = validator.Errors(shortened(value))
  const depth = ({ instancePath }: { instancePath: string }) => instancePath.split('/').length
  // Where forms are alternatives, the deepest error is of the one that was meant; at equal depth the error about
  // all of them says more than that about one.
  const deepest = Math.max(...errors.map(depth))
  const candidates = errors.filter((error) => depth(error) === deepest)
  const error = candidates.find(({ keyword }) => keyword === 'anyOf') ?? candidates[0]
  if (error === undefined) return { path: '', message: 'it has another form' }
  const path = error.instancePath.slice(0, pathCharsShown)
  return { path, message: `${path === '' ? 'it' : path} ${words(error)}` }
}

/**
 * With no list longer than what decides: the search for duplicates takes time with the square of the length, also in a
 * list that is refused for its length, and whoever sends it need not have signed it.
 */
function shortened(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, listItemsSearched).map(shortened)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shortened(member)]))
}

function words({ keyword, message }: { keyword: string; message: string }): string {
  if (keyword === 'boolean') return 'is not a known field'
  if (keyword === 'anyOf') return 'fits none of the forms that are allowed here'
  return message
}
