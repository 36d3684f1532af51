import {
  decodeBase64,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  type Hex,
  isEqual,
  type JsonObject,
  parseJson,
} from '@countersign/bytes'
import {
  audienceOf,
  type Checkpoint,
  decodeEntryBundle,
  decodeHashes,
  encodeTilePath,
  entryFacts,
  journalOrigin,
  leafHash,
  MerkleFrontier,
  tileWidthMax,
  verifyCheckpoint,
  verifyConsistency,
} from '@countersign/wire'
import { engineError } from '../catalogue.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { SignerAnswer, SignerClient } from '../signer-client.ts'
import type { CopiedEntry, JournalCopy as CopyState, JournalFilter, JournalStore } from '../store/journal.ts'
import type { JournalReader } from './journal-reader.ts'

export interface JournalCopy {
  /** Copies what is new. @throws {CountersignError} ENGINE_JOURNAL_BROKEN, WIRE_SIGNER_UNAVAILABLE */
  catchUp(): Promise<void>
  /** Over what the journal has at the call. @throws {CountersignError} as `catchUp` */
  search(
    filter: JournalFilter,
    page: { readonly start: number; readonly limit: number },
  ): Promise<{ readonly entries: readonly { index: number; text: string }[]; readonly size: number }>
}

interface CopyParts {
  readonly store: { readonly journal: JournalStore }
  readonly signer: SignerClient
  readonly reader: JournalReader
  readonly metrics: Metrics
  readonly log: Logger
}

/** Bundles that are checked against the checkpoint, and stored, together. */
const bundlesAtOnce = 16
const answerLimits = { textCharsMax: 16_000_000, depthMax: 8 }
const entryLimits = { textCharsMax: 65_536, depthMax: 64 }

/**
 * The engine's copy of the journal, for search and reconciliation: taken from the entry bundles, each part checked to
 * be the journal's own by the tree that it makes, and never moved back.
 */
export function openJournalCopy(parts: CopyParts): JournalCopy {
  let running: Promise<void> | undefined
  const catchUp = async () => {
    try {
      // Who joins a copy that is under way might miss what was appended since it began.
      await running?.catch(() => undefined)
      running ??= copyAll(parts).finally(() => {
        running = undefined
      })
      await running
      parts.metrics.journalBroken.set(0)
    } catch (error) {
      if ((error as { code?: string }).code === 'ENGINE_JOURNAL_BROKEN') {
        parts.metrics.journalBroken.set(1)
        parts.log.error(
          { event: 'journal-broken', message: (error as Error).message },
          'the journal is broken',
        )
      }
      throw error
    }
  }
  return {
    catchUp,
    async search(filter, page) {
      await catchUp()
      const entries = await parts.store.journal.search(filter, page)
      return { entries, size: (await parts.store.journal.copy())?.size ?? 0 }
    },
  }
}

async function copyAll(parts: CopyParts): Promise<void> {
  const { signer, store, metrics } = parts
  const [identity, head] = await Promise.all([
    signer.get('/v1/identity'),
    signer.get('/v1/journal/checkpoint'),
  ])
  const { audience, journalKey } = jsonOf(identity) as { audience: string; journalKey: Hex | null }
  const { checkpoint: note } = jsonOf(head) as { checkpoint: string }
  const publicKey = decodeHex(journalKey ?? '0x', 'journalKey', 32)
  if (audienceOf(publicKey) !== audience) throw broken('the signer’s journal key is not that of its name')
  const checkpoint = verifyCheckpoint(note, { name: journalOrigin(audience), publicKey })
  for (;;) {
    const before = await store.journal.copy()
    if (before !== undefined && before.audience !== audience) {
      throw broken(`this database has the journal of ${before.audience}, the signer is ${audience}`)
    }
    const size = before?.size ?? 0
    metrics.journalIndexed.set(size)
    if (size > checkpoint.size) {
      // Another engine may have copied on since the checkpoint was asked for; a rollback shows at the next look too.
      await checkNotShorter(parts, size)
      return
    }
    await copySome(parts, { before, checkpoint, audience })
    if (size === checkpoint.size) return
  }
}

async function checkNotShorter({ signer }: CopyParts, size: number): Promise<void> {
  const { checkpoint } = jsonOf(await signer.get('/v1/journal/checkpoint')) as { checkpoint: string }
  const now = Number(checkpoint.split('\n')[1])
  if (now >= size) return
  throw broken(`it has ${now} entries, and had ${size} before`)
}

interface Step {
  readonly before: CopyState | undefined
  readonly checkpoint: Checkpoint
  readonly audience: string
}

async function copySome(parts: CopyParts, { before, checkpoint, audience }: Step): Promise<void> {
  const { reader, store } = parts
  const start = before?.size ?? 0
  const frontier = new MerkleFrontier(
    start,
    (before?.roots ?? []).map((root) => decodeBase64(root, 'root')),
  )
  const entries: CopiedEntry[] = []
  for (let bundles = 0; bundles < bundlesAtOnce && frontier.size < checkpoint.size; bundles++) {
    for (const bytes of await fetchBundle(reader, frontier.size, checkpoint.size)) {
      const text = decodeUtf8(bytes)
      const entry = parseJson(text, entryLimits) as JsonObject
      entries.push({ index: frontier.size, facts: entryFacts(entry), text })
      frontier.append(leafHash(bytes))
    }
  }
  await checkContinues(reader, frontier, checkpoint)
  if (entries.length === 0) return
  const after = { audience, size: frontier.size, roots: frontier.roots.map((root) => encodeBase64(root)) }
  await store.journal.append(before, entries, after)
}

/** The entries of one bundle from an index on. */
async function fetchBundle(
  reader: JournalReader,
  from: number,
  size: number,
): Promise<readonly Uint8Array[]> {
  const index = Math.floor(from / tileWidthMax)
  const width = Math.min(tileWidthMax, size - index * tileWidthMax)
  const { tile } = jsonOf(await reader.get(encodeTilePath({ level: 'entries', index, width }))) as {
    tile: string
  }
  return decodeEntryBundle(decodeBase64(tile, 'tile'), width).slice(from - index * tileWidthMax)
}

/** That what was copied, and everything before it, is the beginning of the journal under this checkpoint. */
async function checkContinues(
  reader: JournalReader,
  frontier: MerkleFrontier,
  { size, root }: Checkpoint,
): Promise<void> {
  const from = frontier.size
  const ownRoot = frontier.root()
  if (from === size) {
    if (isEqual(ownRoot, root)) return
    throw broken(`its first ${size} entries are not those that were seen before`)
  }
  const answer = jsonOf(await reader.get(`/v1/journal/consistency?from=${from}&to=${size}`))
  const hashes = decodeHashes((answer as { hashes: string[] }).hashes) ?? []
  if (verifyConsistency({ from, to: size, fromRoot: ownRoot, toRoot: root }, hashes)) return
  throw broken(`its first ${from} entries are not those that were seen before`)
}

/** @throws {CountersignError} WIRE_SIGNER_UNAVAILABLE, ENGINE_JOURNAL_UNREAD */
function jsonOf({ status, text }: SignerAnswer): unknown {
  if (status === 200) return parseJson(text, answerLimits)
  const why = /"message":"((?:[^"\\]|\\.){1,300})"/.exec(text)?.[1] ?? `status ${status}`
  throw engineError('ENGINE_JOURNAL_UNREAD', `The signer does not give the engine its journal: ${why}`)
}

function broken(what: string) {
  return engineError('ENGINE_JOURNAL_BROKEN', `The signer’s journal cannot be trusted: ${what}.`)
}
