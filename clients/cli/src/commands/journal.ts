import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { decodeHex, type Hex } from '@countersign/bytes'
import type { Receipt } from '@countersign/sdk'
import {
  audienceOf,
  encodeEntry,
  leafHash,
  receiptTypes,
  verifyInclusion,
  verifyReceipt,
  verifyReceiptInclusion,
} from '@countersign/wire'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type Context, collect, wholeNumber } from '../command.ts'
import { fetchDocuments, writeJournalFolder } from '../journal-folder.ts'
import { table } from '../output.ts'
import { readJsonFile, readTextFile, type Settings, writeOwnFile } from '../settings.ts'
import { throwFinding, verifyFolder } from '../verify-folder.ts'
import {
  checkContains,
  decodeProof,
  fetchCheckpoint,
  fetchJournal,
  type JournalExport,
  openCheckpoint,
  verifyContinuation,
  verifyJournal,
} from '../verify-journal.ts'
import { demandWitnessed } from '../witnessed.ts'
import { addJournalEvidenceCommands } from './journal-evidence.ts'
import { fetchWitnessed, type WitnessOptions, witnessDemand, witnessOptions } from './witness-options.ts'

export function addJournalCommands(program: Command): void {
  const journal = program.command('journal').description('everything that the signer has decided')
  addList(journal)
  addVerify(journal)
  addProve(journal)
  addExport(journal)
  addJournalEvidenceCommands(journal)
  addReceipt(program)
}

function addList(journal: Command): void {
  const command = journal
    .command('list')
    .option('--start <index>', 'first entry', wholeNumber, 0)
    .option('--limit <n>', 'at most so many', wholeNumber, 100)
    .description('entries, oldest first')
  act(command, async ({ output, client }, { start, limit }: { start: number; limit: number }) => {
    const page = await client().journal.entries({ start, limit })
    output.result(page, () =>
      table(
        page.entries.map(({ index, entry }) => {
          const { at, type, wallet, credential, operation } = entry
          return [
            String(index),
            at,
            type,
            ...[wallet, credential, operation].map((field) => String(field ?? '')),
          ]
        }),
      ),
    )
    return undefined
  })
}

function addVerify(journal: Command): void {
  const command = journal
    .command('verify')
    .argument('[file]', 'an export; without it the journal of the signer itself')
    .option('--quick', 'only that it continues what was seen before, by a consistency proof')
    .option('--forget', 'do not compare with the checkpoint of the last time')
    .option('--audience <id>', 'the signer that is trusted; by default the configured one')
    .option('--offline <folder>', 'an export in a folder: everything is computed again from its files')
    .option('--receipt <file>', 'with --offline: this receipt must be of the journal; give it again', collect)
    .option(
      '--checkpoint <file>',
      'with --offline: the journal must continue this checkpoint, which you kept; give it again',
      collect,
    )
    .description('recompute the journal’s tree and check its signature; exit code 4 where it does not hold')
  witnessOptions(command)
  type Options = WitnessOptions & {
    quick?: boolean
    forget?: boolean
    audience?: string
    offline?: string
    receipt?: string[]
    checkpoint?: string[]
  }
  act(command, async (context, options: Options, file: string | undefined) => {
    const { quick, forget, audience, offline } = options
    const { settings, output } = context
    const pinned = audience ?? settings.audience
    const witness = witnessDemand(options)
    if (offline === undefined && (options.receipt ?? options.checkpoint) !== undefined)
      throw cliError('CLI_USAGE', '--receipt and --checkpoint need --offline.')
    if (offline !== undefined) return verifyOffline(context, { ...options, folder: offline, pinned, witness })
    if (file !== undefined) {
      if (witness !== undefined)
        throw cliError('CLI_USAGE', 'A file of JSON has no cosignatures; export a folder, and use --offline.')
      const exported = readExport(file)
      const remembered = forget === true ? undefined : recall(settings, exported.audience)
      const verified = verifyJournal(exported, {
        audience: pinned,
        remembered: longerOf(remembered, exported),
      })
      output.result({ valid: true, ...verified }, () => verifiedLines(verified))
      return undefined
    }
    const client = context.client()
    const trusted = pinned ?? (await client.audience())
    const remembered = forget === true ? undefined : recall(settings, trusted)
    const note = witness === undefined ? undefined : await fetchWitnessed(settings)
    const witnessed = witness === undefined || note === undefined ? undefined : demandWitnessed(note, witness)
    if (quick === true) {
      const { from, to, checkpoint } = await verifyContinuation(client, { audience: trusted, remembered })
      if (note !== undefined) await verifyContinuation(client, { audience: trusted, remembered: note })
      remember(settings, trusted, checkpoint)
      output.result({ valid: true, from, to, witnessed }, () => [
        `The journal of ${to} entries continues the one of ${from}.`,
      ])
      return undefined
    }
    const exported = await fetchJournal(client)
    const verified = verifyJournal(exported, { audience: trusted, remembered })
    if (note !== undefined) checkContains(exported, note, trusted)
    remember(settings, trusted, verified.checkpoint)
    output.result({ valid: true, ...verified, witnessed }, () => [
      ...verifiedLines(verified),
      ...(witnessed === undefined ? [] : [`Witnessed by ${witnessed.witnesses.join(', ')}.`]),
    ])
    return undefined
  })
}

