import { createPublicKey, verify } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { beforeEach, describe, expect, it } from 'vitest'
import type { BurnAbort, BurnMark } from './abort.ts'
import { encodeU16 } from './byte-writer.ts'
import { Epoch, epochMembersMax } from './epoch.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import type { EcdsaKeyShare } from './key-share.ts'
import { codes } from './messages.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import type { PartyIndex } from './parties.ts'
import type { EcdsaSignature, Presignature } from './presignature.ts'
import { secp256k1Scalars } from './scalar-field.ts'
import type { Session } from './session.ts'
import { openPresignature, openSignature, type SignInput, startSignature } from './sign.ts'
import { hashToScalar, taggedHash } from './tagged-hash.ts'
import { type Delivery, dealShares, runNetwork, seededRandom } from './testing/index.ts'

/** Attacks on signing by whoever holds one of the shares: docs/mpc-protocol.md, "Aborts"; the names A1.. are those of
 * the list of known failures there. What attacks the multiplication alone is in attacks-multiplication.test.ts. */
const group = await loadNativeSecp256k1Group()
const { order } = secp256k1Scalars
const digest = new Uint8Array(32).fill(0x5a)

type Shares = ReadonlyMap<PartyIndex, EcdsaKeyShare>
let seed = 0
const fresh = () => seededRandom(taggedHash('ctx', encodeU16(seed++)))
const deal = (threshold: number, indices: readonly PartyIndex[], label = 'attacks') =>
  dealShares({ group, threshold, indices, random: fresh(), label })

function openEpochs(shares: Shares, burned: readonly BurnMark[] = []): ReadonlyMap<PartyIndex, Epoch> {
  return new Map([...shares].map(([index, share]) => [index, new Epoch({ share, burned })]))
}

type Options = Partial<Omit<SignInput, 'epoch'>>

function openAll(
  epochs: ReadonlyMap<PartyIndex, Epoch>,
  options: Options = {},
): Map<PartyIndex, Session<EcdsaSignature>> {
  const instance = fresh()(32)
  const signers = [...epochs.keys()]
  return new Map(
    [...epochs].map(([index, epoch]) => [
      index,
      openSignature({ epoch, signers, path: [], digest, instance, ...options }),
    ]),
  )
}

/** Changes the payload of one party's frames of a kind. */
function tampering(
  code: number,
  from: PartyIndex,
  change: (payload: Uint8Array) => Uint8Array,
  to?: PartyIndex,
) {
  return (delivery: Delivery): readonly Delivery[] => {
    const frame = decodeFrame(delivery.bytes)
    if (frame.code !== code || delivery.from !== from || (to !== undefined && delivery.to !== to))
      return [delivery]
    const changed = { ...frame, suite: 1, payload: change(frame.payload) } as const
    return [{ ...delivery, bytes: encodeFrame(changed) }]
  }
}

const flip =
  (byte: number, bit = 0) =>
  (payload: Uint8Array) => {
    const changed = payload.slice()
    changed[byte] = (changed[byte] as number) ^ (1 << bit)
    return changed
  }
const put = (offset: number, field: Uint8Array) => (payload: Uint8Array) => {
  const changed = payload.slice()
  changed.set(field, offset)
  return changed
}

async function outcomeOf(session: Session<unknown> | undefined): Promise<unknown> {
  const outcome = session?.outcome
  if (outcome?.status === 'done') return 'done'
  if (outcome?.status === 'stopped') return outcome.abort
  return outcome === undefined ? 'waiting' : outcome.duty.settle(async () => undefined)
}

const isVerified = ({ bytes, publicKey }: EcdsaSignature, signed = digest) =>
  secp256k1.verify(bytes, signed, publicKey, { prehash: false })

