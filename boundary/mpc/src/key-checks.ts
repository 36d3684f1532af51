import { isCountersignError } from '@countersign/bytes'
import { checkAnswer } from './base-ot.ts'
import { mpcError } from './catalogue.ts'
import { type Group, type Point, type Secp256k1Group, sumPoints } from './group.ts'
import type { PartyIndex } from './parties.ts'
import { lagrange } from './polynomial.ts'
import type { SuiteId } from './suites.ts'

export function checkGroup(suite: SuiteId, group: Group): void {
  const wanted = suite === 2 ? 'ed25519' : 'secp256k1'
  if (group.name !== wanted)
    throw mpcError('MPC_INPUT_INVALID', `Suite ${suite} is over ${wanted}, not over ${group.name}.`)
}

/** Whether the first t public shares give the key, and so does every other with t - 1 of them. */
export function interpolatesTo(
  group: Group,
  publicShares: ReadonlyMap<PartyIndex, Point>,
  threshold: number,
  publicKey: Point,
): boolean {
  const indices = [...publicShares.keys()].sort((a, b) => a - b)
  if (indices.length < threshold) return false
  const base = indices.slice(0, threshold - 1)
  return indices.slice(threshold - 1).every((last) => {
    const set = [...base, last]
    const sum = sumPoints(
      group,
      set.map((index) =>
        group.multiplyPublic(publicShares.get(index) as Point, lagrange(group.scalars, set, index)),
      ),
    )
    return group.equals(sum, publicKey)
  })
}

/** Whether all points of one message of base transfers decode. */
export function areTransfersDecodable(group: Secp256k1Group, answer: Uint8Array): boolean {
  try {
    checkAnswer(group, answer)
    return true
  } catch (error) {
    if (isCountersignError(error)) return false
    throw error
  }
}
