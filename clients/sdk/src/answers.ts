import type { Address, Hex } from '@countersign/bytes'
import type {
  Attribution,
  Credential,
  CredentialAlgorithm,
  InclusionProof,
  PasskeyAlgorithm,
  PasskeyRegistration,
  Power,
  Receipt,
  Role,
  TransactionAnswer,
  userIdentifierTypes,
  WalletAnswer,
  WalletType,
} from '@countersign/wire'

export interface JournalEntryJson {
  readonly v: 1
  readonly at: string
  readonly type: string
  readonly [field: string]: unknown
}

export type Wallet = WalletAnswer
export type CreatedWallet = Wallet & { readonly receipt: Receipt }
export type UserIdentifierType = (typeof userIdentifierTypes)[number]

export interface NewWallet {
  readonly type?: WalletType
  /** CAIP-2, for SOLANA and BITCOIN: its one network, for good; the main one where it is left out. */
  readonly chain?: string
  /** BITCOIN only: p2wpkh where it is left out. */
  readonly form?: 'p2wpkh' | 'p2tr'
  readonly name?: string
  readonly policy?: string
  /** Credential that may grant over it alone. */
  readonly owner?: string
  readonly userIdentifier?: string
  readonly userIdentifierType?: UserIdentifierType
}

export interface Signed {
  readonly signature: Hex
  readonly receipt: Receipt
}

export interface SignedTransaction extends Signed {
  readonly signedTransaction: Hex
  readonly hash: Hex
}

export interface SignedAuthorizationAnswer extends Signed {
  readonly r: Hex
  readonly s: Hex
  readonly yParity: 0 | 1
}

/** Decimal string, 0x-prefixed hexadecimal, safe integer; bigints are sent as decimal strings. */
export type Quantity = string | number | bigint

export interface TransactionRequest {
  readonly chainId: number
  readonly to?: Address | Hex
  readonly value?: Quantity
  readonly data?: Hex
  readonly type?: 0 | 1 | 2 | 3 | 4
  readonly nonce?: Quantity
  readonly gas?: Quantity
  readonly gasPrice?: Quantity
  readonly maxFeePerGas?: Quantity
  readonly maxPriorityFeePerGas?: Quantity
  readonly accessList?: readonly { readonly address: Hex; readonly storageKeys: readonly Hex[] }[]
  readonly authorizationList?: readonly unknown[]
  readonly maxFeePerBlobGas?: Quantity
  readonly blobVersionedHashes?: readonly Hex[]
}

/** Its `status` ends at confirmed, reverted, refused or failed. */
export type Transaction = TransactionAnswer

export interface Identity {
  readonly audience: string
  /** Raw Ed25519 public key; null while the signer is sealed. */
  readonly journalKey: Hex | null
  readonly origin: string
  readonly version: string
  readonly phase: string
}

export interface Health {
  readonly [field: string]: unknown
}

export interface CheckpointAnswer {
  /** The C2SP signed note. */
  readonly checkpoint: string
}

export interface EntriesAnswer {
  readonly entries: readonly { readonly index: number; readonly entry: JournalEntryJson }[]
  /** Of the whole journal. */
  readonly size: number
}

export interface ConsistencyAnswer {
  readonly from: number
  readonly to: number
  /** base64. */
  readonly hashes: readonly string[]
}

export interface PolicyPut {
  readonly id: string
  readonly hash: Hex
  readonly version: number
  readonly appliedAt: string
  readonly receipt: Receipt
}

export interface PolicySet {
  readonly policy: string | null
  /** Of the policy as it stood when it was set. */
  readonly hash: Hex | null
  readonly receipt: Receipt
}

export interface WalletPolicySet extends PolicySet {
  readonly walletId: string
}

export type CredentialChanged = Credential & { readonly receipt: Receipt }

export interface PolicyAnswer {
  readonly id: string
  readonly hash: Hex
  readonly version: number
  readonly appliedAt: string
  /** The file as it was applied; lists leave it out. */
  readonly policy?: unknown
}

interface NewCredentialFacts {
  readonly role: Role
  readonly name: string
  readonly powers?: readonly Power[]
  readonly attribution?: Attribution
  /** ISO 8601, UTC. */
  readonly expiresAt?: string
  /** The policy of wallets that it makes without naming one. */
  readonly walletPolicy?: string
}

export interface NewKey {
  readonly algorithm: CredentialAlgorithm
  readonly publicKey: Hex
}

/** See `registerPasskey`. */
export interface NewPasskeyFacts {
  readonly algorithm: PasskeyAlgorithm
  readonly registration: PasskeyRegistration
}

export type NewCredential = NewCredentialFacts &
  (
    | NewKey
    | (NewPasskeyFacts & { readonly rpId: string; readonly origins: readonly string[] })
    | {
        readonly algorithm: 'bearer'
        /** SHA-256 of the key's text: see `createApiKey`. */
        readonly publicKey: Hex
        readonly role: 'agent'
        readonly ratePerMinute?: number
      }
  )

export type CredentialRotation = (NewKey | NewPasskeyFacts) & {
  /** For how long the old key goes on; agents only, 7 days at most. */
  readonly overlapS?: number
}

export type CredentialRotated = CredentialChanged & { readonly replaced: Credential }

export interface CustodyAnswer {
  readonly [field: string]: unknown
}

export interface Page<T> {
  readonly items: readonly T[]
  /** null on the last page. */
  readonly nextCursor: string | null
}

export type { Attribution, Credential, CredentialAlgorithm, InclusionProof, Power, Receipt, Role }

/** What an attacker could move; amounts are decimal strings of smallest units. */
export interface BlastRadiusAnswer {
  readonly owned: readonly string[]
  readonly assumptions: readonly string[]
  readonly wallets: readonly WalletBlastRadius[]
  readonly nextCursor: string | null
}

export interface WalletBlastRadius {
  readonly walletId: string
  readonly address: string
  readonly bounded: boolean
  readonly assets: readonly {
    readonly asset: string
    readonly bounds: readonly {
      readonly amountMinor: string
      readonly windowMs: number
      readonly rules: readonly { readonly layer: string; readonly rule: string }[]
    }[]
  }[]
  readonly recipients: readonly string[] | 'any'
  readonly unbounded: readonly {
    readonly why: string
    readonly layer?: string
    readonly rule?: string
    readonly effect?: string
  }[]
  readonly notCounted: readonly { readonly layer: string; readonly rule: string; readonly why: string }[]
  readonly lines: readonly string[]
}
