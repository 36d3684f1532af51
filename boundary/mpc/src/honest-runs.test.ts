import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { encodeU32 } from './byte-writer.ts'
import { ed25519Group } from './ed25519-group.ts'
import { Epoch } from './epoch.ts'
import { openFrostSignature } from './frost.ts'
import { FrostEpoch } from './frost-epoch.ts'
import { isFrostSignatureValid } from './frost-suites.ts'
import { startKeyGeneration, startRefresh } from './key-generation.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { PartyIndex } from './parties.ts'
import type { EcdsaSignature, Presignature } from './presignature.ts'
import { Session } from './session.ts'
import { openPresignature, openSignature } from './sign.ts'
import { taggedHash } from './tagged-hash.ts'
import { type Delivery, dealShares, runNetwork, seededRandom, testIdentities } from './testing/index.ts'

/** A run costs 6 to 60 ms; MPC_HONEST_RUNS=10000 takes some minutes. */
const runs = Number(process.env.MPC_HONEST_RUNS ?? 60)
const group = await loadNativeSecp256k1Group()
const digest = new Uint8Array(32).fill(0x42)
const committees = [
  [2, [1, 2]],
  [2, [1, 2, 3]],
  [3, [1, 2, 3]],
  [2, [7, 300, 65535]],
  [3, [1, 2, 3, 4, 5]],
  [4, [2, 4, 6, 8, 10]],
] as const

/** Everything in a run follows from its number: one that fails is run again by it. */
function chooserOf(run: number) {
  const random = seededRandom(taggedHash('ctx', encodeU32(run)))
  const below = (limit: number) => {
    const [a, b] = random(2) as unknown as [number, number]
    return ((a << 8) | b) % limit
  }
  return { random, below, isOneIn: (n: number) => below(n) === 0 }
}

const dealt = new Map<number, ReadonlyMap<PartyIndex, EcdsaKeyShare>>()
function sharesOf(which: number): ReadonlyMap<PartyIndex, EcdsaKeyShare> {
  const [threshold, indices] = committees[which]!
  const random = seededRandom(taggedHash('sig/start', encodeU32(which)))
  const shares = dealt.get(which) ?? dealShares({ group, threshold, indices, random })
  dealt.set(which, shares)
  return shares
}

type Chooser = ReturnType<typeof chooserOf>

interface BadNetwork {
  readonly pick: (waiting: readonly Delivery[]) => number
  readonly tamper: (delivery: Delivery) => readonly Delivery[]
  readonly late: Delivery[]
  readonly lost: number
}

interface Tally {
  signed: number
  /** Sessions, not runs. */
  retried: number
}

async function runOnce(run: number, tally: Tally): Promise<void> {
  const chooser = chooserOf(run)
  const { random, below, isOneIn } = chooser
  const which = below(committees.length)
  const [threshold, indices] = committees[which]!
  const shares = sharesOf(which)
  const signers = chooseSigners(chooser, threshold, indices)
  const path = Array.from({ length: below(4) }, () => below(65536))
  const instance = random(32)
  const epochs = new Map(
    signers.map((index) => [index, new Epoch({ share: shares.get(index)!, burned: [] })]),
  )
  const network = badNetwork(chooser)
  const common = { signers, path, instance }
  const isPresigned = isOneIn(2)
  let sessions: ReadonlyMap<PartyIndex, Session<EcdsaSignature>>
  if (isPresigned) {
    const presigning = new Map(
      [...epochs].map(([index, epoch]) => [index, openPresignature({ ...common, epoch })]),
    )
    await runNetwork(presigning, network)
    const made = endAll(presigning, network, tally)
    if (made.size < threshold) return
    sessions = await openOnline(made)
  } else {
    sessions = new Map(
      [...epochs].map(([index, epoch]) => [index, openSignature({ ...common, epoch, digest })]),
    )
  }
  await runNetwork(sessions, network)
  const signatures = [...endAll(sessions, network, tally).values()]
  for (const { bytes, publicKey, recovery } of signatures) {
    expect(secp256k1.verify(bytes, digest, publicKey, { prehash: false, lowS: true })).toBe(true)
    const whole = secp256k1.Signature.fromBytes(Uint8Array.of(recovery, ...bytes), 'recovered')
    expect(whole.recoverPublicKey(digest).toBytes(true)).toEqual(publicKey)
    expect({ bytes, publicKey, recovery }).toEqual(signatures[0])
  }
  tally.signed += signatures.length > 0 ? 1 : 0
  for (const epoch of epochs.values()) {
    expect(epoch.burned).toEqual([])
    if (!isPresigned) expect(epoch.size).toBe(0)
  }
}

function chooseSigners({ below }: Chooser, threshold: number, indices: readonly PartyIndex[]): PartyIndex[] {
  const signers = new Set<PartyIndex>()
  while (signers.size < threshold) signers.add(indices[below(indices.length)]!)
  return [...signers]
}

