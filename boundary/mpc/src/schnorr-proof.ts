import { isCountersignError } from '@countersign/bytes'
import { concatBytes } from './byte-writer.ts'
import type { Group, Point } from './group.ts'
import { hashToScalar } from './tagged-hash.ts'

export type ProofTag = 'dkg/pok' | 'dkg/share-pok'

export interface ProofContext {
  readonly group: Group
  readonly tag: ProofTag
  /** Session, prover's index and what else makes this proof unlike every other. */
  readonly fields: readonly Uint8Array[]
}

interface Secret {
  readonly secret: bigint
  /** Secret times the generator. */
  readonly point: Point
  /** Drawn for this proof alone. */
  readonly nonce: bigint
}

export function proofBytes(group: Group): number {
  return group.pointBytes + 32
}

/** Knowledge of the secret behind a point: A = kG, e = HS(tag, fields.., point, A), z = k + e secret.
 * @returns A || z. */
export function proveSecret(
  { group, tag, fields }: ProofContext,
  { secret, point, nonce }: Secret,
): Uint8Array {
  const { scalars } = group
  const commitment = group.encode(group.multiplyBase(nonce))
  const challenge = hashToScalar(scalars, tag, ...fields, group.encode(point), commitment)
  return concatBytes(commitment, scalars.encode(scalars.mod(nonce + challenge * secret)))
}

/** zG = A + e point. False for anything malformed and for the identity. */
export function isProofValid({ group, tag, fields }: ProofContext, point: Point, proof: Uint8Array): boolean {
  if (proof.length !== proofBytes(group) || group.isIdentity(point)) return false
  const { scalars, pointBytes } = group
  try {
    const commitment = group.decode(proof.subarray(0, pointBytes))
    const answer = scalars.decode(proof.subarray(pointBytes))
    const challenge = hashToScalar(
      scalars,
      tag,
      ...fields,
      group.encode(point),
      proof.subarray(0, pointBytes),
    )
    const right = group.add(commitment, group.multiplyPublic(point, challenge))
    return group.equals(group.multiplyPublic(group.generator, answer), right)
  } catch (error) {
    if (isCountersignError(error)) return false
    throw error
  }
}
