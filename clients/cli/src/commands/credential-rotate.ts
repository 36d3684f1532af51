import { existsSync } from 'node:fs'
import { calls, cosignRequest } from '@countersign/sdk'
import { createCredentialFile, credentialFromFile } from '@countersign/sdk/node'
import {
  type CredentialAlgorithm,
  credentialAlgorithms,
  overlapSMax,
  parseDelay,
  quorumLifetimeS,
} from '@countersign/wire'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { act } from '../command.ts'
import { type OutOption, outOption, writeForCosigners } from './quorum.ts'

interface RotateOptions extends OutOption {
  readonly algorithm: CredentialAlgorithm
  readonly overlap?: number
  readonly admin?: boolean
}

const rotateHelp = `
The credential that signs is the one that is replaced. Policies and running totals go on as before. A file that is there
already is used as it is, so a rotation that failed on the way can be tried again.

  countersign credential rotate new.json --credential old.json --overlap 1h
  countersign credential rotate new.json --admin --credential old.json --credential other-admin.json
  countersign credential rotate new.json --admin --credential old.json --out request.json

A passkey is rotated in its browser (credentials.rotate of the SDK). An API key is not: add another, revoke the first.`

export function addCredentialRotate(credential: Command): void {
  const command = credential
    .command('rotate')
    .argument('<file>', 'where the new private key goes; readable by you only')
    .addOption(
      new Option('--algorithm <name>', 'of the new key').choices([...credentialAlgorithms]).default('p256'),
    )
    .option('--overlap <time>', 'for how long the old key goes on, for example 1h; agents only', overlapOf)
    .option('--admin', 'replace the first admin credential; the others sign too')
    .description('put a new key in the place of your own; an admin needs the admin quorum')
    .addHelpText('after', rotateHelp)
  outOption(command)
  act(command, async (context, options: RotateOptions, file: string) => {
    const { overlap, out } = options
    const client = options.admin === true || out !== undefined ? context.admins() : context.client()
    const isNew = !existsSync(file)
    const next = isNew ? await createCredentialFile(file, options.algorithm) : credentialFromFile(file)
    if (isNew) context.output.note(`the new private key is in ${file}, readable by you only`)
    const { algorithm, publicKey } = next
    const rotation = { algorithm, publicKey, ...(overlap === undefined ? {} : { overlapS: overlap }) }
    if (out !== undefined) {
      const old = client.credential?.id ?? ''
      const request = await client.prepare(calls.rotateCredential({ ...rotation, id: old }))
      writeForCosigners(context, await cosignRequest(request, next, { lifetimeS: quorumLifetimeS }), out)
      return undefined
    }
    const answer = await client.credentials.rotate(next, rotation)
    const { replaced } = answer
    context.output.result({ ...answer, file }, () => [
      `${answer.id} takes the place of ${replaced.id}`,
      replaced.status === 'active'
        ? `the old key goes on until ${replaced.expiresAt}`
        : 'the old key has ended',
      `from now on: --credential ${file}, or "credential" in .countersign/config.json`,
    ])
    return undefined
  })
}

function overlapOf(text: string): number {
  const ms = parseDelay(text)
  if (ms === undefined || ms > overlapSMax * 1000) {
    throw new InvalidArgumentError('Not a time, such as 30m, 24h or 7d; at most 7d.')
  }
  return Math.floor(ms / 1000)
}
