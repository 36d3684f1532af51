import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openTree, type Tree } from './tree.ts'

/** A small repository in a temporary folder, for tests of the rules. Every folder that has a package.json is a workspace. */
export function makeTree(files: Readonly<Record<string, string | object>>): Tree & Disposable {
  const root = mkdtempSync(join(tmpdir(), 'countersign-tidy-'))
  const workspaces = Object.keys(files)
    .filter((file) => file.endsWith('/package.json'))
    .map((file) => dirname(file))
  const manifest = { name: 'house', private: true, license: 'Apache-2.0', workspaces }
  for (const [file, content] of Object.entries({ 'package.json': manifest, ...files })) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    const whole = file === 'package.json' ? { ...manifest, ...(content as object) } : content
    writeFileSync(join(root, file), typeof whole === 'string' ? whole : JSON.stringify(whole))
  }
  return { ...openTree(root), [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}

/** A package.json with what every one must have. */
export function manifestOf(name: string, dependencies: Readonly<Record<string, string>> = {}): object {
  return { name, version: '0.1.0', license: 'Apache-2.0', dependencies }
}