async function openOnline(made: ReadonlyMap<PartyIndex, Presignature>) {
  const online = new Map<PartyIndex, Session<EcdsaSignature>>()
  for (const [index, one] of made) online.set(index, await one.openSession(digest, async () => undefined))
  return online
}

/** Any order, frames doubled; in a third of the runs frames are lost, or so late that their session is over. */
function badNetwork({ below, isOneIn }: Chooser): BadNetwork {
  const isLossy = isOneIn(3)
  const late: Delivery[] = []
  let lost = 0
  return {
    late,
    pick: (waiting) => below(waiting.length),
    tamper(delivery) {
      if (isLossy && isOneIn(12)) {
        lost++
        if (isOneIn(2)) late.push(delivery)
        return []
      }
      return isOneIn(4) ? [delivery, delivery] : [delivery]
    },
    get lost() {
      return lost
    },
  }
}

/** Every session has ended: with a result, or, where something was lost, in RETRY once its time is up. Frames that come
 * after that change nothing. */
function endAll<Result>(
  sessions: ReadonlyMap<PartyIndex, Session<Result>>,
  network: BadNetwork,
  tally: Tally,
): ReadonlyMap<PartyIndex, Result> {
  const results = new Map<PartyIndex, Result>()
  for (const [index, session] of sessions) {
    const outcome = session.outcome ?? session.expire()
    if (outcome.status === 'done') results.set(index, outcome.result)
    else {
      expect(network.lost).toBeGreaterThan(0)
      expect(outcome).toMatchObject({ status: 'stopped', abort: { kind: 'RETRY', problem: 'timeout' } })
      tally.retried++
    }
  }
  const outcomes = new Map([...sessions].map(([index, { outcome }]) => [index, outcome]))
  for (const { from, to, bytes } of network.late.splice(0)) sessions.get(to)?.receive(from, bytes)
  for (const [index, session] of sessions) {
    expect(session.outcome).toBe(outcomes.get(index))
    expect(session.takeOutbox()).toEqual([])
  }
  return results
}

/** A key of FROST: generated, sometimes refreshed, and then signing; each over a network of its own. */
async function runFrostOnce(run: number, tally: Tally): Promise<void> {
  const chooser = chooserOf(run)
  const { random, below, isOneIn } = chooser
  const suite = ([2, 3, 4] as const)[below(3)]!
  const [threshold, indices] = committees[below(committees.length)]!
  const keygen = badNetwork(chooser)
  const generating = new Map(
    indices.map((own) => {
      const identities = testIdentities(indices)
      const place = { own, threshold, identities, label: 'honest', instance: new Uint8Array(32).fill(9) }
      const input = { suite, group: suite === 2 ? ed25519Group : group, random, ...place }
      return [own, new Session(startKeyGeneration(input))] as const
    }),
  )
  await runNetwork(generating, keygen)
  let shares = endAll(generating, keygen, tally)
  if (shares.size < indices.length) return
  if (isOneIn(3)) {
    const network = badNetwork(chooser)
    const instance = random(32)
    const refreshing = new Map(
      [...shares].map(
        ([own, share]) => [own, new Session(startRefresh({ share, instance, random }))] as const,
      ),
    )
    await runNetwork(refreshing, network)
    shares = endAll(refreshing, network, tally)
    if (shares.size < indices.length) return
  }
  const signers = chooseSigners(chooser, threshold, indices)
  const message = random(below(100))
  const instance = random(32)
  const network = badNetwork(chooser)
  const sessions = new Map(
    signers.map((own) => {
      const epoch = new FrostEpoch({ share: shares.get(own)! })
      return [own, openFrostSignature({ epoch, signers, message, instance, random })] as const
    }),
  )
  await runNetwork(sessions, network)
  const signatures = [...endAll(sessions, network, tally).values()]
  for (const one of signatures) {
    expect(isFrostSignatureValid(suite, { publicKey: one.publicKey, signature: one.bytes, message })).toBe(
      true,
    )
    expect(one).toEqual(signatures[0])
  }
  tally.signed += signatures.length > 0 ? 1 : 0
}

const kinds = [
  { kind: 'ECDSA', count: runs, once: runOnce },
  // A key is generated in each: a tenth of the runs.
  { kind: 'FROST and its keys', count: Math.ceil(runs / 10), once: runFrostOnce },
]

describe('honest parties over a bad network', () => {
  it.each(kinds)(
    '$kind: every run ends in a valid result or a typed abort, never in a hang or a burn',
    {
      timeout: 60_000 + 300 * runs,
    },
    async ({ kind, count, once }) => {
      const tally: Tally = { signed: 0, retried: 0 }
      for (let run = 0; run < count; run++) {
        try {
          await once(run, tally)
        } catch (cause) {
          throw new Error(`run ${run}`, { cause })
        }
      }
      // Both ends are met.
      expect(tally.signed).toBeGreaterThan(count / 3)
      expect(tally.retried).toBeGreaterThan(0)
      if (process.env.MPC_HONEST_RUNS !== undefined)
        process.stderr.write(`${JSON.stringify({ kind, runs: count, ...tally })}\n`)
    },
  )
})
