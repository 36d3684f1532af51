import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame, type Frame, frameBytesMax, headerBytes } from './frame.ts'
import type { PartyIndex } from './parties.ts'
import { earlyFramesPerPeerMax, type Outgoing, Session } from './session.ts'
import { coinCodes, startCoinToss } from './testing/coin-toss.ts'
import { seededRandom } from './testing/index.ts'

const start = new Uint8Array(32).fill(0x51)

interface Letter {
  readonly from: PartyIndex
  readonly to: PartyIndex
  readonly bytes: Uint8Array
}

function open(indices: readonly PartyIndex[], id = start): Map<PartyIndex, Session<Uint8Array>> {
  return new Map(
    indices.map((own) => {
      const random = seededRandom(new Uint8Array(32).fill(own & 0xff))
      const peers = indices.filter((index) => index !== own)
      return [own, new Session(startCoinToss({ own, peers, start: id, random }))]
    }),
  )
}

function post(sessions: ReadonlyMap<PartyIndex, Session<Uint8Array>>, from: PartyIndex): Letter[] {
  const outbox: readonly Outgoing[] = sessions.get(from)?.takeOutbox() ?? []
  return outbox.flatMap(({ to, bytes }) =>
    (to === 'all' ? [...sessions.keys()].filter((index) => index !== from) : [to]).map((receiver) => ({
      from,
      to: receiver,
      bytes,
    })),
  )
}

/** Parties 1 and 2 after round 1, and the frame with which 2 opens. */
function inRoundTwo() {
  const sessions = open([1, 2])
  const [one, two] = [sessions.get(1)!, sessions.get(2)!]
  const [first, second] = [post(sessions, 1)[0]!, post(sessions, 2)[0]!]
  expect(one.receive(2, second.bytes)).toEqual({ status: 'accepted' })
  expect(two.receive(1, first.bytes)).toEqual({ status: 'accepted' })
  return {
    one,
    two,
    commit: second.bytes,
    opening: post(sessions, 2)[0]!.bytes,
    own: post(sessions, 1)[0]!.bytes,
  }
}

function altered(bytes: Uint8Array, change: Partial<Frame>): Uint8Array {
  return encodeFrame({ ...decodeFrame(bytes), ...change } as Parameters<typeof encodeFrame>[0])
}

