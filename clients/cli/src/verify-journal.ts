import { decodeBase64, decodeHex, encodeBase64, encodeHex, type Hex, isEqual } from '@countersign/bytes'
import type { CountersignClient, JournalEntryJson } from '@countersign/sdk'
import {
  audienceOf,
  type Checkpoint,
  decodeHashes,
  emptyRoot,
  encodeEntry,
  journalOrigin,
  leafHash,
  MerkleFrontier,
  verifyCheckpoint,
  verifyConsistency,
} from '@countersign/wire'
import { cliError } from './catalogue.ts'

/** Everything that a third party needs to check a journal without asking anybody. */
export interface JournalExport {
  readonly version: 1
  readonly audience: string
  readonly journalKey: Hex
  /** The C2SP signed note. */
  readonly checkpoint: string
  readonly entries: readonly JournalEntryJson[]
}

export interface VerifiedJournal {
  readonly audience: string
  readonly size: number
  /** Base64. */
  readonly root: string
  readonly checkpoint: string
  /** Entries by type. */
  readonly counts: Readonly<Record<string, number>>
  /** The remembered size that this one was found to continue. */
  readonly continues: number | undefined
}

export interface Trusted {
  /** The signer that the reader trusts; where unknown, what the journal says of itself. */
  readonly audience?: string | undefined
  /** A checkpoint seen before, as a signed note. */
  readonly remembered?: string | undefined
}

const entriesPerCall = 256

/** The signed note with the key that it has to be signed by; the key is checked against the audience.
 * @throws {CountersignError} SDK_AUDIENCE_MISMATCH */
export async function fetchCheckpoint(
  client: CountersignClient,
): Promise<{ checkpoint: string; journalKey: Hex; audience: string }> {
  const [{ checkpoint }, { journalKey, audience }] = await Promise.all([
    client.journal.checkpoint(),
    client.identity(),
  ])
  if (journalKey === null) throw failed('The signer is sealed and does not show its journal key.')
  return { checkpoint, journalKey, audience }
}

/** Fetches a journal as a whole, up to the checkpoint that the signer gives first. */
export async function fetchJournal(client: CountersignClient): Promise<JournalExport> {
  const { checkpoint, journalKey, audience } = await fetchCheckpoint(client)
  const { size } = openCheckpoint(checkpoint, journalKey, audience)
  const entries: JournalEntryJson[] = []
  while (entries.length < size) {
    const limit = Math.min(entriesPerCall, size - entries.length)
    const page = await client.journal.entries({ start: entries.length, limit })
    if (page.entries.length === 0) break
    for (const { entry } of page.entries.slice(0, limit)) entries.push(entry)
  }
  return { version: 1, audience, journalKey, checkpoint, entries }
}

/**
 * Recomputes the tree from the entries and compares it with the signed checkpoint, and with one seen before.
 * @throws {CountersignError} CLI_VERIFICATION_FAILED, CLI_ROLLED_BACK, WIRE_CHECKPOINT_INVALID */
export function verifyJournal(journal: JournalExport, trusted: Trusted = {}): VerifiedJournal {
  const audience = trusted.audience ?? journal.audience
  const checkpoint = openCheckpoint(journal.checkpoint, journal.journalKey, audience)
  const before =
    trusted.remembered === undefined
      ? undefined
      : openCheckpoint(trusted.remembered, journal.journalKey, audience)
  checkNotShorter(before, checkpoint)

  const frontier = new MerkleFrontier()
  const counts: Record<string, number> = {}
  let rootBefore = before?.size === 0 ? emptyRoot() : undefined
  for (const entry of journal.entries) {
    frontier.append(leafHash(encodeEntry(entry)))
    counts[entry.type] = (counts[entry.type] ?? 0) + 1
    if (frontier.size === before?.size) rootBefore = frontier.root()
  }
  if (frontier.size !== checkpoint.size) {
    throw failed(`The checkpoint is over ${checkpoint.size} entries, but there are ${frontier.size}.`)
  }
  if (!isEqual(frontier.root(), checkpoint.root)) {
    throw failed(
      'The entries are not those of the signed checkpoint: one was changed, added, removed or moved.',
    )
  }
  if (before !== undefined && !isEqual(rootBefore ?? new Uint8Array(), before.root)) {
    throw rewritten(before)
  }
  const { size, root } = checkpoint
  return {
    audience,
    size,
    root: encodeBase64(root),
    checkpoint: journal.checkpoint,
    counts,
    continues: before?.size,
  }
}

