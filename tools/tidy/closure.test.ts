import { expect, it } from 'vitest'
import { checkClosure, checkLoaded, listClosure } from './closure.ts'
import { checkLicences, isPermissive } from './licences.ts'
import { makeTree, manifestOf } from './temporary-tree.ts'

const lock = {
  '': {},
  'boundary/signer': { dependencies: { '@countersign/keys': '0.1.0', a: '1.0.0' } },
  'boundary/keys': { optionalDependencies: { native: '1.0.0' }, dependencies: { a: '2.0.0' } },
  engine: { dependencies: { gpl: '1.0.0' } },
  'node_modules/@countersign/keys': { resolved: 'boundary/keys', link: true },
  'node_modules/a': { version: '1.0.0', license: 'MIT' },
  'boundary/keys/node_modules/a': { version: '2.0.0', license: 'MIT', dependencies: { deep: '^1.0.0' } },
  'node_modules/deep': { version: '1.0.0', license: 'ISC' },
  'node_modules/native': { version: '1.0.0', license: 'MIT', optional: true },
  'node_modules/gpl': { version: '1.0.0', license: 'GPL-3.0' },
}

const row = (version: string, licence = 'MIT') => ({
  version,
  licence,
  loaded: true,
  why: 'because a test needs it',
})
const rows = { a: row('1.0.0'), 'a@2.0.0': row('2.0.0'), deep: row('1.0.0', 'ISC'), native: row('1.0.0') }

function closureMessages(allowed: object): string[] {
  using tree = makeTree({
    'package-lock.json': { packages: lock },
    'tools/tidy/signer-closure.json': allowed,
  })
  return checkClosure(tree).map(({ message }) => message)
}

it('follows workspace links, nested versions and optional packages, and nothing of other packages', () => {
  expect([...listClosure(lock, 'boundary/signer').keys()]).toEqual(['a', 'a@2.0.0', 'deep', 'native'])
})

it('passes when the list is what is installed', () => {
  expect(closureMessages(rows)).toEqual([])
})

it.each([
  ['a package that is not on the list', (({ deep: _, ...rest }) => rest)(rows), 'not on the list'],
  ['a row too many', { ...rows, old: row('1.0.0') }, 'no longer installed'],
  ['another version', { ...rows, deep: row('1.0.1', 'ISC') }, 'deep is 1.0.0'],
  ['another licence', { ...rows, deep: row('1.0.0', 'MIT') }, 'has licence ISC'],
  ['a row without a reason', { ...rows, deep: { ...row('1.0.0', 'ISC'), why: '' } }, 'no reason'],
])('finds %s', (_, allowed, message) => {
  expect(closureMessages(allowed)).toEqual([expect.stringContaining(message)])
})

it('compares what is loaded with what the list says is loaded', () => {
  const files = {
    'boundary/signer/package.json': manifestOf('s'),
    'boundary/signer/src/index.ts': "import 'quiet'\nimport 'loud'",
    'node_modules/quiet/index.js': '',
    'node_modules/loud/index.js': "require('echo')",
    'node_modules/echo/index.js': '',
  }
  const found = (allowed: object) => {
    using tree = makeTree({ ...files, 'tools/tidy/signer-closure.json': allowed })
    return checkLoaded(tree).map(({ message }) => message)
  }
  const all = { quiet: row('1.0.0'), loud: row('1.0.0'), echo: row('1.0.0') }
  expect(found(all)).toEqual([])
  expect(found({ ...all, echo: { ...row('1.0.0'), loaded: false } })).toEqual([
    expect.stringContaining('never loaded'),
  ])
  expect(found({ ...all, silent: row('1.0.0') })).toEqual([
    expect.stringContaining('silent is marked loaded'),
  ])
  expect(found({ quiet: row('1.0.0'), loud: row('1.0.0') })).toEqual([expect.stringContaining('loads echo')])
})

it('finds a licence that is not permissive, in any package of ours', () => {
  using tree = makeTree({ 'package-lock.json': { packages: lock }, 'engine/package.json': manifestOf('e') })
  expect(checkLicences(tree).map(({ message }) => message)).toEqual([
    'gpl has licence "GPL-3.0" (with engine)',
  ])
})

it.each([
  ['MIT', true],
  ['(MIT OR GPL-3.0)', true],
  ['MIT AND ISC', true],
  ['MIT AND GPL-3.0', false],
  ['BSL-1.1', false],
  ['unknown', false],
  ['SEE LICENSE IN LICENSE.md', false],
  ['UNLICENSED', false],
])('%s: %s', (expression, wanted) => expect(isPermissive(expression)).toBe(wanted))
