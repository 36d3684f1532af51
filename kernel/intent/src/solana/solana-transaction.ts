import type { SolanaAddress } from '@countersign/bytes'

/** What the signer, and people, need to know of a message beside its effects. */
export interface SolanaTransaction {
  readonly version: 'legacy' | 0
  readonly feePayer: SolanaAddress
  /** Every signer that the message asks for, in the order in which signatures stand on the wire. */
  readonly signers: readonly SolanaAddress[]
  /** The place of this wallet among them. */
  readonly walletIndex: number
  /** Base58. With a durable nonce this is the nonce, and the signature does not expire by itself. */
  readonly blockhash: string
  readonly durableNonceAccount: SolanaAddress | undefined
  /** Tables from which accounts were taken, on the caller's word. */
  readonly lookupTables: readonly SolanaAddress[]
  /** Plain lines on who else must sign, who pays, what does not expire. */
  readonly notes: readonly string[]
}
