export type {
  CreateGrantAnswer as GrantMade,
  GrantAnswer as Grant,
  GrantChangeAnswer as GrantChanged,
  GrantSummary,
  GrantTerms,
  WalletOwnerAnswer as WalletOwnerSet,
} from '@countersign/wire'

export interface NewGrant {
  /** Credential that may ask. */
  readonly to: string
  /** Ids of wallets; all of them the grantor's own, or any where the admin quorum grants. */
  readonly wallets: readonly string[]
  /** A policy file; its `id` may be left out. It narrows what the other layers permit, and permits nothing more. */
  readonly rules: object
  /** For people. */
  readonly name?: string
  /** From now on, where it is left out. */
  readonly notBefore?: Date | string
  readonly expires: Date | string
  /** Signatures in all; any number where it is left out. */
  readonly maxUses?: number
  /** Lets the grantee prolong it by `extendBy` ("15m") from each call on, never beyond `hardEnd`. */
  readonly keepAlive?: { readonly extendBy: string; readonly hardEnd: Date | string }
}
