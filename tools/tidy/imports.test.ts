import { describe, expect, it } from 'vitest'
import { listImports, packageNameOf } from './imports.ts'
import { listTokens } from './tokens.ts'

const imports = (source: string) =>
  listImports(listTokens(source)).map(({ specifier, kind }) => `${kind} ${specifier ?? '?'}`)

describe('listImports', () => {
  it.each([
    ["import 'a'", 'static a'],
    ["import a from 'a'", 'static a'],
    ["import type from 'a'", 'static a'],
    ["import a, { b as c, type D } from 'a'", 'static a'],
    ["import * as a from 'a'", 'static a'],
    ["import a from 'a' with { type: 'json' }", 'static a'],
    ["import type { A } from 'a'", 'type a'],
    ["export * from 'a'", 'static a'],
    ["export * as b from 'a'", 'static a'],
    ["export { a, b as c } from 'a'", 'static a'],
    ["export type { A } from 'a'", 'type a'],
    ["const a = await import('a')", 'dynamic a'],
    ["const a = [...import('a')]", 'dynamic a'],
    ['const a = await import(`a`)', 'dynamic a'],
    ["type A = import('a').A", 'dynamic a'],
    ['const a = await import(name)', 'dynamic ?'],
    ["const a = await import('a' + name)", 'dynamic ?'],
    ['const a = await import(`a${name}`)', 'dynamic ?'],
    ["const a = require('a')", 'require a'],
    ["const a = createRequire(import.meta.url)('a')", 'require a'],
    ["const load = createRequire(import.meta.url)\nload('a')", 'require a'],
    ["const load = createRequire(import.meta.url)\nload.resolve('a')", 'resolve a'],
    ["import.meta.resolve('a')", 'resolve a'],
    ["process.getBuiltinModule('node:fs')", 'require node:fs'],
    ["process.getBuiltinModule?.('node:fs')", 'require node:fs'],
    ["import\n  /* from 'no' */ a\n  from 'a'", 'static a'],
    ["import 'a\\u0062'", 'static ab'],
  ])('sees %j', (source, wanted) => {
    expect(imports(source)).toEqual([wanted])
  })

  it.each([
    ["// import 'a'"],
    ["/* import 'a' */"],
    ['const a = "import \'a\'"'],
    ["const a = `import 'a' ${b} import 'c'`"],
    ["const a = /import 'a'/"],
    ["a.import('b')"],
    ["a.require('b')"],
    ["export const from = 'a'"],
    ["export default 'a'"],
    ["export { a }\nconst b = 'from'"],
    ['import.meta.url'],
    ["interface A { getBuiltinModule?: (id: string) => unknown; import: 'a' }"],
  ])('does not see one in %j', (source) => {
    expect(imports(source)).toEqual([])
  })

  it('is not led astray by division, regular expressions and nested templates', () => {
    const source =
      "const a = b / c\nconst d = x.replace(/['\"`/*]/g, `${`${{ a: '}' }.a}`}`) / 2\nimport('e')"
    expect(imports(source)).toEqual(['dynamic e'])
  })

  it('sees imports inside the substitutions of a template', () => {
    expect(imports("const a = `${await import('a')}${{}}${await import('b')}`")).toEqual([
      'dynamic a',
      'dynamic b',
    ])
  })

  it('counts lines through comments, strings and templates', () => {
    const source = "/*\n\n*/\nconst a = `\n${1}\n`\nimport 'a'"
    expect(listImports(listTokens(source))[0]?.line).toBe(7)
  })
})

describe('packageNameOf', () => {
  it.each([
    ['@a/b/c', '@a/b'],
    ['a/b', 'a'],
    ['a', 'a'],
    ['./a', undefined],
    ['node:fs', undefined],
    ['#a', undefined],
  ])('%s', (specifier, name) => expect(packageNameOf(specifier)).toBe(name))
})
