import { createHash } from 'node:crypto'
import {
  derivePublic,
  type EcdsaKeyShare,
  type EcdsaSignature,
  Epoch,
  nobleSecp256k1Group,
  openPresignature,
  openSignature,
  type Session,
} from '@countersign/mpc'
import { loadNativeSecp256k1Group } from '@countersign/mpc/native'
import { type Delivery, runNetwork, seededRandom } from '@countersign/mpc/testing'
import { describe, expect, it } from 'vitest'
import { secp256k1, sha256 } from './curves.ts'
import { generateKey } from './key-generation.ts'
import type { Committee, Frame, KeyShare } from './protocol.ts'
import { derive, signEcdsa } from './signature.ts'

const seedOf = (text: string) => sha256(Buffer.from(text))
const digest = seedOf('a payment')
const instance = seedOf('instance')
const label = 'transcripts'
const native = await loadNativeSecp256k1Group()

function committeeOf(t: number, indices: readonly number[]): Committee {
  const members = indices.map((index) => ({
    index,
    identity: Buffer.from(`party ${index}`),
    seed: seedOf(`transcripts ${t} ${indices.join()} ${index}`),
  }))
  return { suite: 1, label, t, members }
}

/** The reference's key share as the library's. */
function convert(key: KeyShare, t: number, group = nobleSecp256k1Group): EcdsaKeyShare {
  const indices = [...key.publicShares.keys()]
  return {
    suite: 1,
    group,
    label,
    index: key.index,
    threshold: t,
    identities: new Map(indices.map((index) => [index, Buffer.from(`party ${index}`)])),
    secret: key.secret,
    publicShares: new Map(
      [...key.publicShares].map(([index, point]) => [index, group.decode(secp256k1.encode(point))]),
    ),
    publicKey: group.decode(secp256k1.encode(key.publicKey)),
    chainCode: Uint8Array.from(key.chainCode),
    epochId: Uint8Array.from(key.epochId),
    pairs: new Map(
      [...key.pairs].map(([peer, pair]) => [
        peer,
        {
          burned: false,
          bobKeys: Uint8Array.from(Buffer.concat(pair.bobKeys.flat())),
          delta: Uint8Array.from(pair.delta),
          aliceKeys: Uint8Array.from(Buffer.concat(pair.aliceKeys)),
          zeroSeed: Uint8Array.from(pair.zeroSeed),
        },
      ]),
    ),
  }
}

const keysOf = new Map<string, ReadonlyMap<number, KeyShare>>()
function referenceKeys(t: number, indices: readonly number[]): ReadonlyMap<number, KeyShare> {
  const name = `${t} of ${indices.join()}`
  const keys = keysOf.get(name) ?? generateKey(committeeOf(t, indices), instance).keys
  keysOf.set(name, keys)
  return keys
}

/** One frame of each kind, sorted: whichever way it travelled. */
function canonical(letters: readonly Delivery[]): string[] {
  return [...new Set(letters.map(({ bytes }) => Buffer.from(bytes).toString('hex')))].sort(byHeader)
}

function canonicalFrames(frames: readonly Frame[]): string[] {
  return frames.map(({ bytes }) => bytes.toString('hex')).sort(byHeader)
}

/** Round, sender, receiver: bytes 2 to 6. */
function byHeader(a: string, b: string): number {
  return a.slice(4, 14) < b.slice(4, 14) ? -1 : 1
}

function digestOf(frames: readonly string[]): string {
  const hash = createHash('sha256')
  for (const frame of frames) hash.update(Buffer.from(frame, 'hex'))
  return hash.digest('hex')
}

interface Case {
  readonly t: number
  readonly indices: readonly number[]
  readonly S: readonly number[]
  readonly path: readonly number[]
  readonly mode: 0 | 1
  /** SHA-256 of all frames, sorted by round, sender, receiver. */
  readonly frozen: string
}

