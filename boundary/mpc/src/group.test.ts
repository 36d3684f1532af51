import { describe, expect, it } from 'vitest'
import { concatBytes } from './byte-writer.ts'
import { ed25519Group } from './ed25519-group.ts'
import { loadNativeSecp256k1Group } from './native.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'
import { describeGroup, describeSecp256k1 } from './testing/group-suite.ts'

const native = await loadNativeSecp256k1Group()

describeGroup('secp256k1 by noble', nobleSecp256k1Group, native)
describeGroup('secp256k1 by libsecp256k1', native, nobleSecp256k1Group)
describeGroup('ed25519 by noble', ed25519Group, ed25519Group)
describeSecp256k1('secp256k1 by noble', nobleSecp256k1Group)
describeSecp256k1('secp256k1 by libsecp256k1', native)

describe('the native backend', () => {
  it('is libsecp256k1 and not the fallback', () => {
    expect(native.backend).toBe('native')
    expect(process.report.getReport()).toMatchObject({
      sharedObjects: expect.arrayContaining([expect.stringMatching(/secp256k1.*\.node$/)]),
    })
  })
})

describe('ed25519', () => {
  const invalid = expect.objectContaining({ code: 'MPC_POINT_INVALID' })
  const little = (value: bigint) =>
    Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse())
  const prime = 2n ** 255n - 19n

  // The eight points of small order in their canonical encodings, and the ways to write some of them again:
  // RFC 8032 section 5.1.3 and "Taming the many EdDSAs", section 4.
  it.each([
    ['the identity', little(1n)],
    ['order 2', little(prime - 1n)],
    ['order 4', little(0n)],
    ['order 4, other sign', concatBytes(new Uint8Array(31), Uint8Array.of(0x80))],
    ['order 8', little(2707385501144840649318225287225658788936804267575313519463743609750303021298n)],
    [
      'order 8',
      little(prime - 2707385501144840649318225287225658788936804267575313519463743609750303021298n),
    ],
    ['the identity, y = p + 1', little(prime + 1n)],
    ['the identity with a sign', concatBytes(Uint8Array.of(1), new Uint8Array(30), Uint8Array.of(0x80))],
    ['y = p', little(prime)],
    ['y = 2, not on the curve', little(2n)],
  ])('refuses %s', (_, bytes) => {
    expect(() => ed25519Group.decode(bytes)).toThrow(invalid)
  })

  it('refuses a point with a component of small order', () => {
    const { order } = ed25519Group.scalars
    // Adding the point of order 2 negates x and y: another encoding of what looks like the generator.
    const mixed = ed25519Group.encode(ed25519Group.negate(ed25519Group.generator))
    const y =
      prime -
      BigInt(
        `0x${Buffer.from(mixed.map((b, i) => (i === 31 ? b & 0x7f : b)))
          .reverse()
          .toString('hex')}`,
      )
    for (const sign of [0n, 1n]) {
      expect(() => ed25519Group.decode(little(y + (sign << 255n)))).toThrow(invalid)
    }
    expect(order).toBe(2n ** 252n + 27742317777372353535851937790883648493n)
  })
})
