import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from './byte-writer.ts'
import { epochMembersMax } from './epoch.ts'
import { decodeFrame, encodeFrame, headerBytes } from './frame.ts'
import {
  type FrostInput,
  type FrostSignature,
  frostMessageBytesMax,
  openFrostSignature,
  startFrostSignature,
} from './frost.ts'
import { FrostEpoch } from './frost-epoch.ts'
import type { FrostSuiteId } from './frost-suites.ts'
import type { Group, Point } from './group.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { platformRandom } from './random-source.ts'
import { writeUint256 } from './scalar-field.ts'
import { Session } from './session.ts'
import type { SuiteId } from './suites.ts'
import { endAll, endOf, testInstance } from './testing/ceremonies.ts'
import { dealFrostShares } from './testing/deal-frost-shares.ts'
import { frostTestMessage, openFrostSessions } from './testing/frost-sessions.ts'
import { type Delivery, runNetwork } from './testing/network.ts'
import { seededRandom } from './testing/seeded-random.ts'

const deal = (suite: FrostSuiteId, threshold = 2, indices: readonly PartyIndex[] = [1, 2, 3]) =>
  dealFrostShares({ suite, threshold, indices, random: platformRandom })
const shareOf = (shares: ReadonlyMap<PartyIndex, KeyShare>, index: PartyIndex) =>
  shares.get(index) as KeyShare
const suiteIds: readonly FrostSuiteId[] = [2, 3, 4]
const unhex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

/** Changes what party 1 sends under a code, to whom it is told to; everything else passes. */
function tampering(
  { code, to }: { readonly code: number; readonly to?: readonly number[] },
  change: (payload: Uint8Array, delivery: Delivery) => Uint8Array,
) {
  return (delivery: Delivery): Delivery[] => {
    const frame = decodeFrame(delivery.bytes)
    const isMeant =
      delivery.from === 1 && frame.code === code && (to === undefined || to.includes(delivery.to))
    if (!isMeant) return [delivery]
    const payload = change(frame.payload.slice(), delivery)
    return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: frame.suite as SuiteId, payload }) }]
  }
}

async function endsOf(
  sessions: ReadonlyMap<PartyIndex, Session<FrostSignature>>,
  tamper?: (delivery: Delivery) => readonly Delivery[],
): Promise<string[]> {
  await runNetwork(sessions, tamper === undefined ? {} : { tamper })
  return [...endAll(sessions)].map(([own, outcome]) => `${own}: ${endOf(outcome)}`)
}

const inputOf = (share: KeyShare, more: Partial<FrostInput> = {}): FrostInput => ({
  epoch: new FrostEpoch({ share }),
  signers: [1, 2],
  message: frostTestMessage,
  instance: testInstance,
  ...more,
})

const another = (group: Group) => group.encode(group.multiplyBase(group.scalars.random(platformRandom)))

/** Adds 1 to a share of the signature: canonical, and wrong. */
const wrongShare = (group: Group) => (payload: Uint8Array) =>
  group.scalars.encode(group.scalars.add(group.scalars.decode(payload), 1n))

