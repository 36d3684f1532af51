import { mpcError } from './catalogue.ts'

/** 1..65535. Never 0, where every polynomial has its secret, and far below every group order. */
export type PartyIndex = number

export const partyIndexMax = 65_535
/** Round 2 of key generation holds t commitments and proofs in one frame; with 512 of them it is 50,240 bytes. */
export const partiesMax = 512

/**
 * Sorted and checked: the one order in which parties enter hashes.
 * @throws {CountersignError} MPC_PARTIES_INVALID */
export function parseParties(indices: Iterable<PartyIndex>): readonly PartyIndex[] {
  const sorted = [...indices].sort((a, b) => a - b)
  for (const [i, index] of sorted.entries()) {
    if (!Number.isInteger(index) || index < 1 || index > partyIndexMax) {
      throw mpcError('MPC_PARTIES_INVALID', `${index} is not a party index.`)
    }
    if (index === sorted[i - 1]) throw mpcError('MPC_PARTIES_INVALID', `Party ${index} is named twice.`)
  }
  if (sorted.length < 1 || sorted.length > partiesMax) {
    throw mpcError('MPC_PARTIES_INVALID', `${sorted.length} parties; 1 to ${partiesMax} are possible.`)
  }
  return sorted
}

/** @throws {CountersignError} MPC_PARTIES_INVALID unless 2 <= t <= n. */
export function checkThreshold(threshold: number, parties: number): void {
  if (Number.isInteger(threshold) && threshold >= 2 && threshold <= parties) return
  throw mpcError('MPC_PARTIES_INVALID', `A threshold of ${threshold} of ${parties} parties is not possible.`)
}

/** @throws {CountersignError} MPC_PARTIES_INVALID unless `index` is one of `parties`. */
export function checkMember(index: PartyIndex, parties: readonly PartyIndex[]): void {
  if (!parties.includes(index))
    throw mpcError('MPC_PARTIES_INVALID', `Party ${index} is not of this session.`)
}
