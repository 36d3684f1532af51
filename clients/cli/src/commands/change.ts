import type { ChangeState } from '@countersign/sdk'
import { changeStates } from '@countersign/wire'
import { type Command, Option } from 'commander'
import { act, gather, listItemsMax } from '../command.ts'
import { table } from '../output.ts'

export function addChangeCommands(program: Command): void {
  const change = program.command('change').description('changes that loosen, and wait before they act')

  const list = change
    .command('list')
    .addOption(new Option('--state <state>', 'only those in this state').choices([...changeStates]))
    .description('changes that wait or have waited, oldest first')
  act(list, async ({ output, client }, { state }: { state?: ChangeState }) => {
    const changes = await gather(client().changes.list(state === undefined ? {} : { state }), listItemsMax)
    output.result({ changes }, () =>
      table(changes.map((one) => [one.id, one.state, `due ${one.dueAt}`, `${one.method} ${one.path}`])),
    )
    return undefined
  })

  const show = change
    .command('show')
    .argument('<id>')
    .description('one change: what it does, why it waits, who signed it, what became of it')
  act(show, async ({ output, client }, _options: object, id: string) => {
    const found = await client().changes.get(id)
    output.result(found, () => [
      ...table([
        ['change', found.id],
        ['request', `${found.method} ${found.path}`],
        ['state', found.state],
        ['proposed', found.proposedAt],
        ['due', found.dueAt],
        ...(found.settledAt === null ? [] : [['settled', found.settledAt]]),
        ...(found.settledBy === null ? [] : [['by', found.settledBy]]),
        ...(found.reason === null ? [] : [['reason', found.reason]]),
        ['signed by', found.credentials.join(', ')],
        ...found.loosens.map(({ rule, why }) => ['loosens', rule === undefined ? why : `${rule}: ${why}`]),
      ]),
      ...(found.body === null ? [] : [JSON.stringify(found.body, null, 2)]),
    ])
    return undefined
  })

  const veto = change
    .command('veto')
    .argument('<id>')
    .option('--reason <text>', 'stands in the journal')
    .description('stop a change that waits; one admin suffices')
  act(veto, async ({ output, admin }, { reason }: { reason?: string }, id: string) => {
    const vetoed = await admin().changes.veto(id, reason === undefined ? {} : { reason })
    output.result(vetoed, () => [`${vetoed.change} is vetoed and will not be carried out`])
    return undefined
  })
}
