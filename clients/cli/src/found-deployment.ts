import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from '@countersign/bytes'
import { createCredentialFile } from '@countersign/sdk/node'
import type { CredentialAlgorithm } from '@countersign/wire'
import { runToEnd } from './child-process.ts'
import { signerEntry } from './daemons.ts'
import { writeOwnFile } from './settings.ts'

/** What the signer's first journal entry names: who may change anything. */
export interface Admin {
  readonly name: string
  readonly algorithm: CredentialAlgorithm
  readonly publicKey: Hex
}

export interface DeploymentFiles {
  readonly signerConfig: string
  readonly engineConfig: string
  readonly socket: string
}

export interface Chain {
  /** CAIP-2. */
  readonly id: string
  readonly rpc: string
}

export interface FoundingOptions {
  readonly admins: readonly Admin[]
  readonly quorum: number
  /** How long changes wait that loosen; left out: not at all. */
  readonly looseningDelay?: string
  readonly backend: 'file' | 'memory' | 'env'
  readonly port?: number
  readonly databaseUrl?: string
  readonly chains?: readonly Chain[]
}

export const defaultPort = 8720
const secretBytes = 32

/** Makes admin credentials in `folder`, each in its own file readable by its owner only. */
export async function generateAdmins(
  folder: string,
  count: number,
): Promise<{ admin: Admin; file: string }[]> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const made: { admin: Admin; file: string }[] = []
  for (let i = 1; i <= count; i++) {
    const name = count === 1 ? 'admin' : `admin-${i}`
    const file = join(folder, `${name}.json`)
    const { algorithm, publicKey } = await createCredentialFile(file)
    made.push({ admin: { name, algorithm, publicKey }, file })
  }
  return made
}

/** @throws {CountersignError} CLI_FILE_EXISTS */
export function generateSecret(file: string): string {
  const secret = randomBytes(secretBytes).toString('base64')
  writeOwnFile(file, `${secret}\n`)
  return secret
}

/** Writes the two configurations. They hold no secret but for a password that `databaseUrl` may carry (so: 0600).
 * @throws {CountersignError} CLI_FILE_EXISTS where there is a signer's already */
export function writeConfigs(folder: string, options: FoundingOptions): DeploymentFiles {
  const { admins, quorum, backend, looseningDelay = '0s' } = options
  const files = {
    signerConfig: join(folder, 'signer.json'),
    engineConfig: join(folder, 'engine.json'),
    socket: join(folder, 'signer', 'run', 'signer.sock'),
  }
  const signer = {
    dataDir: join(folder, 'signer'),
    socket: files.socket,
    backend,
    admins,
    quorum,
    looseningDelay,
  }
  writeOwnFile(files.signerConfig, `${JSON.stringify(signer, null, 2)}\n`)
  writeEngineConfig(folder, files, options)
  return files
}

export function writeEngineConfig(
  folder: string,
  files: DeploymentFiles,
  { port = defaultPort, databaseUrl, chains = [] }: Pick<FoundingOptions, 'port' | 'databaseUrl' | 'chains'>,
): void {
  const engine = {
    listen: { host: '127.0.0.1', port },
    signerSocket: files.socket,
    dataDir: join(folder, 'engine'),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    chains: chains.map((chain) => ({ ...chain, confirmations: 1 })),
  }
  writeOwnFile(files.engineConfig, `${JSON.stringify(engine, null, 2)}\n`, { overwrite: true })
}

/** @throws {CountersignError} CLI_PROCESS_FAILED */
export async function initSigner(signerConfig: string, secret: string): Promise<{ audience: string }> {
  const printed = await runToEnd({
    name: 'signer init',
    command: process.execPath,
    args: [signerEntry(), 'init', '--config', signerConfig],
    env: { ...signerVariables(), WALLET_KEY_ENCRYPTION_SECRET: secret },
  })
  return JSON.parse(printed) as { audience: string }
}

/** The signer's own variables, where this process has them: they choose its backend and folder. */
export function signerVariables(): Record<string, string> {
  const own = Object.entries(process.env).filter(([name]) => name.startsWith('WALLET_'))
  return Object.fromEntries(own) as Record<string, string>
}
