import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, it } from 'vitest'
import type { BurnMark } from './abort.ts'
import { bytesOf, wordsOf } from './bit-matrix.ts'
import { concatBytes, encodeU16, encodeU32 } from './byte-writer.ts'
import { Epoch } from './epoch.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import { combineElements } from './gf128.ts'
import type { EcdsaKeyShare, PairState } from './key-share.ts'
import { codes } from './messages.ts'
import {
  atBytes,
  finishAsBob,
  isMultiplicationCanonical,
  multiplyAsAlice,
  startAsBob,
} from './multiplication.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import { type BobExtended, extendAsAlice, extendAsBob, rowOracle, shiftRows } from './ot-extension.ts'
import { lagrange } from './polynomial.ts'
import { gadgetOf } from './row-algebra.ts'
import { rowAlgebra } from './row-algebras.ts'
import { readUint256, secp256k1Scalars } from './scalar-field.ts'
import { openSignature } from './sign.ts'
import { hashToScalar, taggedHash } from './tagged-hash.ts'
import { dealShares, runNetwork, seededRandom } from './testing/index.ts'

/** Attacks on oblivious transfer extension and multiplication by one of the two; names as in attacks-signing.test.ts. */
const group = await loadNativeSecp256k1Group()
const { mod, order } = secp256k1Scalars
let seed = 0
const fresh = () => seededRandom(taggedHash('sig/start', encodeU16(seed++)))
const gadget = gadgetOf(new Uint8Array(32).fill(1), 1, 2)
const bit = (bytes: Uint8Array, at: number) => ((bytes[at >> 3] as number) >> (at & 7)) & 1

/** Party 1 is alice. */
function dealPair() {
  const shares = dealShares({ group, threshold: 2, indices: [1, 2], random: fresh() })
  const stateOf = (own: number, peer: number) => shares.get(own)!.pairs.get(peer) as PairState
  return { shares, alice: stateOf(1, 2), bob: stateOf(2, 1) }
}

/** A bob who flips bits of one column of u and answers the check as well as he can: for choice bit 0. */
function flipColumn(
  vsid: Uint8Array,
  bob: PairState,
  column: number,
  positions: readonly number[],
): BobExtended {
  const choices = fresh()(80)
  const honest = extendAsBob({ vsid, keys: bob.bobKeys, choices: choices.slice() })
  const u = honest.message.slice(0, 10_240)
  for (const position of positions) {
    const at = 80 * column + (position >> 3)
    u[at] = (u[at] as number) ^ (1 << (position & 7))
  }
  // The check's factors depend on u: everything is computed again for the new one.
  const factors = factorsOf(vsid, u)
  const xhat = bytesOf(combineElements(factors, wordsOf(choices)))
  const thats = Array.from({ length: 128 }, (_, o) =>
    bytesOf(combineElements(factors, wordsOf(prg(vsid, bob.bobKeys.subarray(32 * o, 32 * o + 16), o + 1)))),
  )
  return { ...honest, message: concatBytes(u, xhat, ...thats) }
}

const factorsOf = (vsid: Uint8Array, u: Uint8Array) => {
  const h = taggedHash('ote/chi', vsid, u)
  return [1, 2, 3, 4].map((k) => taggedHash('ote/chi-k', h, encodeU32(k)).subarray(0, 16))
}

/** PRG(k, o), written from the document. */
function prg(vsid: Uint8Array, key: Uint8Array, o: number): Uint8Array {
  const tag = sha256(new TextEncoder().encode('countersign/dkls/v1/ote/prg'))
  const blocks = [0, 1, 2].map((counter) =>
    sha256(concatBytes(tag, vsid, key, encodeU32(o), encodeU32(counter))),
  )
  return concatBytes(...blocks).subarray(0, 80)
}

const passes = (alice: PairState, vsid: Uint8Array, message: Uint8Array) =>
  extendAsAlice({ vsid, delta: alice.delta, keys: alice.aliceKeys, message }).isValid

