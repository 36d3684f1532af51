import { expect, it } from 'vitest'
import { checkLock, listMissing } from './lock.ts'
import { makeTree } from './temporary-tree.ts'

const names = {
  'a-linux-x64': '1.0.0',
  'a-linux-arm64-musl': '1.0.0',
  '@b/c-windows-amd64': '2.0.0',
}
const packages = {
  'node_modules/a': { version: '1.0.0', optionalDependencies: names },
  'node_modules/a/node_modules/a-linux-x64': { version: '1.0.0', optional: true },
}

function messages(lock: object): string[] {
  using tree = makeTree({ 'package-lock.json': JSON.stringify(lock, null, 2) })
  return checkLock(tree).map(({ message }) => message)
}

it('adds what npm leaves out, for the platform that the name says', () => {
  expect(Object.fromEntries(listMissing(packages))).toEqual({
    'node_modules/a-linux-arm64-musl': {
      version: '1.0.0',
      cpu: ['arm64'],
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    },
    'node_modules/@b/c-windows-amd64': { version: '2.0.0', cpu: ['x64'], optional: true, os: ['win32'] },
  })
})

it('does not guess a platform or a version', () => {
  const missing = (name: string, version: string) =>
    listMissing({ a: { optionalDependencies: { [name]: version } } })
  expect(() => missing('fsevents', '2.3.3')).toThrow(/fsevents/)
  expect(() => missing('a-linux-x64', '^1.0.0')).toThrow(/a-linux-x64/)
})

it('finds a lock file that npm ci would refuse', () => {
  expect(messages({ packages })).toEqual([
    expect.stringContaining('lacks node_modules/a-linux-arm64-musl'),
    expect.stringContaining('lacks node_modules/@b/c-windows-amd64'),
  ])
  expect(messages({ packages: { ...packages, ...Object.fromEntries(listMissing(packages)) } })).toEqual([])
})

it('finds a lock file that names where packages came from', () => {
  const lock = (resolved: string) => ({ packages: { a: { resolved } } })
  expect(messages(lock('https://example.com/a.tgz'))).toHaveLength(1)
  expect(messages(lock('boundary/keys'))).toEqual([])
})
