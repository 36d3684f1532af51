import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../../engine/src/store/embedded-postgres.ts'

let shared: Promise<EmbeddedPostgres> | undefined

/**
 * A new, empty database in the one Postgres that this worker has: starting a server takes seconds, a database
 * milliseconds.
 * @returns its url. */
export async function createDatabase(): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  shared ??= startPostgres()
  const { address } = await shared
  const client = new pg.Client(address)
  await client.connect()
  try {
    await client.query(`CREATE DATABASE ${name}`)
  } finally {
    await client.end()
  }
  const { user, password, host, port } = address
  return `postgres://${user}:${password}@${host}:${port}/${name}`
}

async function startPostgres(): Promise<EmbeddedPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-postgres-'))
  const server = await openEmbeddedPostgres(folder)
  process.on('exit', () => endPostgres(server.pid, folder))
  // A test worker is ended by a signal, which by itself runs no exit handler.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit())
  process.once('disconnect', () => process.exit())
  return server
}

const endPollMs = 20
const endPollsMax = 100

/** At exit nothing asynchronous runs any more; and the folder can go only once nobody writes there. */
function endPostgres(pid: number, folder: string): void {
  const pidFile = join(folder, 'postgres', 'postmaster.pid')
  try {
    process.kill(pid, 'SIGQUIT')
    const clock = new Int32Array(new SharedArrayBuffer(4))
    for (let polls = 0; polls < endPollsMax && existsSync(pidFile); polls++)
      Atomics.wait(clock, 0, 0, endPollMs)
  } catch {
    // It has ended.
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
}
