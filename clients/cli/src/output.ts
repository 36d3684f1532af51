import { isCountersignError } from '@countersign/bytes'
import { CountersignRefused } from '@countersign/sdk'
import { plainLine } from './plain-text.ts'

/** Where a command's result goes. With --json standard output is exactly one JSON value, also for an error. */
export interface Output {
  readonly json: boolean
  /** @param lines For people; made only when they are the readers. */
  result(value: unknown, lines: () => readonly string[]): void
  /** For people only; never part of the result. */
  note(line: string): void
  error(error: unknown): void
}

export function createOutput(json: boolean): Output {
  return {
    json,
    result(value, lines) {
      if (json) process.stdout.write(`${toJson(value)}\n`)
      else for (const line of lines()) process.stdout.write(`${plainLine(line)}\n`)
    },
    note(line) {
      if (!json) process.stderr.write(`${plainLine(line)}\n`)
    },
    error(error) {
      if (json) process.stdout.write(`${toJson({ error: errorBody(error) })}\n`)
      else for (const line of errorLines(error)) process.stderr.write(`${plainLine(line)}\n`)
    },
  }
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'bigint' ? field.toString() : field,
  )
}

function errorBody(error: unknown): unknown {
  if (error instanceof CountersignRefused) {
    return { ...error.toJSON(), decision: error.decision, journalIndex: error.journalIndex }
  }
  if (isCountersignError(error)) return error.toJSON()
  return { code: 'CLI_BUG', message: messageOf(error), fix: 'Please report this.', retry: 'never' }
}

function errorLines(error: unknown): string[] {
  if (!isCountersignError(error)) return [`error: ${messageOf(error)}`]
  const lines = [`error ${error.code}: ${error.message}`]
  if (error instanceof CountersignRefused) lines.push(...error.reasons().map((reason) => `  - ${reason}`))
  if (error.fix !== '') lines.push(`fix: ${error.fix}`)
  return lines
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Pads the columns so that they stand under each other. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
