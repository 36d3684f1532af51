// npm run docs: writes the documents that are made from code. With --check, says which are out of date.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Finding, openTree, type Tree } from '../tidy/tree.ts'
import { renderApi, routesSource } from './api.ts'
import { renderErrors } from './errors.ts'
import { openapiSource, renderOpenapi } from './openapi.ts'
import { policySchemaSource, renderPolicySchema } from './policy-schema.ts'

interface Generator {
  readonly file: string
  /** The document is due as soon as a file that fits exists. */
  readonly source: RegExp
  readonly render: (tree: Tree) => Promise<string>
}

const generators: readonly Generator[] = [
  { file: 'docs/errors.md', source: /\/src\/catalogue\.ts$/, render: renderErrors },
  { file: 'docs/api.md', source: exactly(routesSource), render: renderApi },
  { file: 'docs/policy.schema.json', source: exactly(policySchemaSource), render: renderPolicySchema },
  { file: 'docs/openapi.json', source: exactly(openapiSource), render: renderOpenapi },
]

export async function checkGenerated(tree: Tree): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { file, wanted } of await renderAll(tree)) {
    const there = tree.files.includes(file) ? tree.text(file) : undefined
    if (there === wanted) continue
    const message =
      there === undefined ? 'does not exist; run npm run docs' : 'is out of date; run npm run docs'
    findings.push({ rule: 'generated', file, message })
  }
  return findings
}

async function renderAll(tree: Tree): Promise<{ file: string; wanted: string }[]> {
  const due = generators.filter(({ source }) => tree.files.some((file) => source.test(file)))
  return await Promise.all(due.map(async ({ file, render }) => ({ file, wanted: await render(tree) })))
}

function exactly(file: string): RegExp {
  return new RegExp(`^${file.replace(/[.]/g, '\\.')}$`)
}

if (import.meta.main) {
  const tree = openTree(resolve(import.meta.dirname, '../..'))
  if (process.argv.includes('--check')) {
    const findings = await checkGenerated(tree)
    for (const { file, message } of findings) console.error(`${file} ${message}`)
    process.exitCode = findings.length === 0 ? 0 : 1
  } else {
    for (const { file, wanted } of await renderAll(tree)) {
      mkdirSync(dirname(join(tree.root, file)), { recursive: true })
      writeFileSync(join(tree.root, file), wanted)
      console.log(`wrote ${file}`)
    }
  }
}
