import { describe, expect, it } from 'vitest'
import { encodeU16 } from './byte-writer.ts'
import { decodeFrame, encodeFrame, headerBytes } from './frame.ts'
import { startKeyGeneration, startRefresh } from './key-generation.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import { lagrange } from './polynomial.ts'
import type { RandomSource } from './random-source.ts'
import { Session } from './session.ts'
import type { SuiteId } from './suites.ts'
import {
  endAll,
  endOf,
  generateTestKey,
  resultOf,
  startTestKeyGeneration,
  testGroup,
  testIdentities,
  testInstance,
  testLabel,
} from './testing/ceremonies.ts'
import { type Delivery, runNetwork } from './testing/network.ts'
import { seededRandom } from './testing/seeded-random.ts'

const suite = 2
const committee = { suite, threshold: 2, indices: [1, 2, 3] } as const
const P = 32

/** Changes what party 1 sends under a code, to whom it is told to; everything else passes. */
function tampering(
  { code, to, direct }: { code: number; to?: readonly number[]; direct?: boolean },
  change: (payload: Uint8Array, delivery: Delivery) => Uint8Array | undefined,
) {
  return (delivery: Delivery): Delivery[] => {
    const frame = decodeFrame(delivery.bytes)
    const isMeant =
      delivery.from === 1 &&
      frame.code === code &&
      (to === undefined || to.includes(delivery.to)) &&
      (direct === undefined || direct === (frame.receiver !== 0))
    if (!isMeant) return [delivery]
    const payload = change(frame.payload.slice(), delivery)
    if (payload === undefined) return []
    return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: frame.suite as SuiteId, payload }) }]
  }
}

const flip = (at: number) => (payload: Uint8Array) => {
  payload[at] = (payload[at] as number) ^ 1
  return payload
}

async function endsOf(tamper: (delivery: Delivery) => readonly Delivery[], of = committee) {
  const outcomes = await generateTestKey(of, { tamper })
  return [...outcomes].map(([own, outcome]) => `${own}: ${endOf(outcome)}`)
}

async function sharesOf(of: Parameters<typeof generateTestKey>[0] = committee) {
  const outcomes = await generateTestKey(of)
  return new Map([...outcomes].map(([own, outcome]) => [own, resultOf(outcome)]))
}

describe('key generation', () => {
  it('gives shares of which any two make the key', async () => {
    const shares = await sharesOf()
    const group = testGroup(suite)
    const { scalars } = group
    for (const set of [
      [1, 2],
      [1, 3],
      [2, 3],
    ]) {
      const secret = set.reduce(
        (sum, index) =>
          scalars.add(
            sum,
            scalars.multiply(lagrange(scalars, set, index), (shares.get(index) as KeyShare).secret),
          ),
        0n,
      )
      expect(group.equals(group.multiplyBase(secret), (shares.get(1) as KeyShare).publicKey)).toBe(true)
    }
  })

  it('confirms a share only after it is stored, and says nothing where it cannot be stored', async () => {
    const sessions = new Map(
      committee.indices.map((own) => [own, startTestKeyGeneration(committee, own)] as const),
    )
    const persist = async () => {
      throw new Error('disk full')
    }
    await expect(runNetwork(sessions, { persist })).rejects.toThrow('disk full')
    for (const session of sessions.values()) {
      expect(session.takeOutbox().some(({ bytes }) => bytes[2] === codes.dkg4)).toBe(false)
      expect(session.outcome).toBeUndefined()
    }
  })

  it('ends at the deadline as a retry that names who is missing', async () => {
    const silent = (delivery: Delivery) => (delivery.from === 1 ? [] : [delivery])
    expect(await endsOf(silent)).toEqual(['1: RETRY timeout 2 3', '2: RETRY timeout 1', '3: RETRY timeout 1'])
  })
})

