import { decodeHex, isEqual, type JsonObject } from '@countersign/bytes'
import {
  audienceOf,
  type Checkpoint,
  decodeHashes,
  documentsBeside,
  encodeNoteKey,
  isDocument,
  journalOrigin,
  MerkleFrontier,
  type NoteKey,
  receiptTypes,
  verifyCheckpoint,
  verifyInclusion,
  verifyReceipt,
} from '@countersign/wire'
import { cliError } from './catalogue.ts'
import { type FolderTree, readFolderTree } from './folder-tree.ts'
import { openJournalFolder, parseTlogProof } from './journal-folder.ts'
import { checkWitnessed, type WitnessDemand } from './witnessed.ts'

/** What can be wrong with an exported journal, by name. */
export type Finding =
  | 'other-signer'
  | 'checkpoint-invalid'
  | 'tile-missing'
  | 'tile-altered'
  | 'bundle-malformed'
  | 'entry-altered'
  | 'root-mismatch'
  | 'document-missing'
  | 'document-altered'
  | 'not-witnessed'
  | 'forked'
  | 'receipt-invalid'
  | 'proof-invalid'
  | 'kept-invalid'
  | 'rolled-back'

export interface Found {
  readonly finding: Finding
  readonly where: string
  readonly message: string
}

export type Report = (finding: Finding, where: string, message: string) => unknown

export interface FolderDemand {
  /** The signer that is trusted; where unknown, what the folder says of itself. */
  readonly audience: string | undefined
  readonly witness?: WitnessDemand | undefined
  /** As parsed from their files, by the files' names. */
  readonly receipts: readonly { readonly file: string; readonly receipt: unknown }[]
  /** Checkpoints that the reader has kept: the journal must be as long as each, and begin as it did then. */
  readonly kept?: readonly { readonly file: string; readonly note: string }[]
  /** What this machine has seen last. An export may be older than that. */
  readonly remembered?: string | undefined
}

export interface VerifiedFolder {
  readonly audience: string
  /** Whether somebody but the folder itself has named the signer. */
  readonly pinned: boolean
  readonly size: number
  readonly checkpoint: string
  readonly counts: Readonly<Record<string, number>>
  readonly documents: number
  readonly proofs: number
  readonly receipts: number
  readonly witnesses: readonly string[]
  /** Where this machine has seen a longer journal, that one's size: the export is an older state, or pretends to be. */
  readonly seenSince: number | undefined
  readonly findings: readonly Found[]
}

interface Parts {
  readonly files: ReturnType<typeof openJournalFolder>
  readonly key: NoteKey
  readonly tree: FolderTree
  readonly report: Report
}

/** Everything is computed again from the files; nothing is asked of anybody. */
export async function verifyFolder(
  folder: string,
  demand: FolderDemand,
): Promise<{ readonly verified: VerifiedFolder; readonly entries: readonly JsonObject[] }> {
  const files = openJournalFolder(folder)
  const findings: Found[] = []
  const report: Report = (finding, where, message) => findings.push({ finding, where, message })
  const { about } = files
  const audience = demand.audience ?? about.audience
  const publicKey = decodeHex(about.journalKey, 'journalKey', 32)
  const key = { name: journalOrigin(audience), publicKey }
  if (audienceOf(publicKey) !== audience || about.key !== encodeNoteKey(key)) {
    report('other-signer', 'journal.json', `The key is that of ${audienceOf(publicKey)}, not of ${audience}.`)
  }
  const pinned = demand.audience !== undefined
  const note = files.text('checkpoint') ?? ''
  const checkpoint = openNote(note, key)
  if (checkpoint === undefined) {
    report('checkpoint-invalid', 'checkpoint', 'It does not carry the signature of the trusted signer.')
    return { verified: { ...nothing, audience, pinned, checkpoint: note, findings }, entries: [] }
  }

  const tree = readFolderTree(files, checkpoint.size, report)
  const { leaves, entries } = tree
  const frontier = new MerkleFrontier()
  for (const leaf of leaves) frontier.append(leaf)
  if (leaves.length !== checkpoint.size || !isEqual(frontier.root(), checkpoint.root)) {
    report('root-mismatch', 'checkpoint', 'The entries do not hash to the signed checkpoint.')
  }
  const counts: Record<string, number> = {}
  for (const { type } of entries) counts[String(type)] = (counts[String(type)] ?? 0) + 1
  const parts = { files, key, tree, report }
  const documents = checkDocuments(parts)
  const seenSince = await checkKept(parts, demand)
  const witnesses = await checkWitnesses(parts, note, demand.witness)
  await checkReceipts(parts, demand.receipts)
  const proofs = await checkProofs(parts)
  return {
    entries,
    verified: {
      audience,
      pinned,
      size: checkpoint.size,
      checkpoint: note,
      counts,
      documents,
      proofs,
      receipts: demand.receipts.length,
      witnesses,
      seenSince,
      findings,
    },
  }
}