describe('oblivious transfer extension', () => {
  it('gives alice rows that differ from bob’s by delta exactly where he chose 1', () => {
    const { alice, bob } = dealPair()
    const vsid = fresh()(32)
    const extended = extendAsBob({ vsid, keys: bob.bobKeys, choices: fresh()(80) })
    const { isValid, rows } = extendAsAlice({
      vsid,
      delta: alice.delta,
      keys: alice.aliceKeys,
      message: extended.message,
    })
    expect(isValid).toBe(true)
    const shifted = shiftRows(rows, alice.delta)
    for (let j = 0; j < 512; j++) {
      const expected = bit(extended.beta, j) === 1 ? shifted : rows
      expect(expected.subarray(4 * j, 4 * j + 4)).toEqual(extended.rows.subarray(4 * j, 4 * j + 4))
    }
  })

  it('A1: a bob who flips a bit of column o passes exactly if bit o of delta is 0', () => {
    const { alice, bob } = dealPair()
    for (let o = 0; o < 128; o += 5) {
      const vsid = fresh()(32)
      const { message } = flipColumn(vsid, bob, o, [o * 3])
      expect(passes(alice, vsid, message)).toBe(bit(alice.delta, o) === 0)
    }
  })

  it('A2, TestCheckRejectsInconsistentChoiceAcrossRows: no pattern of flips in a column of choice bit 1 passes', () => {
    const { alice, bob } = dealPair()
    const column = Array.from({ length: 128 }, (_, o) => o).find((o) => bit(alice.delta, o) === 1) as number
    // Equal places of two blocks cancel in a check that adds where it should multiply (the typo of DKLs18).
    const patterns = [[0], [639], [5, 128 + 5], [5, 128 + 5, 256 + 5, 384 + 5], [7, 512 + 7], [0, 1, 2, 3]]
    for (const positions of patterns) {
      const vsid = fresh()(32)
      expect(passes(alice, vsid, flipColumn(vsid, bob, column, positions).message)).toBe(false)
    }
  })

  it('TestCheckRejectsBitFlippedAfterCommit: no byte of the message can change', () => {
    const { alice, bob } = dealPair()
    const vsid = fresh()(32)
    const { message } = extendAsBob({ vsid, keys: bob.bobKeys, choices: fresh()(80) })
    expect(passes(alice, vsid, message)).toBe(true)
    // that of a column passes only if changed together with it; u changes the factors.
    for (let at = 0; at < message.length; at += 331) {
      const changed = message.slice()
      changed[at] = (changed[at] as number) ^ (1 << (at & 7))
      expect(passes(alice, vsid, changed)).toBe(false)
    }
  })

  it('a message of another session, pair or state does not pass', () => {
    const { alice, bob } = dealPair()
    const [vsid, other] = [fresh()(32), fresh()(32)]
    const { message } = extendAsBob({ vsid, keys: bob.bobKeys, choices: fresh()(80) })
    expect(passes(alice, other, message)).toBe(false)
    expect(passes(dealPair().alice, vsid, message)).toBe(false)
  })

  it('a check that fails leaves no rows', () => {
    const { alice, bob } = dealPair()
    const vsid = fresh()(32)
    const { message } = extendAsBob({ vsid, keys: bob.bobKeys, choices: fresh()(80) })
    message[10_240] = (message[10_240] as number) ^ 1
    const { isValid, rows } = extendAsAlice({ vsid, delta: alice.delta, keys: alice.aliceKeys, message })
    expect(isValid).toBe(false)
    expect(rows.every((word) => word === 0)).toBe(true)
  })

  it('lengths are checked before anything is computed (a short vector passes no check)', () => {
    const { alice, bob } = dealPair()
    const vsid = fresh()(32)
    const { delta, aliceKeys: keys } = alice
    for (const length of [0, 12_303, 12_305]) {
      expect(() => extendAsAlice({ vsid, delta, keys, message: new Uint8Array(length) })).toThrow('lengths')
    }
    expect(() =>
      extendAsAlice({ vsid, delta: delta.subarray(1), keys, message: new Uint8Array(12_304) }),
    ).toThrow()
    expect(() => extendAsBob({ vsid, keys: bob.bobKeys.subarray(1), choices: new Uint8Array(80) })).toThrow()
    expect(() => extendAsBob({ vsid, keys: bob.bobKeys, choices: new Uint8Array(79) })).toThrow()
  })

  it('A5, TestExtendDoesNotLeakChoiceXorAcrossSessions: rows of two sessions are independent', () => {
    const { bob } = dealPair()
    const choices = [fresh()(80), fresh()(80)]
    const [one, two] = choices.map((x) =>
      extendAsBob({ vsid: fresh()(32), keys: bob.bobKeys, choices: x.slice() }).message.subarray(0, 10_240),
    ) as [Uint8Array, Uint8Array]
    let ones = 0
    let equalToChoices = 0
    const perColumn = new Array<number>(128).fill(0)
    for (let o = 0; o < 128; o++) {
      for (let k = 0; k < 640; k++) {
        const difference = bit(one, 640 * o + k) ^ bit(two, 640 * o + k)
        ones += difference
        perColumn[o] = (perColumn[o] as number) + difference
        if (difference === (bit(choices[0]!, k) ^ bit(choices[1]!, k))) equalToChoices++
      }
    }
    // 81,920 fair coins: six standard deviations are 858. Without vsid in the PRG equalToChoices would be all of them.
    expect(Math.abs(ones - 40_960)).toBeLessThan(858)
    expect(Math.abs(equalToChoices - 40_960)).toBeLessThan(858)
    // 640 coins each: six standard deviations are 76.
    for (const count of perColumn) expect(Math.abs(count - 320)).toBeLessThan(76)
  })

  it('A5: everything else of a session is another in the next: rows, factors, theta, mu', () => {
    const { alice, bob } = dealPair()
    const choices = fresh()(80)
    const runs = [0, 1].map(() => {
      const vsid = fresh()(32)
      const { message, half } = startAsBob({ vsid, keys: bob.bobKeys, choices: choices.slice(), gadget })
      const { rows } = extendAsAlice({ vsid, delta: alice.delta, keys: alice.aliceKeys, message })
      const { payload } = multiplyAsAlice({
        vsid,
        delta: alice.delta,
        rows,
        gadget,
        inputs: [5n, 6n],
        ahat: 7n,
      })
      return { message, half, payload }
    })
    const [one, two] = runs as [(typeof runs)[0], (typeof runs)[0]]
    expect(one.half.beta).toEqual(two.half.beta)
    for (const [start, end] of [
      [0, 10_240],
      [10_240, 10_256],
      [10_256, 12_304],
    ] as const) {
      expect(one.message.subarray(start, end)).not.toEqual(two.message.subarray(start, end))
    }
    for (const [start, end] of [
      [0, atBytes],
      [atBytes, atBytes + 32],
      [atBytes + 32, atBytes + 64],
    ] as const) {
      expect(one.payload.subarray(start, end)).not.toEqual(two.payload.subarray(start, end))
    }
  })
})

