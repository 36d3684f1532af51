/**
 * What the signer needs of a database, and no more: records by kind and key, an append-only list of journal
 * leaves, the Merkle tree's interior nodes, and one atomic, durable commit. The signer is its only writer.
 * Authenticity is not the store's business: `records.ts` puts a MAC on every record, the journal is a Merkle tree.
 */
export interface Store {
  get(kind: string, key: string): Promise<StoredRecord | undefined>
  /** Records of a kind with from <= key < to, in the order of their keys. */
  range(kind: string, from: string, to: string, limit: number): Promise<StoredRecord[]>
  /** Records whose expiry has passed, oldest first. */
  expired(nowMs: number, limit: number): Promise<StoredRecord[]>
  /** Every record, by kind and key in the order of their UTF-8 bytes; for the check at start. */
  records(): Iterable<StoredRecord>
  /** Journal leaves from `start` on, at most `limit`. */
  leaves(start: number, limit: number): Promise<string[]>
  node(level: number, index: number): Promise<Uint8Array | undefined>
  head(): Promise<StoredHead | undefined>
  /** All of it, durable, or none of it and a throw.
   * @throws {StoreMoved} where the head is not `batch.sizeBefore`: somebody else has written.
   * @throws {CommitInDoubt} where the disk did not say that it has it. */
  commit(batch: StoreBatch): Promise<void>
  close(): Promise<void>
}

export interface StoredRecord {
  readonly kind: string
  readonly key: string
  readonly value: string
  readonly mac: Uint8Array
  /** Milliseconds since 1970 after which the record may be deleted; undefined: never. */
  readonly expiresMs: number | undefined
}

export interface StoredNode {
  readonly level: number
  readonly index: number
  readonly hash: Uint8Array
}

export interface StoredHead {
  readonly size: number
  /** C2SP signed checkpoint over `size` leaves. */
  readonly checkpoint: string
  /** MAC over the set of all records and the tree's root: see records.ts. */
  readonly stateMac: Uint8Array
  /** The latest time that the signer has decided at; the clock may not go behind it. */
  readonly timeMs: number
}

export interface StoreBatch {
  readonly sizeBefore: number
  readonly puts: readonly StoredRecord[]
  readonly deletes: readonly { readonly kind: string; readonly key: string }[]
  readonly leaves: readonly string[]
  readonly nodes: readonly StoredNode[]
  readonly head: StoredHead
}

/** Another process has written to the store; the signer must halt. */
export class StoreMoved extends Error {
  override readonly name = 'StoreMoved'
}

/** The batch was written, but the disk did not confirm it: only a restart can tell whether it is there. */
export class CommitInDoubt extends Error {
  override readonly name = 'CommitInDoubt'
}
