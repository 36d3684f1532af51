import type { Finding, Tree } from '../tidy/tree.ts'
import { isCode, isTest } from '../tidy/tree.ts'
import { listCatalogues, listPolicyReasons } from './catalogues.ts'

/** Codes are well formed, defined in one place, and used; that docs/errors.md lists them is checkGenerated's part. */
export async function checkErrors(tree: Tree): Promise<Finding[]> {
  const findings: Finding[] = []
  const catalogues = await listCatalogues(tree)
  const reasons = await listPolicyReasons(tree)
  const used = listUsedStrings(tree)
  const places = new Map<string, string>()
  for (const { file, codes } of catalogues) {
    const report = (message: string) => findings.push({ rule: 'errors', file, message })
    for (const [code, { status, summary, fix }] of Object.entries(codes)) {
      const other = places.get(code)
      if (other !== undefined) report(`${code} is defined in ${other} too`)
      places.set(code, file)
      if (code in reasons) report(`${code} is a reason of a decision too`)
      if (!/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/.test(code)) report(`${code} is not of the form AREA_PROBLEM`)
      if (!used.has(code)) report(`${code} is used nowhere`)
      if (!Number.isInteger(status) || status < 400 || status > 599)
        report(`${code} has status ${status}, which is no HTTP error`)
      if (!/^[A-Z`"].*\.$/s.test(summary)) report(`the summary of ${code} is not a sentence: "${summary}"`)
      if (fix === '') report(`${code} has no fix`)
      for (const [document] of fix.matchAll(/\bdocs\/[\w./-]+\.(?:md|json)/g)) {
        if (!tree.files.includes(document))
          report(`the fix of ${code} names ${document}, which does not exist`)
      }
    }
  }
  for (const code of Object.keys(reasons)) {
    if (used.has(code)) continue
    findings.push({
      rule: 'errors',
      file: 'kernel/policy/src/reasons.ts',
      message: `${code} is used nowhere`,
    })
  }
  return findings
}

/** Strings in code that runs, outside the catalogues themselves. */
function listUsedStrings(tree: Tree): Set<string> {
  const used = new Set<string>()
  for (const file of tree.files) {
    if (!isCode(file) || isTest(file) || /\/src\/catalogue\.ts$/.test(file)) continue
    for (const { kind, text } of tree.tokens(file)) if (kind === 'string') used.add(text)
  }
  return used
}
