import {
  ed25519Group,
  type KeyShare,
  nobleSecp256k1Group,
  Session,
  startKeyGeneration,
  startRefresh,
} from '@countersign/mpc'
import { type Delivery, runNetwork, seededRandom } from '@countersign/mpc/testing'
import { describe, expect, it } from 'vitest'
import { sha256 } from './curves.ts'
import { generateKey, refreshKey } from './key-generation.ts'
import type { Committee, Frame, KeyShare as ReferenceShare } from './protocol.ts'

const seedOf = (text: string) => new Uint8Array(sha256(Buffer.from(text)))
const instance = seedOf('instance')

interface Case {
  readonly suite: 1 | 2 | 3
  readonly t: number
  readonly indices: readonly number[]
  /** SHA-256 over all frames, by round, sender and receiver: frozen, so that neither implementation moves alone. */
  readonly known: string
}

const cases: readonly Case[] = [
  {
    suite: 1,
    t: 2,
    indices: [1, 2],
    known: '6e78410e4e505afd82054b78274404df8d0939bd68fedbce0c57561fc8674847',
  },
  {
    suite: 2,
    t: 3,
    indices: [1, 2, 3, 4, 5],
    known: '40e823513357c0480f438abbc5f26ed2735e85eb9044c173c3f659492349e6ef',
  },
  {
    suite: 3,
    t: 2,
    indices: [1, 300],
    known: 'c6b8c475161c80c0907d5d74766b6c7890500460196017e239b083e03af03beb',
  },
]

function committeeOf({ suite, t, indices }: Case, purpose: string): Committee {
  return {
    suite,
    label: 'transcripts',
    t,
    members: indices.map((index) => ({
      index,
      identity: Buffer.from(`party ${index}`),
      seed: seedOf(`${purpose} ${index}`),
    })),
  }
}

const groupOf = (suite: 1 | 2 | 3) => (suite === 2 ? ed25519Group : nobleSecp256k1Group)

async function generate({ suite, t, indices }: Case) {
  const identities = new Map(indices.map((index) => [index, new TextEncoder().encode(`party ${index}`)]))
  const sessions = new Map(
    indices.map((own) => {
      const first = startKeyGeneration({
        suite,
        group: groupOf(suite),
        label: 'transcripts',
        instance,
        own,
        threshold: t,
        identities,
        random: seededRandom(seedOf(`key ${own}`)),
      })
      return [own, new Session(first)] as const
    }),
  )
  const sent = await runNetwork(sessions)
  return { sent, shares: new Map([...sessions].map(([own, session]) => [own, resultOf(session)])) }
}

function resultOf(session: Session<KeyShare>): KeyShare {
  const { outcome } = session
  if (outcome?.status !== 'done') throw new Error(`the session came to ${JSON.stringify(outcome)}`)
  return outcome.result
}

/** Broadcasts once, whoever got them. */
function ordered(frames: readonly Uint8Array[]): string[] {
  const hex = new Set(frames.map((bytes) => Buffer.from(bytes).toString('hex')))
  return [...hex].sort((a, b) => keyOf(a).localeCompare(keyOf(b)))
}

/** Code, sender, receiver. */
const keyOf = (hex: string) => hex.slice(4, 14)
const ofReference = (frames: readonly Frame[]) => ordered(frames.map(({ bytes }) => bytes))
const ofLibrary = (sent: readonly Delivery[]) => ordered(sent.map(({ bytes }) => bytes))
const digestOf = (frames: readonly string[]) => sha256(Buffer.from(frames.join('\n'))).toString('hex')

function expectSameShare(share: KeyShare, reference: ReferenceShare): void {
  expect(share.secret).toBe(reference.secret)
  expect(Buffer.from(share.chainCode)).toEqual(Buffer.from(reference.chainCode))
  expect(Buffer.from(share.epochId)).toEqual(Buffer.from(reference.epochId))
  const pairs =
    'pairs' in share ? (share.pairs as ReadonlyMap<number, Record<string, Uint8Array>>) : new Map()
  expect([...pairs.keys()]).toEqual([...reference.pairs.keys()])
  for (const [peer, pair] of reference.pairs) {
    const known = pairs.get(peer) as Record<string, Uint8Array>
    expect(Buffer.from(known.bobKeys as Uint8Array)).toEqual(Buffer.concat(pair.bobKeys.flat()))
    expect(Buffer.from(known.aliceKeys as Uint8Array)).toEqual(Buffer.concat(pair.aliceKeys))
    expect(Buffer.from(known.delta as Uint8Array)).toEqual(pair.delta)
    expect(Buffer.from(known.zeroSeed as Uint8Array)).toEqual(pair.zeroSeed)
  }
}

describe('key generation and refresh against the slow reference', () => {
  it.each(cases)('suite $suite, $t of $indices', { timeout: 300_000 }, async (one) => {
    const { sent, shares } = await generate(one)
    const reference = generateKey(committeeOf(one, 'key'), instance)
    expect(ofLibrary(sent)).toEqual(ofReference(reference.frames))
    for (const [index, share] of shares) expectSameShare(share, reference.keys.get(index) as ReferenceShare)

    const again = seedOf('again')
    const sessions = new Map(
      [...shares].map(([own, share]) => [
        own,
        new Session(startRefresh({ share, instance: again, random: seededRandom(seedOf(`refresh ${own}`)) })),
      ]),
    )
    const resent = await runNetwork(sessions)
    const rereference = refreshKey(committeeOf(one, 'refresh'), again, reference.keys)
    expect(ofLibrary(resent)).toEqual(ofReference(rereference.frames))
    for (const [index, session] of sessions) {
      expectSameShare(resultOf(session), rereference.keys.get(index) as ReferenceShare)
    }
    expect(digestOf([...ofLibrary(sent), ...ofLibrary(resent)])).toBe(one.known)
  })
})