describe('a session', () => {
  it('ends alike at all parties in every order of delivery, with frames doubled and stray ones among them', () => {
    const strays = [...open([1, 2, 300], new Uint8Array(32).fill(7)).values()].flatMap((one) =>
      one.takeOutbox(),
    )
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (choices) => {
        const sessions = open([1, 2, 300])
        const choose = (below: number) => (choices.next().value as number) % below
        const letters = [...sessions.keys()].flatMap((from) => post(sessions, from))
        while (letters.length > 0) {
          const [letter] = letters.splice(choose(letters.length), 1) as [Letter]
          const session = sessions.get(letter.to)!
          const stray = strays[choose(strays.length)]!
          expect(session.receive(letter.from, stray.bytes).status).toBe('refused')
          session.receive(letter.from, letter.bytes)
          if (choose(3) === 0) session.receive(letter.from, letter.bytes)
          letters.push(...post(sessions, letter.to))
        }
        const coins = [...sessions.values()].map(({ outcome }) => outcome)
        expect(coins[0]).toMatchObject({ status: 'done', result: expect.any(Uint8Array) })
        expect(coins[1]).toEqual(coins[0])
        expect(coins[2]).toEqual(coins[0])
      }),
      { numRuns: 60 },
    )
  })

  it('keeps a frame of the next round until its round comes, a few per peer', () => {
    const sessions = open([1, 2, 3])
    const [first, second, third] = [1, 2, 3].map((index) => post(sessions, index)[0]!.bytes)
    const two = sessions.get(2)!
    two.receive(1, first!)
    two.receive(3, third!)
    const opening = post(sessions, 2)[0]!.bytes
    const one = sessions.get(1)!
    expect(one.receive(2, opening)).toEqual({ status: 'early' })
    for (let i = 1; i < earlyFramesPerPeerMax; i++) expect(one.receive(2, opening).status).toBe('early')
    expect(one.receive(2, opening)).toEqual({ status: 'refused', reason: 'too-many' })
    const tooLong = new Uint8Array(frameBytesMax + 1)
    tooLong.set(opening)
    expect(one.receive(3, tooLong)).toEqual({ status: 'refused', reason: 'malformed' })
    one.receive(2, second!)
    one.receive(3, third!)
    expect(one.missing).toEqual([3])
  })

  it('hands out each frame once', () => {
    const session = open([1, 2]).get(1)!
    expect(session.takeOutbox()).toHaveLength(1)
    expect(session.takeOutbox()).toEqual([])
  })

  it('ends in RETRY when time is up, naming who is missing, and says nothing more', () => {
    const sessions = open([1, 2, 3])
    const one = sessions.get(1)!
    one.receive(2, post(sessions, 2)[0]!.bytes)
    const outcome = one.expire()
    expect(outcome).toMatchObject({
      status: 'stopped',
      abort: { kind: 'RETRY', problem: 'timeout', culprits: [3] },
    })
    expect(one.takeOutbox()).toEqual([])
    expect(one.receive(3, post(sessions, 3)[0]!.bytes)).toEqual({ status: 'refused', reason: 'finished' })
    expect(one.outcome).toBe(outcome)
    expect(one.expire('cancelled')).toBe(outcome)
  })

  it('keeps its result when it expires after the end', () => {
    const { one, opening } = inRoundTwo()
    one.receive(2, opening)
    expect(one.outcome?.status).toBe('done')
    expect(one.expire().status).toBe('done')
  })

  it('names the culprits of an abort', () => {
    const { one, opening } = inRoundTwo()
    const payload = decodeFrame(opening).payload.map((byte, i) => (i === 0 ? byte ^ 1 : byte))
    expect(one.receive(2, altered(opening, { payload }))).toEqual({ status: 'accepted' })
    expect(one.outcome).toMatchObject({
      status: 'stopped',
      abort: { kind: 'ABORT', problem: 'commitment-mismatch', culprits: [2] },
    })
  })
})

describe('frames that change nothing', () => {
  it.each<[string, string, (frames: ReturnType<typeof inRoundTwo>) => [PartyIndex, Uint8Array]]>([
    ['noise', 'malformed', () => [2, new Uint8Array(99).fill(1)]],
    ['nothing', 'malformed', () => [2, new Uint8Array(0)]],
    ['a byte too many', 'malformed', ({ opening }) => [2, Uint8Array.of(...opening, 0)]],
    ['a stranger’s frame', 'unknown-sender', ({ opening }) => [3, altered(opening, { sender: 3 })]],
    ['a stranger’s noise', 'unknown-sender', () => [3, new Uint8Array(5)]],
    ['own frame sent back', 'unknown-sender', ({ own }) => [1, own]],
    ['one party in the name of another', 'impersonated', ({ own }) => [2, own]],
    ['a frame for somebody else', 'other-receiver', ({ opening }) => [2, altered(opening, { receiver: 3 })]],
    [
      'a frame of a concurrent session',
      'other-session',
      ({ opening }) => [2, altered(opening, { session: new Uint8Array(32).fill(9) })],
    ],
    ['a frame of another ceremony', 'other-ceremony', ({ opening }) => [2, altered(opening, { code: 0x12 })]],
    [
      'a direct frame where all get one',
      'unexpected',
      ({ opening }) => [2, altered(opening, { receiver: 1 })],
    ],
    ['a late frame', 'late', ({ commit }) => [2, commit]],
  ])('%s', (_, reason, make) => {
    const frames = inRoundTwo()
    expect(frames.one.receive(...make(frames))).toEqual({ status: 'refused', reason })
    expect(frames.one.outcome).toBeUndefined()
    expect(frames.one.receive(2, frames.opening)).toEqual({ status: 'accepted' })
    expect(frames.one.outcome?.status).toBe('done')
  })

  it('a second frame, equal or not', () => {
    const sessions = open([1, 2, 3])
    const one = sessions.get(1)!
    const [commit] = post(sessions, 2) as [Letter]
    one.receive(2, commit.bytes)
    const other = altered(commit.bytes, { payload: new Uint8Array(32) })
    for (const again of [commit.bytes, other]) {
      expect(one.receive(2, again)).toEqual({ status: 'refused', reason: 'duplicate' })
    }
    expect(one.missing).toEqual([3])
  })
})

