import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { cliError } from '../catalogue.ts'
import { act } from '../command.ts'
import { engineEntry, signerEntry } from '../daemons.ts'
import { readJsonFile } from '../settings.ts'

const secretCharsMax = 10_000

export function addProcessCommands(program: Command): void {
  const signer = program.command('signer').description('the process that holds the keys')
  const run = signer
    .command('run', { isDefault: true })
    .requiredOption('--config <file>', 'as countersign init made it')
    .description('run it; sealed until it is unsealed where WALLET_KEY_ENCRYPTION_SECRET is not set')
  act(run, (_context, { config }: { config: string }) => runEntry(signerEntry(), ['run', '--config', config]))

  const unseal = signer
    .command('unseal')
    .requiredOption('--config <file>', 'of the signer that runs')
    .description('give a sealed signer its secret, read from standard input')
  act(unseal, async ({ output }, { config }: { config: string }) => {
    const secret = (await readStandardInput()).replace(/\r?\n$/, '')
    const answer = await postToSocket(socketOf(config), '/v1/unseal', { secret })
    output.result(answer, () => [`The signer is ${String(answer.phase)}.`])
    return undefined
  })

  const engine = program
    .command('engine')
    .requiredOption('--config <file>')
    .description('run the public API; it holds no key and no credential')
  act(engine, (_context, { config }: { config: string }) => runEntry(engineEntry(), ['--config', config]))
}

/** The process takes this one's place: same streams, same environment, its exit code. */
async function runEntry(entry: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [entry, ...args], { stdio: 'inherit' })
  const forward = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGTERM', forward)
  process.on('SIGINT', forward)
  return new Promise((settle, reject) => {
    child.on('error', reject)
    child.on('close', (code) => settle(code ?? 1))
  })
}

function socketOf(config: string): string {
  const { socket, dataDir } = readJsonFile<{ socket?: string; dataDir?: string }>(config)
  const directory = process.env.WALLET_ENGINE_DATA_DIR ?? dataDir ?? '.'
  return socket === undefined
    ? resolve(config, '..', directory, 'run/signer.sock')
    : resolve(config, '..', socket)
}

async function readStandardInput(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.length > secretCharsMax) throw cliError('CLI_USAGE', 'Standard input is too long for a secret.')
  }
  if (text.trim() === '') {
    throw cliError('CLI_USAGE', 'No secret came on standard input.', {
      fix: 'For example: countersign signer unseal --config signer.json < secret-file',
    })
  }
  return text
}

/** @throws {CountersignError} CLI_PROCESS_FAILED with what the signer answered */
function postToSocket(socketPath: string, path: string, body: object): Promise<Record<string, unknown>> {
  return new Promise((settle, reject) => {
    const options = { socketPath, path, method: 'POST', headers: { 'content-type': 'application/json' } }
    const sent = request(options, async (response) => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      try {
        const answer = JSON.parse(text) as Record<string, unknown> & {
          error?: { code: string; message: string; fix: string }
        }
        if (answer.error === undefined) return settle(answer)
        const { code, message, fix } = answer.error
        reject(cliError('CLI_PROCESS_FAILED', `${code}: ${message}`, { fix }))
      } catch (cause) {
        reject(
          cliError('CLI_PROCESS_FAILED', `The signer answered ${response.statusCode} without JSON.`, {
            cause,
          }),
        )
      }
    })
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      const message = `The signer does not answer on ${socketPath} (${cause.code}).`
      reject(cliError('CLI_PROCESS_FAILED', message, { fix: 'Start it with countersign signer.', cause }))
    })
    sent.end(JSON.stringify(body))
  })
}