describe('honest signers', () => {
  it.each([
    [2, [1, 2], [1, 2]],
    [2, [1, 2, 3], [1, 2]],
    [2, [1, 2, 3], [1, 3]],
    [2, [1, 2, 3], [2, 3]],
    [3, [1, 2, 3], [1, 2, 3]],
    [3, [5, 90, 257, 65535], [5, 257, 65535]],
  ] as const)('%s of %s: %s sign, with and without a path', async (threshold, indices, signers) => {
    const shares = deal(threshold, indices)
    for (const path of [[], [44, 60, 3]]) {
      const epochs = new Map(
        [...openEpochs(shares)].filter(([index]) => signers.some((one) => one === index)),
      )
      const sessions = openAll(epochs, { path })
      await runNetwork(sessions)
      for (const { outcome } of sessions.values()) {
        if (outcome?.status !== 'done') throw new Error('no signature')
        const { bytes, recovery, publicKey } = outcome.result
        expect(isVerified(outcome.result)).toBe(true)
        const whole = secp256k1.Signature.fromBytes(Uint8Array.of(recovery, ...bytes), 'recovered')
        expect(whole.hasHighS()).toBe(false)
        expect(whole.recoverPublicKey(digest).toBytes(true)).toEqual(publicKey)
        // OpenSSL's word too: it hashes by itself, so it cannot take the digest; it takes the key.
        expect(() => createPublicKey({ key: derOf(publicKey), format: 'der', type: 'spki' })).not.toThrow()
      }
      for (const epoch of epochs.values()) expect(epoch.size).toBe(0)
    }
  })

  it('OpenSSL accepts a signature over the SHA-256 of a message', async () => {
    const message = new TextEncoder().encode('a payment')
    const { createHash } = await import('node:crypto')
    const sessions = openAll(openEpochs(deal(2, [1, 2])), {
      digest: Uint8Array.from(createHash('sha256').update(message).digest()),
    })
    await runNetwork(sessions)
    const outcome = sessions.get(1)?.outcome
    if (outcome?.status !== 'done') throw new Error('no signature')
    const key = createPublicKey({ key: derOf(outcome.result.publicKey), format: 'der', type: 'spki' })
    expect(verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, outcome.result.bytes)).toBe(true)
  })
})

/** SubjectPublicKeyInfo of a compressed secp256k1 key (RFC 5480). */
function derOf(publicKey: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex'), publicKey])
}

