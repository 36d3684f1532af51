import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding, Tree } from './tree.ts'

const allowlistFile = 'tools/tidy/signer-closure.json'
const signerFolder = 'boundary/signer'

/** One row of the allowlist: a third-party package that is installed with the signer. */
export interface AllowedPackage {
  readonly version: string
  readonly licence: string
  /** Whether the signer's process ever runs its code. */
  readonly loaded: boolean
  readonly why: string
}

interface LockEntry {
  readonly version?: string
  readonly license?: string
  readonly link?: boolean
  readonly resolved?: string
  readonly optional?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** What npm installs with the signer is what a reviewer has accepted, name, version and licence. */
export function checkClosure(tree: Tree): Finding[] {
  const allowed: Record<string, AllowedPackage> = tree.files.includes(allowlistFile)
    ? JSON.parse(tree.text(allowlistFile))
    : {}
  const findings: Finding[] = []
  const report = (message: string) => findings.push({ rule: 'closure', file: allowlistFile, message })
  const installed = listClosure(JSON.parse(tree.text('package-lock.json')).packages, signerFolder)
  for (const [key, { version, licence }] of installed) {
    const row = allowed[key]
    if (row === undefined)
      report(`${key} ${version} (${licence}) is installed with the signer and not on the list`)
    else if (row.version !== version)
      report(`${key} is ${version} in package-lock.json and ${row.version} here`)
    else if (row.licence !== licence)
      report(`${key} has licence ${licence} in package-lock.json and ${row.licence} here`)
    else if (row.why.length < 10) report(`${key} has no reason`)
  }
  for (const key of Object.keys(allowed)) {
    if (!installed.has(key)) report(`${key} is on the list and no longer installed with the signer`)
  }
  return findings
}

/** Starts the signer's modules and compares what was loaded with the allowlist's word. */
export function checkLoaded(tree: Tree): Finding[] {
  const entry = join(tree.root, signerFolder, 'src/index.ts')
  if (!existsSync(entry) || !tree.files.includes(allowlistFile)) return []
  const allowed: Record<string, AllowedPackage> = JSON.parse(tree.text(allowlistFile))
  const report = (message: string): Finding => ({ rule: 'closure', file: allowlistFile, message })
  const outcome = spawnSync(process.execPath, [join(import.meta.dirname, 'list-loaded.ts'), entry], {
    cwd: tree.root,
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (outcome.status !== 0)
    return [report(`the signer's modules do not load: ${outcome.stderr.trim().split('\n')[0]}`)]
  const loaded = new Set<string>(JSON.parse(outcome.stdout))
  const findings: Finding[] = []
  for (const [key, row] of Object.entries(allowed)) {
    const name = nameOfKey(key)
    if (row.loaded && !loaded.has(name))
      findings.push(report(`${key} is marked loaded, and the signer does not load it`))
    if (!row.loaded && loaded.has(name))
      findings.push(report(`${key} is marked never loaded, and the signer loads it`))
  }
  const known = new Set(Object.keys(allowed).map(nameOfKey))
  for (const name of loaded)
    if (!known.has(name)) findings.push(report(`the signer loads ${name}, which is not on the list`))
  return findings
}

function nameOfKey(key: string): string {
  return key.replace(/(?<=.)@[^@/]*$/, '')
}

/** Keys are names, or name@version for the second version of one name. */
export function listClosure(
  lock: Readonly<Record<string, LockEntry>>,
  start: string,
): Map<string, { version: string; licence: string }> {
  const closure = new Map<string, { version: string; licence: string }>()
  const seen = new Set([start])
  for (const path of seen) {
    const entry = lock[path]
    if (entry === undefined) continue
    if (path.includes('node_modules/')) {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      const version = entry.version ?? 'unknown'
      const other = closure.get(name)
      const key = other === undefined || other.version === version ? name : `${name}@${version}`
      closure.set(key, { version, licence: entry.license ?? 'unknown' })
    }
    const wanted = { ...entry.dependencies, ...entry.optionalDependencies, ...entry.peerDependencies }
    for (const name of Object.keys(wanted)) {
      const found = resolveInLock(lock, path, name)
      if (found !== undefined) seen.add(found)
    }
  }
  return new Map([...closure].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Node's lookup: from the package's own node_modules outwards. */
function resolveInLock(
  lock: Readonly<Record<string, LockEntry>>,
  from: string,
  name: string,
): string | undefined {
  for (let folder = from; ; folder = parentOf(folder)) {
    const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`
    const entry = lock[path]
    if (entry?.link === true) return entry.resolved
    if (entry !== undefined) return path
    if (folder === '') return undefined
  }
}

function parentOf(path: string): string {
  const nested = path.lastIndexOf('/node_modules/')
  if (nested !== -1) return path.slice(0, nested)
  if (path.startsWith('node_modules/')) return ''
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}
