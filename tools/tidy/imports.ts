import type { Token } from './tokens.ts'

export interface Import {
  /** undefined where it is computed at run time. */
  readonly specifier: string | undefined
  /**
   * `static`, `type` and `dynamic` are the forms of import and export; `require` is CommonJS, also through
   * createRequire, and process.getBuiltinModule; `resolve` only finds the file and loads nothing.
   */
  readonly kind: 'static' | 'type' | 'dynamic' | 'require' | 'resolve'
  readonly line: number
}

/** Every way in which a file names another module. */
export function listImports(all: readonly Token[]): Import[] {
  const tokens = all.filter((token) => token.kind !== 'comment')
  const requires = listRequireNames(tokens)
  const found: Import[] = []
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token
    if (token.kind !== 'word') continue
    // `x.import`, but not the spread `...import()`.
    const isProperty = isMark(tokens[i - 1], '.') && !isMark(tokens[i - 2], '.')
    if (token.text === 'import' && !isProperty) {
      const one = readImport(tokens, i)
      if (one !== undefined) found.push(one)
    } else if (token.text === 'export' && !isProperty) {
      const one = readExport(tokens, i)
      if (one !== undefined) found.push(one)
    } else if (requires.has(token.text) && !isProperty) {
      const one = readRequire(tokens, i)
      if (one !== undefined) found.push(one)
    } else if (token.text === 'createRequire' && isMark(tokens[i + 1], '(')) {
      const close = closingOf(tokens, i + 1)
      if (isMark(tokens[close + 1], '(')) found.push(callOf(tokens, close + 1, 'require'))
    } else if (token.text === 'getBuiltinModule') {
      const isOptional = isMark(tokens[i + 1], '?') && isMark(tokens[i + 2], '.')
      const open = i + (isOptional ? 3 : 1)
      if (isMark(tokens[open], '(')) found.push(callOf(tokens, open, 'require'))
    }
  }
  return found
}

/** `@scope/name/deep/file` -> `@scope/name`; undefined for relative paths, builtins and `#imports`. */
export function packageNameOf(specifier: string): string | undefined {
  if (/^(?:[./#]|node:|data:|file:)/.test(specifier)) return undefined
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]
}

function readImport(tokens: readonly Token[], at: number): Import | undefined {
  const line = (tokens[at] as Token).line
  const next = tokens[at + 1]
  if (next === undefined || isMark(next, ':')) return undefined
  if (next.kind === 'string') return { specifier: next.text, kind: 'static', line }
  if (isMark(next, '(')) return callOf(tokens, at + 1, 'dynamic')
  if (isMark(next, '.')) {
    const isResolve =
      tokens[at + 2]?.text === 'meta' && tokens[at + 4]?.text === 'resolve' && isMark(tokens[at + 5], '(')
    return isResolve ? callOf(tokens, at + 5, 'resolve') : undefined
  }
  const isType =
    next.text === 'type' && !(tokens[at + 2]?.text === 'from' && tokens[at + 3]?.kind === 'string')
  return readFrom(tokens, at, isType)
}

function readExport(tokens: readonly Token[], at: number): Import | undefined {
  const isType = tokens[at + 1]?.text === 'type'
  const first = at + (isType ? 2 : 1)
  if (isMark(tokens[first], '*')) return readFrom(tokens, at, isType)
  if (!isMark(tokens[first], '{')) return undefined
  const close = closingOf(tokens, first)
  return tokens[close + 1]?.text === 'from' ? readFrom(tokens, at, isType) : undefined
}

function readFrom(tokens: readonly Token[], at: number, isType: boolean): Import | undefined {
  for (let i = at + 1; i < tokens.length; i++) {
    const token = tokens[i] as Token
    if (token.kind === 'punctuation' && /[;=()]/.test(token.text)) return undefined
    const source = tokens[i + 1]
    if (token.kind === 'word' && token.text === 'from' && source?.kind === 'string') {
      return { specifier: source.text, kind: isType ? 'type' : 'static', line: (tokens[at] as Token).line }
    }
  }
  return undefined
}

/** `require`, and every name that createRequire's result was given. */
function listRequireNames(tokens: readonly Token[]): Set<string> {
  const names = new Set(['require'])
  for (const [i, token] of tokens.entries()) {
    if (token.text === 'createRequire' && isMark(tokens[i - 1], '=') && tokens[i - 2]?.kind === 'word') {
      names.add((tokens[i - 2] as Token).text)
    }
  }
  return names
}

function readRequire(tokens: readonly Token[], at: number): Import | undefined {
  if (isMark(tokens[at + 1], '(')) return callOf(tokens, at + 1, 'require')
  const isResolve =
    isMark(tokens[at + 1], '.') && tokens[at + 2]?.text === 'resolve' && isMark(tokens[at + 3], '(')
  return isResolve ? callOf(tokens, at + 3, 'resolve') : undefined
}

function callOf(tokens: readonly Token[], open: number, kind: Import['kind']): Import {
  const argument = tokens[open + 1]
  const after = tokens[open + 2]
  const isLiteral = argument?.kind === 'string' && (isMark(after, ')') || isMark(after, ','))
  return { specifier: isLiteral ? argument.text : undefined, kind, line: (tokens[open] as Token).line }
}

function closingOf(tokens: readonly Token[], open: number): number {
  let depth = 0
  for (let i = open; i < tokens.length; i++) {
    const token = tokens[i] as Token
    if (token.kind !== 'punctuation') continue
    if (/[([{]/.test(token.text)) depth++
    if (/[)\]}]/.test(token.text) && --depth === 0) return i
  }
  return tokens.length
}

function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === 'punctuation' && token.text === text
}
