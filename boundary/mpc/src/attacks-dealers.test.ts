import { describe, expect, it } from 'vitest'
import { ed25519Group } from './ed25519-group.ts'
import { decodeFrame } from './frame.ts'
import type { Group, Point } from './group.ts'
import { startKeyGeneration, startRefresh } from './key-generation.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { lagrange } from './polynomial.ts'
import type { RandomSource } from './random-source.ts'
import { startReshare } from './reshare.ts'
import { writeUint256 } from './scalar-field.ts'
import { Session } from './session.ts'
import {
  endAll,
  endOf,
  generateTestKey,
  resultOf,
  testIdentities,
  testInstance,
  testLabel,
} from './testing/ceremonies.ts'
import { type Delivery, runNetwork } from './testing/network.ts'
import { seededRandom } from './testing/seeded-random.ts'

/** Attacks by a dealer (party 1) who follows every step with values of its own choice, so that its commitments open and
 * its proofs hold: only the check that is meant can stop it. */
const suite = 2
const indices = [1, 2, 3]
const takers = [4, 5, 6]
const { scalars } = ed25519Group

/** Draws the given scalars first. */
function drawing(first: readonly bigint[]): RandomSource {
  const given = first.map((k) => writeUint256(k, false))
  const rest = seededRandom(new Uint8Array(32).fill(11))
  return (length) => given.shift() ?? rest(length)
}

/** Of a dealer who draws 0, which an honest field never does, and writes the identity as RFC 8032 would. */
function groupThatDraws(first: readonly bigint[]): Group {
  const given = [...first]
  const encode = (point: Point) => {
    if (!ed25519Group.isIdentity(point)) return ed25519Group.encode(point)
    const identity = new Uint8Array(32)
    identity[0] = 1
    return identity
  }
  const random = (source: RandomSource) => given.shift() ?? scalars.random(source)
  return { ...ed25519Group, encode, scalars: { ...scalars, random } }
}

interface Dealer {
  readonly group?: Group
  readonly random?: RandomSource
}

const keyGeneration = (own: PartyIndex, dealer: Dealer = {}) =>
  new Session<KeyShare>(
    startKeyGeneration({
      suite,
      group: ed25519Group,
      label: testLabel,
      instance: testInstance,
      own,
      threshold: 2,
      identities: testIdentities(indices),
      ...(own === 1 ? dealer : {}),
    }),
  )

async function oldShares(): Promise<Map<PartyIndex, KeyShare>> {
  const outcomes = await generateTestKey({ suite, threshold: 2, indices })
  return new Map([...outcomes].map(([own, outcome]) => [own, resultOf(outcome)]))
}

function refresh(share: KeyShare, { random, ...changed }: Dealer = {}): Session<unknown> {
  const input = { share: { ...share, ...changed }, instance: testInstance }
  return new Session<unknown>(startRefresh(random === undefined ? input : { ...input, random }))
}

function reshare(
  shares: ReadonlyMap<PartyIndex, KeyShare>,
  own: PartyIndex,
  dealer: Dealer = {},
): Session<unknown> {
  const { publicKey, chainCode, epochId, publicShares } = shares.get(1) as KeyShare
  const givers = [1, 3]
  const share = shares.get(own)
  return new Session<unknown>(
    startReshare({
      suite,
      group: ed25519Group,
      label: testLabel,
      instance: testInstance,
      own,
      threshold: 2,
      identities: testIdentities(takers),
      old: {
        publicKey,
        chainCode,
        epochId,
        publicShares: new Map([...publicShares].filter(([index]) => givers.includes(index))),
        identities: testIdentities(givers),
      },
      ...(share === undefined ? {} : { share }),
      ...dealer,
    }),
  )
}

type Ceremony = (
  dealer: Dealer,
  shares: ReadonlyMap<PartyIndex, KeyShare>,
) => Map<PartyIndex, Session<unknown>>

const ceremonies: readonly { name: string; opening: number; start: Ceremony }[] = [
  {
    name: 'key generation',
    opening: codes.dkg2,
    start: (dealer) => new Map(indices.map((own) => [own, keyGeneration(own, dealer) as Session<unknown>])),
  },
  {
    name: 'refresh',
    opening: codes.refresh2,
    start: (dealer, shares) =>
      new Map([...shares].map(([own, share]) => [own, refresh(share, own === 1 ? dealer : {})])),
  },
  {
    name: 'reshare',
    opening: codes.reshare2,
    start: (dealer, shares) =>
      new Map([1, 3, ...takers].map((own) => [own, reshare(shares, own, own === 1 ? dealer : {})])),
  },
]

