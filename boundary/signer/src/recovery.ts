import { isCountersignError, isEqual, isEqualConstantTime, type JsonObject } from '@countersign/bytes'
import { documentsBeside, wholeEntry } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { chainOf, hashOfLeaf, type JournalKey, type JournalState, openOwnCheckpoint } from './journal.ts'
import { appendToTiles, frontierOf, hashesOfTile, type TileEdge, tileWidth } from './journal-tiles.ts'
import type { Ledger } from './ledger.ts'
import type { OpenPermit, RecordSeal } from './records.ts'
import { abandonPermit, keyOfPermit } from './requests.ts'
import type { Store, StoredRecord, StoredSegment, StoredTile } from './store.ts'

const segmentsAtOnce = 256

export interface VerifiedState {
  readonly journal: JournalState
  readonly setDigest: Uint8Array
  readonly timeMs: number
  /** Permits without an outcome, oldest first: the last process ended between the two. */
  readonly open: ReadonlyMap<string, OpenPermit>
}

/**
 * Reads the whole store before anything is signed: every record against its MAC, the set of them, the checkpoints of
 * all commits and the head against the head's MAC, every journal entry and tile against the signed checkpoint.
 * Cost: one pass over the journal in order, some 4 microseconds an entry (bench/results/sign.json).
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
  const { checkpoint, timeMs, openFrom } = head
  const setDigest = verifyRecords(store, seal)
  const { edge, size, chain, open, isCutAsSigned } = await scanJournal(store, openFrom)
  const frontier = frontierOf(edge, size)
  const expected = seal.headMac({ setDigest, chain, checkpoint, timeMs, openFrom })
  const isGenuine = isEqualConstantTime(expected, head.stateMac)
  const signed = openOwnCheckpoint(key, checkpoint)
  const isWhole =
    isCutAsSigned &&
    signed?.size === size &&
    head.size === size &&
    signed !== undefined &&
    isEqual(signed.root, frontier.root())
  if (isGenuine && isWhole) {
    return { journal: { frontier, edge, checkpoint, chain }, setDigest, timeMs, open }
  }
  // Each segment has its own checkpoint, which tells whether it is the journal that was changed, and where.
  await checkSegments(store, key, head.size)
  if (!isGenuine) {
    throw signerError(
      'SIGNER_STORE_TAMPERED',
      'Records were added or removed, or the head was changed, outside the signer: the digest over the set of records and the checkpoints of the commits does not hold.',
    )
  }
  throw journalTampered(
    signed === undefined
      ? 'The stored checkpoint does not carry the signer’s own signature.'
      : `The journal’s ${size} entries do not hash to the checkpoint over ${signed.size} entries.`,
  )
}

function verifyRecords(store: Store, seal: RecordSeal): Uint8Array {
  const setDigest = new Uint8Array(32)
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
  }
  return setDigest
}

/** In the database's order, which is that of their UTF-8 bytes. */
function isBefore(a: StoredRecord, b: StoredRecord): boolean {
  if (a.kind !== b.kind) return Buffer.compare(Buffer.from(a.kind), Buffer.from(b.kind)) < 0
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) < 0
}

/** Every segment in its order, each beginning where the one before it ends. */
async function* segmentsOf(store: Store): AsyncGenerator<StoredSegment> {
  let last: StoredSegment | undefined
  for (;;) {
    const size = last === undefined ? 0 : last.first + last.entries.length
    const segments = await store.segments(size, segmentsAtOnce)
    for (const segment of segments) {
      // Past the end there is none that holds the entry, so the last one comes again.
      if (segment.first === last?.first) continue
      const next = last === undefined ? 0 : last.first + last.entries.length
      if (segment.first !== next) {
        throw journalTampered(
          `The journal lacks its entry ${next}, or has it twice: the next one that it has is ${segment.first}.`,
        )
      }
      yield segment
      last = segment
    }
    if (segments.length < segmentsAtOnce) return
  }
}

async function scanJournal(store: Store, openFrom: number) {
  const open = new Map<number, OpenPermit>()
  let edge: TileEdge = []
  let size = 0
  let chain: Uint8Array = new Uint8Array(32)
  let isCutAsSigned = true
  for await (const { first, entries, checkpoint } of segmentsOf(store)) {
    const grown = appendToTiles(edge, entries.map(hashOfLeaf), first)
    for (const tile of grown.tiles) checkTile(tile, await store.tile(tile.level, tile.index))
    edge = grown.edge
    chain = chainOf(chain, checkpoint)
    size = first + entries.length
    // Chained, so its text is the signer's own once the head's MAC holds: where each commit ends is told by no row.
    if (checkpoint.split('\n', 2)[1] !== String(size)) isCutAsSigned = false
    if (size > openFrom) await followPermits(open, { entries, first }, (key) => store.get('document', key))
  }
  return {
    edge,
    size,
    chain,
    isCutAsSigned,
    open: new Map([...open.values()].map((permit) => [keyOfPermit(permit), permit])),
  }
}

