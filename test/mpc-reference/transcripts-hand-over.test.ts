import {
  ed25519Group,
  type KeyShare,
  nobleSecp256k1Group,
  type PartyIndex,
  type Reshared,
  Session,
  startHelp,
  startImport,
  startKeyGeneration,
  startRecovery,
  startRefresh,
  startReshare,
} from '@countersign/mpc'
import { type Delivery, runNetwork, seededRandom } from '@countersign/mpc/testing'
import { describe, expect, it } from 'vitest'
import { secp256k1, sha256, times } from './curves.ts'
import { generateKey } from './key-generation.ts'
import type { Committee, Frame, KeyShare as ReferenceShare } from './protocol.ts'
import { recoverShare } from './recovery.ts'
import { reshareKey } from './reshare.ts'

const seedOf = (text: string) => new Uint8Array(sha256(Buffer.from(text)))
const identityOf = (index: number) => new TextEncoder().encode(`party ${index}`)
const identitiesOf = (indices: readonly number[]) =>
  new Map(indices.map((index) => [index, identityOf(index)]))
const label = 'hand over'

type Suite = 1 | 2 | 3
const groupOf = (suite: Suite) => (suite === 2 ? ed25519Group : nobleSecp256k1Group)

function committeeOf(suite: Suite, t: number, indices: readonly number[], purpose: string): Committee {
  const members = indices.map((index) => ({
    index,
    identity: identityOf(index),
    seed: seedOf(`${purpose} ${index}`),
  }))
  return { suite, label, t, members }
}

async function generate(suite: Suite, t: number, indices: readonly number[]) {
  const sessions = new Map(
    indices.map((own) => {
      const input = {
        suite,
        group: groupOf(suite),
        label,
        instance: seedOf('key'),
        own,
        threshold: t,
        identities: identitiesOf(indices),
        random: seededRandom(seedOf(`key ${own}`)),
      }
      return [own, new Session(startKeyGeneration(input))] as const
    }),
  )
  await runNetwork(sessions)
  return new Map([...sessions].map(([own, session]) => [own, resultOf(session)]))
}

function resultOf<T>(session: Session<T>): T {
  const { outcome } = session
  if (outcome?.status !== 'done') throw new Error(`the session came to ${JSON.stringify(outcome)}`)
  return outcome.result
}

function ordered(frames: readonly Uint8Array[]): string[] {
  const hex = new Set(frames.map((bytes) => Buffer.from(bytes).toString('hex')))
  return [...hex].sort((a, b) => a.slice(4, 14).localeCompare(b.slice(4, 14)))
}
const ofReference = (frames: readonly Frame[]) => ordered(frames.map(({ bytes }) => bytes))
const ofLibrary = (sent: readonly Delivery[]) => ordered(sent.map(({ bytes }) => bytes))

/** SHA-256 over all frames, by code, sender and receiver: frozen, so that neither implementation moves alone. */
const digestOf = (frames: readonly string[]) => sha256(Buffer.from(frames.join('\n'))).toString('hex')

const oldKeyOf = (share: KeyShare, givers: readonly PartyIndex[]) => ({
  publicKey: share.publicKey,
  chainCode: share.chainCode,
  epochId: share.epochId,
  publicShares: new Map([...share.publicShares].filter(([index]) => givers.includes(index))),
  identities: identitiesOf(givers),
})

function startHandOver(
  suite: Suite,
  {
    own,
    t,
    takers,
    old,
    share,
  }: {
    own: PartyIndex
    t: number
    takers: readonly PartyIndex[]
    old: ReturnType<typeof oldKeyOf>
    share?: KeyShare | undefined
  },
): Session<Reshared> {
  const input = {
    suite,
    group: groupOf(suite),
    label,
    instance: seedOf('hand over'),
    own,
    threshold: t,
    identities: identitiesOf(takers),
    old,
    random: seededRandom(seedOf(`hand over ${own}`)),
  }
  return new Session(startReshare(share === undefined ? input : { ...input, share }))
}

