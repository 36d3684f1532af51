// npm run check:tidy: what the design promises and a machine can check. Each rule has tests beside it.
import { resolve } from 'node:path'
import { checkErrors } from '../docs/error-codes.ts'
import { checkGenerated } from '../docs/generated.ts'
import { checkClosure, checkLoaded } from './closure.ts'
import { checkDependencies } from './dependencies.ts'
import { checkDirection } from './direction.ts'
import { checkFiles } from './files.ts'
import { checkLicences } from './licences.ts'
import { checkLinks } from './links.ts'
import { checkLock } from './lock.ts'
import { checkPurity } from './purity.ts'
import { checkText } from './text.ts'
import { type Finding, openTree, type Rule, type Tree } from './tree.ts'

export const rules: Readonly<Record<string, Rule>> = {
  'imports go one way': checkDirection,
  'the kernel is pure': checkPurity,
  'declared dependencies are those in use, at exact versions': checkDependencies,
  "the signer's third-party closure is the accepted one": checkClosure,
  'the signer loads what the closure says it loads': checkLoaded,
  'the lock file installs everywhere': checkLock,
  'licences are permissive': checkLicences,
  'files have sizes, names and faces as agreed': checkFiles,
  'nothing of one machine and nothing binary is tracked': checkText,
  'links in Markdown lead somewhere': checkLinks,
  'every error code is used, defined once and documented': checkErrors,
  'generated documents are up to date': checkGenerated,
}

export async function listFindings(tree: Tree): Promise<Finding[]> {
  const lists = await Promise.all(Object.values(rules).map((rule) => rule(tree)))
  return lists.flat()
}

export function formatFinding({ rule, file, line, message }: Finding): string {
  return `${file}${line === undefined ? '' : `:${line}`}  ${rule}: ${message}`
}

if (import.meta.main) {
  const tree = openTree(resolve(import.meta.dirname, '../..'))
  const findings = await listFindings(tree)
  for (const finding of findings) console.error(formatFinding(finding))
  const verdict = findings.length === 0 ? 'nothing to find' : `${findings.length} findings`
  console.log(`tidy: ${Object.keys(rules).length} rules over ${tree.files.length} files: ${verdict}`)
  process.exitCode = findings.length === 0 ? 0 : 1
}
