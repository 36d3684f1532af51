import type { Token } from './tokens.ts'
import { type Finding, isCode, isTest, type Tree } from './tree.ts'

const sourceLinesMax = 500
const testLinesMax = 800
const exceptionsFile = 'tools/tidy/size-exceptions.json'

const bannedNames = new Set(
  'util utils helper helpers common manager managers misc shared stuff functions lib libs'.split(' '),
)

/** Names that tools or custom fix. */
const fixedNames = /^(?:[A-Z]+(?:\.md)?|\.[a-z][a-z.-]*|package-lock\.json)$/
const kebabCase = /^[a-z0-9]+(?:-[a-z0-9]+)*$/

/** Sizes, names, faces and unfinished marks of files. */
export function checkFiles(tree: Tree): Finding[] {
  return [...checkNames(tree), ...checkSizes(tree), ...checkFaces(tree), ...checkUnfinished(tree)]
}

function checkNames(tree: Tree): Finding[] {
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (/(?:^|\/)vectors\//.test(file)) continue
    for (const part of file.split('/')) {
      const stem = part.replace(/(?<=.)\..*$/, '')
      const report = (message: string) => findings.push({ rule: 'names', file, message })
      if (bannedNames.has(stem)) report(`"${stem}" says nothing; name it for what it holds`)
      else if (!fixedNames.test(part) && !kebabCase.test(stem)) report(`"${part}" is not kebab-case`)
    }
  }
  return findings
}

function checkSizes(tree: Tree): Finding[] {
  const exceptions: Record<string, { linesMax: number; why: string }> = tree.files.includes(exceptionsFile)
    ? JSON.parse(tree.text(exceptionsFile))
    : {}
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (!isCode(file) || file.includes('.generated.')) continue
    const lines = tree.text(file).split('\n').length - 1
    const linesMax = isTest(file) && !file.startsWith('tools/') ? testLinesMax : sourceLinesMax
    const exception = exceptions[file]
    const max = exception?.linesMax ?? linesMax
    if (lines > max) {
      const message = `${lines} lines, ${max} at most: which two things live here? (or a reasoned row in ${exceptionsFile})`
      findings.push({ rule: 'sizes', file, message })
    }
    if (exception !== undefined && lines <= linesMax) {
      findings.push({ rule: 'sizes', file, message: `needs no row in ${exceptionsFile} any more` })
    }
  }
  for (const [file, { why }] of Object.entries(exceptions)) {
    if (!tree.files.includes(file))
      findings.push({ rule: 'sizes', file: exceptionsFile, message: `${file} does not exist` })
    if (why.length < 20)
      findings.push({ rule: 'sizes', file: exceptionsFile, message: `${file} has no reason` })
  }
  return findings
}

/** An index.ts is a package's face: it passes names on and holds nothing. */
function checkFaces(tree: Tree): Finding[] {
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (!/(?:^|\/)index\.ts$/.test(file)) continue
    const first = firstOtherStatement(tree.tokens(file).filter((token) => token.kind !== 'comment'))
    if (first === undefined) continue
    findings.push({
      rule: 'faces',
      file,
      line: first.line,
      message: 'an index.ts holds only "export ... from"',
    })
  }
  return findings
}

function firstOtherStatement(tokens: readonly Token[]): Token | undefined {
  let i = 0
  while (i < tokens.length) {
    const start = tokens[i] as Token
    if (start.text !== 'export') return start
    i++
    if (tokens[i]?.text === 'type') i++
    if (tokens[i]?.text === '{') while (i < tokens.length && tokens[i]?.text !== '}') i++
    else if (tokens[i]?.text !== '*') return start
    while (i < tokens.length && tokens[i]?.text !== 'from') if (tokens[i++]?.text === 'export') return start
    if (tokens[i + 1]?.kind !== 'string') return start
    i += 2
    if (tokens[i]?.text === ';') i++
  }
  return undefined
}

function checkUnfinished(tree: Tree): Finding[] {
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (!isCode(file)) continue
    for (const { kind, text, line } of tree.tokens(file)) {
      if (kind !== 'comment' || !/\b(?:TODO|FIXME|XXX|HACK)\b/.test(text)) continue
      findings.push({ rule: 'unfinished', file, line, message: 'finish it, or write an issue' })
    }
  }
  return findings
}
