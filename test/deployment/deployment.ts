import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  type CountersignClient,
  type CredentialSigner,
  createCountersignClient,
  type Power,
  type Wallet,
} from '@countersign/sdk'
import { createCredentialFile } from '@countersign/sdk/node'
import { type LocalChain, startLocalChain } from '../../clients/cli/src/anvil.ts'
import {
  type Ready,
  runToEnd,
  type StartedProcess,
  startDaemon,
} from '../../clients/cli/src/child-process.ts'
import { createDatabase } from './shared-postgres.ts'

export interface DeploymentOptions {
  /** Starts anvil and connects the engine to it. */
  readonly chain?: boolean | { readonly blockTimeS?: number; readonly chainId?: number }
  readonly backend?: 'file' | 'memory' | 'env'
  /** How many admins there are; all of them sign changes of this deployment's `admin` client. Default 1. */
  readonly admins?: number
  readonly quorum?: number
  readonly agentPowers?: readonly Power[]
  /** `shared` (default): a new database in this worker's Postgres. `embedded`: the engine starts its own. */
  readonly database?: 'shared' | 'embedded' | { readonly url: string }
  /** Added to the environment of the process, for example a crash point. */
  readonly signerEnv?: Readonly<Record<string, string>>
  readonly engineEnv?: Readonly<Record<string, string>>
  readonly engineConfig?: Readonly<Record<string, unknown>>
  /** Starts the signer alone. */
  readonly engine?: boolean
}

export interface DeploymentPaths {
  /** Everything of this deployment lies below; removed by `stop`. */
  readonly folder: string
  readonly signerConfig: string
  readonly signerData: string
  readonly socket: string
  readonly engineConfig: string
  readonly engineData: string
  readonly adminFiles: readonly string[]
  readonly agentFile: string
}

export type DaemonName = 'signer' | 'engine'

export interface Deployment {
  /** The engine's; empty where `engine: false`. */
  readonly url: string
  readonly audience: string
  /** What seals this deployment's keys. */
  readonly secret: string
  readonly adminCredentials: readonly CredentialSigner[]
  readonly agentCredential: CredentialSigner
  /** Signs with the first admin, and changes with all of them. */
  readonly admin: CountersignClient
  readonly agent: CountersignClient
  readonly chain: LocalChain | undefined
  readonly databaseUrl: string | undefined
  readonly paths: DeploymentPaths
  /** The running process; changes with every `restart`. */
  process(name: DaemonName): StartedProcess
  /** Sends a signal and waits for the end of the process. Default SIGKILL. */
  kill(name: DaemonName | 'chain', signal?: NodeJS.Signals): Promise<void>
  /** Starts a process that was killed, or stops it cleanly first. The engine keeps its url.
   * @param env Instead of the one given at first, for example without the crash point. */
  restart(name: DaemonName, env?: Readonly<Record<string, string>>): Promise<Ready>
  /** A client for another credential of yours. */
  clientFor(credential: CredentialSigner, cosigners?: readonly CredentialSigner[]): CountersignClient
  /** Applies a policy (by the admins) and makes a wallet under it (by the agent). */
  createWalletWith(policy: { readonly id: string; readonly [field: string]: unknown }): Promise<Wallet>
  /** Stops everything by process id and removes the folder. */
  stop(): Promise<void>
}

const repository = resolve(import.meta.dirname, '../..')
export const signerMain = join(repository, 'boundary/signer/src/main.ts')
export const engineMain = join(repository, 'engine/src/main.ts')

/** Whether there is a signer and an engine to start: other tests skip themselves where not. */
export const canDeploy = existsSync(signerMain) && existsSync(engineMain)