describe('A9 and A23: nothing of FROST is used twice', () => {
  it('A23: nonces that met one list of commitments are refused a second one', () => {
    const shares = deal(2)
    const own = startFrostSignature(inputOf(shareOf(shares, 1)))
    const [one, other] = [1, 2].map(() => startFrostSignature(inputOf(shareOf(shares, 2))))
    if (!('next' in own) || one === undefined || other === undefined) throw new Error('FROST has two rounds')
    const [first, second] = [one, other].map(({ outbox }) => outbox[0]?.bytes as Uint8Array)
    expect(first).not.toEqual(second)
    expect(own.next.inbox.receive(2, first as Uint8Array).status).toBe('accepted')
    // Before the round is entered the first list stands; afterwards nothing is heard.
    expect(own.next.inbox.receive(2, second as Uint8Array)).toMatchObject({ reason: 'duplicate' })
    expect(own.next.finish().status).toBe('done')
    expect(own.next.inbox.receive(2, second as Uint8Array)).toMatchObject({ reason: 'finished' })
    expect(() => own.next.finish()).toThrow(expect.objectContaining({ code: 'MPC_SPENT' }))
  })

  it('A23: a session answers one list of commitments with one share, whatever comes after', () => {
    const shares = deal(2)
    const session = openFrostSessions(shares, [1, 2]).get(1) as Session<FrostSignature>
    const said = [session.takeOutbox()]
    for (let again = 0; again < 3; again++) {
      const peer = openFrostSessions(shares, [1, 2]).get(2) as Session<FrostSignature>
      for (const { bytes } of peer.takeOutbox()) {
        const reception = session.receive(2, bytes)
        expect(reception).toMatchObject(
          again === 0 ? { status: 'accepted' } : { status: 'refused', reason: 'late' },
        )
      }
      said.push(session.takeOutbox())
    }
    expect(said.map((frames) => frames.map(({ bytes }) => bytes[2]))).toEqual([
      [codes.frost1],
      [codes.frost2],
      [],
      [],
    ])
  })

  it('A23: a round that fails is spent too', () => {
    const shares = deal(2)
    const own = startFrostSignature(inputOf(shareOf(shares, 1)))
    const peer = startFrostSignature(inputOf(shareOf(shares, 2)))
    if (!('next' in own)) throw new Error('FROST has two rounds')
    const frame = decodeFrame(peer.outbox[0]?.bytes as Uint8Array)
    const payload = new Uint8Array(64)
    own.next.inbox.receive(2, encodeFrame({ ...frame, suite: 2, payload }))
    expect(own.next.finish()).toMatchObject({ status: 'stopped', abort: { problem: 'malformed' } })
    expect(() => own.next.finish()).toThrow(expect.objectContaining({ code: 'MPC_SPENT' }))
  })

  it('A23: two sessions with all the same inputs have other nonces', () => {
    const share = shareOf(deal(2), 1)
    const [one, other] = [1, 2].map(() => startFrostSignature(inputOf(share)).outbox[0]?.bytes)
    expect(one?.subarray(0, headerBytes)).toEqual(other?.subarray(0, headerBytes))
    expect(one?.subarray(headerBytes)).not.toEqual(other?.subarray(headerBytes))
  })

  it('A23: equal randomness alone does not make equal nonces: the share goes in', () => {
    const shares = deal(2)
    const payloads = [1, 2].map((index) => {
      const random = seededRandom(new Uint8Array(32))
      return startFrostSignature(inputOf(shareOf(shares, index), { random })).outbox[0]?.bytes.slice(
        headerBytes,
      )
    })
    expect(payloads[0]).not.toEqual(payloads[1])
  })

  it('A9: a discarded round and a finished session give nothing more', async () => {
    const shares = deal(2)
    const own = startFrostSignature(inputOf(shareOf(shares, 1)))
    if (!('next' in own)) throw new Error('FROST has two rounds')
    const peer = startFrostSignature(inputOf(shareOf(shares, 2)))
    own.next.inbox.receive(2, peer.outbox[0]?.bytes as Uint8Array)
    expect(own.next.inbox.isComplete).toBe(true)
    own.next.discard()
    own.next.discard()
    expect(() => own.next.finish()).toThrow(expect.objectContaining({ code: 'MPC_SPENT' }))

    const sessions = openFrostSessions(shares, [1, 2])
    const sent = await runNetwork(sessions)
    for (const [index, session] of sessions) {
      expect(session.outcome?.status).toBe('done')
      for (const { from, to, bytes } of sent) {
        if (to === index) expect(session.receive(from, bytes)).toMatchObject({ reason: 'finished' })
      }
      expect(session.takeOutbox()).toEqual([])
      expect(session.expire().status).toBe('done')
    }
  })
})

