import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { CountersignError, ErrorBody } from '@countersign/bytes'
import { cliError } from './catalogue.ts'

export const readyTimeoutMs = 60_000
export const stopTimeoutMs = 15_000
const errorLinesMax = 60

export interface StartOptions {
  /** For messages: `signer`, `engine`. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Added to a small part of this process's own environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Where its error output goes line by line, besides being kept for messages. */
  readonly onErrorLine?: (line: string) => void
}

export interface StartedProcess {
  readonly name: string
  readonly pid: number
  /** Settles once it has ended, with its exit code or the signal that ended it. */
  readonly ended: Promise<number | string>
  /** The last lines of its error output. */
  errorOutput(): string
  /** Sends SIGTERM, and SIGKILL where that is not heard. */
  stop(): Promise<void>
  /** Sends one signal and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

/** What a daemon prints, once, when it can be used. */
export type Ready = { readonly ready: true; readonly [field: string]: unknown }

const running = new Set<ChildProcess>()
let cleansUp = false

/** Starts a process that does not outlive this one. */
export function startProcess(options: StartOptions): StartedProcess & { stdout: NodeJS.ReadableStream } {
  const { name, command, args, env = {}, input } = options
  const child = spawn(command, [...args], {
    env: { ...inheritedEnvironment(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input ?? '')
  remember(child)

  const errorLines: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    errorLines.push(line)
    if (errorLines.length > errorLinesMax) errorLines.shift()
    options.onErrorLine?.(line)
  })
  const ended = new Promise<number | string>((resolve) => {
    child.on('error', (error) => {
      errorLines.push(error.message)
      resolve(-1)
    })
    child.on('close', (code, signal) => resolve(code ?? signal ?? -1))
  })
  void ended.then(() => running.delete(child))

  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    child.kill(signal)
    await ended
  }
  return {
    name,
    pid: child.pid ?? -1,
    stdout: child.stdout,
    ended,
    errorOutput: () => errorLines.join('\n'),
    kill,
    stop: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      await kill('SIGTERM')
      clearTimeout(timer)
    },
  }
}

/** Starts a daemon and waits for its line `{"ready":true,…}`.
 * @throws {CountersignError} CLI_PROCESS_FAILED with the end of its error output */
export async function startDaemon(options: StartOptions): Promise<StartedProcess & { ready: Ready }> {
  const started = startProcess(options)
  const lines = createInterface({ input: started.stdout })
  let lastLine = ''
  const ready = new Promise<Ready>((resolve) => {
    lines.on('line', (line) => {
      const found = readyLine(line)
      if (found !== undefined) resolve(found)
      else lastLine = line
    })
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), readyTimeoutMs)
  })
  const first = await Promise.race([ready, started.ended.then((code) => ({ code })), late])
  clearTimeout(timer)
  if (first === 'late' || 'code' in first) {
    await started.kill()
    const why =
      first === 'late' ? `was not ready after ${readyTimeoutMs / 1000} s` : `ended with ${first.code}`
    throw processFailed(options.name, why, [started.errorOutput(), lastLine])
  }
  return { ...started, ready: first as Ready }
}

/** Runs a program to its end and gives what it printed.
 * @throws {CountersignError} CLI_PROCESS_FAILED */
export async function runToEnd(options: StartOptions): Promise<string> {
  const started = startProcess(options)
  let output = ''
  started.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const code = await started.ended
  if (code !== 0) {
    throw processFailed(options.name, `ended with ${code}`, [started.errorOutput(), output])
  }
  return output
}

/** Daemons end with an error of their own on one line: that one is what a person needs to read. */
function processFailed(name: string, why: string, said: readonly string[]): CountersignError {
  const text = said.join('\n').trim()
  const details = { process: name }
  for (const line of text.split('\n').reverse()) {
    const { code, message, fix } = errorLine(line)
    if (code === undefined || message === undefined) continue
    const whole = `The ${name} ${why}. ${code}: ${message}`
    return cliError('CLI_PROCESS_FAILED', whole, { details: { ...details, code }, ...(fix ? { fix } : {}) })
  }
  return cliError('CLI_PROCESS_FAILED', `The ${name} ${why}.\n${text}`.trim(), { details })
}

function errorLine(line: string): Partial<ErrorBody> {
  if (!line.startsWith('{')) return {}
  try {
    const value = JSON.parse(line) as Partial<ErrorBody> & { error?: Partial<ErrorBody> }
    return value.error ?? value
  } catch {
    return {}
  }
}

function readyLine(line: string): Ready | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const value = JSON.parse(line) as Partial<Ready>
    return value.ready === true ? (value as Ready) : undefined
  } catch {
    return undefined
  }
}

/** A signer needs no other secrets of the shell that starts it, and the engine must not see the signer's. */
const inheritedNames = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'TZ',
  'TMPDIR',
  'COUNTERSIGN_ENV',
  'NO_COLOR',
]

function inheritedEnvironment(): Record<string, string> {
  const inherited: Record<string, string> = {}
  for (const name of inheritedNames) {
    const value = process.env[name]
    if (value !== undefined) inherited[name] = value
  }
  return inherited
}

function remember(child: ChildProcess): void {
  running.add(child)
  if (cleansUp) return
  cleansUp = true
  process.on('exit', () => {
    for (const left of running) left.kill('SIGKILL')
  })
}
