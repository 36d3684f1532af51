import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame } from './frame.ts'
import type { KeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import type { PartyIndex } from './parties.ts'
import { startHelp, startRecovery } from './recovery.ts'
import { type OldKey, type Reshared, startReshare } from './reshare.ts'
import { Session, type Storable } from './session.ts'
import type { SuiteId } from './suites.ts'
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

const suite = 2
const givers = [1, 3] as const
const takers = [4, 5, 6] as const
const everybody = [...givers, ...takers]

async function oldShares(): Promise<Map<PartyIndex, KeyShare>> {
  const outcomes = await generateTestKey({ suite, threshold: 2, indices: [1, 2, 3] })
  return new Map([...outcomes].map(([own, outcome]) => [own, resultOf(outcome)]))
}

function oldKeyOf({ publicKey, chainCode, epochId, publicShares }: KeyShare): OldKey {
  return {
    publicKey,
    chainCode,
    epochId,
    publicShares: new Map([...publicShares].filter(([index]) => index !== 2)),
    identities: testIdentities(givers),
  }
}

interface HandOver {
  readonly shares: ReadonlyMap<PartyIndex, KeyShare>
  readonly old: (own: PartyIndex) => OldKey
}

function startAll({ shares, old }: HandOver): Map<PartyIndex, Session<Reshared>> {
  return new Map(
    everybody.map((own) => {
      const share = givers.includes(own as 1 | 3) ? shares.get(own) : undefined
      const input = {
        suite,
        group: (shares.get(1) as KeyShare).group,
        label: testLabel,
        instance: testInstance,
        own,
        threshold: 2,
        identities: testIdentities(takers),
        old: old(own),
      } as const
      return [own, new Session(startReshare(share === undefined ? input : { ...input, share }))]
    }),
  )
}

type Tamper = (delivery: Delivery) => readonly Delivery[]

async function handOver(tamper?: Tamper, persist?: (own: Storable) => Promise<void>) {
  const shares = await oldShares()
  const old = oldKeyOf(shares.get(1) as KeyShare)
  const sessions = startAll({ shares, old: () => old })
  await runNetwork(sessions, {
    ...(tamper === undefined ? {} : { tamper }),
    ...(persist === undefined ? {} : { persist }),
  })
  return endAll(sessions)
}

const from1 =
  (code: number, change: (payload: Uint8Array) => Uint8Array, to?: PartyIndex, isDirect = false): Tamper =>
  (delivery) => {
    const frame = decodeFrame(delivery.bytes)
    const isMeant =
      delivery.from === 1 &&
      frame.code === code &&
      isDirect === (frame.receiver !== 0) &&
      (to === undefined || to === delivery.to)
    if (!isMeant) return [delivery]
    const payload = change(frame.payload.slice())
    return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: frame.suite as SuiteId, payload }) }]
  }

const flip = (at: number) => (payload: Uint8Array) => {
  payload[at] = (payload[at] as number) ^ 1
  return payload
}