/**
 * That a checkpoint, such as the one that witnesses have signed, is a state of this journal.
 * @throws {CountersignError} CLI_ROLLED_BACK, WIRE_CHECKPOINT_INVALID */
export function checkContains({ entries, journalKey }: JournalExport, note: string, audience: string): void {
  const before = openCheckpoint(note, journalKey, audience)
  if (before.size > entries.length) {
    throw cliError(
      'CLI_ROLLED_BACK',
      `The journal has ${entries.length} entries; witnesses have seen ${before.size}.`,
      {
        details: { size: entries.length, sizeBefore: before.size },
      },
    )
  }
  const frontier = new MerkleFrontier()
  for (const entry of entries.slice(0, before.size)) frontier.append(leafHash(encodeEntry(entry)))
  if (!isEqual(frontier.root(), before.root)) throw rewritten(before)
}

/** Only that the journal continues the remembered one, by a consistency proof: no entry is fetched.
 * @throws {CountersignError} CLI_ROLLED_BACK, CLI_VERIFICATION_FAILED, WIRE_CHECKPOINT_INVALID */
export async function verifyContinuation(
  client: CountersignClient,
  trusted: Required<Trusted>,
): Promise<{ from: number; to: number; checkpoint: string }> {
  const { checkpoint: note, journalKey, ...found } = await fetchCheckpoint(client)
  const audience = trusted.audience ?? found.audience
  const checkpoint = openCheckpoint(note, journalKey, audience)
  if (trusted.remembered === undefined) return { from: 0, to: checkpoint.size, checkpoint: note }
  const before = openCheckpoint(trusted.remembered, journalKey, audience)
  checkNotShorter(before, checkpoint)
  const claim = { from: before.size, to: checkpoint.size, fromRoot: before.root, toRoot: checkpoint.root }
  const needsProof = before.size > 0 && before.size < checkpoint.size
  const proof = needsProof
    ? (await client.journal.consistency({ from: claim.from, to: claim.to })).hashes
    : []
  if (!verifyConsistency(claim, decodeHashes(proof) ?? [])) throw rewritten(before)
  return { from: before.size, to: checkpoint.size, checkpoint: note }
}

/** @throws {CountersignError} CLI_VERIFICATION_FAILED, WIRE_CHECKPOINT_INVALID */
export function openCheckpoint(note: string, journalKey: Hex, audience: string): Checkpoint {
  const publicKey = decodeHex(journalKey, 'journalKey', 32)
  if (audienceOf(publicKey) !== audience) {
    throw failed(`The journal key ${encodeHex(publicKey)} is not that of the signer ${audience}.`)
  }
  return verifyCheckpoint(note, { name: journalOrigin(audience), publicKey })
}

function checkNotShorter(before: Checkpoint | undefined, now: Checkpoint): void {
  if (before === undefined || now.size >= before.size) return
  throw cliError('CLI_ROLLED_BACK', `The journal has ${now.size} entries; it had ${before.size} before.`, {
    details: { size: now.size, sizeBefore: before.size },
  })
}

function rewritten(before: Checkpoint) {
  return cliError(
    'CLI_ROLLED_BACK',
    `The first ${before.size} entries are not those that were seen before.`,
    {
      details: { sizeBefore: before.size },
    },
  )
}

function failed(message: string) {
  return cliError('CLI_VERIFICATION_FAILED', message)
}

/** For a proof from the wire. @throws {CountersignError} BYTES_NOT_BASE64 */
export function decodeProof(hashes: readonly string[]): Uint8Array[] {
  return hashes.map((hash) => decodeBase64(hash, 'hash'))
}
