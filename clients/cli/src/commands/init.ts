import { join, resolve } from 'node:path'
import type { CredentialAlgorithm } from '@countersign/wire'
import { credentialAlgorithms } from '@countersign/wire'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, wholeNumber } from '../command.ts'
import { type Admin, generateAdmins, generateSecret, initSigner, writeConfigs } from '../found-deployment.ts'
import { delayOf } from './organisation.ts'

interface InitOptions {
  readonly folder: string
  readonly admins: number
  readonly admin?: Admin[]
  readonly quorum?: number
  readonly looseningDelay: string
  readonly backend: 'file' | 'memory' | 'env'
  readonly generateSecret?: string
}

export function addInitCommand(program: Command): void {
  const command = program
    .command('init')
    .description(
      'make a signer: its configuration, its first admins and their quorum, its key and its journal',
    )
    .option('--folder <folder>', 'where everything goes', 'countersign')
    .option(
      '--admins <n>',
      'make so many admin credentials here, in files readable by you only',
      wholeNumber,
      0,
    )
    .addOption(
      new Option(
        '--admin <name:algorithm:publicKey>',
        'an admin who keeps the private key; give it again for several',
      ).argParser(adminOf),
    )
    .option('--quorum <n>', 'how many admins must sign a change; by default all of them', wholeNumber)
    .option('--loosening-delay <delay>', 'how long changes wait that loosen, for example 24h', delayOf, '0s')
    .addOption(new Option('--backend <name>').choices(['file', 'memory', 'env']).default('file'))
    .option('--generate-secret <file>', 'make the secret that seals the keys, in a file readable by you only')
    .addHelpText(
      'after',
      '\nThe secret that seals the keys is read from WALLET_KEY_ENCRYPTION_SECRET, or made by --generate-secret.',
    )
  act(command, async ({ output }, options: InitOptions) => {
    const folder = resolve(options.folder)
    const given = options.admin ?? []
    if (given.length + options.admins === 0) {
      throw cliError('CLI_USAGE', 'A signer needs admins.', {
        fix: 'Give --admins 3 to make three here, or --admin for each admin who has a key already.',
      })
    }
    const secret = secretOf(options)
    const generated = await generateAdmins(join(folder, 'credentials'), options.admins)
    const admins = [...given, ...generated.map(({ admin }) => admin)]
    const quorum = options.quorum ?? admins.length
    const { backend, looseningDelay } = options
    const files = writeConfigs(folder, { admins, quorum, backend, looseningDelay })
    const { audience } = await initSigner(files.signerConfig, secret)
    const credentials = generated.map(({ file }) => file)
    output.result({ audience, quorum, looseningDelay, ...files, credentials }, () => [
      `The signer is ${audience}; ${quorum} of its ${admins.length} admins must sign a change.`,
      `signer configuration: ${files.signerConfig}`,
      `engine configuration: ${files.engineConfig}`,
      ...credentials.map((file) => `admin credential: ${file} (give it to its admin, and keep no copy here)`),
      `Next: countersign signer --config ${files.signerConfig}`,
      `      countersign engine --config ${files.engineConfig}`,
    ])
    return undefined
  })
}

function secretOf({ generateSecret: file }: InitOptions): string {
  if (file !== undefined) return generateSecret(resolve(file))
  const secret = process.env.WALLET_KEY_ENCRYPTION_SECRET
  if (secret === undefined || secret === '') {
    throw cliError('CLI_USAGE', 'WALLET_KEY_ENCRYPTION_SECRET is not set.', {
      fix: 'Set it, for example to the output of openssl rand -base64 32, or give --generate-secret FILE.',
    })
  }
  return secret
}

function adminOf(text: string, before: readonly Admin[] | undefined): Admin[] {
  const [name = '', algorithm = '', publicKey = ''] = text.split(':')
  const known = (credentialAlgorithms as readonly string[]).includes(algorithm)
  if (name === '' || !known || !/^0x[0-9a-f]{64,66}$/.test(publicKey)) {
    throw new InvalidArgumentError('Write it as name:p256:0x…')
  }
  const admin = { name, algorithm: algorithm as CredentialAlgorithm, publicKey: publicKey as `0x${string}` }
  return [...(before ?? []), admin]
}
