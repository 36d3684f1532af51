import { bitMask } from '../bit-matrix.ts'
import type { Secp256k1Group } from '../group.ts'
import {
  aliceKeysBytes,
  bobKeysBytes,
  deltaBytes,
  type EcdsaKeyShare,
  type Pair,
  transferKeyBytes,
} from '../key-share.ts'
import { kappa } from '../messages.ts'
import { type PartyIndex, parseParties } from '../parties.ts'
import { evaluate } from '../polynomial.ts'
import type { RandomSource } from '../random-source.ts'

interface DealInput {
  readonly group: Secp256k1Group
  readonly threshold: number
  readonly indices: readonly PartyIndex[]
  readonly random: RandomSource
  readonly label?: string
}

/**
 * Key shares from one hand that knows everything: milliseconds instead of a key generation, for tests and benchmarks
 * of what comes after it. Nobody deals a real key. */
export function dealShares(input: DealInput): ReadonlyMap<PartyIndex, EcdsaKeyShare> {
  const { group, threshold, random, label = 'dealt' } = input
  const { scalars } = group
  const indices = parseParties(input.indices)
  const coefficients = Array.from({ length: threshold }, () => scalars.random(random))
  const secrets = new Map(indices.map((index) => [index, evaluate(scalars, coefficients, index)]))
  const publicShares = new Map([...secrets].map(([index, secret]) => [index, group.multiplyBase(secret)]))
  const common = {
    suite: 1,
    group,
    label,
    threshold,
    identities: new Map(indices.map((index) => [index, new TextEncoder().encode(`party ${index}`)])),
    publicShares,
    publicKey: group.multiplyBase(coefficients[0] as bigint),
    chainCode: random(32),
    epochId: random(32),
  } as const
  const pairs = new Map<PartyIndex, Map<PartyIndex, Pair>>(indices.map((index) => [index, new Map()]))
  for (const [at, one] of indices.entries()) {
    for (const other of indices.slice(at + 1)) {
      const zeroSeed = random(32)
      const [forth, back] = [dealTransfers(random), dealTransfers(random)]
      const state = { burned: false, zeroSeed: zeroSeed.slice() } as const
      pairs.get(one)?.set(other, { ...state, ...forth.alice, bobKeys: back.bobKeys })
      pairs.get(other)?.set(one, { ...state, zeroSeed, ...back.alice, bobKeys: forth.bobKeys })
    }
  }
  return new Map(
    indices.map((index) => [
      index,
      {
        ...common,
        index,
        secret: secrets.get(index) as bigint,
        pairs: pairs.get(index) as Map<PartyIndex, Pair>,
      },
    ]),
  )
}

/** What 128 base transfers would leave. */
function dealTransfers(random: RandomSource) {
  const bobKeys = random(bobKeysBytes)
  const delta = random(deltaBytes)
  const aliceKeys = new Uint8Array(aliceKeysBytes)
  for (let o = 0; o < kappa; o++) {
    const chosen = 2 * o - bitMask(delta, o)
    const key = bobKeys.subarray(chosen * transferKeyBytes, (chosen + 1) * transferKeyBytes)
    aliceKeys.set(key, o * transferKeyBytes)
  }
  return { alice: { delta, aliceKeys }, bobKeys }
}
