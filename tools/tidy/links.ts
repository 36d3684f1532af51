import { posix } from 'node:path'
import { type Finding, folderOf, type Tree } from './tree.ts'

/** Links and paths in Markdown lead somewhere: files, folders and headings of this repository. */
export function checkLinks(tree: Tree): Finding[] {
  const folders = new Set(tree.files.flatMap(listParents))
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (!file.endsWith('.md')) continue
    for (const { target, line } of listLinks(tree.text(file))) {
      const report = (message: string) => findings.push({ rule: 'links', file, line, message })
      if (/^[a-z][a-z+.-]*:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const wanted = path === '' ? file : posix.normalize(posix.join(folderOf(file), path)).replace(/\/$/, '')
      if (!tree.files.includes(wanted) && !folders.has(wanted)) report(`${target} leads nowhere`)
      else if (
        anchor !== undefined &&
        wanted.endsWith('.md') &&
        !listAnchors(tree.text(wanted)).has(anchor)
      ) {
        report(`${target} leads to no heading of ${wanted}`)
      }
    }
  }
  return [...findings, ...checkPaths(tree, folders)]
}

/** Documents that promise files by name in code marks, as `boundary/signer/src/sign.ts`. */
const pathDocuments = /^(?:README|ARCHITECTURE|SECURITY|CONTRIBUTING)\.md$/

function checkPaths(tree: Tree, folders: ReadonlySet<string>): Finding[] {
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (!pathDocuments.test(file)) continue
    for (const [index, text] of withoutFences(tree.text(file)).entries()) {
      for (const [, path = ''] of text.matchAll(
        /`((?:kernel|boundary|engine|clients|tools|test|bench|examples|docs)\/[\w./-]*)`/g,
      )) {
        const wanted = path.replace(/\/$/, '')
        if (tree.files.includes(wanted) || folders.has(wanted)) continue
        findings.push({
          rule: 'links',
          file,
          line: index + 1,
          message: `names \`${path}\`, which does not exist`,
        })
      }
    }
  }
  return findings
}

interface Link {
  readonly target: string
  readonly line: number
}

export function listLinks(markdown: string): Link[] {
  const links: Link[] = []
  for (const [index, text] of withoutFences(markdown).entries()) {
    const prose = text.replace(/`[^`]*`/g, '')
    for (const [, target = ''] of prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g))
      links.push({ target, line: index + 1 })
    const [, defined] = /^\[[^\]]+\]:\s*(\S+)/.exec(prose) ?? []
    if (defined !== undefined) links.push({ target: defined, line: index + 1 })
  }
  return links
}

/** The lines, with those of code blocks emptied. */
function withoutFences(markdown: string): string[] {
  let fence: string | undefined
  return markdown.split('\n').map((line) => {
    const [, mark] = /^\s*(`{3,}|~{3,})/.exec(line) ?? []
    if (mark === undefined) return fence === undefined ? line : ''
    if (fence === undefined) fence = mark
    else if (line.trim().startsWith(fence)) fence = undefined
    return ''
  })
}

/** GitHub's anchors: lower case, spaces to hyphens, most punctuation dropped. */
function listAnchors(markdown: string): Set<string> {
  const anchors = new Set<string>()
  for (const line of withoutFences(markdown)) {
    const [, heading] = /^#{1,6}\s+(.*?)\s*#*$/.exec(line) ?? []
    if (heading === undefined) continue
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replace(/ /g, '-')
    let name = slug
    for (let count = 1; anchors.has(name); count++) name = `${slug}-${count}`
    anchors.add(name)
  }
  return anchors
}

function listParents(file: string): string[] {
  const parents: string[] = []
  for (let folder = folderOf(file); folder !== ''; folder = folderOf(folder)) parents.push(folder)
  return parents
}
