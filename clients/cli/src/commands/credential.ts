import { type Attribution, calls, type NewCredential } from '@countersign/sdk'
import { createCredentialFile, credentialFromFile } from '@countersign/sdk/node'
import {
  type CredentialAlgorithm,
  credentialAlgorithms,
  type Power,
  powers,
  type Role,
} from '@countersign/wire'
import { type Command, Option } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, collect, gather, listItemsMax } from '../command.ts'
import { table } from '../output.ts'
import { reportChange } from './changed.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

const roles = ['agent', 'approver', 'admin'] as const satisfies readonly Role[]

export function addCredentialCommands(program: Command): void {
  const credential = program.command('credential').description('keys that may ask the signer for something')
  addCreate(credential)
  addShow(credential)
  addList(credential)
  addAdd(credential)
  addRevoke(credential)
}

function addCreate(credential: Command): void {
  const command = credential
    .command('create')
    .argument('<file>', 'where the private key goes; readable by you only, never overwritten')
    .addOption(new Option('--algorithm <name>').choices([...credentialAlgorithms]).default('p256'))
    .description('make a key on this machine; an admin then adds its public part')
  act(command, async ({ output }, { algorithm }: { algorithm: CredentialAlgorithm }, file: string) => {
    const { id, publicKey } = await createCredentialFile(file, algorithm)
    output.result({ id, algorithm, publicKey, file }, () => [
      `${id} (${algorithm})`,
      `public key ${publicKey}`,
      `private key in ${file}, readable by you only`,
    ])
    return undefined
  })
}

function addShow(credential: Command): void {
  const command = credential
    .command('show')
    .argument('<file>')
    .description('id and public key of a credential file')
  act(command, ({ output }, _options: object, file: string) => {
    const { id, algorithm, publicKey } = credentialFromFile(file)
    output.result({ id, algorithm, publicKey }, () => [`${id} (${algorithm})`, `public key ${publicKey}`])
    return undefined
  })
}

function addList(credential: Command): void {
  const command = credential.command('list').description('every credential that the signer knows')
  act(command, async ({ output, client }) => {
    const credentials = await gather(client().credentials.list(), listItemsMax)
    output.result({ credentials }, () =>
      table(
        credentials.map(({ id, role, status, name, powers: held }) => [
          id,
          role,
          status,
          name,
          held.join(','),
        ]),
      ),
    )
    return undefined
  })
}

interface AddOptions extends OutOption {
  readonly file?: string
  readonly publicKey?: string
  readonly algorithm: CredentialAlgorithm
  readonly role: Role
  readonly name: string
  readonly power?: Power[]
  readonly agent?: string
  readonly workflow?: string
  readonly operator?: string
}

function addAdd(credential: Command): void {
  const command = credential
    .command('add')
    .description('let a credential ask; needs the admin quorum')
    .option('--file <file>', 'a credential file on this machine')
    .option('--public-key <hex>', 'or the public key that somebody gave you')
    .addOption(
      new Option('--algorithm <name>', 'of --public-key').choices([...credentialAlgorithms]).default('p256'),
    )
    .addOption(new Option('--role <role>').choices([...roles]).default('agent'))
    .requiredOption('--name <name>', 'for people')
    .addOption(
      new Option('--power <power>', `give it again for several: ${powers.join(', ')}`).argParser(collect),
    )
    .option('--agent <name>', 'attribution: stands in each of its journal entries')
    .option('--workflow <name>', 'attribution')
    .option('--operator <name>', 'attribution')
  outOption(command)
  act(command, async (context, options: AddOptions) => {
    const answer = await executeOrWrite(context, calls.createCredential(newCredential(options)), options)
    return reportChange(context, answer, ({ id, role, name }) => [`${id} added as ${role} "${name}"`])
  })
}

function newCredential(options: AddOptions): NewCredential {
  const { file, publicKey, role, name, power = [], agent, workflow, operator } = options
  const attribution = JSON.parse(JSON.stringify({ agent, workflow, operator })) as Attribution
  const rest = { role, name, powers: power, attribution }
  if (file !== undefined) {
    const signer = credentialFromFile(file)
    return { algorithm: signer.algorithm, publicKey: signer.publicKey, ...rest }
  }
  if (publicKey === undefined) throw cliError('CLI_USAGE', 'Neither --file nor --public-key is given.')
  return { algorithm: options.algorithm, publicKey: publicKey as `0x${string}`, ...rest }
}

function addRevoke(credential: Command): void {
  const command = credential
    .command('revoke')
    .argument('<id>')
    .description('never let it ask again; needs the admin quorum')
  outOption(command)
  act(command, async (context, options: OutOption, id: string) => {
    const answer = await executeOrWrite(context, calls.revokeCredential(id), options)
    if (answer !== undefined) context.output.result(answer, () => [`${answer.id} is revoked`])
    return undefined
  })
}
