import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { listBlocks, listSnippets } from '../house/snippets.ts'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'boundary/mpc/README.md'), 'utf8')

it('the package’s README says first that it has had no external audit', () => {
  expect(readme.split('\n').slice(0, 4).join(' ')).toContain('no external audit')
})

it('every block of the package’s README runs as it stands there', async () => {
  const snippets = listSnippets(readme)
  expect(snippets.map(({ name }) => name)).toEqual(['ecdsa'])
  expect(snippets).toHaveLength(listBlocks(readme).length)
  const folder = join(root, '.cache', `mpc-readme-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    for (const { name, text } of snippets) {
      const file = join(folder, `${name}.ts`)
      writeFileSync(file, text)
      const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: root, timeout: 50_000 })
      expect(stdout).toBe('party 1 has a signature of 64 bytes\nparty 3 has a signature of 64 bytes\n')
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