describe('attacks on key generation', () => {
  it('A6: an all-zero or short instance is refused', () => {
    const input = {
      suite,
      group: testGroup(suite),
      label: testLabel,
      own: 1,
      threshold: 2,
      identities: testIdentities([1, 2]),
    } as const
    for (const instance of [new Uint8Array(32), new Uint8Array(31).fill(1)]) {
      expect(() => startKeyGeneration({ ...input, instance })).toThrow('not all zero')
    }
  })

  it('A11: commitments to a polynomial of a higher or lower degree do not have the one length', async () => {
    for (const length of [P * 3 + 64 + 3 * 64, P + 64 + 64]) {
      const ends = await endsOf(tampering({ code: codes.dkg2, direct: false }, () => new Uint8Array(length)))
      expect(ends.slice(1)).toEqual(['2: ABORT wrong-length 1', '3: ABORT wrong-length 1'])
    }
  })

  it('A11: the identity as a commitment is refused', async () => {
    // Round 1 commits to it, so that only the point itself can be at fault: the opening has the identity of RFC 8032.
    const identity = new Uint8Array(P)
    identity[0] = 1
    const ends = await endsOf(
      tampering({ code: codes.dkg2, direct: false }, (payload) => {
        payload.set(identity, P)
        return payload
      }),
    )
    expect(ends.slice(1)).toEqual(['2: ABORT commitment-mismatch 1', '3: ABORT commitment-mismatch 1'])
  })

  it.each([[0], [65_536], [1.5], [-1]])('A12: %d is no index', (index) => {
    const identities = testIdentities([1, index])
    expect(() =>
      startKeyGeneration({
        suite,
        group: testGroup(suite),
        label: testLabel,
        instance: testInstance,
        own: 1,
        threshold: 2,
        identities,
      }),
    ).toThrow('not a party index')
  })

  it('A12: one identity under two indices would hold two shares, and is refused', () => {
    const identities = testIdentities([1, 2, 3])
    identities.set(3, identities.get(2) as Uint8Array)
    const { group, ...rest } = { group: testGroup(suite), suite, label: testLabel } as const
    const input = { ...rest, group, instance: testInstance, own: 1, threshold: 2, identities }
    expect(() => startKeyGeneration(input)).toThrow('identity of another')
  })

  it('A13: TestMakeSidNoTruncationAcross256Boundary: parties 1 and 257 are not confused', async () => {
    expect([...encodeU16(257)]).toEqual([1, 1])
    const shares = await sharesOf({ suite, threshold: 2, indices: [1, 257] })
    expect((shares.get(1) as KeyShare).secret).not.toBe((shares.get(257) as KeyShare).secret)
    expect(() => encodeU16(65_537)).toThrow()
  })

  it('A15: a copied commitment cannot be opened by the copier', async () => {
    const copied = new Map<number, Uint8Array>()
    const sessions = new Map(
      committee.indices.map((own) => [own, startTestKeyGeneration(committee, own)] as const),
    )
    const tamper = (delivery: Delivery): Delivery[] => {
      const frame = decodeFrame(delivery.bytes)
      if (delivery.from === 2 && frame.receiver === 0) copied.set(frame.code, frame.payload)
      if (delivery.from !== 1 || frame.receiver !== 0 || frame.code > codes.dkg2) return [delivery]
      const payload = copied.get(frame.code)
      if (payload === undefined) return [delivery]
      return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: frame.suite as SuiteId, payload }) }]
    }
    // Party 2 speaks first, and party 1 repeats it word by word.
    for (const outgoing of sessions.get(2)?.takeOutbox() ?? []) {
      copied.set(codes.dkg1, decodeFrame(outgoing.bytes).payload)
      for (const to of [1, 3] as const) sessions.get(to)?.receive(2, outgoing.bytes)
    }
    await runNetwork(sessions, { tamper })
    const ends = [...endAll(sessions)].map(([own, outcome]) => `${own}: ${endOf(outcome)}`)
    expect(ends[1]).not.toContain('done')
    expect(ends[2]).not.toContain('done')
    expect(ends[2]).toMatch(/RETRY session-mismatch|ABORT (commitment-mismatch|proof-invalid) 1/)
  })

  it('A17 and KeygenPartyEchoBroadcastCatchesEquivocation: two valid openings are two stories', async () => {
    // Party 1 draws the same for its commitment and other nonces for its proofs, and shows each peer another opening.
    let isCommitted = false
    const twice = (tail: string): RandomSource => {
      const head = seededRandom(new Uint8Array(32).fill(1))
      const rest = seededRandom(new TextEncoder().encode(tail.padEnd(32)))
      return (length) => (isCommitted ? rest(length) : head(length))
    }
    const other = { ...committee, randoms: new Map([[1, twice('other')]]) }
    const honest = { ...committee, randoms: new Map([[1, twice('one')]]) }
    const shadow = startTestKeyGeneration(other, 1)
    const sessions = new Map(
      committee.indices.map((own) => [own, startTestKeyGeneration(honest, own)] as const),
    )
    isCommitted = true
    const openings: Uint8Array[] = []
    const tamper = (delivery: Delivery): Delivery[] => {
      if (delivery.to === 1) {
        shadow.receive(delivery.from, delivery.bytes)
        for (const { to, bytes } of shadow.takeOutbox()) {
          if (to === 'all' && bytes[2] === codes.dkg2) openings.push(bytes)
        }
      }
      const isOpening = delivery.from === 1 && delivery.bytes[2] === codes.dkg2 && delivery.bytes[6] === 0
      if (!isOpening || delivery.to !== 3) return [delivery]
      return [{ ...delivery, bytes: openings[0] ?? delivery.bytes }]
    }
    await runNetwork(sessions, { tamper })
    const ends = [...endAll(sessions)].map(([own, outcome]) => `${own}: ${endOf(outcome)}`)
    expect(openings).toHaveLength(1)
    expect(ends).toEqual(['1: ABORT echo-mismatch', '2: ABORT echo-mismatch', '3: ABORT echo-mismatch'])
  })

  it('an equivocated first round is a retry at the first frame of the second, and blames nobody', async () => {
    const ends = await endsOf(tampering({ code: codes.dkg1, to: [3] }, flip(40)))
    expect(ends).toEqual([
      '1: RETRY session-mismatch',
      '2: RETRY session-mismatch',
      '3: RETRY session-mismatch',
    ])
  })

  it('a commitment that does not open names its sender', async () => {
    const ends = await endsOf(tampering({ code: codes.dkg2, direct: false }, flip(2 * P + 5)))
    expect(ends.slice(1)).toEqual(['2: ABORT commitment-mismatch 1', '3: ABORT commitment-mismatch 1'])
  })

  it('test_dlog_proof: a proof of another coefficient, another session or none is refused', async () => {
    const proofAt = 2 * P + 64
    const proof = P + 32
    const swap = (payload: Uint8Array) => {
      const first = payload.slice(proofAt, proofAt + proof)
      payload.copyWithin(proofAt, proofAt + proof, proofAt + 2 * proof)
      payload.set(first, proofAt + proof)
      return payload
    }
    const repeat = (payload: Uint8Array) => payload.copyWithin(proofAt + proof, proofAt, proofAt + proof)
    const none = (payload: Uint8Array) => payload.fill(0, proofAt)
    for (const change of [swap, repeat, none]) {
      const ends = await endsOf(tampering({ code: codes.dkg2, direct: false }, change))
      expect(ends.slice(1)).toEqual(['2: ABORT proof-invalid 1', '3: ABORT proof-invalid 1'])
    }
  })

  it('KeygenRejectsNonCanonicalShare and a wrong share names its dealer to its victim', async () => {
    const wrong = await endsOf(tampering({ code: codes.dkg2, direct: true, to: [2] }, flip(0)))
    expect(wrong[1]).toBe('2: ABORT share-invalid 1')
    const high = await endsOf(
      tampering({ code: codes.dkg2, direct: true, to: [2] }, (payload) => payload.fill(0xff)),
    )
    expect(high[1]).toBe('2: ABORT malformed 1')
    // The others wait for the victim's next round, in vain.
    expect(high[2]).toBe('3: RETRY timeout 2')
  })

  it('a false echo, a false confirmation and a false proof of the share end it', async () => {
    expect((await endsOf(tampering({ code: codes.dkg3 }, flip(0))))[1]).toBe('2: ABORT echo-mismatch')
    expect((await endsOf(tampering({ code: codes.dkg4 }, flip(0))))[1]).toBe('2: ABORT confirmation-mismatch')
    expect((await endsOf(tampering({ code: codes.dkg4 }, flip(40))))[1]).toBe('2: ABORT proof-invalid 1')
  })

  it('frames of strangers, copies, other receivers and other rounds change nothing', async () => {
    const noisy = (delivery: Delivery): Delivery[] => {
      const misrouted = delivery.bytes.slice()
      misrouted[6] = 99
      const cut = delivery.bytes.slice(0, headerBytes - 1)
      const impersonated = delivery.bytes.slice()
      impersonated[4] = delivery.from === 1 ? 2 : 1
      const bad = [misrouted, cut, impersonated].map((bytes) => ({ ...delivery, bytes }))
      return [...bad, delivery, delivery, ...bad]
    }
    expect(await endsOf(noisy)).toEqual(['1: done', '2: done', '3: done'])
  })

  it('a round that was entered is spent', () => {
    const first = startKeyGeneration({
      suite,
      group: testGroup(suite),
      label: testLabel,
      instance: testInstance,
      own: 1,
      threshold: 2,
      identities: testIdentities([1, 2]),
    })
    const second = startTestKeyGeneration({ suite, threshold: 2, indices: [1, 2] }, 2)
    if (!('next' in first)) throw new Error('a key generation has rounds')
    for (const { bytes } of second.takeOutbox()) first.next.inbox.receive(2, bytes)
    expect(first.next.finish().status).toBe('done')
    expect(() => first.next.finish()).toThrow('entered before')
  })
})

