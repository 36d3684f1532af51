import { expect, it } from 'vitest'
import { checkDependencies } from './dependencies.ts'
import { makeTree, manifestOf } from './temporary-tree.ts'

function messages(files: Record<string, string | object>): string[] {
  using tree = makeTree(files)
  return checkDependencies(tree).map(({ file, message }) => `${file} ${message}`)
}

it('passes when what is declared is what is imported', () => {
  const files = {
    'engine/package.json': manifestOf('e', { pg: '8.0.0' }),
    'engine/src/a.ts': "import 'pg'\nimport 'fs'",
  }
  expect(messages(files)).toEqual([])
})

it('finds what is imported and not declared, also as a type', () => {
  const files = {
    'engine/package.json': manifestOf('e'),
    'engine/src/a.ts': "import type { Pool } from 'pg'",
  }
  expect(messages(files)).toEqual(['engine/src/a.ts imports pg, which engine/package.json does not declare'])
})

it('finds what is declared and not imported, or imported by tests only', () => {
  const manifest = { 'engine/package.json': manifestOf('e', { pg: '8.0.0' }) }
  expect(messages(manifest)).toEqual(['engine/package.json declares pg, which nothing in it imports'])
  expect(messages({ ...manifest, 'engine/src/a.test.ts': "import 'pg'" })).toHaveLength(1)
})

it('counts the finding of a program as use', () => {
  const files = {
    'clients/cli/package.json': manifestOf('c', { signer: '0.1.0' }),
    'clients/cli/src/a.ts': "import.meta.resolve('signer/main')",
  }
  expect(messages(files)).toEqual([])
})

it('lets tests use what the root or the workspaces declare, and nothing else', () => {
  const files = {
    'package.json': { devDependencies: { vitest: '5.0.0' } },
    'engine/package.json': manifestOf('e'),
    'kernel/package.json': manifestOf('k'),
  }
  expect(messages({ ...files, 'engine/src/a.test.ts': "import 'vitest'\nimport 'k'" })).toEqual([])
  const found = messages({ ...files, 'engine/src/a.test.ts': "import 'vitest'\nimport 'left-pad'" })
  expect(found).toEqual([expect.stringContaining('imports left-pad')])
})

it('finds unused packages of the root, but for tools that are run and types of what is used', () => {
  const used = { 'tools/a.ts': "import 'pg'" }
  const devDependencies = { pg: '8.0.0', '@types/pg': '8.0.0', typescript: '7.0.0', '@types/node': '24.0.0' }
  expect(messages({ ...used, 'package.json': { devDependencies } })).toEqual([])
  const found = messages({
    ...used,
    'package.json': { devDependencies: { ...devDependencies, chalk: '1.0.0' } },
  })
  expect(found).toEqual(['package.json declares chalk, which nothing in it imports'])
})

it.each([
  '^1.0.0',
  '~1.0.0',
  '1.x',
  '*',
  'latest',
  '>=1',
  '1.0',
  'git+https://a/b',
  'file:../a',
  'workspace:*',
])('finds the version %s, which is not exact', (version) => {
  const files = { 'engine/package.json': manifestOf('e', { pg: version }), 'engine/src/a.ts': "import 'pg'" }
  expect(messages(files)).toHaveLength(1)
})

it('finds a package under another licence', () => {
  const files = { 'engine/package.json': { ...manifestOf('e'), license: 'MIT' } }
  expect(messages(files)).toEqual([expect.stringContaining('not Apache-2.0')])
})
