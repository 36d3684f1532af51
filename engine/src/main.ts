#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { isCountersignError } from '@countersign/bytes'
import { readEngineConfig } from './config.ts'
import { openEngine } from './engine.ts'
import { errorForLog } from './log.ts'

const usage = `countersign-engine: the public API, in front of the signer

  countersign-engine --config FILE   serves it; prints {"ready":true,"url":"…"} once it does

Without databaseUrl in the configuration (or COUNTERSIGN_DATABASE_URL) it starts a Postgres of its own in dataDir.
It holds no key: whoever owns this process can sign nothing that a credential did not ask for.
Exit codes: 0 stopped as asked, 1 error, 2 usage.
`

try {
  await main()
} catch (error) {
  const fields = isCountersignError(error) ? error.toJSON() : errorForLog(error)
  process.stderr.write(`${JSON.stringify({ level: 'error', ...fields })}\n`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help === true || values.config === undefined) {
    process.stdout.write(usage)
    process.exitCode = values.help === true ? 0 : 2
    return
  }
  const config = readEngineConfig(values.config, process.env)
  // The URL holds a password; nothing that lists the environment later needs it.
  delete process.env.COUNTERSIGN_DATABASE_URL
  const engine = await openEngine({ config })
  const { url, tilesUrl } = engine
  process.stdout.write(
    `${JSON.stringify({ ready: true, url, ...(tilesUrl === undefined ? {} : { tilesUrl }) })}\n`,
  )

  let isStopping = false
  const stop = (exitCode: number) => {
    if (isStopping) return
    isStopping = true
    engine.close().then(
      () => process.exit(exitCode),
      (error) => {
        process.stderr.write(`${JSON.stringify({ level: 'error', ...errorForLog(error) })}\n`)
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', () => stop(0))
  process.on('SIGINT', () => stop(0))
  void engine.failed.then((why) => {
    process.stderr.write(`${JSON.stringify({ level: 'fatal', message: why })}\n`)
    stop(1)
  })
}