/** Both halves of one multiplication up to alice's payload. */
function multiply(inputs: readonly [bigint, bigint]) {
  const { alice, bob } = dealPair()
  const vsid = fresh()(32)
  const choices = fresh()(80)
  const beta = choices.slice(0, 64)
  const { message, half } = startAsBob({ vsid, keys: bob.bobKeys, choices, gadget })
  const { rows } = extendAsAlice({ vsid, delta: alice.delta, keys: alice.aliceKeys, message })
  const aliceRows = rows.slice()
  const ahat = secp256k1Scalars.random(fresh())
  const output = multiplyAsAlice({ vsid, delta: alice.delta, rows, gadget, inputs, ahat })
  return { vsid, half, beta, alice, aliceRows, ahat, ...output }
}

const scalarAt = (bytes: Uint8Array, at: number) => readUint256(bytes.subarray(at, at + 32), false)

function addAt(payload: Uint8Array, at: number, value: bigint): void {
  payload.set(secp256k1Scalars.encode(mod(scalarAt(payload, at) + value)), at)
}

describe('multiplication', () => {
  it('shares the products', () => {
    for (const inputs of [
      [1n, 0n],
      [order - 1n, 2n],
      [12345n, 67890n],
    ] as const) {
      const { half, payload, shares } = multiply(inputs)
      const { factor } = half
      expect(isMultiplicationCanonical(payload)).toBe(true)
      const { isValid, shares: others } = finishAsBob(half, gadget, payload)
      expect(isValid).toBe(true)
      for (const l of [0, 1] as const) expect(mod(shares[l] + others[l])).toBe(mod(inputs[l] * factor))
    }
  })

  it('erases what it has used', () => {
    const { half, payload } = multiply([3n, 4n])
    finishAsBob(half, gadget, payload)
    expect(half.beta.every((byte) => byte === 0)).toBe(true)
    expect(half.rows.every((word) => word === 0)).toBe(true)
  })

  it('a cheating row of alice passes about every second time, exactly when bob’s fresh bit is 0', () => {
    const [runs, row] = [40, 77]
    let passed = 0
    for (let run = 0; run < runs; run++) {
      const { half, beta, payload, vsid, alice, aliceRows } = multiply([3n, 4n])
      // She alters one row of at and makes eta and mu fit it again, as if bob's bit were 0.
      addAt(payload, 96 * row, 1n)
      const at = payload.subarray(0, atBytes)
      const [theta1, theta2] = thetasOf(vsid, at)
      const [zero, one] = rowOracle(vsid, aliceRows, shiftRows(aliceRows, alice.delta)) as [
        Uint8Array,
        Uint8Array,
      ]
      const value = (rows: Uint8Array, j: number, l: number) => scalarAt(rows, 96 * j + 32 * l)
      // at of an honest row gives her ahat back; row 0 is honest.
      const ahat = mod(scalarAt(at, 64) - value(zero, 0, 2) + value(one, 0, 2))
      const eta = mod(ahat + theta1 * 3n + theta2 * 4n)
      const mus = Array.from({ length: 512 }, (_, j) =>
        secp256k1Scalars.encode(
          mod(value(zero, j, 2) + theta1 * value(zero, j, 0) + theta2 * value(zero, j, 1)),
        ),
      )
      payload.set(secp256k1Scalars.encode(eta), atBytes)
      payload.set(taggedHash('rvole/mu', vsid, concatBytes(...mus)), atBytes + 32)
      const { isValid } = finishAsBob(half, gadget, payload)
      expect(isValid).toBe(bit(beta, row) === 0)
      if (isValid) passed++
    }
    // Six standard deviations of 40 fair coins.
    expect(Math.abs(passed - runs / 2)).toBeLessThan(19)
    expect(passed).toBeGreaterThan(0)
  })

  it('A8: an alice who knew theta beforehand would get wrong products accepted; theta of her payload stops her', () => {
    for (let run = 0; run < 20; run++) {
      const { half, payload, vsid, shares } = multiply([3n, 4n])
      const { factor } = half
      const [theta1, theta2] = thetasOf(vsid, payload.subarray(0, atBytes))
      // Errors that cancel under the theta of the honest payload, in every row.
      for (let j = 0; j < 512; j++) {
        addAt(payload, 96 * j, theta2)
        addAt(payload, 96 * j + 32, order - theta1)
      }
      // The weakened check: theta not bound to at.
      const [rows] = rowOracle(vsid, half.rows) as [Uint8Array]
      const at = payload.subarray(0, atBytes)
      const eta = scalarAt(payload, atBytes)
      const weak = rowAlgebra().bob({ rows, beta: half.beta, at, eta, challenges: [theta1, theta2], gadget })
      expect(taggedHash('rvole/mu', vsid, weak.mus)).toEqual(payload.subarray(atBytes + 32))
      expect(mod(weak.shares[0] + shares[0])).not.toBe(mod(3n * factor))
      // The real one.
      expect(finishAsBob(half, gadget, payload).isValid).toBe(false)
    }
  })

  it('lengths and canonical scalars are checked first', () => {
    const { half, payload } = multiply([3n, 4n])
    for (const length of [0, payload.length - 1, payload.length + 1]) {
      expect(() => isMultiplicationCanonical(new Uint8Array(length))).toThrow()
      expect(() => finishAsBob(half, gadget, new Uint8Array(length))).toThrow()
    }
    for (const at of [0, 32 * 900, atBytes]) {
      const changed = payload.slice()
      changed.fill(255, at, at + 32)
      expect(isMultiplicationCanonical(changed)).toBe(false)
    }
    expect(finishAsBob(half, gadget, payload).isValid).toBe(true)
  })
})

