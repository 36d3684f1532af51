#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { isCountersignError } from '@countersign/bytes'
import { backendChoice, keysOn, Secret } from '@countersign/keys'
import { signerError } from './catalogue.ts'
import { readSignerConfig } from './config.ts'
import { initSigner, isEphemeral } from './open-signer.ts'
import { listen } from './server.ts'
import { causeForLog, openService } from './service.ts'
import { verifyOn } from './verifier.ts'
import { startWorkThread } from './work-thread.ts'

const usage = `countersign-signer: the process that holds the keys

  countersign-signer init --config FILE   makes a signer: its key, its database, its first admins
  countersign-signer run --config FILE    serves requests on its unix socket

The secret that seals its files is read from WALLET_KEY_ENCRYPTION_SECRET; without it, run starts sealed and waits
for \`countersign signer unseal\`. Other variables: WALLET_SIGNER_BACKEND, WALLET_ENGINE_DATA_DIR, COUNTERSIGN_ENV.
Exit codes: 0 stopped as asked, 1 error, 2 usage.
`

try {
  await main()
} catch (error) {
  if (isCountersignError(error))
    process.stderr.write(`${JSON.stringify({ level: 'error', ...error.toJSON() })}\n`)
  else process.stderr.write(`${JSON.stringify({ level: 'error', message: causeForLog(error) })}\n`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  const [command] = positionals
  if (values.help === true || values.config === undefined || (command !== 'init' && command !== 'run')) {
    process.stdout.write(usage)
    process.exitCode = values.help === true ? 0 : 2
    return
  }
  const env = { ...process.env }
  const config = readSignerConfig(values.config, env)
  const secret = takeSecret(env)
  if (command === 'init') {
    const { audience } = await initSigner({ config, env, secret, onHalt: () => undefined })
    process.stdout.write(`${JSON.stringify({ initialised: true, audience, dataDir: config.dataDir })}\n`)
    return
  }
  await run(config, env, secret)
}

/** Out of the environment, so that nothing that lists it later (a crash report, a child) sees the secret. */
function takeSecret(env: NodeJS.ProcessEnv): Secret | undefined {
  const text = env.WALLET_KEY_ENCRYPTION_SECRET
  delete env.WALLET_KEY_ENCRYPTION_SECRET
  delete process.env.WALLET_KEY_ENCRYPTION_SECRET
  // The env backend takes its key out of the copy that it is given.
  delete process.env.COUNTERSIGN_RAW_KEY
  return text === undefined || text === '' ? undefined : new Secret(text)
}

async function run(
  config: ReturnType<typeof readSignerConfig>,
  env: NodeJS.ProcessEnv,
  secret: Secret | undefined,
) {
  const log = (level: string, message: string) =>
    process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, message })}\n`)
  if (process.platform === 'win32')
    throw signerError('SIGNER_CONFIG_INVALID', 'The signer needs unix sockets.')
  const isSealed = secret === undefined && !isEphemeral(backendChoice(env, config), secret)
  const onHalt = (why: unknown) => log('fatal', `HALTED, nothing is signed any more: ${causeForLog(why)}`)
  const onThreadDeath = (error: unknown) => {
    log('fatal', causeForLog(error))
    process.exit(1)
  }
  const thread = startWorkThread(onThreadDeath)
  verifyOn(thread)
  const service = await openService({ config, env, secret, isSealed, onHalt, keyThread: keysOn(thread) })
  const door = await listen({ path: config.socket, group: config.socketGroup }, service, (error) =>
    log('error', causeForLog(error)),
  )
  const ready = { ready: true, socket: config.socket, audience: service.audience(), phase: service.phase() }
  process.stdout.write(`${JSON.stringify(ready)}\n`)

  let stopping = false
  const stop = async () => {
    if (stopping) return
    stopping = true
    await door.close()
    await service.close()
    await thread.stop()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}
