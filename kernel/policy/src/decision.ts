import type { AccountAddress, AssetId, Brand } from '@countersign/bytes'
import type { EffectKind, Operation } from '@countersign/intent'
import type { AddressBook } from './address-book.ts'
import type { PriceFact, SimulationFact } from './fact.ts'
import type { Period } from './time-zone.ts'

export type PolicyId = Brand<string, 'PolicyId'>
export type RuleId = string
export type Layer = 'organisation' | 'group' | 'wallet' | 'grant'

/** What the signer itself knows about a request; the engine's word is in none of it. */
export interface Facts {
  readonly walletId: string
  readonly operation: Operation
  readonly credentialId: string
  readonly role: 'agent' | 'approver' | 'admin' | 'grantee'
  /** The credential is a secret that whoever sees it has: only permit rules with `who.bearer` match it. */
  readonly bearer?: boolean | undefined
  /** Milliseconds since 1970, the signer's clock. */
  readonly nowMs: number
  /**
   * The wallet's own address, as kernel/bytes parses it: transferFrom names the owner of the tokens, and this says
   * that it is the wallet. Without it such transfers count as those of somebody else's tokens.
   */
  readonly walletAddress?: AccountAddress | undefined
  /** The grant by which the credential asks; limits per grant refuse without it. */
  readonly grantId?: string | undefined
  /** The group that the wallet belongs to; limits per group refuse without it. */
  readonly groupId?: string | undefined
  /** By id. A rule that names a book which is not here cannot be judged. */
  readonly books?: ReadonlyMap<string, AddressBook> | undefined
  /** Facts whose signatures the signer has verified; which of them count is for the policy to say. */
  readonly prices?: readonly PriceFact[] | undefined
  readonly simulations?: readonly SimulationFact[] | undefined
  /** Approvals of this very request that the signer has verified, by credentials that are active now. */
  readonly approvals?: readonly ApprovalFact[] | undefined
}

export interface ApprovalFact {
  readonly credentialId: string
  /** When it was given, the signer's clock. */
  readonly atMs: number
}

/** Names one running total, the same for every version of the policy. */
export type WindowKey = Brand<string, 'WindowKey'>

export interface WindowRef {
  /**
   * `subject|layer|policy|rule|limit`, and `|day:startMs`, `|week:startMs` or `|month:startMs` of a calendar window:
   * each of its periods is a total of its own. The subject is the wallet's id, `credential:…`, `grant:…`,
   * `recipient:…`, `group:…` or `organisation`.
   */
  readonly key: WindowKey
  /** Rolling: the length. Calendar: that of the period. */
  readonly windowMs: number
  /** Only for calendar windows: what is booked counts from `startMs` to `endMs`, and for nothing after. */
  readonly period?: Period
}

/** What a permitted request takes out of a window; the signer books all of them in one store transaction. */
export interface Reservation extends WindowRef {
  readonly layer: Layer
  readonly rule: RuleId
  /** `undefined`: a count of requests, or a value where `currency` is there. */
  readonly asset: AssetId | undefined
  /** The limit is of worth: amounts are millionths of this currency. */
  readonly currency?: string
  readonly amountMinor: bigint
  readonly limitMinor: bigint
}

export interface Reason {
  readonly code: string
  readonly layer: Layer
  readonly rule?: RuleId
  /** A sentence that a person can act on. */
  readonly message: string
}

/** One `approvals` entry of a rule that would permit, or permits, an effect. */
export interface RequiredApproval {
  readonly layer: Layer
  readonly rule: RuleId
  readonly group: string
  readonly needed: number
  readonly have: number
  readonly missing: number
  /** Whose approvals count already. */
  readonly counted: readonly string[]
  /** Members whose approval would count and is not there yet. */
  readonly eligible: readonly string[]
  /** How long until the first of the counted approvals lapses, or how long a new one counts; `undefined`: for good. */
  readonly expiresInMs: number | undefined
}

export interface EffectDecision {
  /** Index into the intent's effects. */
  readonly effect: number
  readonly kind: EffectKind
  /** One line for people, for example "0.3 native coin (eip155:1) to 0x…". */
  readonly summary: string
  /** In every layer that applies, the rule that permits it; empty when refused. */
  readonly permittedBy: readonly { readonly layer: Layer; readonly rule: RuleId }[]
  /** Empty when permitted; otherwise every reason why no rule permits it, or the rule that forbids it. */
  readonly reasons: readonly Reason[]
  /** What it is worth at most, where a rule that permits it has priced it: decimal, in whole units. */
  readonly value?: { readonly currency: string; readonly amount: string }
}

export interface Decision {
  /** `outcome` is `permitted`. */
  readonly permitted: boolean
  /** `needs-approval`: everything else permits it at this moment; with the approvals that are missing it would be signed. */
  readonly outcome: 'permitted' | 'needs-approval' | 'refused'
  /** Why the request as a whole is not permitted, where that lies in none of its effects. */
  readonly reasons: readonly Reason[]
  readonly effects: readonly EffectDecision[]
  /** Empty unless permitted. */
  readonly reservations: readonly Reservation[]
  /** What the rules that permit, or would permit, ask for; empty where refused or where none asks. */
  readonly approvals: readonly RequiredApproval[]
}
