import { type Call, type CountersignClient, cosignRequest } from '@countersign/sdk'
import { credentialFromFile } from '@countersign/sdk/node'
import { parseRequestSignatures, quorumLifetimeS, type SignedRequest } from '@countersign/wire'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act, type Context } from '../command.ts'
import { readJsonFile, writeOwnFile } from '../settings.ts'
import { reportChange } from './changed.ts'

/** A request that is on its way from admin to admin. Every one of them signs exactly these bytes. */
interface RequestFile {
  readonly version: 1
  readonly request: SignedRequest
}

export interface OutOption {
  readonly out?: string
}

export function outOption(command: Command): Command {
  return command.option('--out <file>', 'write the request, with one signature, for other admins to cosign')
}

/** Sends an administrative call, or writes it for the rest of the quorum. @returns undefined where it was written. */
export async function executeOrWrite<Answer>(
  context: Context,
  call: Call<Answer>,
  { out }: OutOption,
): Promise<Answer | undefined> {
  const admins: CountersignClient = context.admins()
  if (out === undefined) return admins.execute(call)
  writeForCosigners(context, await admins.prepare(call), out)
  return undefined
}

export function writeForCosigners({ output }: Context, request: SignedRequest, out: string): void {
  writeRequest(out, request, false)
  const summary = summaryOf(request)
  const count = summary.signedBy.length
  output.result({ file: out, ...summary }, () => [
    `${out} holds the request with ${count} ${count === 1 ? 'signature' : 'signatures'}; it is valid for ${quorumLifetimeS / 3600} hours.`,
    `Next: countersign cosign ${out} --credential FILE, by each other admin; then countersign submit ${out}`,
  ])
}

export function addQuorumCommands(program: Command): void {
  const cosign = program
    .command('cosign')
    .argument('<file>', 'a request file that another admin made')
    .option('--show', 'only show what it asks for')
    .description('add your signature to a request of the admin quorum')
  act(cosign, async ({ output, settings }, { show }: { show?: boolean }, file: string) => {
    let request = readRequest(file)
    if (show !== true) {
      if (settings.adminFiles.length === 0) throw cliError('CLI_NOT_CONFIGURED', 'No credential is given.')
      for (const path of settings.adminFiles) {
        request = await cosignRequest(request, credentialFromFile(path), { lifetimeS: quorumLifetimeS })
      }
      parseRequestSignatures(request)
      writeRequest(file, request, true)
    }
    output.result({ file, ...summaryOf(request), body: request.body }, () => [
      `${request.method} ${request.path}`,
      request.body,
      `signed by ${signersOf(request).join(', ')}`,
    ])
    return undefined
  })

  const submit = program
    .command('submit')
    .argument('<file>', 'a request file with enough signatures')
    .description('send a request of the admin quorum')
  act(submit, async ({ output, admins }, _options: object, file: string) => {
    const answer = await admins().submit(readRequest(file))
    return reportChange(
      { output },
      typeof answer === 'object' && answer !== null ? answer : { answer },
      (sent) => [JSON.stringify(sent, null, 2)],
    )
  })
}

function readRequest(file: string): SignedRequest {
  const { version, request } = readJsonFile<Partial<RequestFile>>(file)
  if (version !== 1 || request === undefined)
    throw cliError('CLI_FILE_UNREADABLE', `${file} is no request file.`)
  // Whoever signs next must see an untampered request: form, digest and labels are checked before.
  parseRequestSignatures(request)
  return request
}

function writeRequest(file: string, request: SignedRequest, overwrite: boolean): void {
  const content: RequestFile = { version: 1, request }
  writeOwnFile(file, `${JSON.stringify(content, null, 2)}\n`, { overwrite })
}

function summaryOf(request: SignedRequest) {
  const { audience, requestId, digest } = parseRequestSignatures(request)
  return {
    method: request.method,
    path: request.path,
    audience,
    requestId,
    digest,
    signedBy: signersOf(request),
  }
}

function signersOf(request: SignedRequest): string[] {
  return parseRequestSignatures(request).signatures.map(({ credentialId }) => credentialId)
}
