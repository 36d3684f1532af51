import { calls } from '@countersign/sdk'
import { credentialFromFile } from '@countersign/sdk/node'
import type { Command } from 'commander'
import { act, gather, listItemsMax } from '../command.ts'
import { table } from '../output.ts'
import { addCredentialAdd } from './credential-add.ts'
import { addCredentialCreate } from './credential-create.ts'
import { addCredentialRotate } from './credential-rotate.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

export function addCredentialCommands(program: Command): void {
  const credential = program.command('credential').description('keys that may ask the signer for something')
  addCredentialCreate(credential)
  addShow(credential)
  addList(credential)
  addCredentialAdd(credential)
  addCredentialRotate(credential)
  addRevoke(credential)
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