describe('attacks on refresh', () => {
  async function refresh(tamper?: (delivery: Delivery) => readonly Delivery[]) {
    const shares = await sharesOf()
    const sessions = new Map(
      [...shares].map(([own, share]) => [own, new Session(startRefresh({ share, instance: testInstance }))]),
    )
    await runNetwork(sessions, tamper === undefined ? {} : { tamper })
    return { shares, outcomes: endAll(sessions) }
  }

  it('keeps the key, and makes every old share useless', async () => {
    const { shares, outcomes } = await refresh()
    const group = testGroup(suite)
    const { scalars } = group
    const mixed = [shares.get(1) as KeyShare, resultOf(outcomes.get(2))]
    const set = [1, 2]
    const secret = mixed.reduce(
      (sum, { index, secret: share }) =>
        scalars.add(sum, scalars.multiply(lagrange(scalars, set, index), share)),
      0n,
    )
    const { publicKey, epochId } = resultOf(outcomes.get(1))
    expect(group.equals(publicKey, (shares.get(1) as KeyShare).publicKey)).toBe(true)
    expect(group.equals(group.multiplyBase(secret), publicKey)).toBe(false)
    expect(epochId).not.toEqual((shares.get(1) as KeyShare).epochId)
  })

  it('ByzantineRefreshDealerCheatsCaught: a polynomial with a constant would move the key', async () => {
    // Adding 1 to every share is what a constant of 1 would do.
    const group = testGroup(suite)
    const { outcomes } = await refresh(
      tampering({ code: codes.refresh2, direct: true }, (payload) =>
        group.scalars.encode(group.scalars.add(group.scalars.decode(payload), 1n)),
      ),
    )
    expect(endOf(outcomes.get(2))).toBe('ABORT share-invalid 1')
    expect(endOf(outcomes.get(3))).toBe('ABORT share-invalid 1')
  })

  it('RefreshPartyEchoBroadcastCatchesEquivocation, and a tampered proof', async () => {
    const { outcomes } = await refresh(tampering({ code: codes.refresh2, direct: false }, flip(P + 40)))
    expect(endOf(outcomes.get(2))).toBe('ABORT proof-invalid 1')
    const echoed = await refresh(tampering({ code: codes.refresh3, to: [2] }, flip(3)))
    expect(endOf(echoed.outcomes.get(2))).toBe('ABORT echo-mismatch')
  })

  it('does not start where the parties hold shares of different epochs', async () => {
    const old = await sharesOf()
    const other = await sharesOf()
    const sessions = new Map(
      [1, 2, 3].map((own) => {
        const share = (own === 3 ? other : old).get(own) as KeyShare
        return [own, new Session(startRefresh({ share, instance: testInstance }))] as const
      }),
    )
    await runNetwork(sessions)
    expect([...endAll(sessions).values()].map(endOf)).toEqual([
      'RETRY timeout 3',
      'RETRY timeout 3',
      'RETRY timeout 1 2',
    ])
  })
})
