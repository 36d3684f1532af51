import { hash } from 'node:crypto'
import {
  type ChainId,
  concatBytes,
  encodeUtf8,
  type Hex,
  hmacSha256,
  isEqualConstantTime,
  type Json,
  sha256,
} from '@countersign/bytes'
import type { Operation } from '@countersign/intent'
import type { KeyUri } from '@countersign/keys'
import type { FactDocument, LooseningReason, PolicyId } from '@countersign/policy'
import type {
  ApprovalNeed,
  ApprovalState,
  Attribution,
  BitcoinForm,
  ChangeState,
  Credential,
  WalletType,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { GrantEndsRecord } from './grant-room.ts'
import type { SignBody } from './sign-body.ts'
import type { StoredRecord } from './store.ts'

/** Everything that decides, by kind. All of it is authenticated; see docs/decisions/0007. */
export interface Records {
  organisation: Organisation
  credential: Credential
  /** Key: the credential's id. What its authenticator said last. */
  'passkey-use': PasskeyUseRecord
  policy: PolicyRecord
  book: BookRecord
  wallet: WalletRecord
  grant: GrantRecord
  /** Key: the grant's id. */
  'grant-use': { readonly uses: number }
  /** Key: what it is about (a wallet, the grantee, the owner that made it), and its id; while it can be used. */
  'grant-of': { readonly grant: string }
  /** By wallet. */
  'grant-ends': GrantEndsRecord
  'wallet-group': WalletGroupRecord
  change: ChangeRecord
  /** Key: when it is due, and the change's id; only pending ones are here. */
  'change-due': { readonly change: string }
  /** Key: the public key. One key is one wallet, so that it cannot have two sets of windows. */
  'wallet-of-key': { readonly wallet: string }
  /** A request that waits for approvals, or has waited. */
  approval: ApprovalRecord
  /** Keys: `waitingKeys` of approvals.ts. */
  'approval-waiting': { readonly approval: string }
  /** Key: kind, subject of its credential, and what it is about; the newest of each. */
  fact: FactRecord
  window: WindowRecord
  bucket: BucketRecord
  request: RequestRecord
  /** Key: the SHA-256. What was too long for its journal entry. */
  document: { readonly text: string }
  /** Key: the size, 16 digits. Checkpoints that witnesses have signed too. */
  cosigned: CosignedRecord
}
export type RecordKind = keyof Records

export interface CosignedRecord {
  /** With the signer's own signature only. */
  readonly checkpoint: string
  /** By the witness's verifier key; each line as it stands in a note. */
  readonly lines: Readonly<Record<string, string>>
}

export interface PasskeyUseRecord {
  readonly signCount: number
  readonly backedUp: boolean
}

/** One record, key `organisation`. */
export interface Organisation {
  /** How many different admins must sign a change. */
  readonly quorum: number
  readonly policy: PolicyId | null
  /** How long changes wait that loosen; 0 where it is left out. */
  readonly looseningDelayMs?: number
  readonly frozen?: Frozen | null
}

export interface Frozen {
  readonly by: string
  readonly at: string
  readonly reason: string
}

/** A change that waits, or has waited. */
export interface ChangeRecord {
  readonly id: string
  readonly operation: string
  readonly method: string
  readonly path: string
  /** As it was signed; null once it is settled. */
  readonly body: Json
  readonly requestId: string
  readonly digest: Hex
  /** Who has signed it. */
  readonly credentials: readonly string[]
  readonly attribution: Attribution
  readonly loosens: readonly LooseningReason[]
  readonly proposedAtMs: number
  readonly dueAtMs: number
  readonly state: ChangeState
  /** Journal index of the entry that says so. */
  readonly index: number
  readonly settled: {
    readonly atMs: number
    readonly by: string | null
    readonly reason: string | null
  } | null
}

export interface ApprovalRecord {
  readonly id: string
  readonly state: ApprovalState
  /** Of the request, as its credential signed it. */
  readonly requestId: string
  readonly requestDigest: Hex
  readonly nonce: string
  readonly credential: string
  readonly subject: string
  readonly attribution: Attribution
  readonly wallet: string
  readonly operation: Operation
  /** Enough to decode it again; null once it is settled. */
  readonly order: { readonly body: SignBody; readonly preparedTransaction?: Hex } | null
  readonly payloadDigest: Hex
  /** What approvals are over. */
  readonly digest: Hex
  readonly effects: readonly string[]
  /** As last decided. */
  readonly needs: readonly ApprovalNeed[]
  /** Everybody whose approval was asked for when it was last decided: subjects. */
  readonly voters: readonly string[]
  /** Names the policies under which it was filed. */
  readonly policies: Hex
  readonly votes: readonly ApprovalVote[]
  readonly createdAtMs: number
  readonly expiresAtMs: number
  /** Journal index of the entry that asked for approval. */
  readonly requested: number
  /** Of the entry that says the state. */
  readonly index: number
  readonly settled: {
    readonly atMs: number
    readonly by: string | null
    readonly reason: string | null
  } | null
}

export interface ApprovalVote {
  readonly credential: string
  /** Of the credential: one subject has one vote. */
  readonly subject: string
  readonly atMs: number
  /** Of its entry in the journal. */
  readonly index: number
  /** Under which policies it was given. */
  readonly policies: Hex
}

/** A fact and the signature of its credential over it: what was believed can be shown to anybody. */
export interface SignedFactRecord {
  readonly fact: FactDocument
  readonly signature: string
}

export interface FactRecord extends SignedFactRecord {
  /** That signed it; it must still be active when the fact is used. */
  readonly credential: string
}

export interface BookRecord {
  readonly id: string
  readonly hash: Hex
  readonly version: number
  readonly document: unknown
  readonly appliedAt: string
}

export interface WalletGroupRecord {
  readonly id: string
  readonly hash: Hex
  readonly version: number
  readonly policy: PolicyId | null
  readonly wallets: readonly string[]
  readonly appliedAt: string
}

export interface PolicyRecord {
  readonly id: PolicyId
  readonly hash: Hex
  readonly version: number
  /** The policy file as it was applied. */
  readonly document: unknown
  readonly appliedAt: string
}

export interface WalletRecord {
  readonly id: string
  readonly type: WalletType
  /** The one network of a wallet whose signed bytes name none; see wallet-chain.ts for records without it. */
  readonly chain?: ChainId
  /** BITCOIN only. */
  readonly form?: BitcoinForm
  readonly algorithm: 'secp256k1' | 'ed25519'
  readonly key: KeyUri
  readonly publicKey: Hex
  readonly address: string
  readonly name: string | null
  readonly policy: PolicyId | null
  readonly backend: string
  readonly createdAt: string
  /** The group that it is in. */
  readonly group?: string | null
  /** Subject of the credential that may grant over it alone. */
  readonly owner?: string | null
  /** Journal index of the entry that has named the owner last; left out: its own first entry. */
  readonly ownerIndex?: number
  readonly frozen?: Frozen | null
}

/** Permission of one credential for another; its uses have a record of their own. */
export interface GrantRecord {
  readonly id: string
  readonly name: string | null
  /** Subject of the grantee: a key that comes by rotation has it too. */
  readonly to: string
  readonly wallets: readonly string[]
  /** The policy file, with the grant's id as its own: so its totals are no other grant's. */
  readonly rules: unknown
  readonly rulesHash: Hex
  /** `owner`: the very credential that has signed it, without which the grant ends. */
  readonly grantedBy:
    | { readonly quorum: readonly string[] }
    | { readonly owner: string; readonly subject: string }
  readonly notBeforeMs: number
  readonly expiresMs: number
  readonly maxUses: number | null
  readonly keepAlive: { readonly extendByMs: number; readonly hardEndMs: number } | null
  readonly createdAtMs: number
  /** Journal index of the entry that made it. */
  readonly madeIndex: number
  readonly revoked: { readonly by: string; readonly atMs: number; readonly reason: string | null } | null
  /** Journal index of the entry that says how it stands. */
  readonly index: number
}

/** A running total; the amounts that make it up stand in its buckets. */
export interface WindowRecord {
  readonly sumMinor: string
  /** Index of the oldest bucket that the sum still holds; null: the sum is 0. */
  readonly oldest: number | null
}

export interface BucketRecord {
  readonly amountMinor: string
}

/** What a booked reservation needs to be undone. */
export type BookedReservation =
  | { readonly window: string; readonly bucket: number; readonly amountMinor: string }
  /** Of a calendar window: when its period ends. */
  | { readonly window: string; readonly endMs: number; readonly amountMinor: string }

/**
 * A request that is permitted and has no outcome yet, under its credential and id. It is stored nowhere: its permit in
 * the journal says all of it, from which the next start finds what was left open.
 */
export interface OpenPermit {
  readonly digest: Hex
  readonly nonce: string
  readonly credential: string
  /** Of the credential: requests go by it. */
  readonly subject: string
  readonly requestId: string
  readonly wallet: string
  /** Under which it was permitted. */
  readonly grant?: string
  /** Of the permit in the journal. */
  readonly index: number
  readonly booked: readonly BookedReservation[]
  /** Of a request that has waited for approvals. */
  readonly approval?: string
}

/** A request that was answered, under its credential and id: makes calls idempotent. */
export interface RequestRecord {
  readonly digest: Hex
  /** Of the signature that it came with: the same bytes again are a replay, not a retry. */
  readonly nonce: string
  readonly state: 'done' | 'abandoned' | 'waiting'
  readonly at: string
  readonly credential: string
  readonly requestId: string
  readonly wallet: string | null
  /** Journal index of the outcome. */
  readonly index: number
  readonly answer: StoredAnswer | null
  /** Under the id of a further signer of the request: the key of the record that counts. Only the nonce is its own. */
  readonly under?: string
  /** What it waits for, where the state is `waiting`. */
  readonly approval?: string
}

export interface StoredAnswer {
  readonly status: number
  readonly body: unknown
  /** The journal gives the receipt of the entry at `index` again where this is true. */
  readonly receipt: boolean
}

/** What the head's MAC is over. */
export interface SealedHead {
  readonly setDigest: Uint8Array
  /** Digest over the checkpoints of all commits. */
  readonly chain: Uint8Array
  readonly checkpoint: string
  readonly timeMs: number
  readonly openFrom: number
}

/** MACs over single records, and a digest of the set of them that the head's MAC covers. */
export interface RecordSeal {
  mac(record: Omit<StoredRecord, 'mac'>): Uint8Array
  /** @throws {CountersignError} SIGNER_STORE_TAMPERED naming the record */
  check(record: StoredRecord): void
  /** Adds a record to a set digest, or takes it out: the operation is its own inverse. */
  toggle(setDigest: Uint8Array, mac: Uint8Array): void
  headMac(head: SealedHead): Uint8Array
}

/**
 * @param deriveKey From the sealing secret: whoever can write the database but does not know the secret can
 * neither change, add nor remove a record unseen. The elements of the set digest are themselves keyed hashes
 * that are stored nowhere, so XOR suffices to combine them. */
export function openRecordSeal(deriveKey: (info: string) => Uint8Array): RecordSeal {
  const recordMac = hmacSha256(deriveKey('record-mac/v1'))
  // Key and MAC have fixed lengths, so one hash over both is a keyed function already: nothing can be appended.
  const elementInput = new Uint8Array(64)
  elementInput.set(deriveKey('record-set/v1').subarray(0, 32))
  const element = (recordsMac: Uint8Array) => {
    elementInput.set(recordsMac, 32)
    return sha256(elementInput)
  }
  const headMac = hmacSha256(deriveKey('head-mac/v1'))
  // Over the digest of the record: as strong as SHA-256 against collisions, and one native call where HMAC copies it.
  const mac = ({ kind, key, expiresMs, value }: Omit<StoredRecord, 'mac'>) =>
    recordMac(hash('sha256', `${kind}\0${key}\0${expiresMs ?? ''}\0${value}`, 'buffer'))
  return {
    mac,
    check(record) {
      if (isEqualConstantTime(mac(record), record.mac)) return
      throw signerError(
        'SIGNER_STORE_TAMPERED',
        `The record ${record.kind} ${record.key} was changed outside the signer.`,
      )
    },
    toggle(setDigest, recordsMac) {
      const bytes = element(recordsMac)
      for (let i = 0; i < 32; i++) setDigest[i] = (setDigest[i] as number) ^ (bytes[i] as number)
    },
    headMac: ({ setDigest, chain, checkpoint, timeMs, openFrom }) =>
      headMac(concatBytes(setDigest, chain, encodeUtf8(`${timeMs}\n${openFrom}\n${checkpoint}`))),
  }
}
