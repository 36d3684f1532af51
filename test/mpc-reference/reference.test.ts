import { createPublicKey, verify } from 'node:crypto'
import { secp256k1 as noble } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { ed25519, mod, multiply, secp256k1, sha256, times } from './curves.ts'
import { signFrost, verifyFrostSecp256k1 } from './frost.ts'
import { generateKey, refreshKey } from './key-generation.ts'
import { type Committee, type KeyShare, lagrange, type Suite } from './protocol.ts'
import { recoverShare } from './recovery.ts'
import { reshareKey } from './reshare.ts'
import { signEcdsa } from './signature.ts'

const seedOf = (text: string) => sha256(Buffer.from(text))
const instance = seedOf('instance')

function committeeOf(suite: Suite, t: number, indices: readonly number[], purpose: string): Committee {
  return {
    suite,
    label: 'reference',
    t,
    members: indices.map((index) => ({
      index,
      identity: Buffer.from(`party ${index}`),
      seed: seedOf(`${purpose} ${index}`),
    })),
  }
}

const seedsOf = (keys: readonly KeyShare[], purpose: string) =>
  new Map(keys.map(({ index }) => [index, seedOf(`${purpose} ${index}`)]))

describe('the slow reference of the threshold protocols', () => {
  it('adds and multiplies points as noble does', () => {
    let scalar = 3n
    for (let round = 0; round < 8; round++) {
      scalar = mod(scalar ** 5n + 17n, secp256k1.order)
      const expected = noble.Point.BASE.multiply(scalar).toBytes(true)
      expect([...secp256k1.encode(times(secp256k1, scalar))]).toEqual([...expected])
    }
    const whole = multiply(ed25519, ed25519.order, ed25519.generator)
    expect(ed25519.encode(whole)).toEqual(ed25519.encode(ed25519.identity))
  })

  it('generates a key, signs, refreshes and recovers, and an ordinary verifier accepts', {
    timeout: 120_000,
  }, () => {
    const committee = committeeOf(1, 2, [1, 3], 'key')
    const { keys } = generateKey(committee, instance)
    const digest = sha256(Buffer.from('a payment'))
    const refreshed = refreshKey(committeeOf(1, 2, [1, 3], 'refresh'), seedOf('again'), keys)
    for (const [epoch, shares] of [keys, refreshed.keys].entries()) {
      const signers = [...shares.values()]
      const path = epoch === 0 ? [] : [0, 7]
      const order = { label: 'reference', path, mode: 0, digest, instance } as const
      const signed = signEcdsa({ ...order, keys: signers, seeds: seedsOf(signers, `sign ${epoch}`) })
      const signature = Buffer.concat([signed.r, signed.s])
      expect(noble.verify(signature, digest, signed.publicKey, { prehash: false })).toBe(true)
      const recovered = noble.Signature.fromBytes(
        Buffer.concat([Buffer.from([signed.recovery]), signature]),
        'recovered',
      ).recoverPublicKey(digest)
      expect(Buffer.from(recovered.toBytes(true))).toEqual(signed.publicKey)
    }
    const [before, after] = [keys.get(1) as KeyShare, refreshed.keys.get(1) as KeyShare]
    expect(after.secret).not.toBe(before.secret)
    expect(after.epochId).not.toEqual(before.epochId)
    const recovered = recoverShare(committeeOf(1, 2, [1, 3], 'recover'), instance, {
      helpers: [...keys.values()],
      lost: 3,
    })
    expect(recovered.secret).toBe(keys.get(3)?.secret)
  })

  it('hands a key over to another committee', { timeout: 120_000 }, () => {
    const { keys } = generateKey(committeeOf(2, 2, [1, 2], 'old'), instance)
    const reshared = reshareKey({
      committee: committeeOf(2, 3, [3, 4, 8, 9], 'new'),
      old: [...keys.values()].map((key) => ({
        key,
        identity: Buffer.from(`party ${key.index}`),
        seed: seedOf(`hand over ${key.index}`),
      })),
      instance,
    })
    const message = Buffer.from('a message')
    const signers = [3, 8, 9].map((index) => reshared.keys.get(index) as KeyShare)
    const seeds = seedsOf(signers, 'sign')
    const signed = signFrost({ suite: 2, label: 'reference', message, instance, keys: signers, seeds })
    const raw = ed25519.encode((keys.get(1) as KeyShare).publicKey)
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    expect(verify(null, message, publicKey, Buffer.concat([signed.R, signed.z]))).toBe(true)
  })

  it('makes FROST signatures that ordinary verifiers accept', () => {
    const message = Buffer.from('a message')
    const { keys } = generateKey(committeeOf(2, 2, [1, 2, 5], 'frost'), instance)
    const signers = [keys.get(1), keys.get(5)] as KeyShare[]
    const order = { label: 'reference', message, instance } as const
    const signed = signFrost({ ...order, suite: 2, keys: signers, seeds: seedsOf(signers, 'sign') })
    const raw = ed25519.encode(signers[0]?.publicKey as KeyShare['publicKey'])
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw])
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    expect(verify(null, message, publicKey, Buffer.concat([signed.R, signed.z]))).toBe(true)

    const other = generateKey(committeeOf(3, 2, [1, 2, 5], 'frost'), instance)
    const two = [other.keys.get(2), other.keys.get(5)] as KeyShare[]
    const schnorr = signFrost({ ...order, suite: 3, keys: two, seeds: seedsOf(two, 'sign') })
    const key = secp256k1.encode(two[0]?.publicKey as KeyShare['publicKey'])
    expect(verifyFrostSecp256k1(key, message, schnorr)).toBe(true)
    expect(verifyFrostSecp256k1(key, Buffer.from('another'), schnorr)).toBe(false)
  })

  it('interpolates the key from any two shares', () => {
    const { keys } = generateKey(committeeOf(2, 2, [1, 2, 9], 'any'), instance)
    const secrets = (
      [
        [1, 2],
        [1, 9],
        [2, 9],
      ] as const
    ).map((S) =>
      mod(
        S.reduce((sum, i) => sum + lagrange(ed25519, S, i) * (keys.get(i) as KeyShare).secret, 0n),
        ed25519.order,
      ),
    )
    expect(new Set(secrets).size).toBe(1)
    const [secret = 0n] = secrets
    expect(ed25519.encode(times(ed25519, secret))).toEqual(
      ed25519.encode((keys.get(1) as KeyShare).publicKey),
    )
  })
})
