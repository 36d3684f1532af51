/**
 * What the signer needs of a database, and no more: records by kind and key, an append-only journal in segments (one
 * per commit), the Merkle tree's complete tiles, and one atomic commit. The signer is its only writer.
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
  /** Segments of the journal in order, from the one that holds the entry `start` on. */
  segments(start: number, limit: number): Promise<StoredSegment[]>
  tile(level: number, index: number): Promise<Uint8Array | undefined>
  head(): Promise<StoredHead | undefined>
  /** All of it or none of it and a throw. What was written can be read at once, but counts only after a `flush`.
   * @throws {StoreMoved} where the head is not `batch.sizeBefore`: somebody else has written. */
  write(batch: StoreBatch): Promise<void>
  /** Resolves when everything that was written before the call is on disk.
   * @throws {CommitInDoubt} where the disk did not say that it has it. */
  flush(): Promise<void>
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

/** What one commit appended to the journal. */
export interface StoredSegment {
  /** Index of its first entry. */
  readonly first: number
  /** Canonical JSON, which has no line feed. */
  readonly entries: readonly string[]
  /** The signed checkpoint over the journal up to and with these entries. */
  readonly checkpoint: string
}

/**
 * 256 hashes side by side, as C2SP tlog-tiles has them: of the leaves at level 0, of the tiles of the level below at
 * the others. Only complete tiles are stored, each once.
 */
export interface StoredTile {
  readonly level: number
  readonly index: number
  readonly hashes: Uint8Array
}

export interface StoredHead {
  readonly size: number
  /** C2SP signed checkpoint over `size` leaves. */
  readonly checkpoint: string
  /** MAC over the set of all records, the checkpoints and the rest of the head: see records.ts. */
  readonly stateMac: Uint8Array
  /** The latest time that the signer has decided at; the clock may not go behind it. */
  readonly timeMs: number
  /** No entry before this one is a permit that has no outcome yet. */
  readonly openFrom: number
}

export interface StoreBatch {
  readonly sizeBefore: number
  readonly puts: readonly StoredRecord[]
  readonly deletes: readonly { readonly kind: string; readonly key: string }[]
  /** None where nothing was appended. */
  readonly segment: StoredSegment | undefined
  /** Those that the segment has completed. */
  readonly tiles: readonly StoredTile[]
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
