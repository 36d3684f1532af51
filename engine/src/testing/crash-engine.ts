/** The engine, but it kills itself at the point that CRASH_AT names. */
import { readEngineConfig } from '../config.ts'
import { openEngine } from '../engine.ts'

const config = readEngineConfig(process.argv[3] as string, process.env)
const engine = await openEngine({
  config,
  async at(point) {
    if (point !== process.env.CRASH_AT) return
    process.kill(process.pid, 'SIGKILL')
    await new Promise(() => undefined)
  },
})
process.stdout.write(`${JSON.stringify({ ready: true, url: engine.url })}\n`)
