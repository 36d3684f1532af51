import { calls } from '@countersign/sdk'
import { parseDelay } from '@countersign/wire'
import { type Command, InvalidArgumentError } from 'commander'
import { act, wholeNumber } from '../command.ts'
import { table } from '../output.ts'
import { reportChange } from './changed.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

export function addOrganisationCommands(program: Command): void {
  const show = program
    .command('organisation')
    .description('quorum, delay, policy for every wallet, and whether everything is frozen')
  act(show, async ({ output, client }) => {
    const found = await client().organisation.get()
    output.result(found, () =>
      table([
        ['quorum', `${found.quorum} of ${found.admins} admins`],
        ['delay of what loosens', found.looseningDelay],
        ['policy', found.policy ?? 'none'],
        ['frozen', found.frozen === null ? 'no' : `since ${found.frozen.at}: ${found.frozen.reason}`],
        ['changes that wait', String(found.pendingChanges)],
      ]),
    )
    return undefined
  })

  const quorum = program.command('quorum').description('how many admins must sign a change')
  const setQuorum = quorum
    .command('set')
    .argument('<n>', 'how many', wholeNumber)
    .option('--expected <n>', 'how many it is now; asked for where it is not given', wholeNumber)
    .description('more acts at once, fewer waits for the delay; needs the admin quorum')
  outOption(setQuorum)
  act(setQuorum, async (context, options: OutOption & { expected?: number }, wanted: number) => {
    const expected = options.expected ?? (await context.admins().organisation.get()).quorum
    const call = calls.setQuorum({ quorum: wanted, expected })
    const answer = await executeOrWrite(context, call, options)
    return reportChange(context, answer, (set) => [`${set.quorum} admins must sign a change now`])
  })

  const delay = program.command('delay').description('how long changes wait that loosen')
  const setDelay = delay
    .command('set')
    .argument('<delay>', 'for example 24h; 0s for none', delayOf)
    .option('--expected <delay>', 'what it is now; asked for where it is not given', delayOf)
    .description('longer acts at once, shorter waits for the delay that holds; needs the admin quorum')
  outOption(setDelay)
  act(setDelay, async (context, options: OutOption & { expected?: string }, wanted: string) => {
    const expected = options.expected ?? (await context.admins().organisation.get()).looseningDelay
    const call = calls.setLooseningDelay({ delay: wanted, expected })
    const answer = await executeOrWrite(context, call, options)
    return reportChange(context, answer, (set) => [`What loosens waits ${set.delay} now`])
  })
}

export function delayOf(text: string): string {
  if (parseDelay(text) === undefined)
    throw new InvalidArgumentError('Not a delay, such as 30m, 24h or 7d; at most 90d.')
  return text
}