interface OfflineOptions {
  readonly folder: string
  readonly pinned: string | undefined
  readonly witness: ReturnType<typeof witnessDemand>
  readonly forget?: boolean
  readonly receipt?: readonly string[]
  readonly checkpoint?: readonly string[]
}

async function verifyOffline(
  { output, settings }: Context,
  { folder, pinned, witness, forget, receipt = [], checkpoint = [] }: OfflineOptions,
): Promise<undefined> {
  const { verified } = await verifyFolder(folder, {
    audience: pinned,
    witness,
    receipts: receipt.map((file) => ({ file, receipt: readReceipt(file) })),
    kept: checkpoint.map((file) => ({ file, note: readTextFile(file) })),
    remembered: forget === true || pinned === undefined ? undefined : recall(settings, pinned),
  })
  throwFinding(verified)
  const { findings: _, ...rest } = verified
  const { size, documents, receipts, witnesses, seenSince } = rest
  output.result({ valid: true, ...rest }, () => [
    `The journal of ${rest.audience} holds: ${size} entries, ${documents} documents, ${receipts} receipts.`,
    ...(rest.pinned
      ? []
      : ['Only the export itself names the signer: give --audience for one that you trust.']),
    ...(witnesses.length === 0 ? [] : [`Witnessed by ${witnesses.join(', ')}.`]),
    ...(checkpoint.length === 0 ? [] : ['It continues every checkpoint that was given.']),
    ...(seenSince === undefined ? [] : [`It is an older state: ${seenSince} entries were seen here since.`]),
  ])
  return undefined
}

/** An export may be older than what was seen since; that is no rollback. */
function longerOf(
  remembered: string | undefined,
  { checkpoint, journalKey, audience }: JournalExport,
): string | undefined {
  if (remembered === undefined) return undefined
  const before = openCheckpoint(remembered, journalKey, audience)
  return before.size <= openCheckpoint(checkpoint, journalKey, audience).size ? remembered : undefined
}

function verifiedLines({
  audience,
  size,
  root,
  counts,
  continues,
}: ReturnType<typeof verifyJournal>): string[] {
  const byType = Object.entries(counts).map(([type, count]) => `${count} ${type}`)
  return [
    `The journal of ${audience} holds: ${size} entries, root ${root}`,
    byType.join(', '),
    continues === undefined
      ? 'No checkpoint was known before; this one is remembered from now on.'
      : `It continues the journal of ${continues} entries that was seen before.`,
  ]
}

function addProve(journal: Command): void {
  const command = journal
    .command('prove')
    .argument('<index>', 'of the entry', wholeNumber)
    .description('prove that one entry is in the journal, against its signed checkpoint')
  act(command, async ({ output, client: open }, _options: object, index: number) => {
    const client = open()
    const { checkpoint: note, journalKey, audience } = await fetchCheckpoint(client)
    const checkpoint = openCheckpoint(note, journalKey, audience)
    const proof = await client.journal.proof({ index, size: checkpoint.size })
    const page = await client.journal.entries({ start: index, limit: 1 })
    const entry = page.entries[0]?.entry
    const claim = {
      index,
      size: checkpoint.size,
      leafHash: leafHash(encodeEntry(entry)),
      root: checkpoint.root,
    }
    if (!verifyInclusion(claim, decodeProof(proof.hashes))) {
      throw cliError(
        'CLI_VERIFICATION_FAILED',
        `Entry ${index} is not in the journal of the signed checkpoint.`,
      )
    }
    output.result({ valid: true, entry, proof, checkpoint: note, journalKey }, () => [
      `Entry ${index} of ${checkpoint.size} is in the journal, by ${proof.hashes.length} hashes:`,
      JSON.stringify(entry, null, 2),
    ])
    return undefined
  })
}

