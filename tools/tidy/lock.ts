// npm run lock, after npm install has changed package-lock.json.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Finding, Tree } from './tree.ts'

const lockFile = 'package-lock.json'

interface LockEntry {
  readonly version?: string
  readonly cpu?: readonly string[]
  readonly os?: readonly string[]
  readonly libc?: readonly string[]
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
type LockPackages = Readonly<Record<string, LockEntry>>

const systems = new Map(['android', 'darwin', 'freebsd', 'linux', 'win32'].map((name) => [name, name]))
systems.set('windows', 'win32')
const processors = new Map(['arm', 'arm64', 'ia32', 'ppc64', 'x64'].map((name) => [name, name]))
processors.set('amd64', 'x64')

/** A lock file that npm ci accepts, and that names no registry. */
export function checkLock(tree: Tree): Finding[] {
  if (!tree.files.includes(lockFile)) return []
  const text = tree.text(lockFile)
  const findings: Finding[] = []
  const line = text.split('\n').findIndex((one) => /"resolved": "[a-z+]+:/.test(one)) + 1
  if (line > 0) {
    const message = 'names where a package came from; set omit-lockfile-registry-resolved'
    findings.push({ rule: 'lock', file: lockFile, line, message })
  }
  for (const path of listMissing(JSON.parse(text).packages ?? {}).keys()) {
    findings.push({
      rule: 'lock',
      file: lockFile,
      message: `lacks ${path}, so npm ci refuses it; run npm run lock`,
    })
  }
  return findings
}

/**
 * npm drops an optional package of another platform from the lock file when its registry does not have it, and npm
 * ci then refuses the lock file on every platform. Such a package gets an entry with the platform that its name
 * says; without integrity, as its hash was not to be had where the lock file was made.
 * @returns path in the lock file and entry. */
export function listMissing(packages: LockPackages): Map<string, LockEntry> {
  const missing = new Map<string, LockEntry>()
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (!isThere(packages, path, name)) missing.set(`node_modules/${name}`, entryOf(name, version))
    }
  }
  return missing
}

function isThere(packages: LockPackages, from: string, name: string): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (`${folder === '' ? '' : `${folder}/`}node_modules/${name}` in packages) return true
    if (folder === '') return false
  }
}

function entryOf(name: string, version: string): LockEntry {
  const words = name.split(/[-/]/)
  const os = words.flatMap((word) => systems.get(word) ?? [])
  const cpu = words.flatMap((word) => processors.get(word) ?? [])
  if (os.length !== 1 || cpu.length !== 1 || !/^\d+\.\d+\.\d+$/.test(version)) {
    throw new Error(
      `${name} ${version} is not in the lock file, and its name does not say for which platform it is.`,
    )
  }
  return { version, cpu, ...(words.includes('musl') ? { libc: ['musl'] } : {}), optional: true, os }
}

if (import.meta.main) {
  const file = join(resolve(import.meta.dirname, '../..'), lockFile)
  const lock = JSON.parse(readFileSync(file, 'utf8'))
  const missing = listMissing(lock.packages)
  const all = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) })
  // npm's own order, so that its next write changes nothing else.
  lock.packages = Object.fromEntries(all.sort(([a], [b]) => a.localeCompare(b, 'en')))
  if (missing.size > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
  for (const path of missing.keys()) console.log(`added ${path}`)
}