function thetasOf(vsid: Uint8Array, at: Uint8Array): [bigint, bigint] {
  const transcript = taggedHash('rvole/tr', vsid, at)
  return [1, 2].map((k) => hashToScalar(secp256k1Scalars, 'rvole/theta', transcript, encodeU32(k))) as [
    bigint,
    bigint,
  ]
}

describe('A1: the delta-extraction attacker, who is party 2', () => {
  it('has the key share of party 1 after 128 sessions if nobody burns', () => {
    const { shares, alice, bob } = dealPair()
    const victim = shares.get(1) as EcdsaKeyShare
    // One session recorded: bob knows his rows and choices; alice's inputs are her share of the key and a nonce.
    const vsid = fresh()(32)
    const secretKey = mod(lagrange(secp256k1Scalars, [1, 2], 1) * victim.secret)
    const choices = fresh()(80)
    const recorded = extendAsBob({ vsid, keys: bob.bobKeys, choices })
    const { rows } = extendAsAlice({
      vsid,
      delta: alice.delta,
      keys: alice.aliceKeys,
      message: recorded.message,
    })
    const { payload } = multiplyAsAlice({
      vsid,
      delta: alice.delta,
      rows,
      gadget,
      inputs: [secp256k1Scalars.random(fresh()), secretKey],
      ahat: 9n,
    })

    // Deliberately weakened: the check's answer is told, and the next session starts as if nothing had been.
    const learned = new Uint8Array(16)
    for (let o = 0; o < 128; o++) {
      const each = fresh()(32)
      const isRefused = !passes(alice, each, flipColumn(each, bob, o, [0]).message)
      if (isRefused) learned[o >> 3] = (learned[o >> 3] as number) | (1 << (o & 7))
    }
    expect(learned).toEqual(alice.delta)

    const mine = recorded.rows
    const [first, second] = rowOracle(vsid, mine, shiftRows(mine, learned)) as [Uint8Array, Uint8Array]
    const isOne = bit(recorded.beta, 0) === 1
    const [zero, one] = isOne ? [second, first] : [first, second]
    const stolen = mod(scalarAt(payload, 32) - scalarAt(zero, 32) + scalarAt(one, 32))
    expect(stolen).toBe(secretKey)
    const inverse = secp256k1Scalars.invert(lagrange(secp256k1Scalars, [1, 2], 1))
    expect(group.equals(group.multiplyBase(mod(stolen * inverse)), victim.publicShares.get(1)!)).toBe(true)
  })

  it('is stopped at the first failed session, and stays stopped after a crash and an old backup', async () => {
    const { shares, alice } = dealPair()
    const victim = shares.get(1) as EcdsaKeyShare
    const backup = { ...victim, pairs: structuredClone(victim.pairs) }
    const delta = alice.delta.slice()
    const marks: BurnMark[] = []
    let epoch = new Epoch({ share: victim, burned: marks })
    const learned: number[] = []
    let failures = 0
    let refusals = 0
    for (let o = 0; o < 128; o++) {
      // Every round of the attack: the victim crashes and comes back from its oldest backup.
      const attacker = new Epoch({
        share: { ...shares.get(2)!, pairs: structuredClone(shares.get(2)!.pairs) },
        burned: [],
      })
      const common = { signers: [1, 2], path: [], digest: new Uint8Array(32), instance: fresh()(32) }
      try {
        const sessions = new Map([
          [1, openSignature({ ...common, epoch })],
          [2, openSignature({ ...common, epoch: attacker })],
        ])
        const round1 = new Map<number, { session: Uint8Array; payload: Uint8Array }>()
        await runNetwork(sessions, {
          tamper(delivery) {
            const frame = decodeFrame(delivery.bytes)
            if (frame.code === codes.sign1) round1.set(delivery.from, frame)
            if (frame.code !== codes.sign2 || delivery.from !== 2) return [delivery]
            const vsid = taggedHash('sig/vole', idOf(round1), encodeU16(1), encodeU16(2))
            const state = shares.get(2)!.pairs.get(1) as PairState
            const payload = flipColumn(vsid, state, o, [0]).message
            return [{ ...delivery, bytes: encodeFrame({ ...frame, suite: 1, payload }) }]
          },
        })
        const outcome = sessions.get(1)?.outcome
        if (outcome?.status === 'burn') {
          failures++
          await outcome.duty.settle(async (burned) => {
            marks.push(...burned)
          })
        }
        learned.push(o)
      } catch (error) {
        expect(error).toMatchObject({ code: 'MPC_PAIR_BURNED' })
        refusals++
      }
      epoch = new Epoch({ share: { ...backup, pairs: structuredClone(backup.pairs) }, burned: marks })
    }
    expect(failures).toBe(1)
    expect(learned.length + refusals).toBe(128)
    // One bit for each session up to the first failed one.
    expect(learned.length).toBe(
      Array.from({ length: 128 }, (_, o) => o).findIndex((o) => bit(delta, o) === 1) + 1,
    )
  })
})

/** sigid, from the frames of round 1. */
function idOf(round1: ReadonlyMap<number, { session: Uint8Array; payload: Uint8Array }>): Uint8Array {
  const [one, two] = [round1.get(1)!, round1.get(2)!]
  const parts = [one, two].flatMap(({ payload }, i) => [
    encodeU16(i + 1),
    payload.subarray(0, 16),
    payload.subarray(16),
  ])
  return taggedHash('sig/id', one.session, encodeU16(2), ...parts)
}
