import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { publishedManifest, type SourceManifest } from './published-manifest.ts'
import { type SourceFileProblem, unrewrittenPaths } from './unrewritten-paths.ts'

const usage = `npm run build: makes the packages that npm publishes

Node does not strip types under node_modules, so what is published is JavaScript and declarations:
  dist/packages/<name>   a package as npm would install it
  dist/tarballs          the same, packed

  --out <folder>   instead of dist
  --help`

const repository = resolve(import.meta.dirname, '../..')

const { values } = parseArgs({ options: { out: { type: 'string' }, help: { type: 'boolean' } } })
if (values.help === true) console.log(usage)
else build(resolve(values.out ?? join(repository, 'dist')))

function build(out: string): void {
  const emitted = join(out, 'emitted')
  const packages = join(out, 'packages')
  const tarballs = join(out, 'tarballs')
  for (const folder of [emitted, packages, tarballs]) rmSync(folder, { recursive: true, force: true })
  mkdirSync(tarballs, { recursive: true })

  const { workspaces } = readJson<{ workspaces: string[] }>(join(repository, 'package.json'))
  emit(workspaces, emitted)
  const folders = workspaces.map((workspace) => assemble(workspace, emitted, packages))
  rmSync(emitted, { recursive: true, force: true })
  run('npm', ['pack', '--silent', '--pack-destination', tarballs, ...folders], repository)
  for (const tarball of readdirSync(tarballs).sort())
    console.log(relative(process.cwd(), join(tarballs, tarball)))
}

/** One compilation for all: the packages see each other's sources, as they do while they are developed. */
function emit(workspaces: readonly string[], outDir: string): void {
  const fromHere = (path: string) => relative(outDir, join(repository, path))
  const config = {
    extends: fromHere('tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      allowImportingTsExtensions: false,
      rootDir: fromHere('.'),
      typeRoots: [fromHere('node_modules/@types')],
      outDir: '.',
    },
    include: workspaces.map((workspace) => fromHere(`${workspace}/src`)),
    exclude: ['node_modules', 'testing', '*.test.ts', '*.bench.ts'].flatMap((name) =>
      workspaces.map((workspace) => fromHere(`${workspace}/**/${name}`)),
    ),
  }
  mkdirSync(outDir, { recursive: true })
  const file = join(outDir, 'tsconfig.json')
  writeFileSync(file, JSON.stringify(config, null, 2))
  run(join(repository, 'node_modules/.bin/tsc'), ['-p', file], repository)
}

/** @returns the folder of the finished package. */
function assemble(workspace: string, emitted: string, packages: string): string {
  const source = join(repository, workspace)
  const manifest = readJson<SourceManifest>(join(source, 'package.json'))
  const target = join(packages, manifest.name)
  const published = publishedManifest(manifest)
  cpSync(join(emitted, workspace, 'src'), join(target, 'dist'), { recursive: true })
  copyAssets(join(source, 'src'), join(target, 'dist'))
  checkPaths(manifest.name, join(target, 'dist'))
  for (const path of Object.values(published.bin ?? {})) makeExecutable(join(target, path))
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
  copyFileSync(join(repository, 'LICENSE'), join(target, 'LICENSE'))
  const readme = join(source, 'README.md')
  if (existsSync(readme)) copyFileSync(readme, join(target, 'README.md'))
  else writeFileSync(join(target, 'README.md'), readmeOf(manifest))
  return target
}

/** What is no TypeScript travels as it is: migrations, JSON. */
function copyAssets(from: string, to: string): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const inner = relative(from, path)
    if (!entry.isFile() || entry.name.endsWith('.ts') || /(^|\/)(testing|vectors)\//.test(inner)) continue
    mkdirSync(dirname(join(to, inner)), { recursive: true })
    copyFileSync(path, join(to, inner))
  }
}

/** The compiler rewrites imports only: a path to a .ts file in a string would point to nothing. */
function checkPaths(name: string, folder: string): void {
  const problems: SourceFileProblem[] = []
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue
    const path = join(entry.parentPath, entry.name)
    problems.push(...unrewrittenPaths(relative(folder, path), readFileSync(path, 'utf8')))
  }
  if (problems.length === 0) return
  const lines = problems.map(({ file, path }) => `  ${file}: ${path}`)
  throw new Error(
    `${name} names TypeScript files in strings, which are JavaScript files once built:\n${lines.join('\n')}`,
  )
}

function makeExecutable(path: string): void {
  if (!readFileSync(path, 'utf8').startsWith('#!')) throw new Error(`${path} is a bin without a #! line.`)
  chmodSync(path, 0o755)
}

function readmeOf({ name, description }: SourceManifest): string {
  return `# ${name}\n\n${description}.\n\nPart of Countersign, server-side wallet signing. Apache-2.0.\n`
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status === 0) return
  throw new Error(`${command} ${args[0]} failed (${status ?? error?.message}):\n${stdout}${stderr}`)
}
