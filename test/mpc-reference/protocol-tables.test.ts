import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { codes, headerBytes, nobleSecp256k1Group, payloadBytes } from '@countersign/mpc'
import { expect, it } from 'vitest'

/** docs/mpc-protocol.md says which test attacks what, and how long each message is. Tables that are not true would be
 * worse than none. */
const root = resolve(import.meta.dirname, '../..')
const document = readFileSync(join(root, 'docs/mpc-protocol.md'), 'utf8')
const chapter =
  /\n## Known failures of other implementations\n([\s\S]*?)(?=\n## |$)/.exec(document)?.[1] ?? ''
const rows = chapter.split('\n').filter((line) => line.startsWith('|'))

interface Named {
  readonly file: string
  readonly title: string
}

function listTests(row: string): Named[] {
  const found: Named[] = []
  let file = ''
  for (const [, path, title] of row.matchAll(/`([\w./-]+\.test\.ts)`|(?<=[ |])"([^"]+)"/g)) {
    if (path !== undefined) file = path
    // Titles of papers stand before any file.
    else if (title !== undefined && file !== '') found.push({ file, title })
  }
  return found
}

const tests = rows.flatMap(listTests)

it('has a row for every known failure, with a test or the reason why there is none', () => {
  const ids = rows.flatMap((row) => /^\| (A\d+) \|/.exec(row)?.[1] ?? [])
  expect(ids).toEqual(Array.from({ length: 25 }, (_, i) => `A${i + 1}`))
  const bare = rows.filter((row) => /^\| A\d+ \|/.test(row) && listTests(row).length === 0)
  expect(bare.map((row) => /A\d+/.exec(row)?.[0])).toEqual(['A20'])
})

it('names at least one test in every row of the other tables', () => {
  const [, properties = '', others = ''] = chapter.split(/\n### .*\n/)
  for (const table of [properties, others]) {
    const body = table.split('\n').filter((line) => line.startsWith('| '))
    expect(body.length).toBeGreaterThan(20)
    // The first is the head.
    for (const row of body.slice(1)) expect(listTests(row), row).not.toEqual([])
  }
})

it.each([...new Set(tests.map(({ file }) => file))])('%s has the tests that the table names', (file) => {
  const path = join(root, 'boundary/mpc/src', file)
  expect(existsSync(path)).toBe(true)
  const source = readFileSync(path, 'utf8')
  const missing = tests.filter((one) => one.file === file && !source.includes(one.title))
  expect(missing.map(({ title }) => title)).toEqual([])
})

const messages = [...document.matchAll(/^\| (0x[0-9a-f]{2}) \| ([^|]+) \|.*\| ([^|]+) \|$/gm)].map(
  ([, code, name = '', figures = '']) => ({
    code: Number(code),
    name: name.trim(),
    bytes: Number(/[\d,]+/.exec(figures)?.[0].replaceAll(',', '')),
  }),
)

it('lists every message', () => {
  expect([...new Set(messages.map(({ code }) => code))].sort((a, b) => a - b)).toEqual(
    Object.values(codes).sort((a, b) => a - b),
  )
})

it('gives the sizes that the code has, with a 2-of-2 key of suite 1 where they depend on it', () => {
  const group = nobleSecp256k1Group
  const { dkg1, dkg2Broadcast, dkg2Direct, dkg3Broadcast, dkg3Direct, dkg4 } = payloadBytes
  const { sign1, sign2, sign3, sign4, recover1, recover2, reshareNew1, reshareNew2, reshareRetire } =
    payloadBytes
  const shared = [dkg3Broadcast, dkg3Direct(group), dkg4(group)]
  expect(messages.map(({ bytes }) => bytes)).toEqual([
    ...[dkg1, dkg2Broadcast(group, 2, true), dkg2Direct(group, true), ...shared],
    ...[dkg1, dkg2Broadcast(group, 1, false), dkg2Direct(group, true), ...shared],
    ...[recover1, recover2(group, 3)],
    ...[dkg1, reshareNew1, dkg2Broadcast(group, 2, false), 32, reshareNew2(group)],
    ...[dkg3Broadcast, dkg3Broadcast, dkg3Direct(group), dkg4(group), reshareRetire],
    ...[sign1, sign2, sign3, sign4],
    ...[payloadBytes.frost1({ ...group, pointBytes: 32 }), payloadBytes.frost2, payloadBytes.export1],
  ])
  const total = (...bytes: number[]) =>
    bytes.reduce((sum, one) => sum + one + headerBytes, 0).toLocaleString('en')
  expect(document).toContain(
    `| key generation, suite 1, t = 2 | 6 | ${total(dkg1, dkg2Broadcast(group, 2, true), dkg2Direct(group, true), ...shared)} |`,
  )
  expect(document).toContain(`| ECDSA signature, any t | 4 | ${total(sign1, sign2, sign3, sign4)} |`)
  expect(document).toContain(`| online part of it | 1 | ${total(sign4)} |`)
})
