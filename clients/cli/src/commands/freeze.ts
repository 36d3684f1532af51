import { calls } from '@countersign/sdk'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act } from '../command.ts'
import { reportChange } from './changed.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

interface WalletOption {
  readonly wallet?: string
}

export function addFreezeCommands(program: Command): void {
  const freeze = program
    .command('freeze')
    .requiredOption('--reason <text>', 'why; stands in the journal and in every refusal')
    .option('--wallet <id>', 'only this wallet; without it everything')
    .description('stop signing at once; any one admin, or a credential with the power freeze')
  act(freeze, async ({ output, admin }, { reason, wallet }: WalletOption & { reason: string }) => {
    const answer = await admin().freeze({ reason, ...(wallet === undefined ? {} : { wallet }) })
    output.result(answer, () => [
      `${wallet ?? 'everything'} is frozen since ${answer.frozen.at}, by ${answer.frozen.by}`,
      `The admin quorum lifts it: countersign thaw${wallet === undefined ? '' : ` --wallet ${wallet}`} --expected ${answer.frozen.at}`,
    ])
    return undefined
  })

  const thaw = program
    .command('thaw')
    .option('--wallet <id>', 'only this wallet; without it everything')
    .option('--expected <time>', 'when it was frozen: what is lifted; asked for where it is not given')
    .description('let signing go on; needs the admin quorum')
  outOption(thaw)
  act(thaw, async (context, options: OutOption & WalletOption & { expected?: string }) => {
    const { wallet } = options
    if (wallet !== undefined && options.expected === undefined) {
      throw cliError(
        'CLI_USAGE',
        'For a wallet --expected is needed: its custody statement says when it was frozen.',
      )
    }
    const expected = options.expected ?? (await context.admins().organisation.get()).frozen?.at
    if (expected === undefined) throw cliError('CLI_USAGE', 'Nothing is frozen.')
    const call = calls.thaw({ expected, ...(wallet === undefined ? {} : { wallet }) })
    const answer = await executeOrWrite(context, call, options)
    return reportChange(context, answer, () => [`${wallet ?? 'everything'} is no longer frozen`])
  })
}
