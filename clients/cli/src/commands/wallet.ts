import type { NewWallet, Wallet } from '@countersign/sdk'
import { userIdentifierTypes } from '@countersign/wire'
import { type Command, Option } from 'commander'
import { act, gather, type RequestOptions, wholeNumber } from '../command.ts'
import { table } from '../output.ts'

interface CreateOptions extends Omit<NewWallet, 'type'>, Pick<RequestOptions, 'requestId'> {
  readonly type: 'EVM' | 'SOLANA'
}

const walletsPerPage = 100

export function addWalletCommands(program: Command): void {
  const wallet = program.command('wallet').description('keys that sign, each under its policy')

  const create = wallet
    .command('create')
    .description('make a wallet; it signs nothing until a policy permits it')
    .addOption(new Option('--type <type>').choices(['EVM', 'SOLANA']).default('EVM'))
    .option('--name <name>')
    .option('--policy <id>', 'the policy that decides for it')
    .option('--user-identifier <text>', 'whom it is for, before that person has signed up')
    .addOption(new Option('--user-identifier-type <type>').choices([...userIdentifierTypes]))
    .option('--request-id <id>', 'same id and content, same wallet: makes a repetition safe')
  act(create, async ({ output, client }, options: CreateOptions) => {
    const { type, name, policy, userIdentifier, userIdentifierType, requestId } = options
    const given = JSON.parse(
      JSON.stringify({ name, policy, userIdentifier, userIdentifierType }),
    ) as NewWallet
    const made = await client().wallets.create(
      { type, ...given },
      requestId === undefined ? {} : { requestId },
    )
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

function describe({ id, address, type, policy, backend, name }: Wallet): string[] {
  const named = name ? [['name', name]] : []
  return table([
    ['wallet', id],
    ['address', address],
    ['type', type],
    ['policy', policy ?? 'none: it signs nothing'],
    ['backend', backend],
    ...named,
  ])
}
