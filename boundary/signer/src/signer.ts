import type { CountersignError } from '@countersign/bytes'
import type { KeyBackend } from '@countersign/keys'
import { wireError } from '@countersign/wire'
import type { AuthenticationContext } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import type { DueApprovals } from './due-approvals.ts'
import type { DueChanges } from './due-changes.ts'
import type { Journal } from './journal.ts'
import type { Ledger } from './ledger.ts'
import type { PolicyCache } from './policies.ts'
import type { Witnesses } from './witnesses.ts'

export type Phase = 'sealed' | 'ready' | 'halted'

/** What the signer answers to one request. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** @param receipt As JSON: with its entry it is most of an answer, and is written once. */
export function receiptAnswer(status: number, body: object, receipt: string): Answer {
  const members = JSON.stringify(body).slice(1, -1)
  const text = withoutDashes(`{${members}${members === '' ? '' : ','}"receipt":${receipt}}`)
  const answer: Answer = {
    status,
    get body() {
      return JSON.parse(text)
    },
  }
  texts.set(answer, text)
  return answer
}

/** Bodies as JSON, of the answers that were put together as text. */
const texts = new WeakMap<Answer, string>()

export function textOf(answer: Answer): string {
  return texts.get(answer) ?? withoutDashes(JSON.stringify(answer.body))
}

/**
 * The same JSON. A single character over U+00FF, of which signed notes have one, makes a text in memory twice as long
 * and everything that is done with it twice as slow.
 */
export function withoutDashes(json: string): string {
  return json.replaceAll('\u2014', '\\u2014')
}

/** An open signer: everything that the main path works with. */
export interface Signer {
  readonly journal: Journal
  readonly ledger: Ledger
  readonly backend: KeyBackend
  readonly policies: PolicyCache
  /** Changes that wait for their delay. */
  readonly due: DueChanges
  /** Requests that wait for approvals. */
  readonly approvals: DueApprovals
  readonly witnesses: Witnesses
  readonly authentication: AuthenticationContext
  /** True where the engine can only run as the signer's own user: see the custody statement. */
  readonly sharesUserWithEngine: boolean
  phase(): Phase
  /** Nothing is signed any more in this process. */
  halt(why: unknown): void
  /** @throws {CountersignError} SIGNER_HALTED */
  checkReady(): void
  revoked(credentialId: string): CountersignError
  /** Does nothing, but in tests that stop the process at a named point.
   * @throws {CountersignError} SIGNER_HALTED */
  at(point: string): Promise<void> | void
  close(): Promise<void>
}

export interface SignerParts {
  readonly journal: Journal
  readonly ledger: Ledger
  readonly backend: KeyBackend
  readonly policies: PolicyCache
  readonly due: DueChanges
  readonly approvals: DueApprovals
  readonly witnesses: Witnesses
  readonly authentication: AuthenticationContext
  readonly sharesUserWithEngine: boolean
  readonly phase: PhaseSwitch
  readonly at?: (point: string) => Promise<void> | void
  readonly close: () => Promise<void>
}

export function assembleSigner(parts: SignerParts): Signer {
  const { journal, ledger, backend, policies, due, approvals, witnesses, authentication, phase, at } = parts
  return {
    journal,
    ledger,
    backend,
    policies,
    due,
    approvals,
    witnesses,
    authentication,
    sharesUserWithEngine: parts.sharesUserWithEngine,
    phase: () => phase.now,
    halt: (why) => phase.halt(why),
    checkReady: () => phase.check(),
    revoked: (id) => wireError('WIRE_CREDENTIAL_REVOKED', `The credential ${id} was revoked.`),
    at(point) {
      phase.check()
      return at?.(point)
    },
    close: parts.close,
  }
}

/** Ready, until something impossible is seen: then halted for the rest of the process. */
export class PhaseSwitch {
  #why: string | undefined
  readonly #onHalt: (why: unknown) => void

  constructor(onHalt: (why: unknown) => void) {
    this.#onHalt = onHalt
  }

  get now(): Phase {
    return this.#why === undefined ? 'ready' : 'halted'
  }

  halt(why: unknown): void {
    if (this.#why !== undefined) return
    this.#why = why instanceof Error ? why.message : 'an unknown cause'
    this.#onHalt(why)
  }

  check(): void {
    if (this.#why !== undefined) throw signerError('SIGNER_HALTED', `The signer has halted: ${this.#why}`)
  }
}
