import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createCountersignClient } from '@countersign/sdk'
import { createCredentialFile, credentialFromFile } from '@countersign/sdk/node'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { startLocalChain } from '../anvil.ts'
import { cliError } from '../catalogue.ts'
import { type StartedProcess, startDaemon } from '../child-process.ts'
import { act, wholeNumber } from '../command.ts'
import { engineEntry, signerEntry } from '../daemons.ts'
import {
  type Chain,
  type DeploymentFiles,
  defaultPort,
  generateAdmins,
  generateSecret,
  initSigner,
  signerVariables,
  writeConfigs,
  writeEngineConfig,
} from '../found-deployment.ts'
import type { Output } from '../output.ts'
import { type ConfigFile, readJsonFile, readTextFile, stateFolderName, writeOwnFile } from '../settings.ts'

interface DevOptions {
  readonly folder: string
  readonly port: number
  readonly chain?: Chain[]
  readonly anvil?: boolean
  readonly databaseUrl?: string
}

const custody =
  'One machine, one trust domain: custodial. Whoever owns this machine or this user owns every key. For development.'

export function addDevCommand(program: Command): void {
  const command = program
    .command('dev')
    .description('signer and engine on this machine, for development, with credentials in .countersign')
    .option('--folder <folder>', 'keys, journal, database and credentials', stateFolderName)
    .option('--port <port>', 'of the engine; 0: any that is free', wholeNumber, defaultPort)
    .addOption(
      new Option(
        '--chain <id=rpc>',
        'for example eip155:8453=https://…; give it again for several',
      ).argParser(chainOf),
    )
    .option('--anvil', 'also start a local chain, eip155:31337')
    .option('--database-url <url>', 'a Postgres for the engine; by default one that it starts itself')
    .addHelpText('after', `\n${custody}`)
  act(command, async ({ output }, options: DevOptions) => runDev(output, options))
}

/** Runs until it is told to stop, or until one of its processes ends. */
async function runDev(output: Output, options: DevOptions): Promise<number> {
  const folder = resolve(options.folder)
  const running: StartedProcess[] = []
  const told = new Promise<'told'>((settle) => {
    process.once('SIGINT', () => settle('told'))
    process.once('SIGTERM', () => settle('told'))
  })
  try {
    const chains = [...(options.chain ?? [])]
    if (options.anvil === true) {
      const chain = await startLocalChain()
      running.push(chain.process)
      chains.push({ id: `eip155:${chain.chainId}`, rpc: chain.url })
    }
    const files = await found(folder, output)
    writeEngineConfig(folder, files, { ...options, chains })

    const signer = await startDaemon({
      name: 'signer',
      command: process.execPath,
      args: [signerEntry(), 'run', '--config', files.signerConfig],
      env: { ...signerVariables(), WALLET_KEY_ENCRYPTION_SECRET: readTextFile(files.secret).trim() },
      onErrorLine: (line) => output.note(`signer: ${line}`),
    })
    running.push(signer)
    const audience = String(signer.ready.audience)
    checkSameSigner(files.config, audience)

    const engine = await startDaemon({
      name: 'engine',
      command: process.execPath,
      args: [engineEntry(), '--config', files.engineConfig],
      onErrorLine: (line) => output.note(`engine: ${line}`),
    })
    running.push(engine)
    const url = String(engine.ready.url)
    const config = { url, audience, credential: 'credentials/agent.json', admins: ['credentials/admin.json'] }
    writeOwnFile(files.config, `${JSON.stringify(config, null, 2)}\n`, { overwrite: true })
    await addAgent(url, audience, files)

    const result = {
      ready: true,
      url,
      audience,
      folder,
      admin: files.admin,
      agent: files.agent,
      chains,
      custody,
    }
    output.result(result, () => describe(result))
    const first = await Promise.race([told, ...running.map(({ ended, name }) => ended.then(() => name))])
    if (first === 'told') return 0
    const ended = running.find(({ name }) => name === first)
    throw cliError('CLI_PROCESS_FAILED', `The ${first} has ended.\n${ended?.errorOutput() ?? ''}`.trim())
  } finally {
    for (const one of running.reverse()) await one.stop()
  }
}

interface DevFiles extends DeploymentFiles {
  readonly config: string
  readonly secret: string
  readonly admin: string
  readonly agent: string
}

/** Makes what is missing; a folder that is complete stays as it is. */
async function found(folder: string, output: Output): Promise<DevFiles> {
  const files = {
    signerConfig: join(folder, 'signer.json'),
    engineConfig: join(folder, 'engine.json'),
    socket: join(folder, 'signer', 'run', 'signer.sock'),
    config: join(folder, 'config.json'),
    secret: join(folder, 'secret'),
    admin: join(folder, 'credentials', 'admin.json'),
    agent: join(folder, 'credentials', 'agent.json'),
  }
  if (existsSync(files.signerConfig)) return files
  output.note(`Making a new signer in ${folder}`)
  const [generated] = await generateAdmins(join(folder, 'credentials'), 1)
  if (generated === undefined) throw new Error('bug: no admin was made')
  await createCredentialFile(files.agent)
  const secret = generateSecret(files.secret)
  writeConfigs(folder, { admins: [generated.admin], quorum: 1, backend: 'file' })
  await initSigner(files.signerConfig, secret)
  return files
}

/** @throws {CountersignError} CLI_VERIFICATION_FAILED */
function checkSameSigner(config: string, audience: string): void {
  if (!existsSync(config)) return
  const known = readJsonFile<ConfigFile>(config).audience
  if (known === undefined || known === audience) return
  throw cliError('CLI_VERIFICATION_FAILED', `The signer is ${audience}; it was ${known} before.`)
}

/** The agent may make wallets and read; what it may sign is for a policy to say. */
async function addAgent(url: string, audience: string, { admin, agent }: DevFiles): Promise<void> {
  const client = createCountersignClient({ url, audience, credential: credentialFromFile(admin) })
  const { id, algorithm, publicKey } = credentialFromFile(agent)
  for await (const known of client.credentials.list()) if (known.id === id) return
  const powers = ['create-wallet', 'read'] as const
  await client.credentials.create({ algorithm, publicKey, role: 'agent', name: 'agent', powers })
}

function describe(result: {
  url: string
  audience: string
  admin: string
  agent: string
  chains: readonly Chain[]
}) {
  return [
    `engine      ${result.url}`,
    `signer      ${result.audience}`,
    `agent       ${result.agent}`,
    `admin       ${result.admin}`,
    ...result.chains.map(({ id, rpc }) => `chain       ${id} at ${rpc}`),
    `custody     ${custody}`,
    '',
    'In this folder, in another shell:',
    '  countersign policy apply policy.json',
    '  countersign wallet create --policy ID',
    '  countersign sign message "hello" --wallet ID',
    'Ctrl-C stops both processes.',
  ]
}

function chainOf(text: string, before: readonly Chain[] | undefined): Chain[] {
  const at = text.indexOf('=')
  const id = text.slice(0, at)
  const rpc = text.slice(at + 1)
  if (!/^eip155:\d+$/.test(id) || !URL.canParse(rpc))
    throw new InvalidArgumentError('Write it as eip155:1=https://…')
  return [...(before ?? []), { id, rpc }]
}
