import { calls } from '@countersign/sdk'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, collect, found, gather, listItemsMax } from '../command.ts'
import { table } from '../output.ts'
import { reportChange } from './changed.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

interface SetOptions extends OutOption {
  readonly wallet?: readonly string[]
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
  readonly policy?: string
}

export function addWalletGroupCommands(program: Command): void {
  const group = program.command('wallet-group').description('wallets that share a policy layer and totals')

  const set = group
    .command('set')
    .argument('<id>')
    .option('--wallet <id>', 'all of its wallets: give it again for each', collect)
    .option('--add <id>', 'a wallet more than now; give it again for several', collect)
    .option('--remove <id>', 'a wallet less; give it again for several', collect)
    .option('--policy <id>', 'its policy, or "none"; left out: as it is')
    .description('say which wallets make a group, and under which policy; needs the admin quorum')
  outOption(set)
  act(set, async (context, options: SetOptions, id: string) => {
    const { wallet, add = [], remove = [], policy } = options
    if (wallet !== undefined && add.length + remove.length > 0) {
      throw cliError('CLI_USAGE', 'Give either --wallet for all of them, or --add and --remove.')
    }
    const before = await found(context.admins().walletGroups.get(id))
    const members = wallet ?? [...(before?.wallets ?? []).filter((one) => !remove.includes(one)), ...add]
    const call = calls.putWalletGroup({
      id,
      wallets: [...new Set(members)],
      policy: policy === undefined ? (before?.policy ?? null) : policy === 'none' ? null : policy,
      expected: before?.hash ?? null,
    })
    const answer = await executeOrWrite(context, call, options)
    return reportChange(context, answer, (put) => [
      `${put.id} version ${put.version}: ${put.wallets.length} wallets under ${put.policy ?? 'no policy of its own'}`,
    ])
  })

  const show = group
    .command('show')
    .argument('[id]', 'all of them where it is not given')
    .description('groups of wallets')
  act(show, async ({ output, client }, _options: object, id: string | undefined) => {
    if (id !== undefined) {
      const one = await client().walletGroups.get(id)
      output.result(one, () => [
        `${one.id} version ${one.version}, policy ${one.policy ?? 'none'}`,
        ...one.wallets,
      ])
      return undefined
    }
    const groups = await gather(client().walletGroups.list(), listItemsMax)
    output.result({ groups }, () =>
      table(groups.map((one) => [one.id, `v${one.version}`, `${one.size} wallets`, one.policy ?? '-'])),
    )
    return undefined
  })
}
