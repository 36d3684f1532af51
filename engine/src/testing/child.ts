import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** A process of this test's own: started, awaited and ended by its id. */
export interface Child {
  readonly pid: number
  /** First line of standard output, parsed. */
  readonly ready: Record<string, unknown>
  readonly log: () => string
  /** Exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>
  kill(signal?: NodeJS.Signals): Promise<number | string>
}

const startTimeoutMs = 60_000

export async function startNode(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Child> {
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string)
  let log = ''
  child.stderr?.on('data', (chunk) => {
    log += chunk
  })
  const line = await firstLine(child, exited, () => log)
  return {
    pid: child.pid ?? 0,
    ready: JSON.parse(line),
    log: () => log,
    exited,
    kill(signal = 'SIGTERM') {
      child.kill(signal)
      return exited
    },
  }
}

function firstLine(
  child: ChildProcess,
  exited: Promise<number | string>,
  log: () => string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => reject(new Error(`no ready line in time: ${log()}`)), startTimeoutMs)
    child.stdout?.on('data', (chunk) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end === -1) return
      clearTimeout(timer)
      resolve(text.slice(0, end))
    })
    void exited.then((code) => {
      clearTimeout(timer)
      setImmediate(() => reject(new Error(`ended (${code}) before it was ready: ${log()}`)))
    })
  })
}