describe('what cannot start', () => {
  const share = shareOf(deal(2), 1)

  it.each([
    ['A12: index 0', { signers: [0, 1] }, 'MPC_PARTIES_INVALID'],
    ['A12: an index beyond 16 bits', { signers: [1, 65_537] }, 'MPC_PARTIES_INVALID'],
    ['A12: an index twice', { signers: [1, 1] }, 'MPC_PARTIES_INVALID'],
    ['A12: a signer who has no share', { signers: [1, 9] }, 'MPC_PARTIES_INVALID'],
    ['A12: signers without this party', { signers: [2, 3] }, 'MPC_PARTIES_INVALID'],
    ['A19: fewer signers than the threshold', { signers: [1] }, 'MPC_PARTIES_INVALID'],
    ['A19: more signers than the threshold', { signers: [1, 2, 3] }, 'MPC_PARTIES_INVALID'],
    ['A6: an instance of zeros', { instance: new Uint8Array(32) }, 'MPC_INPUT_INVALID'],
    ['A6: a short instance', { instance: new Uint8Array(31).fill(1) }, 'MPC_INPUT_INVALID'],
    ['a path on Ed25519', { path: [0] }, 'MPC_INPUT_INVALID'],
    ['a taproot output on Ed25519', { merkleRoot: new Uint8Array(0) }, 'MPC_INPUT_INVALID'],
    [
      'a message beyond the limit',
      { message: new Uint8Array(frostMessageBytesMax + 1) },
      'MPC_INPUT_INVALID',
    ],
    ['a source of too few bytes', { random: () => new Uint8Array(31) }, 'MPC_RANDOM_UNAVAILABLE'],
  ])('%s', (_, more, code) => {
    const input = inputOf(share, more as Partial<FrostInput>)
    expect(() => startFrostSignature(input)).toThrow(expect.objectContaining({ code }))
    expect(input.epoch.size).toBe(0)
  })

  it('A24: a share of ECDSA, or a share on another curve than its suite’s', () => {
    expect(() => new FrostEpoch({ share: { ...share, suite: 1 } })).toThrow('does not sign with FROST')
    expect(() => new FrostEpoch({ share: { ...share, suite: 3 } })).toThrow('over secp256k1')
  })
})

describe('who disagrees about anything never hears the other', () => {
  const cases: readonly (readonly [string, Partial<FrostInput>, Partial<KeyShare>])[] = [
    ['the message', { message: frostTestMessage.slice(1) }, {}],
    ['the instance', { instance: testInstance.map((byte) => byte ^ 1) }, {}],
    ['the path', { path: [1] }, {}],
    ['taproot: none against no scripts', { merkleRoot: new Uint8Array(0) }, {}],
    ['taproot: none against a root', { merkleRoot: new Uint8Array(32) }, {}],
    ['the epoch', {}, { epochId: new Uint8Array(32).fill(5) }],
    ['A24: the purpose of the key', {}, { label: 'another' }],
    ['A24: the suite', {}, { suite: 3 }],
  ]

  it.each(cases)('%s', async (_, more, shareMore) => {
    const shares = deal(4)
    const open = (share: KeyShare, input: Partial<FrostInput>) =>
      new Session(startFrostSignature(inputOf(share, input)))
    const sessions = new Map([
      [1, open(shareOf(shares, 1), {})],
      [2, open({ ...shareOf(shares, 2), ...shareMore }, more)],
    ])
    for (const [from, to] of [
      [1, 2],
      [2, 1],
    ] as const) {
      for (const { bytes } of (sessions.get(from) as Session<FrostSignature>).takeOutbox()) {
        const reception = sessions.get(to)?.receive(from, bytes)
        expect(reception).toMatchObject({ status: 'refused', reason: 'other-session' })
      }
    }
    expect(await endsOf(sessions)).toEqual(['1: RETRY timeout 2', '2: RETRY timeout 1'])
  })

  it('A13: one field’s end is not the next one’s beginning', () => {
    // The path is before the message: the same bytes moved from one to the other are another session.
    const share = shareOf(deal(3), 1)
    const moved = [
      { path: [1, 2], message: new Uint8Array(0) },
      { path: [1], message: Uint8Array.of(0, 0, 0, 2) },
      { path: [], message: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2) },
    ].map((more) => startFrostSignature(inputOf(share, more)).outbox[0]?.bytes.slice(7, 39).join())
    expect(new Set(moved).size).toBe(3)
  })

  it('A13: parties 1 and 257 are not confused', async () => {
    const shares = deal(2, 2, [1, 257])
    expect(await endsOf(openFrostSessions(shares, [1, 257]))).toEqual(['1: done', '257: done'])
  })

  it('A24: frames of other ceremonies and of other suites of the session are not of it', () => {
    const shares = deal(4)
    const session = openFrostSessions(shares, [1, 2]).get(1) as Session<FrostSignature>
    const peer = openFrostSessions(shares, [1, 2]).get(2) as Session<FrostSignature>
    const frame = decodeFrame(peer.takeOutbox()[0]?.bytes as Uint8Array)
    for (const code of [
      codes.dkg1,
      codes.refresh1,
      codes.recover1,
      codes.reshare1,
      codes.sign1,
      0x60,
      0x69,
    ]) {
      const reception = session.receive(2, encodeFrame({ ...frame, suite: 4, code }))
      expect(reception).toMatchObject({ status: 'refused' })
    }
    expect(session.outcome).toBeUndefined()
    expect(session.receive(2, encodeFrame({ ...frame, suite: 1 }))).toMatchObject({
      status: 'stopped',
      abort: { kind: 'RETRY', problem: 'version-mismatch', culprits: [2] },
    })
  })
})