describe('recovery and reshare against the slow reference', () => {
  it('gives a lost share back', { timeout: 120_000 }, async () => {
    const suite = 2
    const indices = [1, 4, 6, 9]
    const [t, lost, helpers] = [3, 6, [1, 4, 9]]
    const shares = await generate(suite, t, indices)
    const share = shares.get(1) as KeyShare
    const instance = seedOf('recover')
    const sessions = new Map<number, Session<unknown>>(
      helpers.map((own) => {
        const random = seededRandom(seedOf(`recover ${own}`))
        const input = { share: shares.get(own) as KeyShare, lost, helpers, instance, random }
        return [own, new Session<unknown>(startHelp(input))]
      }),
    )
    const recovering = new Session<unknown>(startRecovery({ ...share, own: lost, helpers, instance }))
    sessions.set(lost, recovering)
    const sent = await runNetwork(sessions)
    const reference = generateKey(committeeOf(suite, t, indices, 'key'), seedOf('key'))
    const expected = recoverShare(committeeOf(suite, t, indices, 'recover'), instance, {
      helpers: helpers.map((index) => reference.keys.get(index) as ReferenceShare),
      lost,
    })
    expect(ofLibrary(sent)).toEqual(ofReference(expected.frames))
    expect((resultOf(recovering) as KeyShare).secret).toBe(shares.get(lost)?.secret)
    expect(digestOf(ofLibrary(sent))).toBe('330f0ec1497368a5a93f06b063f222a7272d04d4fa006f6929f9c55c97d6b789')
  })

  it.each([
    {
      suite: 2,
      t: 2,
      old: [1, 2, 3],
      givers: [1, 3],
      newT: 3,
      takers: [4, 5, 6, 70],
      known: '4d35408d3454bf370886c017f6c52d3664a6cea0084a7406bad4e4f66ed7d2dd',
    },
    {
      suite: 1,
      t: 2,
      old: [1, 2],
      givers: [1, 2],
      newT: 2,
      takers: [3, 4],
      known: '6b1137557469f8b573c408e760209384d7d86ce38932a0b837c7a1e4d4c4c5d1',
    },
  ] as const)('suite $suite: $givers hand over to $takers', { timeout: 240_000 }, async (one) => {
    const { suite, t, givers, newT, takers, known } = one
    const shares = await generate(suite, t, one.old)
    const old = oldKeyOf(shares.get(givers[0]) as KeyShare, givers)
    const sessions = new Map<number, Session<Reshared>>()
    const stored: string[] = []
    for (const own of [...givers, ...takers])
      sessions.set(own, startHandOver(suite, { own, t: newT, takers, old, share: shares.get(own) }))
    const sent = await runNetwork(sessions, {
      persist: async ({ kind }) => {
        stored.push(kind)
      },
    })
    const reference = generateKey(committeeOf(suite, t, one.old, 'key'), seedOf('key'))
    const expected = reshareKey({
      committee: committeeOf(suite, newT, takers, 'hand over'),
      old: givers.map((index) => ({
        key: reference.keys.get(index) as ReferenceShare,
        identity: identityOf(index),
        seed: seedOf(`hand over ${index}`),
      })),
      instance: seedOf('hand over'),
    })
    expect(ofLibrary(sent)).toEqual(ofReference(expected.frames))
    expect(digestOf(ofLibrary(sent))).toBe(known)
    for (const own of givers) expect(resultOf(sessions.get(own) as Session<Reshared>).retired).toBe(true)
    for (const own of takers) {
      const { share, retired } = resultOf(sessions.get(own) as Session<Reshared>)
      expect(retired).toBe(false)
      expect(share?.secret).toBe(expected.keys.get(own)?.secret)
    }
    expect(stored.sort()).toEqual([
      ...takers.map(() => 'pending-share'),
      ...givers.map(() => 'retired-epoch'),
    ])
  })

  it('lets a party be in both committees, and another threshold', async () => {
    const shares = await generate(2, 2, [1, 2, 3])
    const givers = [1, 2]
    const takers = [2, 3, 4]
    const old = oldKeyOf(shares.get(1) as KeyShare, givers)
    const sessions = new Map(
      [1, 2, 3, 4].map((own) => [
        own,
        startHandOver(2, {
          own,
          t: 3,
          takers,
          old,
          share: givers.includes(own) ? shares.get(own) : undefined,
        }),
      ]),
    )
    await runNetwork(sessions)
    const results = [...sessions.values()].map(resultOf)
    expect(results.map(({ retired }) => retired)).toEqual([true, true, false, false])
    expect(results.map(({ share }) => share?.index)).toEqual([undefined, 2, 3, 4])
    const fresh = results[1]?.share as KeyShare
    expect(fresh.threshold).toBe(3)
    expect(ed25519Group.equals(fresh.publicKey, old.publicKey)).toBe(true)
    // The new shares are refreshed among themselves as any others.
    const refreshing = new Map(
      results.slice(1).map(({ share }) => {
        const next = startRefresh({ share: share as KeyShare, instance: seedOf('refresh') })
        return [(share as KeyShare).index, new Session(next)]
      }),
    )
    await runNetwork(refreshing)
    for (const session of refreshing.values()) {
      expect(ed25519Group.equals(resultOf(session).publicKey, old.publicKey)).toBe(true)
    }
  })

  it('imports a whole key', async () => {
    const group = nobleSecp256k1Group
    const secret = group.scalars.random(seededRandom(seedOf('whole key')))
    const input = {
      suite: 3,
      group,
      label,
      instance: seedOf('import'),
      threshold: 2,
      identities: identitiesOf([2, 3]),
      publicKey: group.multiplyBase(secret),
      chainCode: seedOf('chain code'),
      importerIdentity: identityOf(1),
    } as const
    const drawn = (own: PartyIndex) => ({ ...input, own, random: seededRandom(seedOf(`import ${own}`)) })
    const sessions = new Map([
      [1, new Session(startImport({ ...drawn(1), secret }))],
      [2, new Session(startImport(drawn(2)))],
      [3, new Session(startImport(drawn(3)))],
    ])
    const sent = await runNetwork(sessions)
    const imported = times(secp256k1, secret)
    const expected = reshareKey({
      ceremony: 0x70,
      committee: committeeOf(3, 2, [2, 3], 'import'),
      old: [
        {
          key: {
            index: 1,
            secret,
            publicShares: new Map([[1, imported]]),
            publicKey: imported,
            chainCode: Buffer.from(seedOf('chain code')),
            epochId: Buffer.alloc(32),
            pairs: new Map(),
          },
          identity: identityOf(1),
          seed: seedOf('import 1'),
        },
      ],
      instance: seedOf('import'),
    })
    expect(ofLibrary(sent)).toEqual(ofReference(expected.frames))
    expect(digestOf(ofLibrary(sent))).toBe('821592e20d004439cb6dcfee441bf476fdb2d3310fb0da235c297b478287a290')
    const [whole, second, third] = [...sessions.values()].map(resultOf)
    expect(whole).toEqual({ share: undefined, retired: true })
    const [a, b] = [second?.share as KeyShare, third?.share as KeyShare]
    // 3 a - 2 b interpolates shares 2 and 3 at 0.
    expect(group.scalars.mod(3n * a.secret - 2n * b.secret)).toBe(secret)
    expect(() => startImport({ ...input, own: 1, secret: secret + 1n })).toThrow('not the one')
    expect(() => startImport({ ...input, own: 2, secret })).toThrow('not of this session')
    expect(() => startImport({ ...input, own: 9 })).toThrow('neither committee')
  })
})
