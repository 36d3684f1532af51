import type { Group } from '../group.ts'
import type { KeyShare } from '../key-share.ts'
import { type PartyIndex, parseParties } from '../parties.ts'
import { evaluate } from '../polynomial.ts'
import type { RandomSource } from '../random-source.ts'
import { testGroup } from './ceremonies.ts'

interface DealFrostInput {
  readonly suite: 2 | 3 | 4
  readonly threshold: number
  readonly indices: readonly PartyIndex[]
  readonly random: RandomSource
  readonly label?: string
  /** noble's where absent. */
  readonly group?: Group
  /** The polynomial, its constant being the key; drawn where absent. */
  readonly coefficients?: readonly bigint[]
}

/** Key shares of FROST from one hand that knows everything, for tests and benchmarks. Nobody deals a real key. */
export function dealFrostShares(input: DealFrostInput): ReadonlyMap<PartyIndex, KeyShare> {
  const { suite, threshold, random, label = 'dealt', group = testGroup(suite) } = input
  const { scalars } = group
  const indices = parseParties(input.indices)
  const coefficients = input.coefficients ?? Array.from({ length: threshold }, () => scalars.random(random))
  const secrets = new Map(indices.map((index) => [index, evaluate(scalars, coefficients, index)]))
  const common = {
    suite,
    group,
    label,
    threshold,
    identities: new Map(indices.map((index) => [index, new TextEncoder().encode(`party ${index}`)])),
    publicShares: new Map([...secrets].map(([index, secret]) => [index, group.multiplyBase(secret)])),
    publicKey: group.multiplyBase(coefficients[0] as bigint),
    chainCode: random(32),
    epochId: random(32),
  }
  return new Map([...secrets].map(([index, secret]) => [index, { ...common, index, secret }]))
}
