/** What a caller may do with the same request after this error. */
export type Retry = 'now' | 'later' | 'after-fix' | 'never'

/** One row of the error catalogue: everything about a code that does not depend on the case at hand. */
export interface ErrorDefinition {
  /** HTTP status with which the public API answers. */
  readonly status: number
  readonly retry: Retry
  /** One sentence for docs/errors.md: when this code is used. */
  readonly summary: string
  /** What a person can do about it; a case may give a more exact one. */
  readonly fix: string
}

export type ErrorCatalogue<Code extends string = string> = Readonly<Record<Code, ErrorDefinition>>

/** Plain facts about the case (never a secret); shown to the caller and in the journal. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** The only error class that crosses a package or process border. Anything else that is thrown is a bug. */
export class CountersignError extends Error {
  readonly code: string
  readonly status: number
  readonly retry: Retry
  readonly fix: string
  readonly details: ErrorDetails | undefined

  constructor(code: string, definition: ErrorDefinition, message: string, more: FailOptions = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'CountersignError'
    this.code = code
    this.status = definition.status
    this.retry = definition.retry
    this.fix = more.fix ?? definition.fix
    this.details = more.details
  }

  /** The wire form. `cause` and the stack stay inside the process. */
  toJSON(): ErrorBody {
    const { code, message, fix, retry, details } = this
    return details === undefined ? { code, message, fix, retry } : { code, message, fix, retry, details }
  }
}

export interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly fix: string
  readonly retry: Retry
  readonly details?: ErrorDetails
}

export interface FailOptions {
  readonly fix?: string
  readonly details?: ErrorDetails
  readonly cause?: unknown
}

/**
 * Binds a catalogue to a constructor: `throw error('AREA_PROBLEM', 'what happened')`.
 * Each package declares its own catalogue; kernel/wire, the signer and the engine publish the union.
 */
export function errorsOf<Code extends string>(catalogue: ErrorCatalogue<Code>) {
  return (code: Code, message: string, more?: FailOptions): CountersignError =>
    new CountersignError(code, catalogue[code], message, more)
}

export function isCountersignError(value: unknown): value is CountersignError {
  return value instanceof CountersignError
}

/** @throws always; for branches that the types rule out. */
export function unreachable(value: never): never {
  throw new Error(`bug: unreachable value ${String(value)}`)
}