describe('frames that end the session', () => {
  it('another first round: RETRY, nobody to blame', () => {
    const { one, opening } = inRoundTwo()
    const session = decodeFrame(opening).session
    session[31] = (session[31] as number) ^ 1
    expect(one.receive(2, altered(opening, { session }))).toMatchObject({
      status: 'stopped',
      abort: { kind: 'RETRY', problem: 'session-mismatch', culprits: [] },
    })
    expect(one.outcome).toMatchObject({ status: 'stopped', abort: { problem: 'session-mismatch' } })
  })

  it('equivocation in round 1 ends in RETRY at every honest party', () => {
    const sessions = open([1, 2, 3])
    const [one, two] = [sessions.get(1)!, sessions.get(2)!]
    const liar = post(sessions, 3)[0]!.bytes
    const story = altered(liar, { payload: new Uint8Array(32).fill(1) })
    const [first, second] = [post(sessions, 1)[0]!.bytes, post(sessions, 2)[0]!.bytes]
    one.receive(2, second)
    one.receive(3, liar)
    two.receive(1, first)
    two.receive(3, story)
    one.receive(2, post(sessions, 2)[0]!.bytes)
    expect(one.outcome).toMatchObject({ abort: { kind: 'RETRY', problem: 'session-mismatch' } })
  })

  it('another version and another suite: RETRY', () => {
    for (const offset of [0, 1]) {
      const { one, opening } = inRoundTwo()
      expect(
        one.receive(
          2,
          opening.map((byte, i) => (i === offset ? 3 : byte)),
        ),
      ).toMatchObject({
        status: 'stopped',
        abort: { kind: 'RETRY', problem: 'version-mismatch', culprits: [2] },
      })
    }
  })

  it('a wrong length: RETRY in round 1, ABORT later', () => {
    const sessions = open([1, 2])
    const short = altered(post(sessions, 2)[0]!.bytes, { payload: new Uint8Array(31) })
    expect(sessions.get(1)!.receive(2, short)).toMatchObject({
      abort: { kind: 'RETRY', problem: 'wrong-length', culprits: [2] },
    })
    for (const payloadBytes of [0, 47, 49]) {
      const { one, opening } = inRoundTwo()
      expect(one.receive(2, altered(opening, { payload: new Uint8Array(payloadBytes) }))).toMatchObject({
        abort: { kind: 'ABORT', problem: 'wrong-length', culprits: [2] },
      })
    }
  })

  it('no bytes of any kind throw', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 300 }),
        fc.integer({ min: 0, max: 255 }),
        fc.nat({ max: 100 }),
        (at, value, cut) => {
          const { one, opening } = inRoundTwo()
          const bytes = opening.slice(0, opening.length - (cut < 60 ? 0 : cut - 60))
          bytes[at % bytes.length] = value
          const reception = one.receive(2, bytes)
          // A changed header never gets to count as the opening.
          if (at % bytes.length < headerBytes && opening[at % bytes.length] !== value) {
            expect(reception.status).not.toBe('accepted')
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})

it('a round is entered once, and never before it is complete', () => {
  const progress = startCoinToss({ own: 1, peers: [2], start, random: seededRandom(new Uint8Array(32)) })
  if (!('next' in progress)) throw new Error('bug')
  const incomplete = progress.next
  expect(() => incomplete.finish()).toThrow(/before all its messages/)
  expect(() => incomplete.finish()).toThrow(expect.objectContaining({ code: 'MPC_SPENT' }))

  const sessions = open([2, 1])
  const other = startCoinToss({ own: 1, peers: [2], start, random: seededRandom(new Uint8Array(32)) })
  if (!('next' in other)) throw new Error('bug')
  other.next.inbox.receive(2, post(sessions, 2)[0]!.bytes)
  expect(other.next.finish().status).toBe('done')
  expect(() => other.next.finish()).toThrow(expect.objectContaining({ code: 'MPC_SPENT' }))
  expect(() => other.next.inbox.take()).toThrow(expect.objectContaining({ code: 'MPC_SPENT' }))
  expect(coinCodes.open).toBe(0xf2)
})
