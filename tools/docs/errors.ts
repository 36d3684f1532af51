import type { Tree } from '../tidy/tree.ts'
import { listCatalogues, listPolicyReasons } from './catalogues.ts'

const retryWords = {
  now: 'the same request may be sent again at once',
  later: 'the same request may succeed later',
  'after-fix': 'another request is needed; the fix says which',
  never: 'this will not succeed',
} as const

const opening = `# Errors

Generated from the packages' catalogues by \`npm run docs\`; do not edit.

Every error has the same shape, over HTTP as \`{"error": {...}}\` and in the SDK as \`CountersignError\`:

| field | what it holds |
|---|---|
| \`code\` | one of the codes below, stable across versions |
| \`message\` | what happened in this case |
| \`fix\` | what to do about it; often more exact than the text below |
| \`retry\` | ${Object.entries(retryWords)
  .map(([word, meaning]) => `\`${word}\`: ${meaning}`)
  .join('; ')} |
| \`details\` | plain facts about the case, where there are any; never a secret |
`

/** docs/errors.md: every code of every package, by area. */
export async function renderErrors(tree: Tree): Promise<string> {
  const parts = [opening]
  for (const { file, codes } of await listCatalogues(tree)) {
    const rows = Object.entries(codes).sort(([a], [b]) => (a < b ? -1 : 1))
    parts.push(`\n## ${file.replace(/\/src\/catalogue\.ts$/, '')}\n`)
    for (const [code, { status, retry, summary, fix }] of rows) {
      parts.push(`\n### ${code}\n\nHTTP ${status}, retry \`${retry}\`. ${summary}\n\nFix: ${fix}\n`)
    }
  }
  const reasons = Object.entries(await listPolicyReasons(tree))
  if (reasons.length > 0) {
    parts.push(
      '\n## Reasons of a decision\n\nNot errors by themselves: a refusal (`POLICY_REFUSED`) lists, effect by effect and rule by rule, the reasons why nothing permitted it.\n\n| code | meaning |\n|---|---|\n',
    )
    for (const [code, meaning] of reasons) parts.push(`| \`${code}\` | ${meaning} |\n`)
  }
  return parts.join('')
}
