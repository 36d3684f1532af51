import { isCountersignError } from '@countersign/bytes'
import {
  type Attribution,
  type CallOptions,
  type CountersignClient,
  CountersignWaits,
} from '@countersign/sdk'
import { type Command, InvalidArgumentError } from 'commander'
import { exitCodeOf } from './exit-codes.ts'
import { createOutput, type Output } from './output.ts'
import { type GlobalOptions, openClient, readSettings, type Settings } from './settings.ts'

/** What a command's action gets beside its own arguments and options. */
export interface Context {
  readonly output: Output
  readonly settings: Settings
  /** Signs with the caller's credential. */
  client(): CountersignClient
  /** Signs changes with every admin credential that is at hand. */
  admins(): CountersignClient
  /** Signs alone what one admin may do alone: the first admin credential, or else the caller’s. */
  admin(): CountersignClient
}

/** Runs an action: errors become messages and exit codes, in one place. An action may return its own exit code. */
export function act<Arguments extends unknown[], Options extends object>(
  command: Command,
  run: (
    context: Context,
    options: Options,
    ...given: Arguments
  ) => Promise<number | undefined> | number | undefined,
): Command {
  return command.action(async (...all: unknown[]) => {
    const given = all.slice(0, -2) as Arguments
    const options = command.optsWithGlobals<Options & GlobalOptions>()
    const output = createOutput(options.json === true)
    try {
      const settings = readSettings(options)
      const context: Context = {
        output,
        settings,
        client: () => openClient(settings),
        admins: () => openClient(settings, 'admins'),
        admin: () => openClient(settings, settings.adminFiles.length > 0 ? 'admins' : 'caller'),
      }
      process.exitCode = (await run(context, options, ...given)) ?? 0
    } catch (error) {
      if (error instanceof CountersignWaits) reportWaiting(output, error)
      else output.error(error)
      process.exitCode = exitCodeOf(error)
    }
  })
}

/** It is no failure: the same command with the same request id gives the signature once the approvals are there. */
function reportWaiting(output: Output, waits: CountersignWaits): void {
  const { approval, requestId, transactionId } = waits
  const transaction = transactionId === undefined ? {} : { transaction: transactionId }
  output.result({ waits: true, approval, requestId, ...transaction }, () => [
    waits.message,
    `Approvers: countersign approval show ${approval.id}`,
    `Then: the same command with --request-id ${requestId}, or at once with --wait-for-approval`,
  ])
}

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Not a whole number.')
  return value
}

export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}

interface RequestBody {
  readonly grant?: string
  readonly attribution?: Attribution
}

export interface RequestOptions {
  readonly requestId?: string
  readonly grant?: string
  readonly waitForApproval?: boolean
  readonly agent?: string
  readonly workflow?: string
  readonly operator?: string
}

export function requestOptions(command: Command): Command {
  return command
    .option('--request-id <id>', 'same id and content, same answer: makes a repetition safe')
    .option('--grant <id>', 'the grant under which it is asked for; a grantee needs one')
    .option('--wait-for-approval', 'where it needs approvals: wait for them, as long as the signer does')
    .option('--agent <name>', 'attribution: the agent that asks')
    .option('--workflow <name>', 'attribution: the workflow that it is part of')
    .option('--operator <name>', 'attribution: the person or team that answers for it')
}

export function requestOf({ requestId, grant, waitForApproval, agent, workflow, operator }: RequestOptions): {
  body: RequestBody
  call: CallOptions
} {
  const attribution = {
    ...(agent === undefined ? {} : { agent }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(operator === undefined ? {} : { operator }),
  }
  return {
    body: {
      ...(grant === undefined ? {} : { grant }),
      ...(Object.keys(attribution).length === 0 ? {} : { attribution }),
    },
    call: {
      ...(requestId === undefined ? {} : { requestId }),
      ...(waitForApproval === true ? { waitForApproval } : {}),
    },
  }
}

export async function gather<T>(items: AsyncIterable<T>, itemsMax: number): Promise<T[]> {
  const gathered: T[] = []
  for await (const item of items) {
    if (gathered.length >= itemsMax) break
    gathered.push(item)
  }
  return gathered
}

/** What a list without --limit shows at most. */
export const listItemsMax = 10_000

/** @returns undefined where there is no such thing. */
export async function found<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (isCountersignError(error) && error.status === 404) return undefined
    throw error
  }
}

/** What `expected` must name to replace it. */
export async function hashNow(asked: Promise<{ readonly hash: string }>): Promise<string | undefined> {
  return (await found(asked))?.hash
}
