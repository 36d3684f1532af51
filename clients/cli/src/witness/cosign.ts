import {
  addSignatureLines,
  consistencyProof,
  encodeTilePath,
  type NoteKey,
  nodesOfTiles,
  verifyCheckpoint,
} from '@countersign/wire'
import { boundedBody } from '../bounded-body.ts'
import { cliError } from '../catalogue.ts'
import { encodeAddCheckpoint, type Witness } from './witness.ts'

export interface Cosigned {
  readonly size: number
  readonly from: number
  /** Whether the log has taken the cosignature. */
  readonly handedIn: boolean
}

const timeoutMs = 20_000
const answerBytesMax = 100_000

/**
 * One look at a log: its newest checkpoint, a proof out of its public tiles, the cosignature, and back to the log.
 * @throws {CountersignError} CLI_ROLLED_BACK where the log does not continue what this witness has seen of it */
export async function cosignOnce(
  witness: Witness,
  { url, log }: { readonly url: string; readonly log: NoteKey },
): Promise<Cosigned> {
  const get = async (path: string) => {
    const response = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(timeoutMs) })
    const bytes = await boundedBody(response, answerBytesMax)
    if (!response.ok || bytes === undefined)
      throw cliError('CLI_FILE_UNREADABLE', `The engine answers ${path} with status ${response.status}.`)
    return new Uint8Array(bytes)
  }
  const { checkpoint: note } = parseHead(await get('/v1/journal/checkpoint'))
  const origin = log.name
  const { size } = verifyCheckpoint(note, log)
  const from = witness.seen(origin)?.size ?? 0
  const hashes =
    from === 0 || from >= size
      ? []
      : await consistencyProof(
          from,
          size,
          nodesOfTiles(size, (tile) => get(encodeTilePath(tile))),
        )
  // A log that is shorter now is asked from its own size, so that the refusal is the witness's.
  const old = Math.min(from, size)
  const { status, body } = witness.addCheckpoint(encodeAddCheckpoint({ old, hashes, note }))
  if (status !== 200) {
    throw cliError(
      'CLI_ROLLED_BACK',
      `The log’s ${size} entries do not continue the ${from} that this witness has seen (${status}: ${body.trim()}).`,
      { details: { size, sizeBefore: from } },
    )
  }
  const cosigned = addSignatureLines(note, [body])
  const response = await fetch(`${url}/v1/journal/cosignatures`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ checkpoint: cosigned }),
    signal: AbortSignal.timeout(timeoutMs),
  })
  const text = (await boundedBody(response, answerBytesMax))?.toString('utf8').slice(0, 500)
  if (!response.ok)
    throw cliError('CLI_VERIFICATION_FAILED', `The log does not take the cosignature: ${text}`)
  return { size, from, handedIn: true }
}

function parseHead(bytes: Uint8Array): { readonly checkpoint: string } {
  try {
    const { checkpoint } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { checkpoint?: unknown }
    if (typeof checkpoint === 'string') return { checkpoint }
  } catch {
    // Said below.
  }
  throw cliError('CLI_FILE_UNREADABLE', 'The engine answers /v1/journal/checkpoint with no checkpoint.')
}