describe('a peer that cheats in a message', () => {
  const point = group.encode(group.multiplyBase(5n))
  const notBelowOrder = new Uint8Array(32).fill(255)
  const deltaOf = (shares: Shares, party: PartyIndex, peer: PartyIndex) => {
    const pair = shares.get(party)?.pairs.get(peer)
    if (pair?.burned !== false) throw new Error('bug')
    return pair.delta
  }
  /** A column of u by the peer's choice bit. */
  const columnWhere = (shares: Shares, bit: number) => {
    const delta = deltaOf(shares, 1, 2)
    return Array.from({ length: 128 }, (_, o) => o).find(
      (o) => (((delta[o >> 3] as number) >> (o & 7)) & 1) === bit,
    )!
  }
  const burn = (problem: string) => ({ kind: 'BURN', problem, culprits: [2] })
  const stop = (problem: string, culprits: number[] = [2]) => ({ kind: 'ABORT', problem, culprits })

  it.each<[string, number, (shares: Shares) => (payload: Uint8Array) => Uint8Array, object | string]>([
    [
      'test_ot_extension_sender_rejects_tampered_u, choice bit 1',
      codes.sign2,
      (s) => flip(80 * columnWhere(s, 1)),
      burn('ote-check'),
    ],
    [
      'u altered in the masking columns, choice bit 1',
      codes.sign2,
      (s) => flip(80 * columnWhere(s, 1) + 79, 7),
      burn('ote-check'),
    ],
    // The transcript of the check changes too, so t and x no longer fit.
    [
      'u altered where the choice bit is 0',
      codes.sign2,
      (s) => flip(80 * columnWhere(s, 0)),
      burn('ote-check'),
    ],
    [
      'test_ot_extension_sender_rejects_tampered_verify_x',
      codes.sign2,
      () => flip(10_240),
      burn('ote-check'),
    ],
    [
      'test_ot_extension_sender_rejects_tampered_verify_t',
      codes.sign2,
      () => flip(10_256 + 16 * 77),
      burn('ote-check'),
    ],
    ['a short extension', codes.sign2, () => (p) => p.slice(0, -1), stop('wrong-length')],
    ['a long extension', codes.sign2, () => (p) => Uint8Array.of(...p, 0), stop('wrong-length')],
    ['an empty extension', codes.sign2, () => () => new Uint8Array(0), stop('wrong-length')],
    [
      'test_multiplication_rejects_tampered_tau_vectors',
      codes.sign3,
      () => flip(96 * 100 + 31),
      burn('rvole-check'),
    ],
    ['the check value of a row altered', codes.sign3, () => flip(96 * 511 + 95), burn('rvole-check')],
    [
      'test_multiplication_rejects_tampered_verify_u (eta)',
      codes.sign3,
      () => flip(49_152 + 31),
      burn('rvole-check'),
    ],
    [
      'test_multiplication_rejects_tampered_verify_r (mu)',
      codes.sign3,
      () => flip(49_184),
      burn('rvole-check'),
    ],
    [
      'a scalar of at that is not canonical',
      codes.sign3,
      () => put(96 * 7, notBelowOrder),
      stop('malformed'),
    ],
    ['eta that is not canonical', codes.sign3, () => put(49_152, notBelowOrder), stop('malformed')],
    ['psi that is not canonical', codes.sign3, () => put(49_380, notBelowOrder), stop('malformed')],
    ['a nonce that is no point', codes.sign3, () => put(49_216, new Uint8Array(33)), stop('malformed')],
    [
      'another nonce (test_sign_phase3_rejects_invalid_commitment_decommit)',
      codes.sign3,
      () => put(49_216, point),
      stop('commitment-mismatch'),
    ],
    ['another blind', codes.sign3, () => flip(49_249), stop('commitment-mismatch')],
    ['another public share', codes.sign3, () => put(49_281, point), burn('gamma-check')],
    [
      'test_sign_phase3_bans_on_inconsistent_gamma_u',
      codes.sign3,
      () => put(49_314, point),
      burn('gamma-check'),
    ],
    ['an inconsistent gamma_v', codes.sign3, () => put(49_347, point), burn('gamma-check')],
    [
      'gammas swapped',
      codes.sign3,
      () => (p) => put(49_347, p.subarray(49_314, 49_347))(put(49_314, p.subarray(49_347, 49_380))(p)),
      burn('gamma-check'),
    ],
    ['a gamma that is no point', codes.sign3, () => flip(49_314, 7), stop('malformed')],
    ['a short product', codes.sign3, () => (p) => p.slice(0, 49_152), stop('wrong-length')],
    [
      'psi altered',
      codes.sign3,
      () => put(49_380, new Uint8Array(32).fill(1)),
      stop('signature-invalid', []),
    ],
    [
      'test_sign_phase4_rejects_tampered_broadcast (w)',
      codes.sign4,
      () => put(0, new Uint8Array(32).fill(1)),
      stop('signature-invalid', []),
    ],
    [
      'u of the online message altered',
      codes.sign4,
      () => put(32, new Uint8Array(32).fill(1)),
      stop('signature-invalid', []),
    ],
    ['w that is not canonical', codes.sign4, () => put(0, notBelowOrder), stop('malformed')],
    ['a short online message', codes.sign4, () => (p) => p.slice(1), stop('wrong-length')],
    [
      'n of round 1 altered',
      codes.sign1,
      () => flip(0),
      { kind: 'RETRY', problem: 'session-mismatch', culprits: [] },
    ],
    [
      'a short commitment',
      codes.sign1,
      () => (p) => p.slice(1),
      { kind: 'RETRY', problem: 'wrong-length', culprits: [2] },
    ],
  ])('%s', async (_, code, make, wanted) => {
    const shares = deal(2, [1, 2])
    const epochs = openEpochs(shares)
    const sessions = openAll(epochs)
    await runNetwork(sessions, { tamper: tampering(code, 2, make(shares)) })
    const got = await outcomeOf(sessions.get(1))
    expect(got).toMatchObject(wanted as object)
    const isBurned = (got as BurnAbort).kind === 'BURN'
    expect(epochs.get(1)?.burned).toEqual(isBurned ? [2] : [])
    expect(epochs.get(1)?.size).toBe(0)
    // What is no burn leaves the pair as it was: the next session signs.
    if (isBurned) return
    for (const session of sessions.values()) session.expire()
    const again = openAll(epochs)
    await runNetwork(again)
    expect(again.get(1)?.outcome?.status).toBe('done')
  })

  it('test_sign_phase4_zero_denominator_returns_abort: an online u that cancels the others', async () => {
    const sessions = openAll(openEpochs(deal(2, [1, 2])))
    let honest: Uint8Array | undefined
    const negate = (payload: Uint8Array) => {
      const u = secp256k1Scalars.decode((honest as Uint8Array).subarray(32))
      return put(32, secp256k1Scalars.encode(order - u))(payload)
    }
    const change = tampering(codes.sign4, 2, negate)
    const held: Delivery[] = []
    await runNetwork(sessions, {
      tamper(delivery) {
        const { code, payload } = decodeFrame(delivery.bytes)
        if (code !== codes.sign4) return [delivery]
        if (delivery.from === 1) honest = payload
        else held.push(delivery)
        return []
      },
    })
    const [late] = held as [Delivery]
    sessions.get(1)?.receive(2, change(late)[0]!.bytes)
    expect(await outcomeOf(sessions.get(1))).toMatchObject(stop('zero-value', []))
  })

  it('A22: all checks of all peers are made, so two cheats are both named', async () => {
    const epochs = openEpochs(deal(3, [1, 2, 3]))
    const sessions = openAll(epochs)
    const [two, three] = [
      tampering(codes.sign3, 2, flip(49_184)),
      tampering(codes.sign3, 3, put(49_314, point)),
    ]
    await runNetwork(sessions, { tamper: (delivery) => two(delivery).flatMap(three) })
    expect(await outcomeOf(sessions.get(1))).toMatchObject({
      kind: 'BURN',
      problem: 'rvole-check',
      culprits: [2, 3],
    })
    expect(epochs.get(1)?.burned).toEqual([2, 3])
  })

  it('A22: in the extension too, and public failures come before secret checks', async () => {
    const epochs = openEpochs(deal(3, [1, 2, 3]))
    const sessions = openAll(epochs)
    const [two, three] = [tampering(codes.sign2, 2, flip(10_240)), tampering(codes.sign2, 3, flip(10_241))]
    await runNetwork(sessions, { tamper: (delivery) => two(delivery).flatMap(three) })
    expect(await outcomeOf(sessions.get(1))).toMatchObject({ problem: 'ote-check', culprits: [2, 3] })
    const others = openEpochs(deal(3, [1, 2, 3]))
    const again = openAll(others)
    const [cheat, slip] = [tampering(codes.sign3, 2, flip(49_184)), tampering(codes.sign3, 3, flip(49_249))]
    await runNetwork(again, { tamper: (delivery) => cheat(delivery).flatMap(slip) })
    expect(await outcomeOf(again.get(1))).toMatchObject({
      kind: 'ABORT',
      problem: 'commitment-mismatch',
      culprits: [3],
    })
    expect(others.get(1)?.burned).toEqual([])
  })
})

