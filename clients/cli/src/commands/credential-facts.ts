import type { Attribution, NewCredential, Power } from '@countersign/sdk'
import { powers } from '@countersign/wire'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { collect } from '../command.ts'

/** What a credential of any kind may have beside its key, its role and its name. */
export interface CredentialFacts {
  readonly power?: readonly Power[]
  readonly agent?: string
  readonly workflow?: string
  readonly operator?: string
  readonly expiresAt?: string
  readonly walletPolicy?: string
}

export const factOptionNames = [
  'power',
  'agent',
  'workflow',
  'operator',
  'expiresAt',
  'walletPolicy',
] as const satisfies readonly (keyof CredentialFacts)[]

export function factOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--power <power>', `give it again for several: ${powers.join(', ')}`).argParser(collect),
    )
    .option('--agent <name>', 'attribution: stands in each of its journal entries')
    .option('--workflow <name>', 'attribution')
    .option('--operator <name>', 'attribution')
    .option('--expires-at <time>', 'when it ends by itself, for example 2027-01-01T00:00:00Z', timeOf)
    .option('--wallet-policy <id>', 'the policy of wallets that it makes without naming one')
}

type Facts = Pick<NewCredential, 'powers' | 'attribution' | 'expiresAt' | 'walletPolicy'>

export function factsOf(options: CredentialFacts): Facts {
  const { power = [], agent, workflow, operator, expiresAt, walletPolicy } = options
  return {
    powers: power,
    attribution: JSON.parse(JSON.stringify({ agent, workflow, operator })) as Attribution,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(walletPolicy === undefined ? {} : { walletPolicy }),
  }
}

function timeOf(text: string): string {
  // Without its offset it would be a time that depends on where this machine is.
  const hasOffset = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)
  const ms = Date.parse(text)
  if (!hasOffset || Number.isNaN(ms)) throw new InvalidArgumentError('Not a time with its offset.')
  return new Date(ms).toISOString()
}
