import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Import, listImports } from './imports.ts'
import { listTokens, type Token } from './tokens.ts'

/** A repository as tidy sees it: every file that git tracks or would track, with paths from its root. */
export interface Tree {
  readonly root: string
  readonly files: readonly string[]
  readonly packages: readonly Package[]
  bytes(file: string): Buffer
  text(file: string): string
  tokens(file: string): readonly Token[]
  imports(file: string): readonly Import[]
}

export interface Package {
  readonly name: string
  /** From the root, without a slash at the end; '' for the root package. */
  readonly folder: string
  readonly manifest: Manifest
}

export interface Manifest {
  readonly name: string
  readonly version?: string
  readonly license?: string
  readonly private?: boolean
  readonly workspaces?: readonly string[]
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export interface Finding {
  readonly rule: string
  readonly file: string
  readonly line?: number
  readonly message: string
}

export type Rule = (tree: Tree) => readonly Finding[] | Promise<readonly Finding[]>

export function openTree(root: string): Tree {
  const files = listFiles(root)
  const bytes = memo((file) => readFileSync(join(root, file)))
  const text = memo((file) => bytes(file).toString('utf8'))
  const tokens = memo((file) => listTokens(text(file)))
  const imports = memo((file) => listImports(tokens(file)))
  return { root, files, packages: listPackages(root), bytes, text, tokens, imports }
}

/** The innermost package that a file belongs to. */
export function packageOf(tree: Tree, file: string): Package | undefined {
  let best: Package | undefined
  for (const candidate of tree.packages) {
    const inside = candidate.folder === '' || file.startsWith(`${candidate.folder}/`)
    if (inside && (best === undefined || candidate.folder.length > best.folder.length)) best = candidate
  }
  return best
}

export function isCode(file: string): boolean {
  return /\.(?:[cm]?ts|[cm]?js)$/.test(file) && !file.endsWith('.d.ts')
}

/** Files that no process of ours runs: tests and what only tests use, benchmarks, examples, tools. */
export function isTest(file: string): boolean {
  return (
    /\.(?:test|bench)\.[cm]?[tj]s$/.test(file) ||
    /(?:^|\/)testing(?:\.ts|\/)/.test(file) ||
    /^(?:test|bench|examples|tools)\//.test(file) ||
    /(?:^|\/)vitest\.config\.ts$/.test(file)
  )
}

export function listManifestDependencies(manifest: Manifest): Readonly<Record<string, string>> {
  return { ...manifest.peerDependencies, ...manifest.optionalDependencies, ...manifest.dependencies }
}

function listPackages(root: string): Package[] {
  const main = readManifest(root, '')
  if (main === undefined) return []
  const packages: Package[] = [{ name: main.name, folder: '', manifest: main }]
  for (const folder of main.workspaces ?? []) {
    const manifest = readManifest(root, folder)
    if (manifest !== undefined) packages.push({ name: manifest.name, folder, manifest })
  }
  return packages
}

function readManifest(root: string, folder: string): Manifest | undefined {
  const file = join(root, folder, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

function listFiles(root: string): string[] {
  const listed = existsSync(join(root, '.git')) ? listWithGit(root) : listFolder(root, '')
  // A file that is deleted but not yet staged is still in git's list.
  return listed.filter((file) => existsSync(join(root, file))).sort()
}

function listWithGit(root: string): string[] {
  const words = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const out = execFileSync('git', words, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
  return [...new Set(out.split('\0').filter((file) => file !== ''))]
}

const skippedFolders = new Set(['node_modules', '.git', 'dist', '.countersign', '.cache', 'coverage'])

function listFolder(root: string, folder: string): string[] {
  const files: string[] = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory() && !skippedFolders.has(entry.name)) files.push(...listFolder(root, path))
    if (entry.isFile()) files.push(path)
  }
  return files
}

export function folderOf(file: string): string {
  const folder = dirname(file)
  return folder === '.' ? '' : folder
}

function memo<T>(make: (file: string) => T): (file: string) => T {
  const made = new Map<string, T>()
  return (file) => {
    const known = made.get(file)
    if (known !== undefined) return known
    const value = make(file)
    made.set(file, value)
    return value
  }
}
