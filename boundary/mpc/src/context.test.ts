import { describe, expect, it } from 'vitest'
import { type ContextInput, checkInstance, contextId, parseSigners } from './context.ts'
import { ed25519Group } from './ed25519-group.ts'
import { payloadBytesMax } from './frame.ts'
import { ceremonies, codes, payloadBytes } from './messages.ts'
import { checkMember, checkThreshold, parseParties, partiesMax } from './parties.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'

const badParties = expect.objectContaining({ code: 'MPC_PARTIES_INVALID' })
const badInput = expect.objectContaining({ code: 'MPC_INPUT_INVALID' })
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const key = (byte: number) => new Uint8Array(32).fill(byte)

const input: ContextInput = {
  suite: 1,
  ceremony: ceremonies.keygen,
  label: 'wallet',
  instance: key(5),
  subject: new Uint8Array(0),
  threshold: 2,
  identities: new Map([
    [1, key(1)],
    [2, key(2)],
    [257, key(3)],
  ]),
}

describe('ctx0', () => {
  it('binds everything that was agreed', () => {
    const others: ContextInput[] = [
      { ...input, suite: 2 },
      { ...input, ceremony: ceremonies.refresh },
      { ...input, label: 'wallets' },
      { ...input, label: '' },
      { ...input, instance: key(6) },
      { ...input, subject: key(5) },
      { ...input, threshold: 3 },
      { ...input, identities: new Map([...input.identities, [4, key(4)]]) },
      {
        ...input,
        identities: new Map([
          [1, key(1)],
          [2, key(2)],
          [1 + 512, key(3)],
        ]),
      },
      {
        ...input,
        identities: new Map([
          [1, key(2)],
          [2, key(1)],
          [257, key(3)],
        ]),
      },
      {
        ...input,
        identities: new Map([
          [1, key(1)],
          [2, key(2)],
          [257, key(9)],
        ]),
      },
    ]
    expect(new Set([input, ...others].map((one) => hex(contextId(one)))).size).toBe(others.length + 1)
  })

  it('does not depend on the order in which parties are listed', () => {
    const reversed = new Map([...input.identities].reverse())
    expect(hex(contextId({ ...input, identities: reversed }))).toBe(hex(contextId(input)))
  })

  it('refuses a constant instance, two parties with one identity, and sizes out of bounds', () => {
    expect(() => contextId({ ...input, instance: new Uint8Array(32) })).toThrow(badInput)
    expect(() => contextId({ ...input, instance: key(1).subarray(1) })).toThrow(badInput)
    expect(() => checkInstance(key(0))).toThrow(badInput)
    expect(() =>
      contextId({
        ...input,
        identities: new Map([
          [1, key(1)],
          [2, key(1)],
        ]),
      }),
    ).toThrow(badParties)
    expect(() => contextId({ ...input, identities: new Map([[1, new Uint8Array(0)]]) })).toThrow(badInput)
    expect(() => contextId({ ...input, identities: new Map([[1, new Uint8Array(257)]]) })).toThrow(badInput)
    expect(() => contextId({ ...input, identities: new Map() })).toThrow(badParties)
    expect(() => contextId({ ...input, subject: key(1).subarray(1) })).toThrow(badInput)
    expect(() => contextId({ ...input, label: 'é'.repeat(33) })).toThrow(badInput)
    expect(() => contextId({ ...input, label: 'é'.repeat(32) })).not.toThrow()
  })
})

describe('parties', () => {
  it('are sorted, distinct and never 0', () => {
    expect(parseParties([65_535, 1, 257])).toEqual([1, 257, 65_535])
    for (const wrong of [
      [0, 1],
      [1, 1],
      [-1],
      [65_536],
      [1.5],
      [Number.NaN],
      [],
      ['1' as unknown as number],
    ]) {
      expect(() => parseParties(wrong)).toThrow(badParties)
    }
    const many = Array.from({ length: partiesMax + 1 }, (_, i) => i + 1)
    expect(parseParties(many.slice(1))).toHaveLength(partiesMax)
    expect(() => parseParties(many)).toThrow(badParties)
  })

  it('have a threshold from 2 to their number', () => {
    checkThreshold(2, 2)
    checkThreshold(512, 512)
    for (const [t, n] of [
      [1, 2],
      [3, 2],
      [0, 2],
      [2.5, 3],
      [Number.NaN, 3],
    ] as const) {
      expect(() => checkThreshold(t, n)).toThrow(badParties)
    }
  })

  it('sign in sets of exactly t members', () => {
    const committee = { parties: [1, 2, 3], threshold: 2, own: 1 }
    expect(parseSigners([3, 1], committee)).toEqual([1, 3])
    for (const wrong of [[1], [1, 2, 3], [1, 4], [2, 3], [1, 1], [0, 1]]) {
      expect(() => parseSigners(wrong, committee)).toThrow(badParties)
    }
    expect(() => checkMember(4, [1, 2])).toThrow(badParties)
  })
})

describe('messages', () => {
  it('have distinct codes', () => {
    expect(new Set(Object.values(codes)).size).toBe(Object.keys(codes).length)
  })

  it('have the lengths that the document lists', () => {
    const secp = nobleSecp256k1Group
    expect(payloadBytes.dkg2Broadcast(secp, 2, true)).toBe(260)
    expect(payloadBytes.dkg2Broadcast(ed25519Group, 2, true)).toBe(96 * 2 + 64)
    expect(payloadBytes.dkg2Direct(secp, true)).toBe(8512)
    expect(payloadBytes.dkg2Direct(ed25519Group, false)).toBe(32)
    expect(payloadBytes.dkg3Direct(secp)).toBe(8448)
    expect(payloadBytes.dkg4(secp)).toBe(97)
    expect(payloadBytes.reshareNew2(secp)).toBe(8480)
    expect(payloadBytes.recover2(secp, 3)).toBe(98 + 33 + 3 * 35)
    expect([payloadBytes.sign1, payloadBytes.sign2, payloadBytes.sign3, payloadBytes.sign4]).toEqual([
      48, 12_304, 49_412, 64,
    ])
  })

  it('fit into a frame for as many parties as there may be', () => {
    for (const group of [nobleSecp256k1Group, ed25519Group]) {
      expect(payloadBytes.dkg2Broadcast(group, partiesMax, true)).toBeLessThanOrEqual(payloadBytesMax)
      expect(payloadBytes.recover2(group, partiesMax)).toBeLessThanOrEqual(payloadBytesMax)
    }
  })

  it('of a signature are at most 62,000 bytes per peer, headers included, and 200 online', () => {
    const { sign1, sign2, sign3, sign4 } = payloadBytes
    expect(sign1 + sign2 + sign3 + sign4 + 4 * 41).toBeLessThanOrEqual(62_000)
    expect(sign4 + 41).toBeLessThanOrEqual(200)
  })
})
