import type { Finding, Tree } from './tree.ts'

/** Joined at run time, so that this file does not hold what it looks for. */
const bannedTexts: readonly { readonly text: string; readonly why: string }[] = [
  { text: ['..', 'shared'].join('/'), why: 'a path outside the repository' },
  { text: ['', 'work', ''].join('/'), why: "a path of somebody's machine" },
  { text: ['registry', 'npmjs', 'org'].join('.'), why: 'a registry host; the reader may use another' },
  { text: ['registry', 'yarnpkg', 'com'].join('.'), why: 'a registry host; the reader may use another' },
  { text: ['npm', 'pkg', 'github', 'com'].join('.'), why: 'a registry host; the reader may use another' },
  { text: ['files', 'pythonhosted', 'org'].join('.'), why: 'a registry host; the reader may use another' },
  { text: ['proxy', 'golang', 'org'].join('.'), why: 'a registry host; the reader may use another' },
]

/** What must stand in no tracked file: paths of one machine, registries, private keys, binaries. */
export function checkText(tree: Tree): Finding[] {
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (/(?:^|\/)vectors\//.test(file)) continue
    if (tree.bytes(file).includes(0)) {
      findings.push({
        rule: 'binaries',
        file,
        message: 'a binary file; keep its source, or fetch it in a script',
      })
      continue
    }
    for (const { text, why } of bannedTexts) {
      const at = tree.text(file).indexOf(text)
      if (at === -1) continue
      const line = tree.text(file).slice(0, at).split('\n').length
      findings.push({ rule: 'text', file, line, message: `holds "${text}": ${why}` })
    }
  }
  return findings
}
