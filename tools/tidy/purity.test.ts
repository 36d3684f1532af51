import { expect, it } from 'vitest'
import { checkPurity } from './purity.ts'
import { makeTree } from './temporary-tree.ts'

function count(source: string, file = 'kernel/bytes/src/a.ts'): number {
  using tree = makeTree({ [file]: source })
  return checkPurity(tree).length
}

it.each([
  ["import { readFileSync } from 'node:fs'"],
  ["import { readFileSync } from 'fs'"],
  ["process.getBuiltinModule('node:fs')"],
  ['const a = Date.now()'],
  ['const a = new Date()'],
  ['const a = new Date'],
  ['const a = Date()'],
  ['const a = Math.random()'],
  ['const a = process.env.A'],
  ['const a = globalThis.b'],
  ["await fetch('https://a')"],
  ['window.fetch()'],
  ['setTimeout(() => {}, 1)'],
  ['const a = performance.now()'],
  ['crypto.getRandomValues(a)'],
  ['console.log(1)'],
  ['const a = `${process.pid}`'],
])('finds %j in the kernel', (source) => {
  expect(count(source)).toBeGreaterThan(0)
})

it.each([
  ['const a = new Date(atMs).toISOString()'],
  ["const a = Date.parse('2026-01-01')"],
  ['// process.env is not read here'],
  ["const a = 'fetch'"],
  ['const a = rule.process'],
  ['const a = { process: 1, fetch: 2 }'],
  ['const window = rule.window\nconst ms = window.rolling'],
  ['interface A { fetch?: string; console: number }'],
  ['const a = Math.max(1, 2)'],
])('lets %j through', (source) => {
  expect(count(source)).toBe(0)
})

it('looks at the kernel only, and not at its tests', () => {
  expect(count('const a = Date.now()', 'engine/src/a.ts')).toBe(0)
  expect(count('const a = Date.now()', 'kernel/bytes/src/a.test.ts')).toBe(0)
})

it('gives the one exception to the one file that it names, for the names that it names', () => {
  const hash = "const a = globalThis.process.getBuiltinModule('node:crypto')"
  expect(count(hash, 'kernel/bytes/src/digest.ts')).toBe(0)
  expect(count(hash, 'kernel/bytes/src/other.ts')).toBeGreaterThan(0)
  expect(count('Date.now()', 'kernel/bytes/src/digest.ts')).toBe(1)
  expect(count("process.getBuiltinModule('node:fs')", 'kernel/bytes/src/digest.ts')).toBe(1)
})