describe('sessions that are not the same', () => {
  it('A7: an equivocated commitment among three is RETRY for all, never a burn', async () => {
    for (const field of [flip(3), flip(20)]) {
      const epochs = openEpochs(deal(3, [1, 2, 3]))
      const sessions = openAll(epochs)
      // Party 3 tells party 2 another first round than party 1.
      await runNetwork(sessions, { tamper: tampering(codes.sign1, 3, field, 2) })
      for (const index of [1, 2]) {
        expect(await outcomeOf(sessions.get(index))).toMatchObject({
          kind: 'RETRY',
          problem: 'session-mismatch',
        })
        expect(epochs.get(index)?.burned).toEqual([])
      }
      for (const session of sessions.values()) session.expire()
      const again = openAll(epochs)
      await runNetwork(again)
      expect(again.get(2)?.outcome?.status).toBe('done')
    }
  })

  it.each<[string, Options]>([
    ['BitGo: should fail when signing two different messages', { digest: new Uint8Array(32).fill(1) }],
    ['A10: another path', { path: [1] }],
    ['another instance', { instance: new Uint8Array(32).fill(7) }],
  ])('%s: the parties never hear each other', async (_, other) => {
    const epochs = openEpochs(deal(2, [1, 2]))
    const instance = fresh()(32)
    const input = { signers: [1, 2], path: [], digest, instance }
    const sessions = new Map([
      [1, openSignature({ ...input, epoch: epochs.get(1)! })],
      [2, openSignature({ ...input, ...other, epoch: epochs.get(2)! })],
    ])
    await runNetwork(sessions)
    expect(sessions.get(1)?.expire()).toMatchObject({
      abort: { kind: 'RETRY', problem: 'timeout', culprits: [2] },
    })
    expect(epochs.get(1)?.burned).toEqual([])
  })

  it('A24: a share for another purpose does not sign along', async () => {
    const shares = deal(2, [1, 2], 'payments')
    const other = { ...shares.get(2)!, label: 'logins' }
    const sessions = openAll(openEpochs(new Map([...shares, [2, other]])))
    await runNetwork(sessions)
    expect(sessions.get(1)?.outcome).toBeUndefined()
  })

  it('mode 0 and mode 1 do not mix', async () => {
    const epochs = openEpochs(deal(2, [1, 2]))
    const instance = fresh()(32)
    const presigning = openPresignature({ epoch: epochs.get(1)!, signers: [1, 2], path: [], instance })
    const [frame] = presigning.takeOutbox()
    const signing = openAll(new Map([[2, epochs.get(2)!]]), { instance, signers: [1, 2] })
    expect(signing.get(2)?.receive(1, frame!.bytes)).toEqual({ status: 'refused', reason: 'other-session' })
  })

  it('A10: a signer with another tweak than it says ends in a key mismatch', async () => {
    const shares = deal(2, [1, 2])
    const liar = { ...shares.get(2)!, secret: secp256k1Scalars.add(shares.get(2)!.secret, 1n) }
    const sessions = openAll(openEpochs(new Map([...shares, [2, liar]])))
    await runNetwork(sessions)
    expect(await outcomeOf(sessions.get(1))).toMatchObject({
      kind: 'ABORT',
      problem: 'key-mismatch',
      culprits: [],
    })
  })

  it('BitGo 9441: frames replayed from a concurrent session and from earlier rounds change nothing', async () => {
    const epochs = openEpochs(deal(2, [1, 2]))
    const recorded = await runNetwork(openAll(epochs))
    const sessions = openAll(epochs)
    const seen: Delivery[] = []
    await runNetwork(sessions, {
      tamper(delivery) {
        const session = sessions.get(delivery.to)!
        for (const old of recorded.filter(({ to }) => to === delivery.to)) {
          expect(session.receive(old.from, old.bytes).status).toBe('refused')
        }
        // test_sign_phase2_rejects_unknown_sender and _wrong_receiver.
        expect(session.receive(9, delivery.bytes).status).toBe('refused')
        expect(session.receive(delivery.to, delivery.bytes).status).toBe('refused')
        const before = seen.filter(({ to }) => to === delivery.to)
        seen.push(delivery)
        return [...before, delivery, delivery, ...before]
      },
    })
    expect(sessions.get(1)?.outcome?.status).toBe('done')
    expect(sessions.get(2)?.outcome?.status).toBe('done')
  })
})

