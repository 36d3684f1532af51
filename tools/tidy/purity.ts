import { builtinModules } from 'node:module'
import type { Token } from './tokens.ts'
import { type Finding, isCode, isTest, type Tree } from './tree.ts'

/** Names through which code reaches the clock, randomness, the network, the console or the process. */
const impureNames = new Map([
  ['process', 'the process'],
  ['globalThis', 'the global object, and through it anything'],
  ['fetch', 'the network'],
  ['XMLHttpRequest', 'the network'],
  ['WebSocket', 'the network'],
  ['setTimeout', 'the clock'],
  ['setInterval', 'the clock'],
  ['setImmediate', 'the clock'],
  ['performance', 'the clock'],
  ['crypto', 'randomness'],
  ['console', 'the console'],
  ['localStorage', 'storage'],
  ['indexedDB', 'storage'],
  ['require', 'other modules at run time'],
  ['eval', 'code made at run time'],
])

/** Names of the global object that ordinary variables have too: impure only where an impure name is read from them. */
const globalObjects = new Set(['window', 'self', 'global'])

const impureMembers = new Map([
  ['Date.now', 'the clock'],
  ['Math.random', 'randomness'],
])

interface Exception {
  readonly names: readonly string[]
  readonly modules: readonly string[]
  readonly why: string
}

/** Each with its reason. A new row needs one that a reviewer of the trusted code would accept. */
const exceptions: Readonly<Record<string, Exception>> = {
  'kernel/bytes/src/digest.ts': {
    names: ['globalThis', 'process'],
    modules: ['node:crypto'],
    why: "a pure function, only faster: Node's one-shot SHA-256 where it exists, the JavaScript one elsewhere",
  },
  'kernel/bytes/src/native-base64.ts': {
    names: ['globalThis', 'process'],
    modules: ['node:buffer'],
    why: "a pure function, only faster: Node's base64 where it exists, the JavaScript one elsewhere",
  },
}

/** kernel/ takes facts, time and random bytes as arguments and runs in browsers: no builtin module, no impure global. */
export function checkPurity(tree: Tree): Finding[] {
  const findings: Finding[] = []
  for (const file of tree.files) {
    if (!file.startsWith('kernel/') || !isCode(file) || isTest(file)) continue
    const allowed = exceptions[file]
    const report = (line: number, message: string) => findings.push({ rule: 'purity', file, line, message })
    for (const { specifier, line } of tree.imports(file)) {
      if (specifier === undefined || allowed?.modules.includes(specifier)) continue
      const isBuiltin = specifier.startsWith('node:') || builtinModules.includes(specifier)
      if (isBuiltin) report(line, `imports ${specifier}; the kernel has no I/O and runs in browsers`)
    }
    for (const { name, what, line } of listImpureNames(tree.tokens(file))) {
      if (!allowed?.names.includes(name))
        report(line, `${name} reaches ${what}; the kernel takes it as an argument`)
    }
  }
  return findings
}

function listImpureNames(all: readonly Token[]): { name: string; what: string; line: number }[] {
  const tokens = all.filter((token) => token.kind !== 'comment')
  const found: { name: string; what: string; line: number }[] = []
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== 'word') continue
    const [before, next, after] = [tokens[i - 1], tokens[i + 1], tokens[i + 2]]
    const member = impureMembers.get(`${token.text}.${after?.text}`)
    if (member !== undefined && next?.text === '.') {
      found.push({ name: `${token.text}.${after?.text}`, what: member, line: token.line })
    }
    // `new Date(ms)` formats a time that was given; `new Date()` and `Date()` read the clock.
    const isClock =
      token.text === 'Date' &&
      (before?.text === 'new' ? next?.text !== '(' || after?.text === ')' : next?.text === '(')
    if (isClock) found.push({ name: 'Date()', what: 'the clock', line: token.line })
    const what = impureNames.get(token.text)
    const isProperty = before?.text === '.' && !globalObjects.has(tokens[i - 2]?.text ?? '')
    const isKey =
      (next?.text === ':' || (next?.text === '?' && after?.text === ':')) &&
      /^[{,;(]$/.test(before?.text ?? '')
    if (what !== undefined && !isProperty && !isKey) found.push({ name: token.text, what, line: token.line })
  }
  return found
}
