import { builtinModules } from 'node:module'
import { packageNameOf } from './imports.ts'
import {
  type Finding,
  isCode,
  isTest,
  listManifestDependencies,
  type Package,
  packageOf,
  type Tree,
} from './tree.ts'

const exactVersion = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/

/** Root packages that are run, not imported; each with what runs it. */
const runTools: Readonly<Record<string, string>> = {
  '@biomejs/biome': 'npm run check:lint',
  '@foundry-rs/anvil': 'the chain of tests and the quickstart',
  node: 'what npm run runs everything on',
  typescript: 'npm run check:types',
}

/** Each package declares exactly what it imports, at exact versions. */
export function checkDependencies(tree: Tree): Finding[] {
  return [...checkVersions(tree), ...checkUse(tree)]
}

function checkVersions(tree: Tree): Finding[] {
  const findings: Finding[] = []
  for (const one of tree.packages) {
    const { manifest } = one
    const all = { ...listManifestDependencies(manifest), ...manifest.devDependencies }
    for (const [name, version] of Object.entries(all)) {
      if (exactVersion.test(version)) continue
      const message = `${name} is "${version}"; write one exact version`
      findings.push({ rule: 'versions', file: manifestFile(one), message })
    }
    if (manifest.license !== 'Apache-2.0') {
      findings.push({
        rule: 'licences',
        file: manifestFile(one),
        message: 'its "license" is not Apache-2.0',
      })
    }
  }
  return findings
}

function checkUse(tree: Tree): Finding[] {
  const findings: Finding[] = []
  const used = new Map<Package, Set<string>>(tree.packages.map((one) => [one, new Set()]))
  const usedByTests = new Set<string>()
  const root = tree.packages.find((one) => one.folder === '')
  const forTests = new Set([
    ...Object.keys(root?.manifest.devDependencies ?? {}),
    ...tree.packages.map(nameOf),
  ])
  for (const file of tree.files) {
    const owner = packageOf(tree, file)
    if (!isCode(file) || owner === undefined) continue
    const declared = listDeclared(owner)
    for (const { specifier, line } of tree.imports(file)) {
      const name = specifier === undefined ? undefined : packageNameOf(specifier)
      if (name === undefined || name === owner.name || builtinModules.includes(name)) continue
      if (isTest(file)) usedByTests.add(name)
      else used.get(owner)?.add(name)
      if (declared.has(name) || (isTest(file) && forTests.has(name))) continue
      const where = isTest(file) ? "the root package.json's devDependencies" : manifestFile(owner)
      findings.push({
        rule: 'dependencies',
        file,
        line,
        message: `imports ${name}, which ${where} does not declare`,
      })
    }
  }
  const usedAnywhere = new Set([
    ...usedByTests,
    ...Object.keys(runTools),
    ...[...used.values()].flatMap((names) => [...names]),
  ])
  for (const one of tree.packages) {
    const unusedNames = [
      ...Object.keys(listManifestDependencies(one.manifest)).filter((name) => !used.get(one)?.has(name)),
      ...Object.keys(one.manifest.devDependencies ?? {}).filter((name) => !usedAnywhere.has(typedName(name))),
    ]
    for (const name of unusedNames) {
      const message = `declares ${name}, which nothing in it imports`
      findings.push({ rule: 'dependencies', file: manifestFile(one), message })
    }
  }
  return findings
}

function listDeclared({ manifest }: Package): Set<string> {
  return new Set(Object.keys({ ...listManifestDependencies(manifest), ...manifest.devDependencies }))
}

/** `@types/pg` is used where `pg` is. */
function typedName(name: string): string {
  return name.startsWith('@types/') ? name.slice('@types/'.length) : name
}

function nameOf({ name }: Package): string {
  return name
}

function manifestFile({ folder }: Package): string {
  return folder === '' ? 'package.json' : `${folder}/package.json`
}
