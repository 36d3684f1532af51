import { CountersignError, type ErrorBody } from '@countersign/bytes'
import type { ApprovalNeed } from '@countersign/wire'

/** The signer's decision as it travels: amounts are decimal strings of smallest units. */
export interface RefusedDecision {
  readonly permitted: false
  /** `needs-approval`: everything but the approvals in `approvals` was there when it was decided. */
  readonly outcome: 'refused' | 'needs-approval'
  /** About the request as a whole. */
  readonly reasons?: readonly RefusedReason[]
  readonly effects: readonly RefusedEffect[]
  readonly reservations: readonly unknown[]
  /** What the rules that would permit it ask for; empty where no approval could help. */
  readonly approvals: readonly ApprovalNeed[]
}

export interface RefusedEffect {
  readonly effect: number
  readonly kind: string
  readonly summary: string
  readonly permittedBy: readonly { readonly layer: string; readonly rule: string }[]
  readonly reasons: readonly RefusedReason[]
}

export interface RefusedReason {
  readonly code: string
  readonly layer: string
  readonly rule?: string
  readonly message: string
}

/** The signer decided, and the answer is no. The decision says, effect by effect, why. */
export class CountersignRefused extends CountersignError {
  readonly decision: RefusedDecision
  /** Where the refusal stands in the journal. */
  readonly journalIndex: number | undefined

  constructor(
    error: ErrorBody,
    refusal: { status: number; decision: RefusedDecision; journalIndex: number | undefined },
  ) {
    const definition = { status: refusal.status, retry: error.retry, fix: error.fix, summary: error.message }
    const details = error.details === undefined ? {} : { details: error.details }
    super(error.code, definition, error.message, details)
    this.name = 'CountersignRefused'
    this.decision = refusal.decision
    this.journalIndex = refusal.journalIndex
  }

  /** Every reason in words, one a line, for people. */
  reasons(): string[] {
    const whole = (this.decision.reasons ?? []).map(({ message }) => message)
    const perEffect = this.decision.effects.flatMap(({ summary, reasons }) =>
      reasons.map(({ message }) => `${summary}: ${message}`),
    )
    return [...whole, ...perEffect]
  }
}

/** Rebuilds the error that the signer or the engine threw from its answer. `undefined`: the answer is not ours. */
export function errorFromAnswer(status: number, answer: unknown): CountersignError | undefined {
  const { error, decision, journal } = (answer ?? {}) as {
    error?: Partial<ErrorBody>
    decision?: unknown
    journal?: { index?: number }
  }
  if (typeof error?.code !== 'string' || typeof error.message !== 'string') return undefined
  const body: ErrorBody = {
    code: error.code,
    message: error.message,
    fix: typeof error.fix === 'string' ? error.fix : '',
    retry: error.retry ?? 'never',
    ...(error.details === undefined ? {} : { details: error.details }),
  }
  const found = refusalOf(decision ?? error.details?.decision)
  if (found !== undefined) {
    return new CountersignRefused(body, { status, decision: found, journalIndex: journal?.index })
  }
  const definition = { status, retry: body.retry, fix: body.fix, summary: body.message }
  return new CountersignError(
    body.code,
    definition,
    body.message,
    body.details === undefined ? {} : { details: body.details },
  )
}

/** What a program may rely on is there, also in an answer that was stored before decisions had an outcome. */
function refusalOf(decision: unknown): RefusedDecision | undefined {
  if (typeof decision !== 'object' || decision === null) return undefined
  const found = decision as Partial<RefusedDecision>
  if (!Array.isArray(found.effects)) return undefined
  return {
    ...found,
    permitted: false,
    outcome: found.outcome === 'needs-approval' ? 'needs-approval' : 'refused',
    effects: found.effects,
    reservations: Array.isArray(found.reservations) ? found.reservations : [],
    approvals: Array.isArray(found.approvals) ? found.approvals : [],
  }
}
