import { existsSync, writeFileSync } from 'node:fs'
import type { JsonObject } from '@countersign/bytes'
import type { JournalEntryJson } from '@countersign/sdk'
import { documentsBeside, wholeEntry } from '@countersign/wire'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type Context, collect } from '../command.ts'
import { encodeCsv } from '../csv.ts'
import { openJournalFolder } from '../journal-folder.ts'
import { parseRpcs } from '../json-rpc.ts'
import { listPayments, paymentColumns, type SignedEntry } from '../payments.ts'
import { throwFinding, verifyFolder } from '../verify-folder.ts'
import { fetchJournal, verifyJournal } from '../verify-journal.ts'

interface CsvOptions {
  readonly offline?: string
  readonly out?: string
  readonly rpc?: readonly string[]
  readonly decimals?: readonly string[]
  readonly wallet?: string
  readonly from?: string
  readonly to?: string
}

/** The journal for accountants. */
export function addCsvCommand(journal: Command): void {
  const command = journal
    .command('csv')
    .option('--offline <folder>', 'an export; otherwise the journal of the signer itself')
    .option('--out <file>', 'never overwritten; otherwise standard output')
    .option('--rpc <chain=url>', 'to look up fees that were paid, and decimals of tokens', collect)
    .option('--decimals <asset=n>', 'for example eip155:1/erc20:0x…=6', collect)
    .option('--wallet <id>', 'only of this wallet')
    .option('--from <time>', 'not before: ISO 8601 in UTC, or a day')
    .option('--to <time>', 'before this time')
    .description('one line for each payment that was signed, for accountants (RFC 4180)')
  act(command, async (context, options: CsvOptions) => {
    const { out, rpc = [], decimals = [], offline } = options
    const { output } = context
    if (out !== undefined && existsSync(out)) throw cliError('CLI_FILE_EXISTS', `${out} exists already.`)
    const sources = { rpcs: parseRpcs(rpc), decimals: new Map(decimals.map(parseDecimals)) }
    const isWanted = filterOf(options)
    const entries =
      offline === undefined
        ? await signedHere(context, isWanted)
        : await signedIn(offline, context.settings.audience, isWanted)
    const rows = await listPayments(entries, sources)
    const cells = rows.map((row) => paymentColumns.map((column) => row[column]))
    const text = encodeCsv([paymentColumns, ...cells])
    if (out !== undefined) {
      writeFileSync(out, text, { mode: 0o600, flag: 'wx' })
      output.result({ file: out, payments: rows.length }, () => [`${out} has ${rows.length} payments.`])
    } else if (output.json) output.result({ payments: rows }, () => [])
    else process.stdout.write(text)
    return undefined
  })
}

type Filter = (entry: JsonObject) => boolean

function filterOf({ wallet, from, to }: CsvOptions): Filter {
  const [fromMs, toMs] = [timeOf(from), timeOf(to)]
  return (entry) =>
    entry.type === 'signed' &&
    (wallet === undefined || entry.wallet === wallet) &&
    (fromMs === undefined || Date.parse(String(entry.at)) >= fromMs) &&
    (toMs === undefined || Date.parse(String(entry.at)) < toMs)
}

/** The journal of the signer, checked against its checkpoint. */
export async function verifiedEntries({ client, settings }: Context): Promise<readonly JournalEntryJson[]> {
  const exported = await fetchJournal(client())
  verifyJournal(exported, { audience: settings.audience })
  return exported.entries
}

async function signedHere(context: Context, isWanted: Filter): Promise<readonly SignedEntry[]> {
  const entries = (await verifiedEntries(context)) as unknown as readonly JsonObject[]
  const wanted = withPermits(entries, isWanted)
  const texts = new Map<string, string>()
  for (const { entry, permit } of wanted) {
    for (const digest of [entry, permit ?? {}].flatMap(documentsBeside)) {
      if (!texts.has(digest)) texts.set(digest, (await context.client().journal.document(digest)).text)
    }
  }
  return wanted.map((signed) => wholeSigned(signed, (digest) => texts.get(digest)))
}

/** What was verified is what is read: the files are not opened again. */
async function signedIn(
  folder: string,
  audience: string | undefined,
  isWanted: Filter,
): Promise<readonly SignedEntry[]> {
  const { verified, entries } = await verifyFolder(folder, { audience, receipts: [] })
  throwFinding(verified)
  const files = openJournalFolder(folder)
  const textOf = (digest: string) => files.text(`documents/${digest.slice(2)}.json`)
  return withPermits(entries, isWanted).map((signed) => wholeSigned(signed, textOf))
}

function withPermits(entries: readonly JsonObject[], isWanted: Filter): readonly SignedEntry[] {
  return entries.flatMap((entry, index) => {
    if (!isWanted(entry)) return []
    const permit = typeof entry.permit === 'number' ? entries[entry.permit] : undefined
    return [{ index, entry, permit: permit?.type === 'permit' ? permit : undefined }]
  })
}

function wholeSigned(
  { index, entry, permit }: SignedEntry,
  textOf: (digest: string) => string | undefined,
): SignedEntry {
  return {
    index,
    entry: wholeEntry(entry, textOf),
    permit: permit === undefined ? undefined : wholeEntry(permit, textOf),
  }
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]+Z)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw cliError(
      'CLI_USAGE',
      `${text} is not a time in UTC, for example 2026-01-31 or 2026-01-31T12:00:00Z.`,
    )
  return time
}

function parseDecimals(text: string): [string, number] {
  const [, asset, places] = /^(\S+\/\S+)=(\d{1,2})$/.exec(text) ?? []
  if (asset !== undefined && Number(places) <= 77) return [asset.toLowerCase(), Number(places)]
  throw cliError('CLI_USAGE', `--decimals ${text} is not of the form asset=6.`)
}
