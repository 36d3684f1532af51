#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { type Command, CommanderError } from 'commander'
import { cliError } from './catalogue.ts'
import { exitCodes } from './exit-codes.ts'
import { createOutput } from './output.ts'
import { createProgram } from './program.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = createProgram(version)
const json = process.argv.includes('--json')
prepare(program)
try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // Help and version were asked for; everything else that commander stops at is wrong usage.
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (json && error.exitCode !== 0) createOutput(json).error(cliError('CLI_USAGE', error.message))
}

function prepare(command: Command): void {
  command.exitOverride()
  if (json) command.configureOutput({ writeErr: () => undefined })
  for (const inner of command.commands) prepare(inner as Command)
}