describe('attacks on reshare', () => {
  it('TestReshareRejectsZeroScaledShare: whoever hands over another share is named', async () => {
    const shares = await oldShares()
    const share = shares.get(1) as KeyShare
    const old = oldKeyOf(share)
    for (const secret of [1n, 5n]) {
      // Its own commitments and proofs are in order; only the old public share says otherwise.
      const sessions = startAll({ shares: new Map(shares).set(1, { ...share, secret }), old: () => old })
      await runNetwork(sessions)
      const ends = endAll(sessions)
      for (const own of [3, 4, 5, 6]) {
        expect(endOf(ends.get(own))).toBe('ABORT share-invalid 1')
      }
    }
  })

  it('wrong Y, wrong old public shares or another epoch are another ceremony: nobody hears anybody', async () => {
    const shares = await oldShares()
    const share = shares.get(1) as KeyShare
    const old = oldKeyOf(share)
    const { group } = share
    const others: OldKey[] = [
      { ...old, publicKey: group.multiplyBase(7n) },
      { ...old, publicShares: new Map(old.publicShares).set(3, group.multiplyBase(7n)) },
      { ...old, epochId: new Uint8Array(32).fill(3) },
      { ...old, chainCode: new Uint8Array(32).fill(3) },
    ]
    for (const other of others) {
      const sessions = startAll({ shares, old: (own) => (own === 4 ? other : old) })
      await runNetwork(sessions)
      const ends = endAll(sessions)
      expect(endOf(ends.get(4))).toBe('RETRY timeout 1 3 5 6')
      expect(endOf(ends.get(1))).toBe('RETRY timeout 4')
    }
  })

  it('ResharingPartyEchoBroadcastCatchesEquivocation', async () => {
    // Another proof for the same commitment would be valid; any altered one is caught by its receiver.
    const ends = await handOver(from1(codes.reshare2, flip(2 * 32 + 40), 5))
    expect(endOf(ends.get(5))).toBe('ABORT proof-invalid 1')
    const echoed = await handOver(from1(codes.reshare3, flip(0), 4))
    expect(endOf(echoed.get(4))).toBe('ABORT echo-mismatch')
  })

  it('a wrong value for one new member names its dealer', async () => {
    const ends = await handOver(from1(codes.reshare2, flip(0), 6, true))
    expect(endOf(ends.get(6))).toBe('ABORT share-invalid 1')
  })

  it('A16: an old member retires only after every new one has confirmed, and a new share waits for all', async () => {
    // Party 5's confirmation is lost on its way to party 1: a split view.
    const stored: string[] = []
    const ends = await handOver(
      (delivery) =>
        delivery.from === 5 && delivery.to === 1 && delivery.bytes[2] === codes.reshareNew4 ? [] : [delivery],
      async ({ kind }) => {
        stored.push(kind)
      },
    )
    expect(endOf(ends.get(1))).toBe('RETRY timeout 5')
    // Only party 3 has retired, so nobody may use a new share, and party 1 can still finish after a repeat.
    expect(stored.filter((kind) => kind === 'retired-epoch')).toHaveLength(1)
    for (const own of takers) expect(endOf(ends.get(own))).toBe('RETRY timeout 1')
  })

  it('A16: a false confirmation retires nobody', async () => {
    const stored: string[] = []
    const ends = await handOver(
      (delivery) => {
        if (delivery.from !== 5 || delivery.bytes[2] !== codes.reshareNew4) return [delivery]
        const bytes = delivery.bytes.slice()
        bytes[45] = (bytes[45] as number) ^ 1
        return [{ ...delivery, bytes }]
      },
      async ({ kind }) => {
        stored.push(kind)
      },
    )
    expect(stored).not.toContain('retired-epoch')
    for (const own of [1, 3, 4, 6]) expect(endOf(ends.get(own))).toBe('ABORT confirmation-mismatch')
  })

  it('A19 and A12: other committees than the agreed ones do not start', async () => {
    const shares = await oldShares()
    const share = shares.get(1) as KeyShare
    const old = oldKeyOf(share)
    const input = {
      suite,
      group: share.group,
      label: testLabel,
      instance: testInstance,
      own: 1,
      threshold: 2,
      identities: testIdentities(takers),
      old,
      share,
    } as const
    const start = (change: object) => () => startReshare({ ...input, ...change })
    const one = { ...old, publicShares: new Map([[1, share.publicShares.get(1)]]) }
    expect(start({ old: one })).toThrow('Exactly 2 old parties')
    expect(start({ threshold: 4 })).toThrow('threshold of 4 of 3')
    expect(start({ threshold: 1 })).toThrow('threshold of 1 of 3')
    expect(start({ label: 'other' })).toThrow('not one of the key')
    expect(start({ old: { ...old, epochId: new Uint8Array(32).fill(1) } })).toThrow('not one of the key')
    const clash = testIdentities([1, 4])
    clash.set(1, new TextEncoder().encode('somebody else'))
    expect(start({ identities: clash })).toThrow('names two parties')
    expect(start({ share: undefined, own: 3 })).toThrow('neither committee')
  })
})

describe('attacks on recovery', () => {
  const lost = 2
  const helpers = [1, 3]

  async function recover(tamper?: Tamper, expected: (share: KeyShare) => Partial<KeyShare> = () => ({})) {
    const shares = await oldShares()
    const share = shares.get(1) as KeyShare
    const sessions = new Map<PartyIndex, Session<unknown>>(
      helpers.map((own) => {
        const input = { share: shares.get(own) as KeyShare, lost, helpers, instance: testInstance }
        return [own, new Session<unknown>(startHelp(input))]
      }),
    )
    const input = { ...share, ...expected(share), own: lost, helpers, instance: testInstance }
    sessions.set(lost, new Session<unknown>(startRecovery(input)))
    await runNetwork(sessions, tamper === undefined ? {} : { tamper })
    return { ends: endAll(sessions), shares }
  }

  it('gives the lost share back, and each helper sees only sums of random numbers', async () => {
    const { ends, shares } = await recover()
    expect((resultOf(ends.get(lost)) as KeyShare).secret).toBe(shares.get(lost)?.secret)
    expect(resultOf(ends.get(1))).toBe('helped')
  })

  it('finds a helper who lies about its summand, its sum or the key, and trusts nobody’s word for it', async () => {
    expect(endOf((await recover(from1(codes.recover1, flip(0), 3, true))).ends.get(lost))).toBe(
      'ABORT key-mismatch',
    )
    expect(endOf((await recover(from1(codes.recover2, flip(0), lost, true))).ends.get(lost))).toBe(
      'ABORT key-mismatch',
    )
    for (const at of [40, 70, 100, 132]) {
      const { ends } = await recover(from1(codes.recover2, flip(at), lost, true))
      expect(endOf(ends.get(lost))).toBe('ABORT key-mismatch')
    }
    const { ends } = await recover(from1(codes.recover2, (payload) => payload.fill(0xff, 0, 32), lost, true))
    expect(endOf(ends.get(lost))).toBe('ABORT malformed 1')
  })

  it('does not start with the helpers for a key that the loser does not know', async () => {
    const { ends } = await recover(undefined, () => ({ epochId: new Uint8Array(32).fill(4) }))
    expect(endOf(ends.get(lost))).toBe('RETRY timeout 1 3')
  })

  it('needs exactly the threshold of helpers, and not the loser', async () => {
    const share = (await oldShares()).get(1) as KeyShare
    const input = { share, lost, instance: testInstance }
    expect(() => startHelp({ ...input, helpers: [1] })).toThrow('Exactly 2 helpers')
    expect(() => startHelp({ ...input, helpers: [1, 2] })).toThrow('none of them')
    expect(() => startHelp({ ...input, helpers: [1, 7] })).toThrow('not of this session')
  })
})
