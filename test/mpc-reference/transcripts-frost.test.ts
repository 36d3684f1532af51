import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  ed25519Group,
  FrostEpoch,
  frostPublicKey,
  type KeyShare,
  nobleSecp256k1Group,
  openFrostSignature,
} from '@countersign/mpc'
import { loadNativeSecp256k1Group } from '@countersign/mpc/native'
import { runNetwork, seededRandom } from '@countersign/mpc/testing'
import { describe, expect, it } from 'vitest'
import { sha256, times } from './curves.ts'
import { signFrost, verifyBip340, verifyFrostSecp256k1 } from './frost.ts'
import { generateKey } from './key-generation.ts'
import { curveOf, type KeyShare as ReferenceShare } from './protocol.ts'

const seedOf = (text: string) => new Uint8Array(sha256(Buffer.from(text)))
const instance = seedOf('instance')
const label = 'transcripts'
const message = Buffer.from('a payment')
const root = seedOf('scripts')
const native = await loadNativeSecp256k1Group()

interface Case {
  readonly suite: 2 | 3 | 4
  readonly t: number
  readonly indices: readonly number[]
  readonly S: readonly number[]
  readonly path?: readonly number[]
  readonly merkleRoot?: Uint8Array
  /** SHA-256 of all frames, sorted by round and sender, and of the signature. */
  readonly frozen: string
}

const none = new Uint8Array(0)
const cases: readonly Case[] = [
  {
    suite: 2,
    t: 2,
    indices: [1, 2, 3],
    S: [1, 3],
    frozen: '7e4d0beb84e2ec8cfd0c0f507842d77e72b3ab42cea06255584c2169daafe228',
  },
  {
    suite: 2,
    t: 3,
    indices: [1, 2, 5, 65_535],
    S: [2, 5, 65_535],
    frozen: '390c62a85e047a7754c1f19581b3f7586a13416628177f50e151aba6a33bd192',
  },
  {
    suite: 3,
    t: 2,
    indices: [1, 2, 3],
    S: [2, 3],
    frozen: '6c1299d4e0550adf947a9f13c5e3b9bec8194ddfa56eaacd7ac73a275b014e89',
  },
  {
    suite: 3,
    t: 3,
    indices: [4, 6, 300],
    S: [4, 6, 300],
    path: [44, 0, 7],
    frozen: '572563d2a58d236bec99350c5cd671e43b8461eb0342c2ded73a2fac6f3ef659',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [1, 2],
    frozen: '84742110406387305190783b4f53b6caa06fdfca16b5f4d31b5a1ce046849d59',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [1, 3],
    path: [0],
    frozen: '9557d2f0d7449d779e96ab6fe67728a16504a8049e967fe3e94b42721c102f4a',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [1, 3],
    path: [1],
    frozen: '81aa4bbdf129c9c60bde81152f935d170ef30a10cf6ce26d2e72d9812bd5019b',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [2, 3],
    path: [2, 5],
    merkleRoot: none,
    frozen: '8c65139519f308920e5e9a5f0d52e66bd532e4cce4f39cbdb6988eafd6c02260',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [2, 3],
    merkleRoot: root,
    frozen: '23f214d30597fbe4fec7ceff1829ba4c07a767424778eae4c86611da1e40ff1e',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [1, 2],
    path: [10],
    merkleRoot: root,
    frozen: 'a327138958ee49d35b3626f504e79c110eeb374eb50a045c3846dc82a29f0036',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [1, 2],
    path: [11],
    merkleRoot: root,
    frozen: '8ca2ff4c1cd8f73948527eaad72cf60ea402b1ef4261126623f1f84826f7cc8b',
  },
  {
    suite: 4,
    t: 2,
    indices: [1, 2, 3],
    S: [1, 2],
    path: [12],
    merkleRoot: root,
    frozen: 'e3b2dbe2832b7bb710213e9aaeccfefd3dd280e865e9fb351bf374c893cc2ead',
  },
  {
    suite: 4,
    t: 3,
    indices: [1, 8, 9],
    S: [1, 8, 9],
    path: [86, 3],
    merkleRoot: root,
    frozen: '779ad1af45f98e87a2fbd289d0ffcf7639ea537f2bdd53c3e2e55400f2d0b4bc',
  },
]

const keysOf = new Map<string, ReadonlyMap<number, ReferenceShare>>()
function referenceKeys({ suite, t, indices }: Case): ReadonlyMap<number, ReferenceShare> {
  const name = `suite ${suite}, ${t} of ${indices.join()}`
  const members = indices.map((index) => ({
    index,
    identity: Buffer.from(`party ${index}`),
    seed: seedOf(`${name}, ${index}`),
  }))
  const keys = keysOf.get(name) ?? generateKey({ suite, label, t, members }, instance).keys
  keysOf.set(name, keys)
  return keys
}

/** The reference's key share as the library's. */
function convert(key: ReferenceShare, { suite, t, indices }: Case, group = groupOf(suite)): KeyShare {
  const curve = curveOf(suite)
  return {
    suite,
    group,
    label,
    index: key.index,
    threshold: t,
    identities: new Map(indices.map((index) => [index, Buffer.from(`party ${index}`)])),
    secret: key.secret,
    publicShares: new Map(
      [...key.publicShares].map(([index, point]) => [index, group.decode(curve.encode(point))]),
    ),
    publicKey: group.decode(curve.encode(key.publicKey)),
    chainCode: Uint8Array.from(key.chainCode),
    epochId: Uint8Array.from(key.epochId),
  }
}

