/** The few kinds of token that the rules need. Comments are tokens too: some rules read them, the others skip them. */
export interface Token {
  readonly kind: 'word' | 'string' | 'template' | 'punctuation' | 'comment' | 'regex'
  /** Words and punctuation as written; strings without quotes; comments with their marks. */
  readonly text: string
  readonly line: number
}

/**
 * TypeScript's own parser has no JavaScript API in version 7, and a rule that reads code by regular expression
 * alone is fooled by strings and comments. This is the lexical grammar (ECMA-262 section 12), no more.
 * A template with substitutions becomes one 'template' token followed by the tokens of its substitutions.
 */
export function listTokens(source: string): Token[] {
  const tokens: Token[] = []
  const scan: Scan = { source, at: 0, line: 1, tokens }
  // Depth of braces inside each template substitution that is open.
  const substitutions: number[] = []
  while (scan.at < source.length) {
    const char = source[scan.at] as string
    if (char === '\n') {
      scan.line++
      scan.at++
    } else if (/\s/.test(char)) scan.at++
    else if (char === '#' && scan.at === 0 && source.startsWith('#!'))
      takeUntil(scan, 'comment', endOfLine(scan))
    else if (source.startsWith('//', scan.at)) takeUntil(scan, 'comment', endOfLine(scan))
    else if (source.startsWith('/*', scan.at)) takeUntil(scan, 'comment', endOfBlockComment(scan))
    else if (char === "'" || char === '"') takeString(scan, char)
    else if (char === '`') takeTemplate(scan, substitutions)
    else if (char === '}' && substitutions.at(-1) === 0) {
      substitutions.pop()
      takeTemplate(scan, substitutions)
    } else if (char === '/' && startsRegex(tokens)) takeRegex(scan)
    else if (/[\p{ID_Start}$_#0-9]/u.test(char)) takeWord(scan)
    else {
      const depth = substitutions.length - 1
      if (depth >= 0 && char === '{') substitutions[depth] = (substitutions[depth] as number) + 1
      if (depth >= 0 && char === '}') substitutions[depth] = (substitutions[depth] as number) - 1
      takeUntil(scan, 'punctuation', scan.at + 1)
    }
  }
  return tokens
}

interface Scan {
  readonly source: string
  at: number
  line: number
  readonly tokens: Token[]
}

function takeUntil(scan: Scan, kind: Token['kind'], end: number, text?: string): void {
  const written = scan.source.slice(scan.at, end)
  scan.tokens.push({ kind, text: text ?? written, line: scan.line })
  scan.line += written.split('\n').length - 1
  scan.at = end
}

function endOfLine(scan: Scan): number {
  const end = scan.source.indexOf('\n', scan.at)
  return end === -1 ? scan.source.length : end
}

function endOfBlockComment(scan: Scan): number {
  const end = scan.source.indexOf('*/', scan.at + 2)
  return end === -1 ? scan.source.length : end + 2
}

function takeString(scan: Scan, quote: string): void {
  let end = scan.at + 1
  while (end < scan.source.length && scan.source[end] !== quote && scan.source[end] !== '\n') {
    end += scan.source[end] === '\\' ? 2 : 1
  }
  takeUntil(scan, 'string', end + 1, unescapeText(scan.source.slice(scan.at + 1, end)))
}

/** From a backtick, or from the brace that closes a substitution, to the next substitution or the end. */
function takeTemplate(scan: Scan, substitutions: number[]): void {
  const opening = scan.source[scan.at] === '`'
  let end = scan.at + 1
  while (end < scan.source.length && scan.source[end] !== '`' && !scan.source.startsWith('${', end)) {
    end += scan.source[end] === '\\' ? 2 : 1
  }
  const text = scan.source.slice(scan.at + 1, end)
  const substitutes = scan.source.startsWith('${', end)
  if (substitutes) substitutions.push(0)
  takeUntil(
    scan,
    opening && !substitutes ? 'string' : 'template',
    end + (substitutes ? 2 : 1),
    unescapeText(text),
  )
}

function takeRegex(scan: Scan): void {
  let end = scan.at + 1
  let inClass = false
  while (end < scan.source.length && (inClass || scan.source[end] !== '/') && scan.source[end] !== '\n') {
    const char = scan.source[end]
    if (char === '[') inClass = true
    if (char === ']') inClass = false
    end += char === '\\' ? 2 : 1
  }
  end++
  while (/[a-z]/.test(scan.source[end] ?? '')) end++
  takeUntil(scan, 'regex', end)
}

function takeWord(scan: Scan): void {
  let end = scan.at + 1
  while (/[\p{ID_Continue}$\u200c\u200d]/u.test(scan.source[end] ?? '')) end++
  takeUntil(scan, 'word', end)
}

const wordsBeforeRegex = new Set(
  'return typeof case in of do else void delete instanceof new throw await yield'.split(' '),
)

/** A slash divides after a value and opens a regular expression anywhere else. */
function startsRegex(tokens: readonly Token[]): boolean {
  const last = tokens.findLast((token) => token.kind !== 'comment')
  if (last === undefined) return true
  if (last.kind === 'word') return wordsBeforeRegex.has(last.text)
  return last.kind === 'punctuation' && !/[)\]}]/.test(last.text)
}

function unescapeText(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}|([\s\S]))/g,
    (_, x, u, long, char) => {
      const code = x ?? u ?? long
      return code === undefined ? char : String.fromCodePoint(Number.parseInt(code, 16))
    },
  )
}
