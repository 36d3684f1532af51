import { calls, createApiKey } from '@countersign/sdk'
import { createCredentialFile } from '@countersign/sdk/node'
import { apiKeyRateDefault, type CredentialAlgorithm, credentialAlgorithms } from '@countersign/wire'
import { type Command, Option } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type Context, wholeNumber } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { writeOwnFile } from '../settings.ts'
import { reportChange } from './changed.ts'
import { type CredentialFacts, factOptionNames, factOptions, factsOf } from './credential-facts.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

interface CreateOptions extends CredentialFacts, OutOption {
  readonly algorithm: CredentialAlgorithm
  readonly bearer?: boolean
  readonly name?: string
  readonly rate?: number
}

const bearerHelp = `
An API key is a secret: whoever sees it has it, and the engine sees it with every request. It may do only what a policy
grants to bearer. It is made on this machine; the signer gets its SHA-256.

  countersign credential create agent.json
  countersign credential create --bearer --name "payout script" --power create-wallet
  countersign credential create --bearer key.txt --name "payout script" --out request.json`

export function addCredentialCreate(credential: Command): void {
  const command = credential
    .command('create')
    .argument('[file]', 'where the private key goes; readable by you only, never overwritten')
    .addOption(
      new Option('--algorithm <name>')
        .choices([...credentialAlgorithms])
        .default('p256')
        .conflicts('bearer'),
    )
    .option('--bearer', 'an API key instead, shown once (or kept in the file); needs the admin quorum')
    .option('--name <name>', 'of the API key, for people')
    .option(
      '--rate <n>',
      `requests a minute of the API key; ${apiKeyRateDefault} where not given`,
      wholeNumber,
    )
    .description('make a key on this machine; an admin then adds its public part')
    .addHelpText('after', bearerHelp)
  factOptions(command)
  outOption(command)
  act(command, (context, options: CreateOptions, file: string | undefined) =>
    options.bearer === true ? createBearer(context, options, file) : createKey(context, options, file),
  )
}

const bearerOnly = [
  'name',
  'rate',
  'out',
  ...factOptionNames,
] as const satisfies readonly (keyof CreateOptions)[]

async function createKey(
  { output }: Context,
  options: CreateOptions,
  file: string | undefined,
): Promise<undefined> {
  const given = bearerOnly.find((option) => options[option] !== undefined)
  if (given !== undefined) {
    throw cliError('CLI_USAGE', `The option ${given} is of --bearer here.`, {
      fix: 'Give it to countersign credential add.',
    })
  }
  if (file === undefined) throw cliError('CLI_USAGE', 'No file for the private key is given.')
  const { algorithm } = options
  const { id, publicKey } = await createCredentialFile(file, algorithm)
  output.result({ id, algorithm, publicKey, file }, () => [
    `${id} (${algorithm})`,
    `public key ${publicKey}`,
    `private key in ${file}, readable by you only`,
  ])
  return undefined
}

/** The key is written before anything is sent: once the quorum has added its hash, it must not be lost. */
async function createBearer(
  context: Context,
  options: CreateOptions,
  file: string | undefined,
): Promise<number> {
  const { name, rate, out } = options
  const { output } = context
  if (name === undefined) throw cliError('CLI_USAGE', 'An API key needs a --name.')
  if (out !== undefined && file === undefined) {
    throw cliError('CLI_USAGE', 'With --out the API key needs a file of its own.', {
      fix: 'Name a file for the key: countersign credential create --bearer key.txt … --out request.json',
    })
  }
  const { apiKey, id, credential } = createApiKey()
  const call = calls.createCredential({
    ...credential,
    ...factsOf(options),
    role: 'agent',
    name,
    ...(rate === undefined ? {} : { ratePerMinute: rate }),
  })
  if (file !== undefined) {
    writeOwnFile(file, `${apiKey}\n`)
    output.note(
      `the API key of ${id} is in ${file}, readable by you only; it works once the quorum has added it`,
    )
  }
  const answer = await executeOrWrite(context, call, options)
  if (answer === undefined) return exitCodes.ok
  const shown = file === undefined ? { apiKey } : { file }
  const code = reportChange(context, { ...answer, ...shown }, () => [`${id} added as agent "${name}"`])
  if (file === undefined && !output.json) {
    output.result(undefined, () => [apiKey, 'This is the only time that the key is shown.'])
  }
  return code
}
