import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ed25519Group } from './ed25519-group.ts'
import { sumPoints } from './group.ts'
import { commit, evaluate, evaluateCommitments, lagrange } from './polynomial.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'

const index = fc.integer({ min: 1, max: 65_535 })
const runs = { numRuns: 15 }

describe.each([nobleSecp256k1Group, ed25519Group])('polynomials over $name', (group) => {
  const { scalars } = group
  const scalar = fc.uint8Array({ minLength: 40, maxLength: 40 }).map((bytes) => scalars.reduce(bytes))
  const coefficients = fc.array(scalar, { minLength: 1, maxLength: 5 })

  it('evaluate as written out', () => {
    const { mod } = scalars
    fc.assert(
      fc.property(coefficients, index, (list, x) => {
        const terms = list.map((coefficient, k) => mod(coefficient * BigInt(x) ** BigInt(k)))
        const sum = mod(terms.reduce((a, b) => a + b, 0n))
        expect(evaluate(scalars, list, x)).toBe(sum)
        expect(evaluate(scalars, list, x, 1)).toBe(mod(sum * BigInt(x)))
      }),
    )
  })

  it('agree in the exponent', () => {
    fc.assert(
      fc.property(coefficients, index, (list, x) => {
        for (const first of [0, 1] as const) {
          const inExponent = evaluateCommitments(group, commit(group, list), x, first)
          expect(group.equals(inExponent, group.multiplyBase(evaluate(scalars, list, x, first)))).toBe(true)
        }
      }),
      runs,
    )
  })

  it('interpolate at 0 and at a lost party, from any t parties and from no fewer', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(index, { minLength: 3, maxLength: 6 }),
        fc.uniqueArray(scalar, { minLength: 6, maxLength: 6 }),
        (parties, values) => {
          const [lost, ...set] = parties as [number, ...number[]]
          const list = values.slice(0, set.length)
          const at = (members: readonly number[], target: number) =>
            scalars.mod(
              members
                .map((own) => lagrange(scalars, members, own, target) * evaluate(scalars, list, own))
                .reduce((a, b) => a + b, 0n),
            )
          expect(at(set, 0)).toBe(list[0])
          expect(at(set, lost)).toBe(evaluate(scalars, list, lost))
          expect(at(set.slice(1), 0)).not.toBe(list[0])
        },
      ),
      runs,
    )
  })

  it('public shares interpolate to the public key', () => {
    const list = [11n, 22n, 33n]
    const commitments = commit(group, list)
    const set = [2, 257, 65_535]
    const parts = set.map((own) =>
      group.multiplyPublic(evaluateCommitments(group, commitments, own), lagrange(scalars, set, own)),
    )
    expect(group.equals(sumPoints(group, parts), commitments[0]!)).toBe(true)
  })

  it('weigh a set of one with 1 and refuse who is not in it', () => {
    expect(lagrange(scalars, [7], 7)).toBe(1n)
    expect(() => lagrange(scalars, [1, 2], 3)).toThrow(/not in the set/)
    expect(() => lagrange(scalars, [1, 1], 2)).toThrow()
  })
})
