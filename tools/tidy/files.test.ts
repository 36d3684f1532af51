import { expect, it } from 'vitest'
import { checkFiles } from './files.ts'
import { checkLinks } from './links.ts'
import { makeTree } from './temporary-tree.ts'
import { checkText } from './text.ts'
import type { Rule } from './tree.ts'

async function messages(rule: Rule, files: Record<string, string | object>): Promise<string[]> {
  using tree = makeTree(files)
  return (await rule(tree)).map(({ file, message }) => `${file} ${message}`)
}

const lines = (count: number) => 'const a = 1\n'.repeat(count)

it.each([
  'utils.ts',
  'helpers.test.ts',
  'common/a.ts',
  'manager.ts',
  'misc.md',
  'camelCase.ts',
  'Big.ts',
  'snake_case.ts',
])('finds the name %s', async (name) =>
  expect(await messages(checkFiles, { [`engine/${name}`]: '' })).toHaveLength(1),
)

it.each([
  'kebab-case.ts',
  'a.prop.test.ts',
  'README.md',
  'LICENSE',
  '.gitignore',
  '0001-monorepo.md',
  'openapi.json',
])('lets the name %s through', async (name) =>
  expect(await messages(checkFiles, { [`engine/${name}`]: '' })).toEqual([]),
)

it('allows 500 lines of source and 800 of tests, and not one more', async () => {
  expect(await messages(checkFiles, { 'engine/a.ts': lines(500), 'engine/a.test.ts': lines(800) })).toEqual(
    [],
  )
  expect(await messages(checkFiles, { 'engine/a.ts': lines(501) })).toEqual([
    expect.stringContaining('501 lines, 500'),
  ])
  expect(await messages(checkFiles, { 'engine/a.test.ts': lines(801) })).toHaveLength(1)
  expect(await messages(checkFiles, { 'tools/a.ts': lines(501) })).toHaveLength(1)
})

it('allows more where a row says why, and finds rows that are not needed', async () => {
  const why = 'one proof that reads best in one piece'
  const exceptions = (row: object) => ({ 'tools/tidy/size-exceptions.json': { 'engine/a.ts': row } })
  const long = { 'engine/a.ts': lines(600) }
  expect(await messages(checkFiles, { ...long, ...exceptions({ linesMax: 600, why }) })).toEqual([])
  expect(await messages(checkFiles, { ...long, ...exceptions({ linesMax: 599, why }) })).toHaveLength(1)
  expect(await messages(checkFiles, { ...long, ...exceptions({ linesMax: 600, why: '' }) })).toHaveLength(1)
  expect(
    await messages(checkFiles, { 'engine/a.ts': lines(9), ...exceptions({ linesMax: 600, why }) }),
  ).toHaveLength(1)
  expect(await messages(checkFiles, exceptions({ linesMax: 600, why }))).toHaveLength(1)
})

it.each([
  ["export * from './a.ts'\nexport type { B } from './b.ts'\nexport { c, d as e } from './c.ts'\n", 0],
  ["// why\nexport * as f from './a.ts';\n", 0],
  ['export const a = 1', 1],
  ["import './a.ts'", 1],
  ["export * from './a.ts'\nfunction b() {}", 1],
  ['export { a }\nexport const from = 1', 1],
])('an index.ts is a face: %j', async (source, count) => {
  expect(await messages(checkFiles, { 'engine/index.ts': source })).toHaveLength(count)
})

it('finds unfinished marks in comments only', async () => {
  const mark = ['TO', 'DO'].join('')
  expect(await messages(checkFiles, { 'engine/a.ts': `// ${mark}: later` })).toHaveLength(1)
  expect(await messages(checkFiles, { 'engine/a.ts': `const a = '${mark}'` })).toEqual([])
})

it.each([
  ['binary', 'a\0b'],
  ['path outside', ['see ..', 'shared/A.md'].join('/')],
  ['path of a machine', ['cd ', 'work', 'main'].join('/')],
  ['registry', ['https://registry', 'npmjs', 'org'].join('.')],
])('finds a %s in a tracked file', async (_, text) => {
  expect(await messages(checkText, { 'docs/a.md': text })).toHaveLength(1)
})

it.each([
  ['[a](b.md)', 1],
  ['[a](./c.md)', 0],
  ['[a](/nowhere/b.md)', 1],
  ['[a](c.md#one-two)', 0],
  ['[a](c.md#three)', 1],
  ['[a](#here)\n\n# Here', 0],
  ['[a](#there)', 1],
  ['[a](https://example.com/b.md)', 0],
  ['[a]: b.md', 1],
  ['![a](b.png)', 1],
  ['```\n[a](b.md)\n```', 0],
  ['`[a](b.md)`', 0],
  ['[a](../docs)', 0],
])('links: %j', async (text, count) => {
  expect(await messages(checkLinks, { 'docs/a.md': text, 'docs/c.md': '# One *two*\n' })).toHaveLength(count)
})

it('finds files that a document names and that do not exist', async () => {
  const files = {
    'engine/src/a.ts': '',
    'ARCHITECTURE.md': 'starts in `engine/src/a.ts`, ends in `engine/src/b.ts`',
  }
  expect(await messages(checkLinks, files)).toEqual([expect.stringContaining('`engine/src/b.ts`')])
})
