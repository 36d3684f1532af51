import { calls, type NewCredential, type NewPasskey } from '@countersign/sdk'
import { credentialFromFile } from '@countersign/sdk/node'
import {
  type CredentialAlgorithm,
  credentialAlgorithms,
  credentialId,
  type Role,
  verifyRegistration,
} from '@countersign/wire'
import { type Command, Option } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type Context } from '../command.ts'
import { readTextFile } from '../settings.ts'
import { reportChange } from './changed.ts'
import { type CredentialFacts, factOptions, factsOf } from './credential-facts.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

const roles = ['agent', 'grantee', 'approver', 'admin'] as const satisfies readonly Role[]
const passkeyCharsMax = 65_536

interface AddOptions extends OutOption, CredentialFacts {
  readonly file?: string
  readonly publicKey?: string
  readonly passkey?: string
  readonly algorithm: CredentialAlgorithm
  readonly role?: Role
  readonly name: string
}

type PasskeyFacts = NewPasskey['credential']

export function addCredentialAdd(credential: Command): void {
  const command = credential
    .command('add')
    .description('let a credential ask; needs the admin quorum')
    .addOption(
      new Option('--file <file>', 'a credential file on this machine').conflicts(['publicKey', 'passkey']),
    )
    .addOption(
      new Option('--public-key <hex>', 'or the public key that somebody gave you').conflicts('passkey'),
    )
    .option(
      '--passkey <file>',
      'or the response of a registration in a browser: what registerPasskey gave, as JSON',
    )
    .addOption(
      new Option('--algorithm <name>', 'of --public-key').choices([...credentialAlgorithms]).default('p256'),
    )
    .addOption(
      new Option('--role <role>', 'agent where not given, approver of a passkey').choices([...roles]),
    )
    .requiredOption('--name <name>', 'for people')
  factOptions(command)
  outOption(command)
  act(command, async (context, options: AddOptions) => {
    const wanted = await newCredential(context, options)
    const answer = await executeOrWrite(context, calls.createCredential(wanted), options)
    return reportChange(context, answer, ({ id, role, name }) => [`${id} added as ${role} "${name}"`])
  })
}

async function newCredential(context: Context, options: AddOptions): Promise<NewCredential> {
  const { file, publicKey, passkey, algorithm, role = passkey === undefined ? 'agent' : 'approver' } = options
  const rest = { role, name: options.name, ...factsOf(options) }
  if (passkey !== undefined) return { ...(await passkeyOf(context, passkey)), ...rest }
  if (file !== undefined) {
    const signer = credentialFromFile(file)
    return { algorithm: signer.algorithm, publicKey: signer.publicKey, ...rest }
  }
  if (publicKey === undefined) {
    throw cliError('CLI_USAGE', 'None of --file, --public-key and --passkey is given.')
  }
  return { algorithm, publicKey: publicKey as `0x${string}`, ...rest }
}

/** Verified here as the signer will, so that no quorum signs what is of no use; and said, as it is for good. */
async function passkeyOf({ output, admins }: Context, path: string): Promise<PasskeyFacts> {
  const passkey = readPasskey(path)
  const { registration, rpId, origins } = passkey
  const audience = await admins().audience()
  const { algorithm, publicKey } = verifyRegistration(registration, { audience, rpId, origins })
  if (algorithm !== passkey.algorithm) {
    throw cliError('CLI_FILE_UNREADABLE', `${path} names ${passkey.algorithm}, and its key is ${algorithm}.`)
  }
  output.note(
    `${credentialId(algorithm, publicKey)} (${algorithm}), of ${rpId}, used on ${origins.join(', ')}`,
  )
  return passkey
}

/** @returns `credential` of what registerPasskey gave; the file may hold that alone, or all of it. */
function readPasskey(path: string): PasskeyFacts {
  const text = readTextFile(path)
  if (text.length > passkeyCharsMax) throw noPasskey(path)
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    throw noPasskey(path)
  }
  const whole = objectOf(read, path)
  const found = whole.credential === undefined ? whole : objectOf(whole.credential, path)
  const { algorithm, rpId, origins } = found
  const { clientDataJSON, attestationObject } = objectOf(found.registration, path)
  const isPasskey =
    (algorithm === 'webauthn-p256' || algorithm === 'webauthn-ed25519') &&
    typeof rpId === 'string' &&
    Array.isArray(origins) &&
    origins.every((origin) => typeof origin === 'string') &&
    typeof clientDataJSON === 'string' &&
    typeof attestationObject === 'string'
  if (!isPasskey) throw noPasskey(path)
  return { algorithm, rpId, origins, registration: { clientDataJSON, attestationObject } }
}

function objectOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw noPasskey(path)
  return value as Readonly<Record<string, unknown>>
}

function noPasskey(path: string) {
  return cliError('CLI_FILE_UNREADABLE', `${path} is not what registerPasskey gave.`, {
    fix: 'Save JSON.stringify(passkey.credential) of the page in which the passkey was made.',
  })
}
