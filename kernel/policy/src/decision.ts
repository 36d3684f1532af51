import type { Address, AssetId, Brand } from '@countersign/bytes'
import type { EffectKind, Operation } from '@countersign/intent'

export type PolicyId = Brand<string, 'PolicyId'>
export type RuleId = string
export type Layer = 'organisation' | 'wallet' | 'grant'

/** What the signer itself knows about a request; the engine's word is in none of it. */
export interface Facts {
  readonly walletId: string
  readonly operation: Operation
  readonly credentialId: string
  readonly role: 'agent' | 'approver' | 'admin'
  /** Milliseconds since 1970, the signer's clock. */
  readonly nowMs: number
  /**
   * The wallet's own EVM address: transferFrom names the owner of the tokens, and this says that it is the wallet.
   * Without it such transfers count as those of somebody else's tokens.
   */
  readonly walletAddress?: Address | undefined
}

/** Names one running total, the same for every version of the policy. */
export type WindowKey = Brand<string, 'WindowKey'>

export interface WindowRef {
  readonly key: WindowKey
  readonly windowMs: number
}

/** What a permitted request takes out of a window; the signer books all of them in one store transaction. */
export interface Reservation extends WindowRef {
  readonly layer: Layer
  readonly rule: RuleId
  /** `undefined`: a count of requests. */
  readonly asset: AssetId | undefined
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
}

export interface Decision {
  readonly permitted: boolean
  /** Why the request as a whole is refused, where that lies in none of its effects. */
  readonly reasons: readonly Reason[]
  readonly effects: readonly EffectDecision[]
  /** Empty when refused. */
  readonly reservations: readonly Reservation[]
}