/** A whole deployment on this machine: signer and engine as processes of their own, on free ports. */
export async function startDeployment(options: DeploymentOptions = {}): Promise<Deployment> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-deployment-'))
  const running = new Map<DaemonName | 'chain', StartedProcess>()
  const stop = async () => {
    await Promise.all(['engine' as const, 'chain' as const].map((name) => running.get(name)?.stop()))
    await running.get('signer')?.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    return await assemble(options, folder, running, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function assemble(
  options: DeploymentOptions,
  folder: string,
  running: Map<DaemonName | 'chain', StartedProcess>,
  stop: () => Promise<void>,
): Promise<Deployment> {
  const paths = pathsOf(folder, options.admins ?? 1)
  const secret = randomBytes(32).toString('base64')
  const [adminCredentials, agentCredential, chain, databaseUrl] = await Promise.all([
    Promise.all(paths.adminFiles.map((file) => createCredentialFile(file))),
    createCredentialFile(paths.agentFile),
    startChain(options.chain, running),
    options.engine === false ? undefined : databaseFor(options.database),
  ])
  const firstAdmin = adminCredentials[0] as CredentialSigner
  writeSignerConfig(paths, options, adminCredentials)

  const signerEnv = (env: Readonly<Record<string, string>> = {}) => ({
    WALLET_KEY_ENCRYPTION_SECRET: secret,
    ...env,
  })
  await runToEnd({
    name: 'signer init',
    command: process.execPath,
    args: [signerMain, 'init', '--config', paths.signerConfig],
    // The raw key is needed from the start; a crash point is not.
    env: signerEnv(options.backend === 'env' ? options.signerEnv : {}),
  })

  const start = async (name: DaemonName, env: Readonly<Record<string, string>> = {}): Promise<Ready> => {
    const started = await startDaemon(
      name === 'signer'
        ? {
            name,
            command: process.execPath,
            args: [signerMain, 'run', '--config', paths.signerConfig],
            env: signerEnv(env),
          }
        : { name, command: process.execPath, args: [engineMain, '--config', paths.engineConfig], env },
    )
    running.set(name, started)
    return started.ready
  }

  const audience = String((await start('signer', options.signerEnv)).audience)
  let url = ''
  if (options.engine !== false) {
    writeEngineConfig(paths, options, { port: 0, chain, databaseUrl })
    url = String((await start('engine', options.engineEnv)).url)
    // The port stays, so that clients outlive a restart.
    writeEngineConfig(paths, options, { port: Number(new URL(url).port), chain, databaseUrl })
  }

  const clientFor = (credential: CredentialSigner, cosigners: readonly CredentialSigner[] = []) =>
    createCountersignClient({ url: url || 'http://127.0.0.1:1', credential, cosigners, audience })
  const admin = clientFor(firstAdmin, adminCredentials.slice(1))
  const agent = clientFor(agentCredential)
  if (options.engine !== false) {
    const { algorithm, publicKey } = agentCredential
    const powers = options.agentPowers ?? ['create-wallet', 'read']
    await admin.credentials.create({ algorithm, publicKey, role: 'agent', name: 'agent', powers })
  }

  const find = (name: DaemonName | 'chain'): StartedProcess => {
    const found = running.get(name)
    if (found === undefined) throw new Error(`This deployment has no ${name}.`)
    return found
  }
  return {
    url,
    audience,
    secret,
    adminCredentials,
    agentCredential,
    admin,
    agent,
    chain,
    databaseUrl,
    paths,
    process: find,
    kill: (name, signal) => find(name).kill(signal),
    restart: async (name, env = {}) => {
      await find(name).stop()
      return start(name, env)
    },
    clientFor,
    createWalletWith: async (policy) => {
      await admin.policies.put({ id: policy.id, policy, expected: null })
      return agent.wallets.create({ type: 'EVM', policy: policy.id })
    },
    stop,
  }
}

function pathsOf(folder: string, admins: number): DeploymentPaths {
  const at = (...parts: string[]) => join(folder, ...parts)
  mkdirSync(at('credentials'), { mode: 0o700 })
  return {
    folder,
    signerConfig: at('signer.json'),
    signerData: at('signer'),
    socket: at('signer', 'run', 'signer.sock'),
    engineConfig: at('engine.json'),
    engineData: at('engine'),
    adminFiles: Array.from({ length: admins }, (_, i) => at('credentials', `admin-${i + 1}.json`)),
    agentFile: at('credentials', 'agent.json'),
  }
}

async function startChain(
  wanted: DeploymentOptions['chain'],
  running: Map<DaemonName | 'chain', StartedProcess>,
): Promise<LocalChain | undefined> {
  if (wanted === undefined || wanted === false) return undefined
  const chain = await startLocalChain(wanted === true ? {} : wanted)
  running.set('chain', chain.process)
  return chain
}

async function databaseFor(wanted: DeploymentOptions['database'] = 'shared'): Promise<string | undefined> {
  if (wanted === 'embedded') return undefined
  return wanted === 'shared' ? createDatabase() : wanted.url
}

function writeSignerConfig(
  paths: DeploymentPaths,
  options: DeploymentOptions,
  admins: readonly CredentialSigner[],
): void {
  const config = {
    dataDir: paths.signerData,
    socket: paths.socket,
    backend: options.backend ?? 'file',
    admins: admins.map(({ algorithm, publicKey }, i) => ({ algorithm, publicKey, name: `admin-${i + 1}` })),
    quorum: options.quorum ?? admins.length,
  }
  writeFileSync(paths.signerConfig, JSON.stringify(config, null, 2), { mode: 0o600 })
}

function writeEngineConfig(
  paths: DeploymentPaths,
  options: DeploymentOptions,
  {
    port,
    chain,
    databaseUrl,
  }: { port: number; chain: LocalChain | undefined; databaseUrl: string | undefined },
): void {
  const config = {
    listen: { host: '127.0.0.1', port },
    signerSocket: paths.socket,
    dataDir: paths.engineData,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    chains: chain === undefined ? [] : [{ id: `eip155:${chain.chainId}`, rpc: chain.url, confirmations: 1 }],
    ...options.engineConfig,
  }
  writeFileSync(paths.engineConfig, JSON.stringify(config, null, 2), { mode: 0o600 })
}
