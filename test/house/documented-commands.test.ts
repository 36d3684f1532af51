import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { createProgram } from '../../clients/cli/src/program.ts'

const root = resolve(import.meta.dirname, '../..')
const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CHANGELOG.md', 'CONTRIBUTING.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]
const program = createProgram('0')
type Command = typeof program

/** Lines of `sh` blocks, and code spans, that begin with the command. Fixes of errors stand in docs/errors.md. */
function commandsIn(markdown: string): string[] {
  const fences = [...markdown.matchAll(/```(?:sh)?\n([\s\S]*?)```/g)].flatMap(([, text = '']) =>
    text.replaceAll(/\\\n\s*/g, ' ').split('\n'),
  )
  const spans = [...markdown.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g)].map(
    ([, text = '']) => text,
  )
  return [...fences, ...spans]
    .map((line) => line.replace(/\s#.*$/, '').trim())
    .filter((line) => /^countersign [a-z]/.test(line))
}

/** @returns what is not so, or undefined. */
function complaintOf(line: string): string | undefined {
  const [, ...words] = line.split(' ')
  let command: Command = program
  const path: string[] = []
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word)
    if (next === undefined) {
      if (command.commands.length > 0 && /^[a-z]/.test(word)) {
        return `${['countersign', ...path].join(' ')} has no command ${word}`
      }
      break
    }
    command = next
    path.push(word)
  }
  const known = new Set(['--help', ...[...command.options, ...program.options].map(({ long }) => long)])
  const option = words
    .map((word) => word.replace(/=.*/, ''))
    .find((word) => /^--[a-z]/.test(word) && !known.has(word))
  return option === undefined ? undefined : `${path.join(' ')} has no option ${option}`
}

it.each(documents)('%s names commands and options that there are', (name) => {
  const lines = commandsIn(readFileSync(join(root, name), 'utf8'))
  const complaints = lines.flatMap((line) => {
    const complaint = complaintOf(line)
    return complaint === undefined ? [] : [`${line}: ${complaint}`]
  })
  expect(complaints).toEqual([])
})

it('notices a command, a subcommand and an option that there are not', () => {
  expect(complaintOf('countersign policies')).toBe('countersign has no command policies')
  expect(complaintOf('countersign policy forget x')).toBe('countersign policy has no command forget')
  expect(complaintOf('countersign policy check x --fast')).toBe('policy check has no option --fast')
  expect(complaintOf('countersign policy check x --json')).toBeUndefined()
})

const rows = [
  ...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^\| (`countersign [^|]*) \| ([^|]*) \|$/gm),
].map(([, cell = '', what = '']) => ({
  commands: [...cell.matchAll(/`countersign ([a-z-]+)/g)].map(([, name = '']) => name),
  subcommands: [...what.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => name),
}))

it('README.md lists every command', () => {
  const listed = new Set(rows.flatMap(({ commands }) => commands))
  expect(program.commands.map((command) => command.name()).filter((name) => !listed.has(name))).toEqual([])
})

it('README.md names no subcommand that there is not', () => {
  for (const { commands, subcommands } of rows) {
    const there = program.commands
      .filter((command) => commands.includes(command.name()))
      .flatMap((command) => command.commands.map((one) => one.name()))
    expect({ commands, unknown: subcommands.filter((name) => !there.includes(name)) }).toEqual({
      commands,
      unknown: [],
    })
  }
})
