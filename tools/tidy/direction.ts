import { packageNameOf } from './imports.ts'
import { type Finding, folderOf, isCode, isTest, type Package, packageOf, type Tree } from './tree.ts'

/** What each part of the house may import, by folder. The first row whose `from` fits a package counts. */
interface Direction {
  readonly from: string
  /** Folders of workspace packages; `kernel` means every package under it. */
  readonly may: readonly string[]
  readonly why: string
}

const directions: readonly Direction[] = [
  { from: 'kernel/bytes', may: [], why: 'bytes is the ground floor' },
  { from: 'kernel/intent', may: ['kernel/bytes'], why: 'bytes <- intent <- policy' },
  { from: 'kernel/policy', may: ['kernel/bytes', 'kernel/intent'], why: 'bytes <- intent <- policy' },
  { from: 'kernel/wire', may: ['kernel/bytes'], why: 'bytes <- wire' },
  { from: 'kernel', may: ['kernel'], why: 'the kernel imports only itself' },
  { from: 'boundary/keys', may: ['kernel'], why: 'backends and the signer import keys, never the reverse' },
  {
    from: 'boundary/backends',
    may: ['kernel', 'boundary/keys'],
    why: 'a backend knows the key contract and nothing of the signer',
  },
  { from: 'boundary', may: ['kernel', 'boundary'], why: 'trusted code imports no untrusted code' },
  { from: 'engine', may: ['kernel', 'engine'], why: 'the engine reaches the signer by its socket only' },
  {
    from: 'clients',
    may: ['kernel', 'clients', 'boundary/mpc'],
    why: 'clients speak to processes, or start them, and import none of them',
  },
]

/** Third-party packages that the pure code may use: each works in browsers and does no I/O. */
const kernelThirdParty = new Set(['@noble/curves', '@noble/hashes', '@scure/base', 'typebox'])

/** Never below the engine: a second decoder beside the kernel's own would be a second opinion on the same bytes. */
const chainLibraries = new Set(['viem', 'ethers', 'web3', 'ox'])

/** Imports go one way, checked on what each package reaches through all packages that it imports. */
export function checkDirection(tree: Tree): Finding[] {
  const findings: Finding[] = []
  const graph = new Map<Package, Map<Package, Edge>>()
  for (const from of tree.packages) {
    if (from.folder !== '') graph.set(from, listEdges(tree, from, findings))
  }
  for (const from of graph.keys()) findings.push(...checkReach(graph, from))
  return findings
}

interface Edge {
  readonly file: string
  readonly line: number
}

function listEdges(tree: Tree, from: Package, findings: Finding[]): Map<Package, Edge> {
  const edges = new Map<Package, Edge>()
  const isTrusted = /^(?:kernel|boundary)\//.test(from.folder)
  for (const file of tree.files) {
    if (!isCode(file) || isTest(file) || packageOf(tree, file) !== from) continue
    for (const { specifier, kind, line } of tree.imports(file)) {
      const report = (message: string) => findings.push({ rule: 'direction', file, line, message })
      if (specifier === undefined) {
        if (isTrusted) report('imports a module whose name is computed; trusted code names what it loads')
        continue
      }
      // Finding a program's file to start it as a process of its own loads nothing of it.
      if (kind === 'resolve') continue
      if (specifier.startsWith('.')) {
        checkRelative(tree, { from, file, specifier }, report)
        continue
      }
      const name = packageNameOf(specifier)
      if (name === undefined) continue
      const to = tree.packages.find((candidate) => candidate.name === name)
      if (/\/testing(?:\/|$)/.test(specifier)) report(`imports ${specifier}, which is for tests`)
      if (to !== undefined && to !== from && !edges.has(to)) edges.set(to, { file, line })
      if (to !== undefined) continue
      if (from.folder.startsWith('kernel/') && !kernelThirdParty.has(name) && !isBuiltin(name)) {
        report(`imports ${name}; the kernel may use only ${[...kernelThirdParty].join(', ')}`)
      }
      if (isTrusted && chainLibraries.has(name))
        report(`imports ${name}; trusted code decodes with the kernel alone`)
    }
  }
  return edges
}

function checkRelative(
  tree: Tree,
  { from, file, specifier }: { from: Package; file: string; specifier: string },
  report: (message: string) => void,
): void {
  const target = new URL(specifier, `file:///${folderOf(file)}/`).pathname.slice(1)
  const owner = packageOf(tree, target)
  if (owner !== from) {
    report(
      `imports ${specifier}, a file of another package (${owner?.name}); import it by the package's name`,
    )
  } else if (isTest(target) && !target.endsWith('.json')) report(`imports ${specifier}, which is for tests`)
}

function checkReach(graph: ReadonlyMap<Package, ReadonlyMap<Package, Edge>>, from: Package): Finding[] {
  const direction = directions.find((candidate) => isUnder(from.folder, candidate.from))
  if (direction === undefined) {
    const message = `${from.folder} has no row in tools/tidy/direction.ts, so nothing says what it may import`
    return [{ rule: 'direction', file: `${from.folder}/package.json`, message }]
  }
  const findings: Finding[] = []
  const seen = new Set<Package>([from])
  const queue: { at: Package; path: readonly Package[]; first: Edge | undefined }[] = [
    { at: from, path: [from], first: undefined },
  ]
  for (const { at, path, first } of queue) {
    for (const [to, edge] of graph.get(at) ?? []) {
      if (to === from && at !== from) {
        const circle = [...path, to].map((step) => step.name).join(' -> ')
        findings.push({ rule: 'direction', ...(first ?? edge), message: `circle of packages: ${circle}` })
      }
      if (seen.has(to)) continue
      seen.add(to)
      const next = [...path, to]
      if (!direction.may.some((folder) => isUnder(to.folder, folder))) {
        const way = next.map((step) => step.name).join(' -> ')
        findings.push({ rule: 'direction', ...(first ?? edge), message: `${way}: ${direction.why}` })
      }
      queue.push({ at: to, path: next, first: first ?? edge })
    }
  }
  return findings
}

function isUnder(folder: string, parent: string): boolean {
  return folder === parent || folder.startsWith(`${parent}/`)
}

/** Without the `node:` prefix; with it the purity rule speaks. */
function isBuiltin(name: string): boolean {
  return process.getBuiltinModule(name) !== undefined
}
