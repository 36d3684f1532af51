import { isCountersignError } from '@countersign/bytes'
import { type NoteKey, verifyCosignatures } from '@countersign/wire'
import { cliError } from './catalogue.ts'

/** Whose cosignatures a reader asks for. */
export interface WitnessDemand {
  readonly witnesses: readonly NoteKey[]
  readonly quorum: number
  /** How old the cosignatures may be, those that make the quorum. */
  readonly maxAgeMs: number | undefined
  readonly nowMs: number
}

export type Witnessed =
  | { readonly witnesses: readonly string[]; readonly atMs: number }
  | { readonly problem: string }

export function checkWitnessed(note: string, demand: WitnessDemand): Witnessed {
  const { witnesses, quorum, maxAgeMs, nowMs } = demand
  try {
    const found = verifyCosignatures(note, witnesses)
    const fresh =
      maxAgeMs === undefined
        ? found
        : found.filter(({ timestampS }) => nowMs - timestampS * 1_000 <= maxAgeMs)
    if (fresh.length < quorum) {
      const stale = found.length - fresh.length
      const old = stale === 0 ? '' : `, and ${stale} of those are too old`
      return {
        problem: `The checkpoint has ${found.length} of the cosignatures that are trusted${old}; ${quorum} are needed.`,
      }
    }
    return {
      witnesses: fresh.map(({ witness }) => witness.name),
      atMs: Math.min(...fresh.map(({ timestampS }) => timestampS * 1_000)),
    }
  } catch (error) {
    if (!isCountersignError(error)) throw error
    return { problem: error.message }
  }
}

/** @throws {CountersignError} CLI_NOT_WITNESSED */
export function demandWitnessed(
  note: string,
  demand: WitnessDemand,
): Exclude<Witnessed, { problem: string }> {
  const result = checkWitnessed(note, demand)
  if ('problem' in result) throw cliError('CLI_NOT_WITNESSED', result.problem)
  return result
}
