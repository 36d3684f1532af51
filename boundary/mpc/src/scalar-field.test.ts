import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { drawBytes, platformRandom } from './random-source.ts'
import { ed25519Scalars, scalarFieldOf, secp256k1Scalars } from './scalar-field.ts'
import { seededRandom } from './testing/index.ts'

const invalid = expect.objectContaining({ code: 'MPC_SCALAR_INVALID' })
const noRandom = expect.objectContaining({ code: 'MPC_RANDOM_UNAVAILABLE' })
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe.each([
  ['secp256k1', secp256k1Scalars, false],
  ['ed25519', ed25519Scalars, true],
] as const)('scalars of %s', (_, field, littleEndian) => {
  const { order } = field
  const scalar = bytes32.map((bytes) => field.reduce(bytes))
  const bytesOf = (k: bigint) => {
    const big = Buffer.from(k.toString(16).padStart(64, '0'), 'hex')
    return Uint8Array.from(littleEndian ? big.reverse() : big)
  }

  it('round-trips, and decodes exactly what it encodes', () => {
    fc.assert(fc.property(scalar, (k) => field.decode(field.encode(k)) === k))
    fc.assert(
      fc.property(bytes32, (bytes) => {
        const value = BigInt(`0x${Buffer.from(littleEndian ? bytes.toReversed() : bytes).toString('hex')}`)
        if (value < order) expect(field.encode(field.decode(bytes))).toEqual(bytes)
        else expect(() => field.decode(bytes)).toThrow(invalid)
      }),
    )
  })

  it('refuses the order and above, other lengths, other things, and zero where asked', () => {
    expect(field.decode(bytesOf(order - 1n))).toBe(order - 1n)
    expect(() => field.decode(bytesOf(order))).toThrow(invalid)
    expect(() => field.decode(bytesOf(order + 1n))).toThrow(invalid)
    expect(() => field.decode(new Uint8Array(32).fill(0xff))).toThrow(invalid)
    for (const length of [0, 1, 31, 33, 64]) {
      expect(() => field.decode(new Uint8Array(length))).toThrow(invalid)
    }
    expect(() => field.decode('00'.repeat(16) as unknown as Uint8Array)).toThrow(invalid)
    expect(field.decode(new Uint8Array(32))).toBe(0n)
    expect(() => field.decodeNonZero(new Uint8Array(32))).toThrow(invalid)
    expect(field.decodeNonZero(bytesOf(1n))).toBe(1n)
    expect(() => field.encode(order)).toThrow(/out of range/)
    expect(() => field.encode(-1n)).toThrow(/out of range/)
  })

  it('reads scalars inside a larger buffer', () => {
    const buffer = new Uint8Array(40)
    buffer.set(bytesOf(7n), 5)
    expect(field.decode(buffer.subarray(5, 37))).toBe(7n)
  })

  it('is a field', () => {
    fc.assert(
      fc.property(scalar, scalar, scalar, (a, b, c) => {
        expect(field.multiply(a, field.add(b, c))).toBe(field.add(field.multiply(a, b), field.multiply(a, c)))
        expect(field.add(field.subtract(a, b), b)).toBe(a)
        if (a !== 0n) expect(field.multiply(a, field.invert(a))).toBe(1n)
      }),
    )
    expect(field.mod(-1n)).toBe(order - 1n)
    expect(field.invert(order - 1n)).toBe(order - 1n)
    expect(() => field.invert(0n)).toThrow(/no inverse/)
    expect(() => field.invert(order)).toThrow(/no inverse/)
  })

  it('reduces integers of any length, big endian', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (wide) => {
        const value = BigInt(`0x0${Buffer.from(wide).toString('hex')}`)
        expect(field.reduce(wide)).toBe(value % order)
      }),
    )
  })

  it('draws by rejection: never 0, never the order or above', () => {
    const ofBytes = (...draws: Uint8Array[]) => {
      let next = 0
      return () => draws[next++]?.slice() ?? new Uint8Array(32)
    }
    const big = (k: bigint) => Uint8Array.from(Buffer.from(k.toString(16).padStart(64, '0'), 'hex'))
    const one = big(1n)
    expect(field.random(ofBytes(one))).toBe(1n)
    expect(field.random(ofBytes(big(0n), big(order), big(order + 1n), big(5n)))).toBe(5n)
    expect(field.random(ofBytes(big(order - 1n)))).toBe(order - 1n)
    // Bits above the order's length are cleared, so that a draw of edwards25519 succeeds half of the time.
    const top = littleEndian ? 0xe0 : 0
    expect(field.random(ofBytes(one.map((byte, i) => (i === 0 ? top : byte))))).toBe(1n)
    expect(() => field.random(() => new Uint8Array(32))).toThrow(noRandom)
    expect(() => field.random(() => new Uint8Array(32).fill(0xff))).toThrow(noRandom)
    expect(() => field.random(() => new Uint8Array(31))).toThrow(noRandom)
  })
})

it('a field of another order works the same', () => {
  const field = scalarFieldOf({ order: 7n, littleEndian: false })
  expect(field.add(5n, 4n)).toBe(2n)
  expect(field.invert(3n)).toBe(5n)
})

describe('random sources', () => {
  it('the platform gives what is asked for, beyond its own limit too, and not the same twice', () => {
    for (const length of [0, 1, 32, 65_536, 65_537, 200_000])
      expect(platformRandom(length)).toHaveLength(length)
    const long = platformRandom(140_000)
    expect(long.subarray(131_072).some((byte) => byte !== 0)).toBe(true)
    expect(platformRandom(32)).not.toEqual(platformRandom(32))
  })

  it('a source that gives too little or something else is refused', () => {
    expect(() => drawBytes(() => new Uint8Array(31), 32)).toThrow(noRandom)
    expect(() => drawBytes(() => new Uint8Array(33), 32)).toThrow(noRandom)
    expect(() => drawBytes(() => [] as unknown as Uint8Array, 0)).toThrow(noRandom)
  })

  it('a seeded source is one stream, however it is drawn', () => {
    const seed = new Uint8Array(32).fill(3)
    const whole = seededRandom(seed)(1000)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 11 }), (lengths) => {
        const source = seededRandom(seed)
        const drawn = lengths.flatMap((length) => [...source(length)])
        expect(drawn).toEqual([...whole.subarray(0, drawn.length)])
      }),
    )
    expect(seededRandom(new Uint8Array(32).fill(4))(32)).not.toEqual(whole.subarray(0, 32))
    expect(() => seededRandom(new Uint8Array(31))).toThrow(/32 bytes/)
  })

  it('the seeded stream is the documented one', () => {
    // printf 'countersign-test-random-1' | (cat; head -c 36 /dev/zero) | sha256sum, and with 1 as the last byte.
    expect(Buffer.from(seededRandom(new Uint8Array(32))(64)).toString('hex')).toBe(
      '0d72b326a0c8f49cd104812e6bacfb9d94671c38c4db13349e8ec2c575902d65' +
        '0303aa2ebad1ad622f85109f6fc4bbba9602ab30bb0e3f8e4209fecdb88b0759',
    )
  })
})