describe.each(suiteIds)('false messages, suite %d', (suite) => {
  const shares = deal(suite, 3, [1, 2, 3, 4])
  const { group } = shareOf(shares, 1)
  const P = group.pointBytes
  const open = () => openFrostSessions(shares, [1, 2, 4])
  const ends = (
    where: Parameters<typeof tampering>[0],
    change: (payload: Uint8Array) => Uint8Array,
  ): Promise<string[]> => endsOf(open(), tampering(where, change))

  it('a commitment that was altered on its way is a retry that blames nobody', async () => {
    for (const at of [0, P]) {
      const change = (payload: Uint8Array) => {
        payload.set(another(group), at)
        return payload
      }
      const session = 'RETRY session-mismatch'
      expect(await ends({ code: codes.frost1 }, change)).toEqual([
        `1: ${session}`,
        `2: ${session}`,
        `4: ${session}`,
      ])
    }
  })

  it('A7: commitments that are equivocated among three signers are a retry that blames nobody', async () => {
    const change = () => concatBytes(another(group), another(group))
    const session = 'RETRY session-mismatch'
    expect(await ends({ code: codes.frost1, to: [4] }, change)).toEqual([
      `1: ${session}`,
      `2: ${session}`,
      `4: ${session}`,
    ])
  })

  it('a wrong share of the signature names its sender to everybody who got it', async () => {
    expect(await ends({ code: codes.frost2 }, wrongShare(group))).toEqual([
      '1: done',
      '2: ABORT signature-invalid 1',
      '4: ABORT signature-invalid 1',
    ])
    expect(await ends({ code: codes.frost2, to: [4] }, wrongShare(group))).toEqual([
      '1: done',
      '2: done',
      '4: ABORT signature-invalid 1',
    ])
    expect((await ends({ code: codes.frost2 }, () => new Uint8Array(32)))[1]).toBe(
      '2: ABORT signature-invalid 1',
    )
  })

  it('two wrong shares name both', async () => {
    const tamper = (delivery: Delivery): Delivery[] => {
      const [changed] = tampering({ code: codes.frost2 }, wrongShare(group))({ ...delivery, from: 1 })
      return delivery.from === 4 ? [delivery] : [{ ...(changed as Delivery), from: delivery.from }]
    }
    expect((await endsOf(open(), tamper))[2]).toBe('4: ABORT signature-invalid 1 2')
  })

  it('a party whose own share is damaged names itself, as the others do', async () => {
    const share = shareOf(shares, 1)
    const damaged = new Map(shares).set(1, { ...share, secret: group.scalars.add(share.secret, 1n) })
    expect(await endsOf(openFrostSessions(damaged, [1, 2, 4]))).toEqual([
      '1: ABORT signature-invalid 1',
      '2: ABORT signature-invalid 1',
      '4: ABORT signature-invalid 1',
    ])
  })

  it('A15: commitments copied or negated from another’s are of no use to who has no share', async () => {
    const negated = (bytes: Uint8Array) =>
      concatBytes(...[0, P].map((at) => group.encode(group.negate(group.decode(bytes.subarray(at, at + P))))))
    for (const make of [(bytes: Uint8Array) => bytes, negated]) {
      const sessions = new Map(openFrostSessions(shares, [1, 2, 4]))
      const two = sessions.get(2) as Session<FrostSignature>
      const victim = decodeFrame(two.takeOutbox()[0]?.bytes as Uint8Array)
      // Party 1 speaks after it has heard party 2.
      const forged = { ...victim, suite, sender: 1, payload: make(victim.payload) }
      two.receive(1, encodeFrame(forged))
      for (const { bytes } of (sessions.get(4) as Session<FrostSignature>).takeOutbox()) two.receive(4, bytes)
      const answer = decodeFrame(two.takeOutbox()[0]?.bytes as Uint8Array)
      two.receive(1, encodeFrame({ ...answer, suite, sender: 1 }))
      two.receive(4, encodeFrame({ ...answer, suite, sender: 4 }))
      expect(endOf(two.outcome)).toBe('ABORT signature-invalid 1 4')
    }
  })

  it('a share of the signature that is not canonical names its sender', async () => {
    const { order } = group.scalars
    const high = [order, order + 1n, (1n << 256n) - 1n].map((k) => writeUint256(k, suite === 2))
    for (const payload of high) {
      expect((await ends({ code: codes.frost2 }, () => payload)).slice(1)).toEqual([
        '2: ABORT malformed 1',
        '4: ABORT malformed 1',
      ])
    }
    const plusOrder = (payload: Uint8Array) => {
      const k = group.scalars.decode(payload) + order
      return k < 1n << 256n ? writeUint256(k, suite === 2) : payload.fill(0xff)
    }
    expect((await ends({ code: codes.frost2 }, plusOrder))[1]).toBe('2: ABORT malformed 1')
  })

  it('a wrong length is a retry in the first round and an abort in the second', async () => {
    for (const change of [
      (payload: Uint8Array) => payload.slice(1),
      (payload: Uint8Array) => concatBytes(payload, Uint8Array.of(0)),
      () => new Uint8Array(0),
    ]) {
      expect((await ends({ code: codes.frost1 }, change))[1]).toBe('2: RETRY wrong-length 1')
      expect((await ends({ code: codes.frost2 }, change))[1]).toBe('2: ABORT wrong-length 1')
    }
  })

  it('points that are none name their sender, in either place', async () => {
    for (const [name, bytes] of badPoints(group)) {
      for (const at of [0, P]) {
        const change = (payload: Uint8Array) => {
          payload.set(bytes, at)
          return payload
        }
        const [, two, four] = await ends({ code: codes.frost1 }, change)
        expect([name, two, four]).toEqual([name, '2: ABORT malformed 1', '4: ABORT malformed 1'])
      }
    }
  })

  it('frames that are misrouted, repeated, cut, late or another’s change nothing', async () => {
    const noisy = (delivery: Delivery): Delivery[] => {
      const misrouted = delivery.bytes.slice()
      misrouted[6] = 99
      const impersonated = delivery.bytes.slice()
      impersonated[4] = delivery.from === 1 ? 2 : 1
      const stray = delivery.bytes.slice()
      stray[7] = (stray[7] as number) ^ 1
      const cut = delivery.bytes.slice(0, headerBytes - 1)
      const direct = delivery.bytes.slice()
      direct[6] = delivery.to
      const bad = [misrouted, impersonated, stray, cut, direct].map((bytes) => ({ ...delivery, bytes }))
      const stranger = { ...delivery, from: 3 }
      return [...bad, stranger, delivery, delivery, ...bad]
    }
    expect(await endsOf(open(), noisy)).toEqual(['1: done', '2: done', '4: done'])
  })

  it('BitGo 9441: frames of a session before, with the very same inputs, do not make a signature', async () => {
    const sessions = open()
    const before = await runNetwork(sessions)
    const again = open()
    const own = again.get(2) as Session<FrostSignature>
    own.takeOutbox()
    // The old commitments are as good as any; the old shares belong to another session.
    for (const { from, to, bytes } of before) if (to === 2) own.receive(from, bytes)
    expect(endOf(own.outcome)).toBe('RETRY session-mismatch')
  })
})

