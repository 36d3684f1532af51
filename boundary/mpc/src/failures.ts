import { isCountersignError } from '@countersign/bytes'
import type { Payloads } from './inbox.ts'
import type { PartyIndex } from './parties.ts'

/** Reads every peer's message, even after one has failed: who is to blame must not depend on the order. */
export function failuresOf<T>(
  messages: Payloads,
  read: (payload: Uint8Array, from: PartyIndex) => T,
): { readonly values: ReadonlyMap<PartyIndex, T>; readonly culprits: readonly PartyIndex[] } {
  const values = new Map<PartyIndex, T>()
  const culprits: PartyIndex[] = []
  for (const [from, payload] of messages) {
    try {
      values.set(from, read(payload, from))
    } catch (error) {
      if (!isCountersignError(error)) throw error
      culprits.push(from)
    }
  }
  return { values, culprits }
}