describe('inputs', () => {
  const share = deal(2, [1, 2, 3]).get(1)!
  const epoch = new Epoch({ share, burned: [] })
  const input = { epoch, signers: [1, 2], path: [], digest, instance: new Uint8Array(32).fill(1) }
  const refused = (code: string) => expect.objectContaining({ code })

  it.each<[string, Partial<SignInput>, string]>([
    ['A19: too many signers', { signers: [1, 2, 3] }, 'MPC_PARTIES_INVALID'],
    ['A19: too few signers', { signers: [1] }, 'MPC_PARTIES_INVALID'],
    ['test_sign_phase1_rejects_duplicate_counterparty', { signers: [1, 1] }, 'MPC_PARTIES_INVALID'],
    ['signers without oneself', { signers: [2, 3] }, 'MPC_PARTIES_INVALID'],
    ['a signer without a share', { signers: [1, 4] }, 'MPC_PARTIES_INVALID'],
    ['index 0', { signers: [0, 1] }, 'MPC_PARTIES_INVALID'],
    ['A13: an index that is 1 when truncated', { signers: [1, 65_537] }, 'MPC_PARTIES_INVALID'],
    ['A6: an instance of zeros', { instance: new Uint8Array(32) }, 'MPC_INPUT_INVALID'],
    ['a short instance', { instance: new Uint8Array(31).fill(1) }, 'MPC_INPUT_INVALID'],
    ['a long digest', { digest: new Uint8Array(33) }, 'MPC_INPUT_INVALID'],
    ['no digest', { digest: new Uint8Array(0) }, 'MPC_INPUT_INVALID'],
    ['a hardened path', { path: [0x80000000] }, 'MPC_INPUT_INVALID'],
  ])('%s', (_, change, code) => {
    expect(() => startSignature({ ...input, ...change })).toThrow(refused(code))
    expect(epoch.size).toBe(0)
  })

  it('A random source that fails leaves nothing running', () => {
    const random = () => new Uint8Array(0)
    expect(() => startSignature({ ...input, random })).toThrow(refused('MPC_RANDOM_UNAVAILABLE'))
    expect(epoch.size).toBe(0)
  })

  it('A13: indices that agree in their low byte are different parties everywhere', async () => {
    const sessions = openAll(openEpochs(deal(2, [1, 257])))
    const sent = await runNetwork(sessions)
    expect(sessions.get(257)?.outcome?.status).toBe('done')
    expect(new Set(sent.map(({ bytes }) => decodeFrame(bytes).sender))).toEqual(new Set([1, 257]))
    const id = new Uint8Array(32)
    const names = [
      taggedHash('sig/vole', id, encodeU16(1), encodeU16(257)),
      taggedHash('sig/vole', id, encodeU16(257), encodeU16(1)),
      taggedHash('sig/vole', id, encodeU16(1), encodeU16(1)),
      taggedHash('sig/vole', id, Uint8Array.of(0, 1, 1), Uint8Array.of(1)),
    ].map(String)
    expect(new Set(names).size).toBe(4)
  })

  it('A25: hashes become scalars from 512 bits, rows from 256 because the order is that close to 2^256', () => {
    expect(2n ** 256n - order).toBeLessThan(2n ** 129n)
    const wide = hashToScalar(secp256k1Scalars, 'sig/zero', new Uint8Array(32))
    expect(wide).not.toBe(secp256k1Scalars.reduce(taggedHash('sig/vole', new Uint8Array(32))))
  })
})