/** Bytes that no decoder may take for an element of the group (RFC 9591, section 3.1, DeserializeElement). */
function badPoints(group: Group): readonly (readonly [string, Uint8Array])[] {
  if (group.name === 'secp256k1') {
    const some = another(group)
    const field = (1n << 256n) - (1n << 32n) - 977n
    return [
      ['zeros', new Uint8Array(33)],
      ['x = p', concatBytes(Uint8Array.of(2), writeUint256(field, false))],
      ['no such x', concatBytes(Uint8Array.of(2), writeUint256(5n, false))],
      ['prefix 4', concatBytes(Uint8Array.of(4), some.subarray(1))],
      ['prefix 0', concatBytes(Uint8Array.of(0), some.subarray(1))],
    ]
  }
  const torsion = unhex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
  const eighth = ed25519.Point.fromBytes(torsion)
  const small = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map(
    (k) => [`order ${k}/8`, (k === 0n ? ed25519.Point.ZERO : eighth.multiplyUnsafe(k)).toBytes()] as const,
  )
  const some = group.multiplyBase(group.scalars.random(platformRandom)) as Point & typeof ed25519.Point.BASE
  const mixed = [1n, 2n, 4n].map(
    (k) => [`mixed ${k}/8`, some.add(eighth.multiplyUnsafe(k)).toBytes()] as const,
  )
  const field = (1n << 255n) - 19n
  return [
    ...small,
    ...mixed,
    ['y = p', writeUint256(field, true)],
    ['y = p + 1', writeUint256(field + 1n, true)],
    ['the identity with a sign', writeUint256(1n | (1n << 255n), true)],
    ['no such y', writeUint256(2n, true)],
  ]
}

