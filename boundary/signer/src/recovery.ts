import { encodeUtf8, isCountersignError, isEqual, isEqualConstantTime } from '@countersign/bytes'
import { audienceOf, journalOrigin, leafHash, MerkleFrontier, verifyCheckpoint } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { JournalFrontier, JournalKey } from './journal.ts'
import type { Ledger } from './ledger.ts'
import type { RecordSeal, RequestRecord } from './records.ts'
import { requestRetentionMs } from './requests.ts'
import type { Store, StoredRecord } from './store.ts'
import { unbook } from './windows.ts'

const leavesAtOnce = 4_096

export interface VerifiedState {
  readonly frontier: JournalFrontier
  readonly checkpoint: string
  readonly setDigest: Uint8Array
  readonly timeMs: number
  /** Permits without an outcome: the last process ended between the two. */
  readonly open: readonly { readonly key: string; readonly record: RequestRecord }[]
}

/**
 * Reads the whole store before anything is signed: every record against its MAC, the set of them and the head
 * against the head's MAC, every journal entry and tree node against the signed checkpoint.
 * Cost: about 20 microseconds an entry; a journal of a million takes some 20 seconds (bench/results/sign.json).
 * @throws {CountersignError} SIGNER_STORE_TAMPERED, SIGNER_JOURNAL_TAMPERED, SIGNER_NOT_INITIALISED */
export async function verifyStore(store: Store, seal: RecordSeal, key: JournalKey): Promise<VerifiedState> {
  try {
    return await verify(store, seal, key)
  } catch (cause) {
    if (isCountersignError(cause)) throw cause
    throw signerError('SIGNER_STORE_TAMPERED', 'The signer’s database is damaged: it cannot be read.', {
      cause,
    })
  }
}

async function verify(store: Store, seal: RecordSeal, key: JournalKey): Promise<VerifiedState> {
  const head = await store.head()
  if (head === undefined) throw signerError('SIGNER_NOT_INITIALISED', 'The signer’s database is empty.')
  const { setDigest, open } = verifyRecords(store, seal)
  const expected = seal.headMac({ setDigest, checkpoint: head.checkpoint, timeMs: head.timeMs })
  if (!isEqualConstantTime(expected, head.stateMac)) {
    throw signerError(
      'SIGNER_STORE_TAMPERED',
      'Records were added or removed, or the head was changed, outside the signer: the digest over the set of records does not hold.',
    )
  }
  const frontier = await verifyJournal(store)
  const name = journalOrigin(audienceOf(key.publicKey))
  let signed: ReturnType<typeof verifyCheckpoint>
  try {
    signed = verifyCheckpoint(head.checkpoint, { name, publicKey: key.publicKey })
  } catch (cause) {
    throw signerError(
      'SIGNER_JOURNAL_TAMPERED',
      'The stored checkpoint does not carry the signer’s own signature.',
      { cause },
    )
  }
  if (
    signed.size !== frontier.size ||
    head.size !== frontier.size ||
    !isEqual(signed.root, frontier.root())
  ) {
    throw signerError(
      'SIGNER_JOURNAL_TAMPERED',
      `The journal’s ${frontier.size} entries do not hash to the checkpoint over ${signed.size} entries: an entry was changed, added or removed.`,
    )
  }
  return { frontier, checkpoint: head.checkpoint, setDigest, timeMs: head.timeMs, open }
}

function verifyRecords(store: Store, seal: RecordSeal) {
  const setDigest = new Uint8Array(32)
  const open: { key: string; record: RequestRecord }[] = []
  let last: StoredRecord | undefined
  for (const stored of store.records()) {
    seal.check(stored)
    // Two copies of an older version of a record would cancel out in the set digest, and might be found first.
    if (last !== undefined && !isBefore(last, stored)) {
      throw signerError(
        'SIGNER_STORE_TAMPERED',
        `The record ${stored.kind} ${stored.key} is there twice, or not in its place.`,
      )
    }
    last = stored
    seal.toggle(setDigest, stored.mac)
    if (stored.kind !== 'request') continue
    const record: RequestRecord = JSON.parse(stored.value)
    if (record.state === 'pending') open.push({ key: stored.key, record })
  }
  return { setDigest, open }
}

/** In the database's order, which is that of their UTF-8 bytes. */
function isBefore(a: StoredRecord, b: StoredRecord): boolean {
  if (a.kind !== b.kind) return Buffer.compare(Buffer.from(a.kind), Buffer.from(b.kind)) < 0
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) < 0
}

async function verifyJournal(store: Store): Promise<JournalFrontier> {
  const frontier = new MerkleFrontier()
  for (;;) {
    const leaves = await store.leaves(frontier.size, leavesAtOnce)
    for (const leaf of leaves) {
      for (const { level, index, hash } of frontier.append(leafHash(encodeUtf8(leaf))).slice(1)) {
        const stored = await store.node(level, index)
        if (stored !== undefined && isEqual(stored, hash)) continue
        const first = index * 2 ** level
        throw signerError(
          'SIGNER_JOURNAL_TAMPERED',
          `The journal was changed among its entries ${first} to ${first + 2 ** level - 1}: they do not hash to the stored tree.`,
        )
      }
    }
    if (leaves.length < leavesAtOnce) return frontier
  }
}

/**
 * Resolves what a crash left open. A signature leaves the process only after its outcome is durable, so a permit
 * without outcome has none outside: its budget is freed, and the journal says so. Only this may decide it.
 * @returns how many were resolved. */
export async function recover(ledger: Ledger, open: VerifiedState['open']): Promise<number> {
  for (const { key, record } of open) {
    await ledger.submit(async (tx) => {
      await unbook(tx, record.booked)
      const { index } = tx.append({
        type: 'abandoned',
        requestId: record.requestId,
        credential: record.credential,
        permit: record.index,
        reason: 'the signer stopped before the signature could leave it',
      })
      const abandoned: RequestRecord = { ...record, state: 'abandoned', index, booked: [], answer: null }
      tx.put('request', key, abandoned, tx.nowMs + requestRetentionMs)
    })
  }
  return open.length
}
