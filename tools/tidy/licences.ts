import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { listClosure } from './closure.ts'
import type { Finding, Tree } from './tree.ts'

/** SPDX ids of licences that ask for no more than their own text to be kept. */
const permissive = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'PostgreSQL',
  'Python-2.0',
  'Unlicense',
  'Zlib',
])

/** Every package that is installed with one of ours in production is under a permissive licence. */
export function checkLicences(tree: Tree): Finding[] {
  const lock = JSON.parse(tree.text('package-lock.json')).packages
  const findings: Finding[] = []
  const seen = new Set<string>()
  for (const { folder } of tree.packages) {
    if (folder === '') continue
    for (const [key, { licence }] of listClosure(lock, folder)) {
      if (seen.has(key)) continue
      seen.add(key)
      const stated = licence === 'unknown' ? readLicence(tree.root, key) : licence
      if (isPermissive(stated)) continue
      findings.push({
        rule: 'licences',
        file: 'package-lock.json',
        message: `${key} has licence "${stated}" (with ${folder})`,
      })
    }
  }
  return findings
}

/** SPDX expressions of AND, OR and parentheses (OR needs one permissive side, AND both). */
export function isPermissive(expression: string): boolean {
  const text = expression.trim()
  const bare = /^\(([^()]*)\)$/.exec(text)?.[1] ?? text
  if (/ OR /.test(bare)) return bare.split(/ OR /).some(isPermissive)
  if (/ AND /.test(bare)) return bare.split(/ AND /).every(isPermissive)
  return permissive.has(bare)
}

function readLicence(root: string, name: string): string {
  const file = join(root, 'node_modules', name, 'package.json')
  if (!existsSync(file)) return 'unknown'
  const { license } = JSON.parse(readFileSync(file, 'utf8'))
  return typeof license === 'string' ? license : 'unknown'
}
