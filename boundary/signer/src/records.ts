import {
  concatBytes,
  encodeUtf8,
  type Hex,
  hmacSha256,
  isEqualConstantTime,
  sha256,
} from '@countersign/bytes'
import type { KeyUri } from '@countersign/keys'
import type { PolicyId } from '@countersign/policy'
import type { Credential } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { StoredRecord } from './store.ts'

/** Everything that decides, by kind. All of it is authenticated; see docs/decisions/0007. */
export interface Records {
  organisation: Organisation
  credential: Credential
  policy: PolicyRecord
  wallet: WalletRecord
  /** Key: the public key. One key is one wallet, so that it cannot have two sets of windows. */
  'wallet-of-key': { readonly wallet: string }
  window: WindowRecord
  bucket: BucketRecord
  request: RequestRecord
}
export type RecordKind = keyof Records

/** One record, key `organisation`. */
export interface Organisation {
  /** How many different admins must sign a change. */
  readonly quorum: number
  readonly policy: PolicyId | null
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
  readonly type: 'EVM' | 'SOLANA'
  readonly algorithm: 'secp256k1' | 'ed25519'
  readonly key: KeyUri
  readonly publicKey: Hex
  readonly address: string
  readonly name: string | null
  readonly policy: PolicyId | null
  readonly backend: string
  readonly createdAt: string
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
export interface BookedReservation {
  readonly window: string
  readonly bucket: number
  readonly amountMinor: string
}

/** A request under its credential and id: makes calls idempotent, and tells recovery what was left open. */
export interface RequestRecord {
  readonly digest: Hex
  /** Of the signature that it came with: the same bytes again are a replay, not a retry. */
  readonly nonce: string
  readonly state: 'pending' | 'done' | 'abandoned'
  readonly at: string
  readonly credential: string
  readonly requestId: string
  readonly wallet: string | null
  /** Journal index of the permit (while pending) or of the outcome. */
  readonly index: number
  readonly booked: readonly BookedReservation[]
  readonly answer: StoredAnswer | null
  /** Under the id of a further signer of the request: the key of the record that counts. Only the nonce is its own. */
  readonly under?: string
}

export interface StoredAnswer {
  readonly status: number
  readonly body: unknown
  /** The receipt is made again from the journal entry at `index` where this is true. */
  readonly receipt: boolean
}

/** MACs over single records, and a digest of the set of them that the head's MAC covers. */
export interface RecordSeal {
  mac(record: Omit<StoredRecord, 'mac'>): Uint8Array
  /** @throws {CountersignError} SIGNER_STORE_TAMPERED naming the record */
  check(record: StoredRecord): void
  /** Adds a record to a set digest, or takes it out: the operation is its own inverse. */
  toggle(setDigest: Uint8Array, mac: Uint8Array): void
  headMac(head: { setDigest: Uint8Array; checkpoint: string; timeMs: number }): Uint8Array
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
  const mac = (record: Omit<StoredRecord, 'mac'>) =>
    recordMac(encodeUtf8(`${record.kind}\0${record.key}\0${record.expiresMs ?? ''}\0${record.value}`))
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
    headMac: ({ setDigest, checkpoint, timeMs }) =>
      headMac(concatBytes(setDigest, encodeUtf8(`${timeMs}\n${checkpoint}`))),
  }
}