const groupOf = (suite: 2 | 3 | 4) => (suite === 2 ? ed25519Group : nobleSecp256k1Group)
const choiceOf = ({ path, merkleRoot }: Case) => ({
  ...(path === undefined ? {} : { path }),
  ...(merkleRoot === undefined ? {} : { merkleRoot }),
})

function orderOf(one: Case) {
  const seeds = new Map(one.S.map((index) => [index, seedOf(`sign ${index}`)]))
  return { suite: one.suite, label, seeds, message, instance, ...choiceOf(one) }
}

async function run(one: Case, group = groupOf(one.suite)) {
  const keys = referenceKeys(one)
  const sessions = new Map(
    one.S.map((index) => {
      const epoch = new FrostEpoch({ share: convert(keys.get(index)!, one, group) })
      const random = seededRandom(seedOf(`sign ${index}`))
      const input = { epoch, signers: one.S, message, instance, random, ...choiceOf(one) }
      return [index, openFrostSignature(input)] as const
    }),
  )
  const sent = await runNetwork(sessions)
  const frames = [...new Set(sent.map(({ bytes }) => Buffer.from(bytes).toString('hex')))]
  const results = [...sessions.values()].map(({ outcome }) => {
    if (outcome?.status !== 'done') throw new Error(`no signature: ${JSON.stringify(outcome)}`)
    return outcome.result
  })
  return { frames: frames.sort(byHeader), results }
}

/** Round, sender, receiver: bytes 2 to 6. */
const byHeader = (a: string, b: string) => (a.slice(4, 14) < b.slice(4, 14) ? -1 : 1)

/** By code that the library does not use. */
function isValid(
  suite: 2 | 3 | 4,
  publicKey: Uint8Array,
  signature: Uint8Array,
  signed: Uint8Array,
): boolean {
  if (suite === 4) return verifyBip340(publicKey, signed, signature)
  if (suite === 3) {
    return verifyFrostSecp256k1(publicKey, signed, {
      R: signature.subarray(0, 33),
      z: signature.subarray(33),
    })
  }
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey])
  return verify(null, signed, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
}

describe.each(cases)('FROST suite $suite: $S of $indices, path $path', (one) => {
  it('has the transcript of the slow reference, byte for byte, and the frozen one', {
    timeout: 60_000,
  }, async () => {
    const { suite, S, frozen } = one
    const keys = referenceKeys(one)
    const reference = signFrost({ ...orderOf(one), keys: S.map((index) => keys.get(index)!) })
    const wanted = reference.frames.map(({ bytes }) => bytes.toString('hex')).sort(byHeader)
    const start = suite === 4 ? 1 : 0
    const signature = Buffer.concat([reference.R.subarray(start), reference.z])
    const publicKey = reference.publicKey.subarray(start)
    for (const group of suite === 2 ? [ed25519Group] : [nobleSecp256k1Group, native]) {
      const { frames, results } = await run(one, group)
      expect(frames).toEqual(wanted)
      for (const result of results) {
        expect(result.suite).toBe(suite)
        expect(Buffer.from(result.bytes)).toEqual(signature)
        expect(Buffer.from(result.publicKey)).toEqual(publicKey)
      }
      const known = frostPublicKey(convert(keys.get(S[0]!)!, one, group), choiceOf(one))
      expect(Buffer.from(known)).toEqual(publicKey)
    }
    expect(isValid(suite, publicKey, signature, message)).toBe(true)
    expect(isValid(suite, publicKey, signature, Buffer.from('another payment'))).toBe(false)
    const all = sha256(Buffer.from(wanted.join('\n')), signature).toString('hex')
    expect(all).toBe(frozen)
  })
})

describe('the slow reference of BIP-340', () => {
  it('met odd and even keys, outputs and nonces above: otherwise the even-y rules were not tried', () => {
    const met = new Set<string>()
    for (const one of cases.filter(({ suite }) => suite === 4)) {
      const keys = referenceKeys(one)
      const { R, isOdd } = signFrost({
        ...orderOf(one),
        keys: one.S.map((index) => keys.get(index)!),
      })
      met.add(`R ${R[0] === 3}`)
      isOdd.forEach((odd, at) => {
        met.add(`${at === 0 ? 'key' : 'output'} ${odd}`)
      })
    }
    expect([...met].sort()).toEqual([
      'R false',
      'R true',
      'key false',
      'key true',
      'output false',
      'output true',
    ])
  })

  const rows = readFileSync(new URL('../vectors/bips/bip-0340.csv', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => row.split(','))

  it.each(rows)('vector %s', (_index, secret, publicKey, _aux, signed, signature, result) => {
    const [key, digest, bytes] = [publicKey!, signed!, signature!].map((text) => Buffer.from(text, 'hex'))
    expect(verifyBip340(key!, digest!, bytes!)).toBe(result === 'TRUE')
    if (secret === '') return
    const curve = curveOf(4)
    expect(curve.encode(times(curve, BigInt(`0x${secret}`))).subarray(1)).toEqual(key)
  })
})
