import type { BitcoinAddress } from '@countersign/bytes'

/** What the signer needs of a PSBT beside its effects. */
export interface BitcoinTransaction {
  readonly psbtVersion: 0 | 2
  /** As explorers show it. It stays what it is when signatures are added, unless others spend inputs that are not segwit. */
  readonly transactionId: string
  readonly lockTime: number
  /** Every input of this wallet, each with what is to be signed for it. */
  readonly inputs: readonly BitcoinSigningInput[]
  /** Outputs that are proven to come back to the wallet; they are no effects. */
  readonly change: readonly BitcoinChange[]
  /** Plain lines on what a person would want to know. */
  readonly notes: readonly string[]
}

export interface BitcoinSigningInput {
  readonly index: number
  /** `schnorr-taproot`: BIP-340 by the key tweaked for a key path without scripts (BIP-341, BIP-86). */
  readonly algorithm: 'ecdsa' | 'schnorr-taproot'
  /** 32 bytes. */
  readonly toSign: Uint8Array
  /** 33 bytes: the key that signs, before the tweak. */
  readonly publicKey: Uint8Array
  /** From the wallet's key to that one; empty where it is the wallet's own. */
  readonly path: readonly number[]
  readonly amountMinor: bigint
}

export interface BitcoinChange {
  readonly index: number
  readonly address: BitcoinAddress
  readonly amountMinor: bigint
}
