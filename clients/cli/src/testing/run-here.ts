import { type Command, CommanderError } from 'commander'
import { cliError } from '../catalogue.ts'
import { exitCodes } from '../exit-codes.ts'
import { createOutput } from '../output.ts'
import { createProgram } from '../program.ts'
import type { CliOptions, CliResult } from './run-cli.ts'

/** Runs the command in this process, as main.ts does: for tests of many uses, where a process each would take minutes. */
export async function runHere(
  args: readonly string[],
  { cwd, env = {} }: Pick<CliOptions, 'cwd' | 'env'>,
): Promise<CliResult> {
  const before = { cwd: process.cwd(), env: { ...process.env }, exitCode: process.exitCode }
  const { stdout: out, stderr: err } = process
  const writes = { out: out.write, err: err.write }
  let stdout = ''
  let stderr = ''
  process.chdir(cwd)
  Object.assign(process.env, { HOME: cwd, NO_COLOR: '1', ...env })
  process.exitCode = 0
  out.write = (text: string | Uint8Array) => {
    stdout += String(text)
    return true
  }
  err.write = (text: string | Uint8Array) => {
    stderr += String(text)
    return true
  }
  try {
    const program = createProgram('0.0.0')
    override(program)
    await program.parseAsync(['node', 'countersign', ...args]).catch((error: unknown) => {
      if (!(error instanceof CommanderError)) throw error
      process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
      if (error.exitCode !== 0) {
        createOutput(args.includes('--json')).error(cliError('CLI_USAGE', error.message))
      }
    })
    return { code: Number(process.exitCode), stdout, stderr, json: () => JSON.parse(stdout) }
  } finally {
    out.write = writes.out
    err.write = writes.err
    process.chdir(before.cwd)
    for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name]
    Object.assign(process.env, before.env)
    process.exitCode = before.exitCode
  }
}

function override(command: Command): void {
  command.exitOverride()
  command.configureOutput({ writeErr: () => undefined })
  for (const inner of command.commands) override(inner as Command)
}
