import { encodeHex } from '@countersign/bytes'
import { parseDelay, parseWitnessKey } from '@countersign/wire'
import type { Command } from 'commander'
import { boundedBody } from '../bounded-body.ts'
import { cliError } from '../catalogue.ts'
import { collect, wholeNumber } from '../command.ts'
import { type Settings, urlOf } from '../settings.ts'
import type { WitnessDemand } from '../witnessed.ts'

export interface WitnessOptions {
  readonly witness?: readonly string[]
  readonly quorum?: number
  readonly maxAge?: string
}

export function witnessOptions(command: Command): Command {
  return command
    .option(
      '--witness <key>',
      'verifier key of a witness that is trusted; give it again for several',
      collect,
    )
    .option('--quorum <n>', 'how many of them must have cosigned; all by default', wholeNumber)
    .option('--max-age <time>', 'how old their cosignatures may be, for example 1h')
}

/** @throws {CountersignError} CLI_USAGE, WIRE_WITNESS_KEY_INVALID */
export function witnessDemand({ witness, quorum, maxAge }: WitnessOptions): WitnessDemand | undefined {
  if (witness === undefined) {
    if (quorum === undefined && maxAge === undefined) return undefined
    throw cliError('CLI_USAGE', '--quorum and --max-age need --witness.')
  }
  const witnesses = witness.map(parseWitnessKey)
  // What a witness signs does not name it: one key under two names would count twice.
  if (new Set(witnesses.map(({ publicKey }) => encodeHex(publicKey))).size < witnesses.length)
    throw cliError('CLI_USAGE', 'Two of the witnesses have the same key.')
  const wanted = quorum ?? witnesses.length
  if (wanted < 1 || wanted > witnesses.length) {
    throw cliError(
      'CLI_USAGE',
      `--quorum ${wanted} is not between 1 and ${witnesses.length}, the number of witnesses.`,
    )
  }
  const maxAgeMs = maxAge === undefined ? undefined : parseDelay(maxAge)
  if (maxAge !== undefined && maxAgeMs === undefined)
    throw cliError('CLI_USAGE', `--max-age ${maxAge} is not a time, for example 1h.`)
  return { witnesses, quorum: wanted, maxAgeMs, nowMs: Date.now() }
}

const timeoutMs = 20_000
const noteBytesMax = 65_536

/** What the engine shows to everybody at `/checkpoint`. @throws {CountersignError} CLI_FILE_UNREADABLE */
export async function fetchWitnessed(settings: Settings): Promise<string> {
  const response = await fetch(`${urlOf(settings)}/checkpoint`, { signal: AbortSignal.timeout(timeoutMs) })
  const note = await boundedBody(response, noteBytesMax)
  if (response.ok && note !== undefined) return note.toString('utf8')
  throw cliError('CLI_FILE_UNREADABLE', `The engine answers /checkpoint with status ${response.status}.`)
}
