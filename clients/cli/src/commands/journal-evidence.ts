import { decodeHex, type Hex } from '@countersign/bytes'
import { encodeNoteKey, journalOrigin } from '@countersign/wire'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, collect, wholeNumber } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { parseRpcs } from '../json-rpc.ts'
import { table } from '../output.ts'
import { type AccountReconciled, reconcileJournal } from '../reconcile-journal.ts'
import { writeOwnFile } from '../settings.ts'
import { openCheckpoint } from '../verify-journal.ts'
import { addCsvCommand, verifiedEntries } from './journal-csv.ts'
import { fetchWitnessed } from './witness-options.ts'

/** What auditors and accountants ask of the journal. */
export function addJournalEvidenceCommands(journal: Command): void {
  addKey(journal)
  addCheckpoint(journal)
  addSearch(journal)
  addReconcile(journal)
  addCsvCommand(journal)
}

function addKey(journal: Command): void {
  const command = journal
    .command('key')
    .description('the journal’s verifier key, for witnesses and for other tools (C2SP signed-note)')
  act(command, async ({ output, client }) => {
    const { journalKey, audience } = await client().identity()
    if (journalKey === null)
      throw cliError('CLI_VERIFICATION_FAILED', 'The signer is sealed and shows no key.')
    const publicKey = decodeHex(journalKey, 'journalKey', 32)
    const key = encodeNoteKey({ name: journalOrigin(audience), publicKey })
    output.result({ key, audience }, () => [key])
    return undefined
  })
}

function addCheckpoint(journal: Command): void {
  const command = journal
    .command('checkpoint')
    .argument('[file]', 'where to keep it, never overwritten; otherwise it is printed')
    .description(
      'the journal’s signed state with its cosignatures: keep it, and nobody can put the journal back',
    )
  act(command, async ({ output, client, settings }, _options: object, file: string | undefined) => {
    const { journalKey, audience } = await client().identity()
    if (journalKey === null)
      throw cliError('CLI_VERIFICATION_FAILED', 'The signer is sealed and shows no key.')
    const note = await fetchWitnessed(settings)
    const { size } = openCheckpoint(note, journalKey, settings.audience ?? audience)
    if (file !== undefined) writeOwnFile(file, note)
    output.result({ audience, size, checkpoint: note, ...(file === undefined ? {} : { file }) }, () =>
      file === undefined ? [note.trimEnd()] : [`${file} has the checkpoint over ${size} entries.`],
    )
    return undefined
  })
}

const filters = [
  ['--wallet <id>', 'of this wallet'],
  ['--cred <id>', 'by or about this credential'],
  ['--agent <name>', 'attributed to this agent'],
  ['--workflow <name>', 'attributed to this workflow'],
  ['--operator <name>', 'attributed to this operator'],
  ['--transaction <hash>', 'of this transaction or user operation'],
  ['--type <type>', 'for example signed or refused'],
  ['--from <time>', 'not before: ISO 8601 in UTC, or a day'],
  ['--to <time>', 'not after'],
] as const

interface Filter {
  readonly wallet?: string
  readonly cred?: string
  readonly agent?: string
  readonly workflow?: string
  readonly operator?: string
  readonly transaction?: string
  readonly type?: string
  readonly from?: string
  readonly to?: string
}

function addSearch(journal: Command): void {
  const command = journal
    .command('search')
    .option('--start <index>', 'from this entry on', wholeNumber, 0)
    .option('--limit <n>', 'at most so many', wholeNumber, 100)
    .description('entries by what they say; each index can be proven with `journal prove`')
  for (const [flags, text] of filters) command.option(flags, text)
  act(command, async ({ output, client }, options: Filter & { start: number; limit: number }) => {
    const { cred, transaction, start, limit, wallet, agent, workflow, operator, type, from, to } = options
    const filter = {
      wallet,
      credential: cred,
      agent,
      workflow,
      operator,
      transactionHash: transaction,
      type,
      from,
      to,
    }
    const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
    if (Object.keys(given).length === 0)
      throw cliError('CLI_USAGE', 'Say what to look for, for example --wallet.')
    const page = await client().journal.search({ ...given, start, limit })
    output.result(page, () =>
      table(
        page.entries.map(({ index, entry }) =>
          [index, entry.at, entry.type, entry.wallet, entry.credential, entry.transactionHash].map((cell) =>
            String(cell ?? ''),
          ),
        ),
      ),
    )
    return undefined
  })
}

function addReconcile(journal: Command): void {
  const command = journal
    .command('reconcile')
    .requiredOption('--rpc <chain=url>', 'for example eip155:1=https://…; give it again for several', collect)
    .option('--from-block <n>', 'what was sent before it is not looked at', wholeNumber, 0)
    .option('--wallet <id>', 'only this wallet; give it again for several', collect)
    .option('--account <wallet=address>', 'also this smart account, which this wallet signs for', collect)
    .option('--shared <address>', 'not this smart account: others sign for it too', collect)
    .description(
      'match every transaction and user operation of every wallet to the journal; exit code 7 for one that it does not have',
    )
  type Options = {
    rpc: string[]
    fromBlock: number
    wallet?: string[]
    account?: string[]
    shared?: string[]
  }
  act(command, async (context, { rpc, fromBlock, wallet, account = [], shared = [] }: Options) => {
    const found = await reconcileJournal({
      rpcs: parseRpcs(rpc),
      fromBlock,
      wallets: wallet,
      accounts: account.map(parseAccount),
      shared: shared.map((address) => parseAccount(`shared=${address}`).address),
      journal: () => verifiedEntries(context),
    })
    const unmatched = found.reduce((sum, one) => sum + one.unmatched.length, 0)
    context.output.result({ unmatched, accounts: found }, () => reconciledLines(found, unmatched))
    return unmatched === 0 ? undefined : exitCodes.unmatched
  })
}

function parseAccount(text: string): { wallet: string; address: Hex } {
  const [, wallet, address] = /^([\w.-]{1,128})=(0x[0-9a-fA-F]{40})$/.exec(text) ?? []
  if (wallet !== undefined && address !== undefined) return { wallet, address: address as Hex }
  throw cliError('CLI_USAGE', `--account ${text} is not of the form wallet=0x…`)
}

function reconciledLines(found: readonly AccountReconciled[], unmatched: number): string[] {
  const lines = found.flatMap(({ chain, wallet, address, matched, unseen, ...one }) => [
    `${chain} ${address} (${wallet}): ${matched.length} matched, ${one.unmatched.length} unmatched, blocks ${one.fromBlock} to ${one.toBlock} by ${one.method}`,
    ...one.unmatched.map(
      ({ hash, nonce, block, why }) => `  ALARM block ${block} ${hash ?? `nonce ${nonce}`}: ${why}`,
    ),
    ...unseen.map(
      ({ index, hash, state }) => `  signed, not on the chain (${state}): entry ${index}, ${hash}`,
    ),
  ])
  return [...lines, unmatched === 0 ? 'The journal has them all.' : `${unmatched} are not in the journal.`]
}