describe('shares that are replaced', () => {
  it('A16: a retired epoch ends its sessions, says nothing more, and starts none', () => {
    const shares = deal(2)
    const epoch = new FrostEpoch({ share: shareOf(shares, 1) })
    const rounds = startFrostSignature(inputOf(shareOf(shares, 1), { epoch }))
    const peer = startFrostSignature(inputOf(shareOf(shares, 2)))
    if (!('next' in rounds)) throw new Error('FROST has two rounds')
    rounds.next.inbox.receive(2, peer.outbox[0]?.bytes as Uint8Array)
    const session = openFrostSignature(inputOf(shareOf(shares, 1), { epoch }))
    expect(epoch.size).toBe(2)
    epoch.retire()
    expect(epoch.isRetired).toBe(true)
    expect(epoch.size).toBe(0)
    expect(endOf(session.outcome)).toBe('ABORT epoch-retired')
    expect(session.takeOutbox()).toEqual([])
    expect(rounds.next.finish()).toMatchObject({ status: 'stopped', abort: { problem: 'epoch-retired' } })
    const again = () => startFrostSignature(inputOf(shareOf(shares, 1), { epoch }))
    expect(again).toThrow(expect.objectContaining({ code: 'MPC_EPOCH_RETIRED' }))
  })

  it('counts living sessions only, and no more than the limit', async () => {
    const shares = deal(2)
    const epoch = new FrostEpoch({ share: shareOf(shares, 1) })
    const one = openFrostSignature(inputOf(shareOf(shares, 1), { epoch }))
    const other = openFrostSignature(inputOf(shareOf(shares, 1), { epoch }))
    const peer = openFrostSignature(inputOf(shareOf(shares, 2)))
    expect(epoch.size).toBe(2)
    await runNetwork(
      new Map([
        [1, one],
        [2, peer],
      ]),
    )
    expect(one.outcome?.status).toBe('done')
    expect(epoch.size).toBe(1)
    other.expire()
    expect(epoch.size).toBe(0)
    const entered = Array.from({ length: epochMembersMax }, () => epoch.enter([1, 2]))
    expect(() => epoch.enter([1, 2])).toThrow(expect.objectContaining({ code: 'MPC_LIMIT_REACHED' }))
    entered[0]?.leave()
    expect(epoch.enter([1, 2]).ending).toBeUndefined()
  })
})

describe('fuzz', () => {
  const runs = { numRuns: 150 }

  it.each(suiteIds)('suite %d: whatever a peer says, a session ends with a type or goes on', (suite) => {
    const shares = deal(suite)
    const { pointBytes } = shareOf(shares, 1).group
    const payload = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 2 * pointBytes, maxLength: 2 * pointBytes }),
      fc.uint8Array({ maxLength: 200 }),
    )
    fc.assert(
      fc.property(
        payload,
        payload,
        fc.constantFrom<number>(codes.frost1, codes.frost2),
        (one, other, code) => {
          const session = openFrostSessions(shares, [1, 2]).get(1) as Session<FrostSignature>
          const { session: wire } = decodeFrame(session.takeOutbox()[0]?.bytes as Uint8Array)
          for (const said of [one, other]) {
            session.receive(
              2,
              encodeFrame({ suite, code, sender: 2, receiver: 0, session: wire, payload: said }),
            )
          }
          expect(['undefined', 'stopped']).toContain(String(session.outcome?.status))
          expect(session.expire().status).toBe('stopped')
        },
      ),
      runs,
    )
  })

  it.each(suiteIds)(
    'suite %d: bytes that are no frame, or a frame with bytes changed, never throw',
    (suite) => {
      const shares = deal(suite)
      const bytes = openFrostSessions(shares, [1, 2]).get(2)?.takeOutbox()[0]?.bytes as Uint8Array
      const changed = fc
        .array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        })
        .map((changes) => {
          const copy = bytes.slice()
          for (const [at, by] of changes) copy[at] = (copy[at] as number) ^ by
          return copy
        })
      fc.assert(
        fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 300 })), (frame) => {
          const session = openFrostSessions(shares, [1, 2]).get(1) as Session<FrostSignature>
          session.receive(2, frame)
          expect(session.outcome?.status).not.toBe('done')
        }),
        runs,
      )
    },
  )
})
