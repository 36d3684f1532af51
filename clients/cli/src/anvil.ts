import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { cliError } from './catalogue.ts'
import { type StartedProcess, startProcess } from './child-process.ts'
import { freePort } from './free-port.ts'

export interface LocalChain {
  readonly url: string
  readonly chainId: number
  readonly process: StartedProcess
}

export interface LocalChainOptions {
  readonly port?: number
  readonly chainId?: number
  /** Seconds between blocks; without it every transaction is mined at once. */
  readonly blockTimeS?: number
}

const upTimeoutMs = 15_000
const pollMs = 25

/** Starts anvil, a local Ethereum node with funded accounts.
 * @throws {CountersignError} CLI_PROCESS_FAILED */
export async function startLocalChain(options: LocalChainOptions = {}): Promise<LocalChain> {
  const { chainId = 31337, blockTimeS } = options
  const command = findAnvil()
  if (command === undefined) {
    throw cliError('CLI_PROCESS_FAILED', 'anvil is not installed.', {
      fix: 'npm install --save-dev @foundry-rs/anvil, or leave out --anvil and give --chain.',
    })
  }
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  if ((await chainIdAt(url)) !== undefined) {
    throw cliError('CLI_PROCESS_FAILED', `Something answers at ${url} already.`, {
      fix: 'Choose another port.',
    })
  }
  const args = ['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId), '--silent']
  if (blockTimeS !== undefined) args.push('--block-time', String(blockTimeS))
  const started = startProcess({ name: 'anvil', command, args })
  started.stdout.resume()
  const ended = started.ended.then(() => 'ended' as const)
  const endMs = Date.now() + upTimeoutMs
  while ((await chainIdAt(url)) !== chainId) {
    const state = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, pollMs))])
    if (state === 'ended' || Date.now() > endMs) {
      await started.kill()
      throw cliError('CLI_PROCESS_FAILED', `anvil did not start.\n${started.errorOutput()}`.trim())
    }
  }
  return { url, chainId, process: started }
}

/** The program itself rather than npm's wrapper, which would leave it running when killed. */
export function findAnvil(): string | undefined {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    for (const platform of ['linux-amd64', 'linux-arm64', 'darwin-arm64', 'darwin-amd64']) {
      try {
        const found = createRequire(from).resolve(`@foundry-rs/anvil-${platform}/package.json`)
        const program = join(dirname(found), 'bin', 'anvil')
        if (existsSync(program)) return program
      } catch {
        // Not installed for this platform.
      }
    }
  }
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, 'anvil')).find((program) => existsSync(program))
}

async function chainIdAt(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
    })
    const { result } = (await response.json()) as { result?: string }
    return result === undefined ? undefined : Number(result)
  } catch {
    return undefined
  }
}