const endsOf = (sessions: ReadonlyMap<PartyIndex, Session<unknown>>) =>
  new Map([...endAll(sessions)].map(([own, outcome]) => [own, endOf(outcome)]))

describe.each(ceremonies)('a dealer in $name', ({ name, opening, start }) => {
  it('F = O: a top coefficient of zero would lower the degree; its commitment is the identity and is refused', async () => {
    // In key generation the first draw is the constant; elsewhere it is the coefficient of X.
    const draws = name === 'key generation' ? [5n, 0n] : [0n]
    const sessions = start({ group: groupThatDraws(draws) }, await oldShares())
    await runNetwork(sessions)
    for (const [own, end] of endsOf(sessions)) if (own !== 1) expect(end).toBe('ABORT malformed 1')
  })

  it('equivocation: two openings of one commitment, both with valid proofs, are caught by the echo', async () => {
    // The same for its commitment, then other nonces for its proofs: party 1 has two stories that both hold.
    let isCommitted = false
    const twice = (tail: number): RandomSource => {
      const [head, rest] = [1, tail].map((byte) => seededRandom(new Uint8Array(32).fill(byte)))
      return (length) => (isCommitted ? rest : head)?.(length) as Uint8Array
    }
    const shares = await oldShares()
    const sessions = start({ random: twice(2) }, shares)
    const shadow = start({ random: twice(3) }, shares).get(1) as Session<unknown>
    isCommitted = true
    const other = new Map<number, Uint8Array>()
    const victim = [...sessions.keys()].at(-1)
    const tamper = (delivery: Delivery): Delivery[] => {
      if (delivery.to === 1) {
        shadow.receive(delivery.from, delivery.bytes)
        for (const { to, bytes } of shadow.takeOutbox())
          if (to === 'all') other.set(decodeFrame(bytes).code, bytes)
      }
      const { code, receiver } = decodeFrame(delivery.bytes)
      const isOpening = delivery.from === 1 && code === opening && receiver === 0
      if (!isOpening || delivery.to !== victim) return [delivery]
      expect(other.get(opening)).not.toEqual(delivery.bytes)
      return [{ ...delivery, bytes: other.get(opening) as Uint8Array }]
    }
    await runNetwork(sessions, { tamper })
    expect(other.has(opening)).toBe(true)
    for (const [own, end] of endsOf(sessions)) if (own !== 1) expect(end).toBe('ABORT echo-mismatch')
  })
})

describe('a dealer in key generation', () => {
  it('a polynomial with its root at a victim: a share of zero is a share, and the key is whole', async () => {
    const constant = 7n
    const slope = scalars.multiply(scalars.subtract(0n, constant), scalars.invert(2n))
    const sessions = new Map(
      indices.map((own) => [own, keyGeneration(own, { random: drawing([constant, slope]) })]),
    )
    const values: Uint8Array[] = []
    await runNetwork(sessions, {
      tamper(delivery) {
        const { code, receiver, payload } = decodeFrame(delivery.bytes)
        if (delivery.from === 1 && code === codes.dkg2 && receiver === 2) values.push(payload)
        return [delivery]
      },
    })
    expect(values).toEqual([new Uint8Array(32)])
    const shares = new Map([...endAll(sessions)].map(([own, outcome]) => [own, resultOf(outcome)]))
    for (const set of [
      [1, 2],
      [2, 3],
    ]) {
      const weighted = set.map((index) =>
        scalars.multiply(lagrange(scalars, set, index), (shares.get(index) as KeyShare).secret),
      )
      const { publicKey } = shares.get(1) as KeyShare
      const secret = weighted.reduce(scalars.add, 0n)
      expect(ed25519Group.equals(ed25519Group.multiplyBase(secret), publicKey)).toBe(true)
    }
  })

  it('a constant of zero is refused: the key would be the others’ alone', async () => {
    const sessions = new Map(
      indices.map((own) => [own, keyGeneration(own, { group: groupThatDraws([0n, 5n]) })]),
    )
    await runNetwork(sessions)
    const ends = endsOf(sessions)
    expect([ends.get(2), ends.get(3)]).toEqual(['ABORT malformed 1', 'ABORT malformed 1'])
  })
})