describe('A9: one presignature, one digest', () => {
  const other = new Uint8Array(32).fill(0xa5)
  const spent = expect.objectContaining({ code: 'MPC_SPENT' })
  const stored = async () => undefined
  let presignatures: Map<PartyIndex, Presignature>
  let epochs: ReadonlyMap<PartyIndex, Epoch>

  beforeEach(async () => {
    epochs = openEpochs(deal(2, [1, 2]))
    presignatures = await presignAll(epochs)
  })

  it('TestDurablePresign: signs once, and says the same again for the same digest only', async () => {
    const one = presignatures.get(1)!
    expect(one.isFresh).toBe(true)
    const first = await one.sign(digest, stored)
    expect(one.isFresh).toBe(false)
    const again = await one.sign(digest, stored)
    expect(again.outbox).toEqual(first.outbox)
    await expect(one.sign(other, stored)).rejects.toThrow(spent)
    const sessions = new Map([
      [1, await one.openSession(digest, stored)],
      [2, await presignatures.get(2)!.openSession(digest, stored)],
    ])
    await runNetwork(sessions)
    const outcome = sessions.get(1)?.outcome
    if (outcome?.status !== 'done') throw new Error('no signature')
    expect(isVerified(outcome.result)).toBe(true)
    await expect(one.sign(other, stored)).rejects.toThrow(spent)
  })

  it('TestPresignConcurrentUse: of two digests at once one is refused before anything is stored', async () => {
    const marks: Uint8Array[] = []
    const slow = async (mark: { digest: Uint8Array }) => {
      marks.push(mark.digest)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const one = presignatures.get(1)!
    const results = await Promise.allSettled([
      one.sign(digest, slow),
      one.sign(other, slow),
      one.sign(digest, slow),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(marks).toEqual([digest, digest])
  })

  it('releases nothing before its mark is stored, and stays with its digest when storing fails', async () => {
    const one = presignatures.get(1)!
    await expect(one.sign(digest, () => Promise.reject(new Error('disk full')))).rejects.toThrow('disk full')
    await expect(one.sign(other, stored)).rejects.toThrow(spent)
    let mark: unknown
    const progress = await one.sign(digest, async (given) => {
      mark = given
    })
    expect(progress.outbox).toHaveLength(1)
    expect(mark).toEqual({ presignatureId: one.id, epochId: one.epochId, digest })
  })

  it('crash between consume and send: the mark is there, the presignature is not, and nothing was said', async () => {
    const store = new Map<string, Uint8Array>()
    const one = presignatures.get(1)!
    const crash = one.sign(digest, async ({ presignatureId, digest: marked }) => {
      store.set(String(presignatureId), marked)
      throw new Error('crash')
    })
    await expect(crash).rejects.toThrow('crash')
    expect(store.get(String(one.id))).toEqual(digest)
    // After the restart there is the share and nothing else.
    const restarted = new Epoch({ share: epochs.get(1)!.share, burned: [] })
    expect(restarted.size).toBe(0)
  })

  it('a copy of the process (snapshot) is stopped by the store: its mark says another digest', async () => {
    const store = new Map<string, string>()
    const writeAhead = async ({
      presignatureId,
      digest: marked,
    }: {
      presignatureId: Uint8Array
      digest: Uint8Array
    }) => {
      const known = store.get(String(presignatureId))
      if (known !== undefined && known !== String(marked)) throw new Error('consumed')
      store.set(String(presignatureId), String(marked))
    }
    // The same randomness twice is what a restored snapshot is.
    const shares = deal(2, [1, 2])
    const twins = await Promise.all(
      [0, 1].map(async () => (await presignAll(openEpochs(shares), new Uint8Array(32).fill(9))).get(1)!),
    )
    expect(twins[0]!.id).toEqual(twins[1]!.id)
    await twins[0]!.sign(digest, writeAhead)
    await expect(twins[1]!.sign(other, writeAhead)).rejects.toThrow('consumed')
  })

  it('is not written out, and a structured clone of it is empty', () => {
    const one = presignatures.get(1)!
    expect(() => JSON.stringify(one)).toThrow(expect.objectContaining({ code: 'MPC_NOT_SERIALISABLE' }))
    expect(structuredClone(one)).not.toHaveProperty('sign')
  })

  it('refuses digests of other lengths without being used up', async () => {
    const one = presignatures.get(1)!
    for (const length of [0, 31, 33, 64]) {
      await expect(one.sign(new Uint8Array(length), stored)).rejects.toMatchObject({
        code: 'MPC_INPUT_INVALID',
      })
    }
    expect(one.isFresh).toBe(true)
  })

  it('dies when it is discarded, when the epoch retires, and while it waits for its mark', async () => {
    const [one, two] = [presignatures.get(1)!, presignatures.get(2)!]
    one.discard()
    await expect(one.sign(digest, stored)).rejects.toThrow(spent)
    expect(epochs.get(1)?.size).toBe(0)
    const retired = two.sign(digest, async () => epochs.get(2)!.retire())
    await expect(retired).rejects.toThrow(spent)
    await expect(two.sign(digest, stored)).rejects.toThrow(spent)
    expect(() =>
      openPresignature({ epoch: epochs.get(2)!, signers: [1, 2], path: [], instance: fresh()(32) }),
    ).toThrow(expect.objectContaining({ code: 'MPC_EPOCH_RETIRED' }))
  })

  it('two presignatures of different signers, mixed up, make no signature', async () => {
    const [first, second] = [presignatures, await presignAll(epochs)]
    const sessions = new Map([
      [1, await first.get(1)!.openSession(digest, stored)],
      [2, await second.get(2)!.openSession(digest, stored)],
    ])
    await runNetwork(sessions)
    expect([...sessions.values()].map(({ outcome }) => outcome?.status)).toEqual([undefined, undefined])
  })
})

async function presignAll(epochs: ReadonlyMap<PartyIndex, Epoch>, seedBytes?: Uint8Array) {
  const signers = [...epochs.keys()]
  const instance = seedBytes ?? fresh()(32)
  const sessions = new Map(
    [...epochs].map(([index, epoch]) => {
      const random = seedBytes === undefined ? fresh() : seededRandom(new Uint8Array(32).fill(index))
      return [index, openPresignature({ epoch, signers, path: [], instance, random })]
    }),
  )
  await runNetwork(sessions)
  return new Map(
    [...sessions].map(([index, { outcome }]) => {
      if (outcome?.status !== 'done') throw new Error('no presignature')
      return [index, outcome.result]
    }),
  )
}

describe('A1: a burned pair', () => {
  const burnedError = expect.objectContaining({ code: 'MPC_PAIR_BURNED' })

  it('ends all that runs with the peer and nothing else, at once', async () => {
    const epochs = openEpochs(deal(2, [1, 2, 3]))
    const [one, two, three] = [epochs.get(1)!, epochs.get(2)!, epochs.get(3)!]
    const withTwo = await presignAll(
      new Map([
        [1, one],
        [2, two],
      ]),
    )
    const withThree = await presignAll(
      new Map([
        [1, one],
        [3, three],
      ]),
    )
    const running = openAll(
      new Map([
        [1, one],
        [2, two],
      ]),
    )
    const other = openAll(
      new Map([
        [1, one],
        [3, three],
      ]),
    )
    const attacked = openAll(
      new Map([
        [1, one],
        [2, two],
      ]),
    )
    await runNetwork(attacked, { tamper: tampering(codes.sign2, 2, flip(10_240)) })
    // Before anybody settled the duty.
    expect(attacked.get(1)?.outcome?.status).toBe('burn')
    expect(one.burned).toEqual([2])
    // No RETRY: that would invite another session with the cheater.
    expect(running.get(1)?.outcome).toMatchObject({
      abort: { kind: 'ABORT', problem: 'pair-burned', culprits: [2] },
    })
    expect(running.get(1)?.takeOutbox()).toEqual([])
    await expect(withTwo.get(1)!.sign(digest, async () => undefined)).rejects.toMatchObject({
      code: 'MPC_SPENT',
    })
    const pair = one.share.pairs.get(2)
    expect(pair).toEqual({ burned: true })
    expect(() => openAll(new Map([[1, one]]), { signers: [1, 2] })).toThrow(burnedError)
    // The third party is nobody's culprit.
    await runNetwork(other)
    expect(other.get(1)?.outcome?.status).toBe('done')
    expect(withThree.get(1)?.isFresh).toBe(true)
  })

  it('a session whose rounds the caller drives by itself ends too', async () => {
    const epochs = openEpochs(deal(2, [1, 2]))
    const input = { signers: [1, 2], path: [], digest, instance: new Uint8Array(32).fill(3) }
    const [mine, theirs] = [1, 2].map((index) => startSignature({ ...input, epoch: epochs.get(index)! })) as [
      ReturnType<typeof startSignature>,
      ReturnType<typeof startSignature>,
    ]
    if (!('next' in mine)) throw new Error('bug')
    mine.next.inbox.receive(2, theirs.outbox[0]!.bytes)
    const attacked = openAll(epochs)
    await runNetwork(attacked, { tamper: tampering(codes.sign2, 2, flip(10_240)) })
    expect(mine.next.finish()).toMatchObject({
      status: 'stopped',
      abort: { problem: 'pair-burned', culprits: [2] },
    })
    expect(() => mine.next.finish()).not.toThrow()
  })

  it('erases the pair’s secrets in memory', async () => {
    const epochs = openEpochs(deal(2, [1, 2]))
    const pair = epochs.get(1)!.share.pairs.get(2)!
    await runNetwork(openAll(epochs), { tamper: tampering(codes.sign2, 2, flip(10_240)) })
    if (pair.burned) throw new Error('bug')
    for (const secret of [pair.bobKeys, pair.delta, pair.aliceKeys, pair.zeroSeed]) {
      expect(secret.every((byte) => byte === 0)).toBe(true)
    }
  })

  it('stays burned after a crash and after an old backup is restored; another epoch’s marks mean nothing', async () => {
    const shares = deal(2, [1, 2])
    const backup = structuredCloneOf(shares.get(1)!)
    const marks: BurnMark[] = []
    const epochs = openEpochs(shares)
    const attacked = openAll(epochs)
    await runNetwork(attacked, { tamper: tampering(codes.sign3, 2, flip(49_184)) })
    const outcome = attacked.get(1)?.outcome
    if (outcome?.status !== 'burn') throw new Error('no burn')
    await expect(outcome.duty.settle(() => Promise.reject(new Error('disk full')))).rejects.toThrow(
      'disk full',
    )
    const abort = await outcome.duty.settle(async (burned) => {
      marks.push(...burned)
    })
    expect(abort.culprits).toEqual([2])
    const restored = new Epoch({ share: structuredCloneOf(backup), burned: marks })
    expect(restored.burned).toEqual([2])
    expect(() => openAll(new Map([[1, restored]]), { signers: [1, 2] })).toThrow(burnedError)
    const elsewhere = marks.map((mark) => ({ ...mark, epochId: new Uint8Array(32) }))
    const stranger = marks.map((mark) => ({ ...mark, own: 2 }))
    expect(new Epoch({ share: backup, burned: [...elsewhere, ...stranger] }).burned).toEqual([])
  })

  it('says not even the same again once the pair is burned, also when its session is over', async () => {
    const epochs = openEpochs(deal(2, [1, 2]))
    const one = (await presignAll(epochs)).get(1)!
    const session = await one.openSession(digest, async () => undefined)
    session.expire()
    expect((await one.sign(digest, async () => undefined)).outbox).toHaveLength(1)
    const { epochId } = one
    epochs.get(1)!.applyBurns([{ epochId, own: 1, peer: 2 }])
    await expect(one.sign(digest, async () => undefined)).rejects.toThrow(burnedError)
  })

  it('counts what lives on a share', () => {
    const epoch = openEpochs(deal(2, [1, 2])).get(1)!
    const members = Array.from({ length: epochMembersMax }, () => epoch.enter([1, 2]))
    expect(() => epoch.enter([1, 2])).toThrow(expect.objectContaining({ code: 'MPC_LIMIT_REACHED' }))
    members[0]!.leave()
    expect(epoch.enter([1, 2]).ending).toBeUndefined()
  })

  it('is burned in every process that is told', async () => {
    const epoch = openEpochs(deal(2, [1, 2])).get(1)!
    const { epochId } = epoch.share
    epoch.applyBurns([
      { epochId: new Uint8Array(32), own: 1, peer: 2 },
      { epochId, own: 1, peer: 77 },
    ])
    expect(epoch.burned).toEqual([])
    epoch.applyBurns([{ epochId, own: 1, peer: 2 }])
    expect(epoch.burned).toEqual([2])
  })
})

/** The share as a backup would bring it back. */
function structuredCloneOf(share: EcdsaKeyShare): EcdsaKeyShare {
  return { ...share, pairs: structuredClone(share.pairs) }
}
