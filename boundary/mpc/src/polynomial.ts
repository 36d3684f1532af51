import type { Group, Point } from './group.ts'
import type { PartyIndex } from './parties.ts'
import type { ScalarField } from './scalar-field.ts'

/** Value at x of the polynomial with these coefficients, from the lowest; `firstExponent` 1 leaves out the constant. */
export function evaluate(
  field: ScalarField,
  coefficients: readonly bigint[],
  x: PartyIndex,
  firstExponent: 0 | 1 = 0,
): bigint {
  const at = BigInt(x)
  let value = 0n
  for (const coefficient of coefficients.toReversed()) value = field.mod(value * at + coefficient)
  return firstExponent === 1 ? field.mod(value * at) : value
}

/** Feldman's commitments: each coefficient times the generator. */
export function commit(group: Group, coefficients: readonly bigint[]): Point[] {
  return coefficients.map((coefficient) => group.multiplyBase(coefficient))
}

/** `evaluate` in the exponent: the polynomial's value at x times the generator, from the commitments alone. */
export function evaluateCommitments(
  group: Group,
  commitments: readonly Point[],
  x: PartyIndex,
  firstExponent: 0 | 1 = 0,
): Point {
  const at = BigInt(x)
  let value = group.identity
  for (const commitment of commitments.toReversed()) {
    value = group.add(group.multiplyPublic(value, at), commitment)
  }
  return firstExponent === 1 ? group.multiplyPublic(value, at) : value
}

/** Weight of `own` when a polynomial is interpolated at `target` from its values at `parties` (0 is the secret).
 * The parties are distinct and not 0, `own` is one of them (see parseParties). */
export function lagrange(
  field: ScalarField,
  parties: readonly PartyIndex[],
  own: PartyIndex,
  target: PartyIndex | 0 = 0,
): bigint {
  if (!parties.includes(own)) throw new Error('bug: a weight of a party that is not in the set')
  let numerator = 1n
  let denominator = 1n
  for (const other of parties) {
    if (other === own) continue
    numerator = field.mod(numerator * BigInt(target - other))
    denominator = field.mod(denominator * BigInt(own - other))
  }
  return field.mod(numerator * field.invert(denominator))
}
