import { calls, type GrantSummary, type GrantTerms, type NewGrant } from '@countersign/sdk'
import { parseDelay } from '@countersign/wire'
import { type Command, InvalidArgumentError } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, collect, gather, listItemsMax, wholeNumber } from '../command.ts'
import { table } from '../output.ts'
import { readJsonFile } from '../settings.ts'
import { reportChange } from './changed.ts'
import { delayOf } from './organisation.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

export function addGrantCommands(program: Command): void {
  const grant = program
    .command('grant')
    .description('let a credential ask for a wallet, under rules and for a time')
  addCreate(grant)
  addList(grant)
  addShow(grant)
  addRevoke(grant)
  addKeepAlive(grant)
}

interface CreateOptions extends OutOption {
  readonly to: string
  readonly wallet: string[]
  readonly rules: string
  readonly expires: string
  readonly notBefore?: string
  readonly maxUses?: number
  readonly name?: string
  readonly extendBy?: string
  readonly hardEnd?: string
  readonly asOwner?: boolean
}

const createExample = `
  countersign grant create --as-owner --credential alice.json --to cred_… --wallet wal_… \\
    --rules agent-rules.json --expires 30d --max-uses 1000 --name "gas bot"

The rules only narrow: nothing is signed that the policies of the wallet do not permit.`

function addCreate(grant: Command): void {
  const command = grant
    .command('create')
    .requiredOption('--to <credential>', 'who may ask')
    .requiredOption('--wallet <id>', 'give it again for several', collect)
    .requiredOption('--rules <file>', 'a policy file; it narrows what the other layers permit')
    .requiredOption('--expires <time>', 'ISO 8601 in UTC, or from now on: 15m, 24h, 7d', timeOf)
    .option('--not-before <time>', 'the same; from now on where it is not given', timeOf)
    .option('--max-uses <n>', 'signatures in all', wholeNumber)
    .option('--extend-by <duration>', 'the grantee may prolong it, each time by this from then on', delayOf)
    .option('--hard-end <time>', 'with --extend-by: never beyond this', timeOf)
    .option('--name <name>', 'for people')
    .option('--as-owner', 'sign as the owner of the wallets, with --credential; without it the admins sign')
    .description('the owner of the wallets alone, or the admin quorum, whose grant loosens and so may wait')
    .addHelpText('after', createExample)
  outOption(command)
  act(command, async (context, options: CreateOptions) => {
    const call = calls.createGrant(newGrant(options))
    const answer =
      options.asOwner === true
        ? await context.client().execute(call)
        : await executeOrWrite(context, call, options)
    return reportChange(context, answer, (made) => describe(made))
  })
}

function newGrant(options: CreateOptions): NewGrant {
  const { to, wallet: wallets, rules, expires, notBefore, maxUses, name, extendBy, hardEnd } = options
  if ((extendBy === undefined) !== (hardEnd === undefined))
    throw cliError('CLI_USAGE', 'Give --extend-by and --hard-end together, or neither.')
  const keepAlive = extendBy === undefined || hardEnd === undefined ? undefined : { extendBy, hardEnd }
  return {
    to,
    wallets,
    rules: readJsonFile<object>(rules),
    expires,
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(maxUses === undefined ? {} : { maxUses }),
    ...(name === undefined ? {} : { name }),
    ...(keepAlive === undefined ? {} : { keepAlive }),
  }
}

function addList(grant: Command): void {
  const command = grant
    .command('list')
    .option('--wallet <id>', 'only those over this wallet that can still be used')
    .option('--to <credential>', 'only those to, or by, this credential that can still be used')
    .description('grants: your own, or with the power read all of them')
  act(command, async ({ output, client }, { wallet, to }: { wallet?: string; to?: string }) => {
    const query = {
      ...(wallet === undefined ? {} : { wallet }),
      ...(to === undefined ? {} : { credential: to }),
    }
    const grants = await gather(client().grants.list(query), listItemsMax)
    output.result({ grants }, () =>
      table(
        grants.map((one) => [one.id, standingOf(one), `to ${one.to}`, `until ${one.expires}`, usesOf(one)]),
      ),
    )
    return undefined
  })
}

function addShow(grant: Command): void {
  const command = grant
    .command('show')
    .argument('<id>')
    .description('one grant with its rules, proven by its journal entry')
  act(command, async ({ output, client }, _options: object, id: string) => {
    const found = await client().grants.get(id)
    output.result(found, () => [
      ...describe(found),
      ...table([
        ['now', standingOf(found)],
        ['uses', usesOf(found)],
      ]),
      JSON.stringify(found.rules, null, 2),
    ])
    return undefined
  })
}

function addRevoke(grant: Command): void {
  const command = grant
    .command('revoke')
    .argument('<id>')
    .option('--reason <text>', 'stands in the journal')
    .option('--as-admin', 'sign with the admin credential; without it with the caller’s')
    .description('end a grant at once: its grantee, the owner or one admin')
  type Options = { reason?: string; asAdmin?: boolean }
  act(command, async ({ output, client, admin }, { reason, asAdmin }: Options, id: string) => {
    const by = asAdmin === true ? admin() : client()
    const revoked = await by.grants.revoke(id, reason === undefined ? {} : { reason })
    output.result(revoked, () => [`${revoked.id} is revoked: nothing more is signed under it`])
    return undefined
  })
}

function addKeepAlive(grant: Command): void {
  const command = grant
    .command('keep-alive')
    .argument('<id>')
    .description('prolong a grant to you, up to its hard end')
  act(command, async ({ output, client }, _options: object, id: string) => {
    const kept = await client().grants.keepAlive(id)
    output.result(kept, () => [`${kept.id} holds until ${kept.expires}, hard end ${kept.keepAlive?.hardEnd}`])
    return undefined
  })
}

function describe(grant: GrantTerms): string[] {
  const { id, name, to, wallets, grantedBy, notBefore, expires, maxUses, keepAlive } = grant
  return table([
    ['grant', name === null ? id : `${id} "${name}"`],
    ['to', to],
    ['over', wallets.map((wallet) => `${wallet.id} ${wallet.address}`).join(', ')],
    [
      'by',
      'owner' in grantedBy ? `the owner, ${grantedBy.owner}` : `the quorum: ${grantedBy.quorum.join(', ')}`,
    ],
    ['from', notBefore],
    ['until', expires],
    ...(keepAlive === null ? [] : [['keep-alive', `by ${keepAlive.extendBy}, up to ${keepAlive.hardEnd}`]]),
    ['at most', maxUses === null ? 'any number of signatures' : `${maxUses} signatures`],
  ])
}

function standingOf({ state, unusable }: GrantSummary): string {
  return state === 'revoked' ? 'revoked' : unusable === null ? 'usable' : unusable
}

function usesOf({ uses, maxUses }: GrantSummary): string {
  return `${uses} of ${maxUses ?? 'any number'}`
}

/** The signer allows less; which, it says itself. */
const fromNowMsMax = 10 * 366 * 24 * 3_600_000

/** @returns ISO 8601. */
function timeOf(text: string): string {
  const delayMs = parseDelay(text, fromNowMsMax)
  if (delayMs !== undefined) return new Date(Date.now() + delayMs).toISOString()
  if (!text.endsWith('Z') || Number.isNaN(Date.parse(text)))
    throw new InvalidArgumentError(
      'Not a time such as 2027-01-31T00:00:00Z, nor one from now on such as 24h.',
    )
  return text
}