/** @throws {CountersignError} CLI_VERIFICATION_FAILED, CLI_ROLLED_BACK, CLI_NOT_WITNESSED: by the first finding */
export function throwFinding({ findings }: VerifiedFolder): void {
  const [first] = findings
  if (first === undefined) return
  const more = findings.length === 1 ? '' : ` (and ${findings.length - 1} more findings)`
  const message = `${first.finding}: ${first.where}: ${first.message}${more}`
  const details = { details: { findings } }
  if (findings.some(({ finding }) => finding === 'rolled-back' || finding === 'forked'))
    throw cliError('CLI_ROLLED_BACK', message, details)
  if (findings.every(({ finding }) => finding === 'not-witnessed'))
    throw cliError('CLI_NOT_WITNESSED', message, details)
  throw cliError('CLI_VERIFICATION_FAILED', message, details)
}

const nothing = {
  size: 0,
  counts: {},
  documents: 0,
  proofs: 0,
  receipts: 0,
  witnesses: [],
  seenSince: undefined,
}

function checkDocuments({ files, tree, report }: Parts): number {
  let count = 0
  for (const [index, entry] of tree.entries.entries()) {
    let digests: readonly string[] = []
    try {
      digests = documentsBeside(entry)
    } catch (error) {
      report('document-altered', `entry ${index}`, error instanceof Error ? error.message : 'unreadable')
    }
    for (const digest of digests) {
      const path = `documents/${digest.slice(2)}.json`
      const text = files.text(path)
      if (text === undefined) report('document-missing', path, `Entry ${index} names it.`)
      else if (!isDocument(text, digest))
        report('document-altered', path, `Entry ${index} names another one.`)
      count++
    }
  }
  return count
}

/** @returns the size of what was seen before, where that is more than the export has. */
async function checkKept(
  { key, tree, report }: Parts,
  { kept = [], remembered }: FolderDemand,
): Promise<number | undefined> {
  const size = tree.leaves.length
  const here = remembered === undefined ? [] : [{ file: 'what was seen before', note: remembered }]
  let seenSince: number | undefined
  for (const { file, note } of [...kept, ...here]) {
    const before = openNote(note, key)
    if (before === undefined) {
      report('kept-invalid', file, 'It is no checkpoint that the trusted signer has signed.')
    } else if (before.size > size) {
      if (note === remembered) seenSince = before.size
      else report('rolled-back', file, `It is over ${before.size} entries; the export has ${size}.`)
    } else if (!(await isBeginning(tree, before))) {
      const message = `The first ${before.size} entries are not those that were seen before.`
      report('rolled-back', file, message)
    }
  }
  return seenSince
}

async function checkWitnesses(
  { files, key, tree, report }: Parts,
  note: string,
  demand: WitnessDemand | undefined,
): Promise<readonly string[]> {
  if (demand === undefined) return []
  const candidates = [note, files.text('checkpoint.witnessed')].filter((one) => one !== undefined)
  let problem = 'no checkpoint'
  for (const candidate of candidates) {
    const result = checkWitnessed(candidate, demand)
    if ('problem' in result) {
      problem = result.problem
      continue
    }
    // Witnesses that were bribed, or a line that was moved: without the log's own signature it says nothing.
    const stated = openNote(candidate, key)
    if (stated === undefined) {
      problem = 'What the witnesses have signed is not signed by the trusted signer.'
      continue
    }
    if (!(await isBeginning(tree, stated))) {
      const message = `What witnesses have seen at ${stated.size} entries is another journal, or a longer one.`
      report('forked', 'checkpoint.witnessed', message)
    }
    return result.witnesses
  }
  report('not-witnessed', 'checkpoint', problem)
  return []
}

async function checkReceipts(
  { key, tree, report }: Parts,
  receipts: FolderDemand['receipts'],
): Promise<void> {
  for (const { file, receipt } of receipts) {
    const result = verifyReceipt(receipt, { journalKey: key.publicKey, types: receiptTypes })
    if (!result.valid) {
      report('receipt-invalid', file, result.message)
      continue
    }
    const { index, checkpoint } = result.receipt
    const stated = openNote(checkpoint, key)
    const leaf = tree.leaves[index]
    const isHere = leaf !== undefined && isEqual(leaf, result.leafHash)
    if (!isHere || stated === undefined || !(await isBeginning(tree, stated)))
      report('receipt-invalid', file, `Entry ${index} of the receipt is not that of this journal.`)
  }
}

async function checkProofs({ files, key, tree, report }: Parts): Promise<number> {
  const names = files.list('proofs').filter((name) => name.endsWith('.tlog-proof'))
  for (const name of names) {
    const proof = parseTlogProof(files.text(`proofs/${name}`) ?? '')
    const stated = proof === undefined ? undefined : openNote(proof.checkpoint, key)
    const leafHash = proof === undefined ? undefined : tree.leaves[proof.index]
    const path = decodeHashes(proof?.hashes ?? [])
    const isProof =
      proof !== undefined &&
      stated !== undefined &&
      leafHash !== undefined &&
      path !== undefined &&
      verifyInclusion({ ...stated, index: proof.index, leafHash }, path) &&
      (await isBeginning(tree, stated))
    if (!isProof) report('proof-invalid', `proofs/${name}`, 'It does not prove the entry.')
  }
  return names.length
}

async function isBeginning(tree: FolderTree, { size, root }: Checkpoint): Promise<boolean> {
  return size <= tree.leaves.length && isEqual(await tree.rootAt(size), root)
}

function openNote(note: string, key: NoteKey): Checkpoint | undefined {
  try {
    return verifyCheckpoint(note, key)
  } catch {
    return undefined
  }
}