function checkTile({ level, index, hashes }: StoredTile, stored: Uint8Array | undefined): void {
  if (stored !== undefined && isEqual(stored, hashes)) return
  const own = hashesOfTile(hashes)
  const others = hashesOfTile(stored)
  const at = own.findIndex((hash, i) => !isEqual(hash, others[i] ?? new Uint8Array()))
  const perHash = tileWidth ** level
  const from = (index * tileWidth + at) * perHash
  const where = level === 0 ? `at its entry ${from}` : `among its entries ${from} to ${from + perHash - 1}`
  throw journalTampered(
    `The journal was changed ${where}: it does not hash to the stored tile ${level}/${index}.`,
  )
}

/** Permits without an outcome. */
async function followPermits(
  open: Map<number, OpenPermit>,
  { entries, first }: { readonly entries: readonly string[]; readonly first: number },
  documentOf: (sha256: string) => Promise<StoredRecord | undefined>,
): Promise<void> {
  for (const [i, leaf] of entries.entries()) {
    const entry: PermitEntry & OutcomeEntry & { type: string } = JSON.parse(leaf)
    if (entry.type === 'signed' || entry.type === 'abandoned') open.delete(entry.permit)
    if (entry.type !== 'permit') continue
    const whole = await wholeFrom(entry, documentOf)
    const { requestDigest, nonce, credential, subject, requestId, wallet, grant, approval, booked } = whole
    const index = first + i
    const permit = { digest: requestDigest, nonce, credential, subject, requestId, wallet, index, booked }
    open.set(index, {
      ...permit,
      ...(grant === undefined ? {} : { grant }),
      ...(approval === undefined ? {} : { approval }),
    })
  }
}

/** A permit of very many reservations stands in part beside the journal; its records were checked before. */
async function wholeFrom(
  entry: PermitEntry,
  documentOf: (sha256: string) => Promise<StoredRecord | undefined>,
): Promise<PermitEntry> {
  const texts = new Map<string, string>()
  const json = entry as unknown as JsonObject
  for (const digest of documentsBeside(json)) {
    const record = await documentOf(digest)
    if (record !== undefined) texts.set(digest, (JSON.parse(record.value) as { text: string }).text)
  }
  return wholeEntry(json, (digest) => texts.get(digest)) as unknown as PermitEntry
}

type OutcomeEntry = { readonly permit: number }
type PermitEntry = Omit<OpenPermit, 'digest' | 'index'> & { readonly requestDigest: OpenPermit['digest'] }

/** Names the first segment that is not as it was signed.
 * @throws {CountersignError} SIGNER_JOURNAL_TAMPERED */
async function checkSegments(store: Store, key: JournalKey, headSize: number): Promise<void> {
  let edge: TileEdge = []
  let size = 0
  for await (const { first, entries, checkpoint } of segmentsOf(store)) {
    edge = appendToTiles(edge, entries.map(hashOfLeaf), first).edge
    size = first + entries.length
    const signed = openOwnCheckpoint(key, checkpoint)
    const where = `entries ${first} to ${size - 1}`
    if (signed === undefined) {
      throw journalTampered(
        `The checkpoint of the journal’s ${where} does not carry the signer’s own signature.`,
      )
    }
    if (signed.size === size && isEqual(signed.root, frontierOf(edge, size).root())) continue
    throw journalTampered(
      `The journal was changed among its ${where}: they do not hash to the checkpoint of their commit.`,
    )
  }
  if (size === headSize) return
  throw journalTampered(
    `The journal has ${size} entries and its head states ${headSize}: entries at its end were added or removed, or the head is not theirs.`,
  )
}

function journalTampered(message: string) {
  return signerError('SIGNER_JOURNAL_TAMPERED', message)
}

/**
 * Resolves what a crash left open. A signature leaves the process only after its outcome is durable, so a permit
 * without outcome has none outside: its budget is freed, and the journal says so. Only this may decide it.
 * @returns how many were resolved. */
export async function recover(ledger: Ledger, open: VerifiedState['open']): Promise<number> {
  for (const [key, permit] of open) {
    await ledger.submit((tx) =>
      abandonPermit(tx, key, permit, 'the signer stopped before the signature could leave it'),
    )
  }
  return open.size
}
