import type { BlastRadiusAnswer, WalletBlastRadius } from '@countersign/sdk'
import type { Command } from 'commander'
import { act } from '../command.ts'

const walletsPerPage = 100

const whatItSays = `
What could leave each wallet, at most, if an attacker had all of these. A figure is an upper bound: the truth may be
less, never more. "Unbounded" is said with the rule that causes it. The signer computes it from the policies in force.

  countersign blast-radius --if-owned engine,agent-7`

/** What a break-in could cost, as a figure. */
export function addBlastRadiusCommand(program: Command): void {
  const command = program
    .command('blast-radius')
    .requiredOption('--if-owned <list>', 'engine, signer, and ids or names of credentials, comma-separated')
    .option('--wallet <id>', 'one wallet; all of them where it is not given')
    .description('the most that a break-in could move, from the policies in force')
    .addHelpText('after', whatItSays)
  type Options = { ifOwned: string; wallet?: string }
  act(command, async ({ output, client }, { ifOwned, wallet }: Options) => {
    const owned = ifOwned.split(',').map((name) => name.trim())
    const wallets: WalletBlastRadius[] = []
    let assumptions: readonly string[] = []
    let cursor: string | undefined
    do {
      const page: BlastRadiusAnswer = await client().blastRadius({
        owned,
        limit: walletsPerPage,
        ...(wallet === undefined ? {} : { walletId: wallet }),
        ...(cursor === undefined ? {} : { cursor }),
      })
      wallets.push(...page.wallets)
      assumptions = page.assumptions
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined && wallet === undefined)
    output.result({ owned, assumptions, wallets }, () => [
      `If these are owned: ${owned.join(', ')}`,
      ...assumptions.map((line) => `  ${line}`),
      ...wallets.flatMap(({ walletId, address, lines }) => [
        '',
        `${walletId} (${address})`,
        ...lines.map((line) => `  ${line}`),
      ]),
    ])
    return undefined
  })
}
