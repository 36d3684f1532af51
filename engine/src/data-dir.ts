import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { engineError } from './catalogue.ts'

export interface DataDir {
  readonly path: string
  close(): void
}

/**
 * Takes the folder for this process alone: two engines would otherwise fight for one embedded database.
 * A lock left by a killed engine is taken over.
 * @throws {CountersignError} ENGINE_DATA_DIR_IN_USE */
export async function openDataDir(path: string): Promise<DataDir> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const lock = join(path, 'engine.pid')
  const own = `${process.pid} ${processStart(process.pid) ?? '-'}\n`
  if (!create(lock, own)) {
    const holder = readHolder(lock)
    if (holder !== undefined) {
      throw engineError('ENGINE_DATA_DIR_IN_USE', `The engine with process id ${holder} uses ${path}.`)
    }
    unlinkSync(lock)
    if (!create(lock, own))
      throw engineError('ENGINE_DATA_DIR_IN_USE', `Another engine has just taken ${path}.`)
  }
  return {
    path,
    close() {
      try {
        if (readFileSync(lock, 'utf8') === own) unlinkSync(lock)
      } catch {
        // Gone already.
      }
    },
  }
}

/** Kernel ticks at which the process started: tells it from a later one with the same id. Undefined without /proc. */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces; field 22 (starttime) is the 20th after it.
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .at(19)
  } catch {
    return undefined
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function create(path: string, text: string): boolean {
  let fd: number
  try {
    fd = openSync(path, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
  writeSync(fd, text)
  closeSync(fd)
  return true
}

/** @returns the process id of a living holder. */
function readHolder(lock: string): number | undefined {
  let text: string
  try {
    text = readFileSync(lock, 'utf8')
  } catch {
    return undefined
  }
  const [pidText = '', start = '-'] = text.trim().split(' ')
  const pid = Number(pidText)
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid || !isRunning(pid)) return undefined
  const running = processStart(pid)
  return running === undefined || start === '-' || running === start ? pid : undefined
}
