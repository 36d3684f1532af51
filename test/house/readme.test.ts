import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { effectKinds } from '@countersign/intent'
import { parsePolicy } from '@countersign/policy'
import { expect, it } from 'vitest'
import { conditionKinds } from '../../kernel/policy/src/condition.ts'
import { listBlocks, listSnippets } from './snippets.ts'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(resolve(root, 'README.md'), 'utf8')
const snippets = listSnippets(readme)

it('marks every code block: run by a test, or shown for a reason', () => {
  const unmarked = listBlocks(readme).filter(
    ({ mark }) => !/^<!-- (?:run: [a-z0-9-]+|shown: .{10,}) -->$/.test(mark),
  )
  expect(unmarked).toEqual([])
  expect(new Set(snippets.map(({ name }) => name)).size).toBe(snippets.length)
})

it('names commands that exist', () => {
  const { scripts } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'))
  const commands = snippets.find(({ name }) => name === 'two-commands')?.text.split('\n')
  expect(commands).toEqual(['npm run quickstart', 'npm test'])
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['quickstart', 'test']))
})

it('shows a policy that the signer accepts', () => {
  const text = snippets.find(({ name }) => name === 'policy')?.text ?? ''
  expect(parsePolicy(JSON.parse(text)).id).toBe('payroll')
})

it('documents every effect with the conditions that apply to it', () => {
  const document = readFileSync(resolve(root, 'docs/policy.md'), 'utf8')
  for (const kind of effectKinds) {
    const [, cell = ''] = new RegExp(`\n\\| *\`${kind}\` *\\|.*\\|([^|]*)\\| *\n`).exec(document) ?? []
    const listed = [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    const wanted = Object.entries(conditionKinds).flatMap(([name, kinds]) =>
      kinds.includes(kind) ? [name] : [],
    )
    expect({ kind, conditions: listed.sort() }).toEqual({ kind, conditions: wanted.sort() })
  }
})
