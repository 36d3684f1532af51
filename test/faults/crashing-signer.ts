/**
 * The signer's process with one difference: it kills itself, as kill -9 does, when it reaches a named point.
 * CRASH_AT names the point, CRASH_NTH how often it must have been reached, CRASH_FROM=start counts the recovery too.
 */
import { Secret } from '@countersign/keys'
import { readSignerConfig } from '../../boundary/signer/src/config.ts'
import { listen } from '../../boundary/signer/src/server.ts'
import { openService } from '../../boundary/signer/src/service.ts'

const { CRASH_AT, CRASH_NTH = '1', CRASH_FROM, ...env } = process.env
const config = readSignerConfig(process.argv[4] as string, env)
let armed = CRASH_FROM === 'start'
let reached = 0

const service = await openService({
  config,
  env,
  secret: new Secret(env.WALLET_KEY_ENCRYPTION_SECRET ?? ''),
  isSealed: false,
  onHalt: (why) => process.stderr.write(`HALTED ${why}\n`),
  at(point) {
    if (armed && point === CRASH_AT && ++reached === Number(CRASH_NTH)) process.kill(process.pid, 'SIGKILL')
  },
})
armed = true
await listen({ path: config.socket, group: config.socketGroup }, service, (error) =>
  process.stderr.write(`BUG ${error}\n`),
)
const ready = { ready: true, socket: config.socket, audience: service.audience(), phase: service.phase() }
process.stdout.write(`${JSON.stringify(ready)}\n`)