const cases: readonly Case[] = [
  {
    t: 2,
    indices: [1, 2],
    S: [1, 2],
    path: [],
    mode: 0,
    frozen: '966c0fd32fd2daa4855f4da6e8cdfcf523d2015c769303d6530fe7e293e89a45',
  },
  {
    t: 2,
    indices: [1, 2],
    S: [1, 2],
    path: [44, 60, 0, 7],
    mode: 0,
    frozen: '0ad54c1fc16adfe7d85fe2abc2e6e667c0944b5894700972a719800910d73a16',
  },
  {
    t: 2,
    indices: [1, 2],
    S: [1, 2],
    path: [],
    mode: 1,
    frozen: 'c1c59521e1693771e3cb14c3365179ef7dbbdd0725a33d591800a66e7176693d',
  },
  {
    t: 2,
    indices: [1, 2],
    S: [1, 2],
    path: [2147483647],
    mode: 1,
    frozen: '4bd888e0d62847b1e91a995bf61082d9880de7aac7e314076142bd6ea95a6d7c',
  },
  {
    t: 2,
    indices: [1, 4, 300],
    S: [1, 4],
    path: [1],
    mode: 0,
    frozen: 'cdb0e1618681b0e0cc52669786cc7aab12fd2a88832ab082addd2d01e6fc5346',
  },
  {
    t: 2,
    indices: [1, 4, 300],
    S: [1, 300],
    path: [],
    mode: 1,
    frozen: '5b578c0cdf61c5246e5fc2efa2f51f907b9fa46d132c3b4b83080d359cad686c',
  },
  {
    t: 2,
    indices: [1, 4, 300],
    S: [4, 300],
    path: [0],
    mode: 0,
    frozen: 'f46ec2c5db3123ad3dc636a37639b53da7b302f735beaf4ba84983b3bd9a5345',
  },
  {
    t: 3,
    indices: [2, 3, 5],
    S: [2, 3, 5],
    path: [],
    mode: 0,
    frozen: '50bc4ccca40d06e4028b4a693a15133128bf5cb7dab7dcaacdaf578767d8e2ff',
  },
  {
    t: 3,
    indices: [2, 3, 5],
    S: [2, 3, 5],
    path: [9, 8],
    mode: 1,
    frozen: '098bead799f25f5f537b44c688db00cb0e5a8793842203ad9653d239fcba4c1c',
  },
]

/** Runs the library; mode 1 is a presignature that signs afterwards. */
async function run({ t, indices, S, path, mode }: Case, group = nobleSecp256k1Group) {
  const keys = referenceKeys(t, indices)
  const inputs = S.map((index) => ({
    index,
    input: {
      epoch: new Epoch({ share: convert(keys.get(index)!, t, group), burned: [] }),
      signers: S,
      path,
      instance: Uint8Array.from(instance),
      random: seededRandom(seedOf(`sign ${index}`)),
    },
  }))
  if (mode === 0) {
    const sessions = new Map(
      inputs.map(({ index, input }) => [index, openSignature({ ...input, digest: Uint8Array.from(digest) })]),
    )
    const letters = await runNetwork(sessions)
    return { letters, signatures: resultsOf(sessions) }
  }
  const sessions = new Map(inputs.map(({ index, input }) => [index, openPresignature(input)]))
  const before = await runNetwork(sessions)
  const online = new Map<number, Session<EcdsaSignature>>()
  for (const [index, { outcome }] of sessions) {
    if (outcome?.status !== 'done') throw new Error('no presignature')
    online.set(index, await outcome.result.openSession(digest, async () => undefined))
  }
  const after = await runNetwork(online)
  return { letters: [...before, ...after], signatures: resultsOf(online) }
}

function resultsOf(sessions: ReadonlyMap<number, Session<EcdsaSignature>>): EcdsaSignature[] {
  return [...sessions.values()].map(({ outcome }) => {
    if (outcome?.status !== 'done') throw new Error('no signature')
    return outcome.result
  })
}

describe.each(cases)('signing: $S of $indices, path $path, mode $mode', (one) => {
  const { t, indices, S, path, mode, frozen } = one

  it('has the transcript of the slow reference, byte for byte, and the frozen one', {
    timeout: 120_000,
  }, async () => {
    const keys = referenceKeys(t, indices)
    const reference = signEcdsa({
      label,
      keys: S.map((index) => keys.get(index)!),
      seeds: new Map(S.map((index) => [index, seedOf(`sign ${index}`)])),
      path,
      mode,
      digest,
      instance,
    })
    const wanted = canonicalFrames(reference.frames)
    for (const group of [nobleSecp256k1Group, native]) {
      const { letters, signatures } = await run(one, group)
      const made = canonical(letters)
      expect(made.map((frame) => frame.slice(0, 82))).toEqual(wanted.map((frame) => frame.slice(0, 82)))
      expect(made.map(digestOfOne)).toEqual(wanted.map(digestOfOne))
      for (const { bytes, recovery, publicKey } of signatures) {
        expect(Buffer.from(bytes)).toEqual(Buffer.concat([reference.r, reference.s]))
        expect(recovery).toBe(reference.recovery)
        expect(Buffer.from(publicKey)).toEqual(reference.publicKey)
      }
    }
    expect(digestOf(wanted)).toBe(frozen)
  })

  it('derives the key that the reference derives', () => {
    const key = referenceKeys(t, indices).get(S[0]!)!
    const { tweak, publicKey } = derivePublic(convert(key, t), path)
    const wanted = derive(key, path)
    expect(tweak).toBe(wanted.tweak)
    expect(Buffer.from(nobleSecp256k1Group.encode(publicKey))).toEqual(secp256k1.encode(wanted.publicKey))
  })
})

function digestOfOne(frame: string): string {
  return digestOf([frame])
}
