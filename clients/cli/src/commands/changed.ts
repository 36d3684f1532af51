import { type ChangeProposed, isProposed } from '@countersign/sdk'
import type { Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

/**
 * Says what became of a change that the quorum has signed: in force, or waiting.
 * @param answer `undefined`: the request was written to a file, and that has been said.
 * @returns the exit code. */
export function reportChange<Answer extends object>(
  { output }: Pick<Context, 'output'>,
  answer: Answer | ChangeProposed | undefined,
  lines: (answer: Answer) => readonly string[],
): number {
  if (answer === undefined) return exitCodes.ok
  if (!isProposed(answer)) {
    output.result(answer, () => lines(answer))
    return exitCodes.ok
  }
  output.result(answer, () => [
    `${answer.change} waits until ${answer.dueAt}, because it loosens:`,
    ...answer.loosens.map(({ rule, why }) => `  - ${rule === undefined ? '' : `${rule}: `}${why}`),
    `Any one admin can stop it until then: countersign change veto ${answer.change}`,
  ])
  return exitCodes.waiting
}