function addExport(journal: Command): void {
  const command = journal
    .command('export')
    .argument('<folder>', 'never overwritten; one file of JSON where it ends in .json')
    .option('--prove <index>', 'also write the proof of this entry (C2SP tlog-proof); give it again', collect)
    .description(
      'write the whole journal as a C2SP tlog-tiles log of plain files, for others to verify offline',
    )
  act(
    command,
    async ({ output, client: open, settings }, { prove = [] }: { prove?: string[] }, file: string) => {
      const client = open()
      const exported = await fetchJournal(client)
      const { size } = verifyJournal(exported, { audience: settings.audience })
      if (!file.endsWith('.json')) {
        const indices = prove.map(wholeNumber)
        const beyond = indices.find((index) => index >= size)
        if (beyond !== undefined)
          throw cliError('CLI_USAGE', `The journal of ${size} entries has no entry ${beyond}.`)
        const documents = await fetchDocuments(client, exported)
        const witnessed = await fetchWitnessed(settings)
        const { files } = await writeJournalFolder(file, { exported, witnessed, documents, prove: indices })
        output.result({ folder: file, size, files, audience: exported.audience }, () => [
          `${file} holds ${size} entries in ${files} files; they verify.`,
        ])
        return undefined
      }
      writeOwnFile(file, `${JSON.stringify(exported)}\n`)
      output.result({ file, size, audience: exported.audience }, () => [
        `${file} holds ${size} entries; they verify.`,
      ])
      return undefined
    },
  )
}

function addReceipt(program: Command): void {
  const receipt = program.command('receipt').description('proof of a single signature')
  const get = receipt.command('get').argument('<request-id>').description('the receipt of a request of yours')
  act(get, async ({ output, client }, _options: object, requestId: string) => {
    const found = await client().receipts.get(requestId)
    output.result(found, () => [JSON.stringify(found, null, 2)])
    return undefined
  })

  const verify = receipt
    .command('verify')
    .argument('<file>', 'a receipt, or an answer that holds one')
    .option(
      '--journal-key <hex>',
      'the key that is trusted; by default the key whose signer is the configured one',
    )
    .option('--inclusion', 'also ask for the proof that it stands in the journal')
    .description('check a receipt; offline unless --inclusion; exit code 4 where it does not hold')
  type Options = { journalKey?: Hex; inclusion?: boolean }
  act(verify, async (context, options: Options, file: string) => {
    const found = readReceipt(file)
    const journalKey = trustedKey(found, options.journalKey, context.settings)
    const result =
      options.inclusion === true
        ? await checkInclusion(context, found, journalKey)
        : verifyReceipt(found, { journalKey, types: receiptTypes })
    if (!result.valid) {
      throw cliError('CLI_VERIFICATION_FAILED', result.message, { details: { problem: result.problem } })
    }
    const { signer, index, entry } = result.receipt
    context.output.result({ valid: true, signer, index, entry }, () => [
      `The receipt holds: entry ${index} of the journal of ${signer}`,
      JSON.stringify(entry, null, 2),
    ])
    return undefined
  })
}

function readReceipt(file: string): Receipt {
  const content = readJsonFile<Receipt | { receipt: Receipt }>(file)
  return 'receipt' in content ? content.receipt : content
}

/** The receipt's own key counts only where it is the key of a signer that is trusted for another reason. */
function trustedKey(receipt: Receipt, given: Hex | undefined, { audience }: Settings): Uint8Array {
  if (given !== undefined) return decodeHex(given, '--journal-key', 32)
  if (audience === undefined) {
    throw cliError('CLI_NOT_CONFIGURED', 'No signer is trusted here, so the receipt proves nothing.', {
      fix: 'Give --journal-key, or set COUNTERSIGN_AUDIENCE.',
    })
  }
  const key = decodeHex(receipt.journalKey, 'journalKey of the receipt', 32)
  if (audienceOf(key) !== audience) {
    throw cliError('CLI_VERIFICATION_FAILED', `The receipt is of ${audienceOf(key)}; ${audience} is trusted.`)
  }
  return key
}

async function checkInclusion(context: Context, receipt: Receipt, journalKey: Uint8Array) {
  const client = context.client()
  const { checkpoint: note, journalKey: stated } = await fetchCheckpoint(client)
  const checkpoint = openCheckpoint(note, stated, audienceOf(journalKey))
  const proof = await client.journal.proof({ index: receipt.index, size: checkpoint.size })
  return verifyReceiptInclusion(receipt, proof, { journalKey, checkpoint, types: receiptTypes })
}

function readExport(file: string): JournalExport {
  const exported = readJsonFile<Partial<JournalExport>>(file)
  if (exported.version !== 1 || !Array.isArray(exported.entries) || exported.journalKey === undefined) {
    throw cliError('CLI_FILE_UNREADABLE', `${file} is no export of a journal.`)
  }
  return exported as JournalExport
}

function checkpointFile({ stateFolder }: Settings, audience: string): string {
  return join(stateFolder, 'checkpoints', `${audience}.txt`)
}

function recall(settings: Settings, audience: string): string | undefined {
  const path = checkpointFile(settings, audience)
  return existsSync(path) ? readTextFile(path) : undefined
}

function remember(settings: Settings, audience: string, checkpoint: string): void {
  writeOwnFile(checkpointFile(settings, audience), checkpoint, { overwrite: true })
}
