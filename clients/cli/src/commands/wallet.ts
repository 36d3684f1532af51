import { calls, type NewWallet, type Wallet } from '@countersign/sdk'
import { bitcoinForms, userIdentifierTypes, walletTypes } from '@countersign/wire'
import { type Command, Option } from 'commander'
import { act, gather, type RequestOptions, wholeNumber } from '../command.ts'
import { table } from '../output.ts'
import { reportChange } from './changed.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

interface CreateOptions extends NewWallet, Pick<RequestOptions, 'requestId'> {}

const walletsPerPage = 100

export function addWalletCommands(program: Command): void {
  const wallet = program.command('wallet').description('keys that sign, each under its policy')

  const create = wallet
    .command('create')
    .description('make a wallet; it signs nothing until a policy permits it')
    .addOption(new Option('--type <type>').choices([...walletTypes]).default('EVM'))
    .option('--chain <id>', 'SOLANA, BITCOIN: its one network (CAIP-2), for good; the main one by default')
    .addOption(new Option('--form <form>', 'BITCOIN: how its coins are locked').choices([...bitcoinForms]))
    .option('--name <name>')
    .option('--policy <id>', 'the policy that decides for it')
    .option('--owner <credential>', 'who may grant over it alone')
    .option('--user-identifier <text>', 'whom it is for, before that person has signed up')
    .addOption(new Option('--user-identifier-type <type>').choices([...userIdentifierTypes]))
    .option('--request-id <id>', 'same id and content, same wallet: makes a repetition safe')
  act(create, async ({ output, client }, options: CreateOptions) => {
    const { requestId } = options
    const { type, chain, form, name, policy, owner, userIdentifier, userIdentifierType } = options
    const given = JSON.parse(
      JSON.stringify({ type, chain, form, name, policy, owner, userIdentifier, userIdentifierType }),
    ) as NewWallet
    const made = await client().wallets.create(given, requestId === undefined ? {} : { requestId })
    output.result(made, () => describe(made))
    return undefined
  })

  const get = wallet.command('get').argument('<id>').description('one wallet')
  act(get, async ({ output, client }, _options: object, id: string) => {
    const found = await client().wallets.get(id)
    output.result(found, () => describe(found))
    return undefined
  })

  const list = wallet
    .command('list')
    .option('--limit <n>', 'at most so many', wholeNumber, 100)
    .option('--user-identifier <text>')
    .addOption(new Option('--user-identifier-type <type>').choices([...userIdentifierTypes]))
    .description('wallets, newest page by page')
  act(
    list,
    async (
      { output, client },
      options: { limit: number } & Pick<NewWallet, 'userIdentifier' | 'userIdentifierType'>,
    ) => {
      const { limit, ...filter } = options
      const query = { ...pick(filter), limit: Math.min(limit, walletsPerPage) }
      const wallets = await gather(client().wallets.list(query), limit)
      output.result({ wallets }, () =>
        table(wallets.map(({ id, address, policy, name }) => [id, address, policy ?? '-', name ?? ''])),
      )
      return undefined
    },
  )

  const owner = wallet
    .command('owner')
    .argument('<wallet>')
    .argument('<credential>', 'the new owner, or "none"')
    .requiredOption('--expected <credential>', 'the owner that it has now, or "none"')
    .option('--as-owner', 'sign as the present owner, with --credential; without it the admins sign')
    .description('say who may grant over a wallet; the owner alone, or the admin quorum where there is none')
  outOption(owner)
  type OwnerOptions = OutOption & { expected: string; asOwner?: boolean }
  act(owner, async (context, options: OwnerOptions, walletId: string, next: string) => {
    const named = (text: string) => (text === 'none' ? null : text)
    const call = calls.setWalletOwner({ walletId, owner: named(next), expected: named(options.expected) })
    const answer =
      options.asOwner === true
        ? await context.client().execute(call)
        : await executeOrWrite(context, call, options)
    return reportChange(context, answer, (set) => [`${set.walletId} is owned by ${set.owner ?? 'nobody'}`])
  })

  const custody = program
    .command('custody')
    .argument('<wallet>')
    .description('who can sign for a wallet, and what a break-in could move: signed by the signer')
  act(custody, async ({ output, client }, _options: object, id: string) => {
    const statement = await client().custody.get(id)
    output.result(statement, () => [JSON.stringify(statement, null, 2)])
    return undefined
  })
}

function pick({
  userIdentifier,
  userIdentifierType,
}: Pick<NewWallet, 'userIdentifier' | 'userIdentifierType'>) {
  return {
    ...(userIdentifier === undefined ? {} : { userIdentifier }),
    ...(userIdentifierType === undefined ? {} : { userIdentifierType }),
  }
}

function describe({ id, address, type, chains, form, policy, backend, name }: Wallet): string[] {
  const named = name ? [['name', name]] : []
  return table([
    ['wallet', id],
    ['address', address],
    ['type', form === undefined ? type : `${type} ${form}`],
    ['chain', chains.join(' ')],
    ['policy', policy ?? 'none: it signs nothing'],
    ['backend', backend],
    ...named,
  ])
}
