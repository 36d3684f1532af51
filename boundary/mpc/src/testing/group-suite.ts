import { readFileSync } from 'node:fs'
import { sha256 } from '@countersign/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../byte-writer.ts'
import { type Group, type Point, type Secp256k1Group, sumPoints } from '../group.ts'
import { seededRandom } from './seeded-random.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const runs = { numRuns: 30 }

/** What every group must do; `reference` computes the same by another backend. */
export function describeGroup(title: string, group: Group, reference: Group): void {
  const { scalars } = group
  const scalar = fc.uint8Array({ minLength: 40, maxLength: 40 }).map((bytes) => scalars.reduce(bytes))
  const text = (point: Point) => (group.isIdentity(point) ? 'identity' : hex(group.encode(point)))
  const invalid = expect.objectContaining({ code: 'MPC_POINT_INVALID' })

  describe(title, () => {
    it('agrees with the reference on every multiplication', () => {
      fc.assert(
        fc.property(scalar, scalar, (a, b) => {
          const base = group.multiplyBase(a)
          const wanted = reference.multiplyPublic(reference.multiplyBase(a), b)
          const wantedText = reference.isIdentity(wanted) ? 'identity' : hex(reference.encode(wanted))
          expect(text(group.multiply(base, b))).toBe(wantedText)
          expect(text(group.multiplyPublic(base, b))).toBe(wantedText)
          expect(text(group.multiplyBase(scalars.multiply(a, b)))).toBe(wantedText)
        }),
        runs,
      )
    })

    it('adds as scalars add, doubling and the identity among it', () => {
      fc.assert(
        fc.property(scalar, scalar, (a, b) => {
          const [left, right] = [group.multiplyBase(a), group.multiplyBase(b)]
          expect(text(group.add(left, right))).toBe(text(group.multiplyBase(scalars.add(a, b))))
          expect(text(group.add(left, left))).toBe(text(group.multiplyBase(scalars.add(a, a))))
          expect(group.isIdentity(group.add(left, group.negate(left)))).toBe(true)
          expect(text(group.add(left, group.identity))).toBe(text(left))
          expect(text(group.add(group.identity, left))).toBe(text(left))
          expect(group.equals(sumPoints(group, [left, right, group.negate(left)]), right)).toBe(true)
        }),
        runs,
      )
    })

    it('has the edges of the scalars: 0, 1 and order - 1', () => {
      const { generator, identity } = group
      const last = scalars.order - 1n
      for (const multiply of [group.multiply, group.multiplyPublic]) {
        expect(group.isIdentity(multiply(generator, 0n))).toBe(true)
        expect(group.isIdentity(multiply(identity, 5n))).toBe(true)
        expect(group.equals(multiply(generator, 1n), generator)).toBe(true)
        expect(group.equals(multiply(generator, last), group.negate(generator))).toBe(true)
      }
      expect(group.isIdentity(group.multiplyBase(0n))).toBe(true)
      expect(group.equals(group.multiplyBase(last), group.negate(generator))).toBe(true)
      expect(group.isIdentity(group.negate(identity))).toBe(true)
      expect(group.equals(identity, identity)).toBe(true)
      expect(group.equals(identity, generator)).toBe(false)
    })

    it('has every digit of a scalar, in every place', () => {
      const point = group.multiplyBase(7n)
      for (let place = 0; place < 64; place++) {
        const k = scalars.mod(BigInt((place % 15) + 1) << BigInt(4 * place))
        const wanted = text(group.multiplyBase(scalars.multiply(7n, k)))
        expect(text(group.multiply(point, k))).toBe(wanted)
        expect(text(group.multiplyPublic(point, k))).toBe(wanted)
      }
    })

    it('encodes canonically and never the identity', () => {
      const point = group.multiplyBase(scalars.random(seededRandom(new Uint8Array(32))))
      const bytes = group.encode(point)
      expect(bytes).toHaveLength(group.pointBytes)
      expect(group.equals(group.decode(bytes), point)).toBe(true)
      expect(hex(group.encode(group.decode(bytes)))).toBe(hex(bytes))
      expect(() => group.encode(group.identity)).toThrow()
    })

    it('refuses every other length', () => {
      const bytes = group.encode(group.generator)
      for (let length = 0; length <= 70; length++) {
        if (length === group.pointBytes) continue
        const other = new Uint8Array(length)
        other.set(bytes.subarray(0, length))
        expect(() => group.decode(other)).toThrow(invalid)
      }
      expect(() => group.decode(hex(bytes) as unknown as Uint8Array)).toThrow(invalid)
    })

    it('accepts of random bytes only what it would itself have written', () => {
      let accepted = 0
      fc.assert(
        fc.property(fc.uint8Array({ minLength: group.pointBytes, maxLength: group.pointBytes }), (bytes) => {
          if (group.pointBytes === 33) bytes[0] = ((bytes[0] as number) % 2) + 2
          let point: Point
          try {
            point = group.decode(bytes)
          } catch (error) {
            expect(error).toMatchObject({ code: 'MPC_POINT_INVALID' })
            return
          }
          accepted++
          expect(hex(group.encode(point))).toBe(hex(bytes))
          expect(group.isIdentity(group.multiplyPublic(point, scalars.order - 1n))).toBe(false)
        }),
        { numRuns: 300 },
      )
      // Half of all x of secp256k1 are on the curve; of edwards25519 one in sixteen is in the subgroup.
      expect(accepted).toBeGreaterThan(0)
    })
  })
}

// RFC 9380 appendix J.8.1, secp256k1_XMD:SHA-256_SSWU_RO_: P of each message, compressed.
const hashToCurveVectors: readonly (readonly [name: string, message: string, point: string])[] = [
  ['nothing', '', '03c1cae290e291aee617ebaef1be6d73861479c48b841eaba9b7b5852ddfeb1346'],
  ['abc', 'abc', '023377e01eab42db296b512293120c6cee72b6ecf9f9205760bd9ff11fb3cb2c4b'],
  [
    'abcdef0123456789',
    'abcdef0123456789',
    '02bac54083f293f1fe08e4a70137260aa90783a5cb84d3f35848b324d0674b0e3a',
  ],
  ['q128', `q128_${'q'.repeat(128)}`, '03e2167bc785333a37aa562f021f1e881defb853839babf52a7f72b102e41890e9'],
  ['a512', `a512_${'a'.repeat(512)}`, '02e3c8d35aaaf0b9b647e88a0a0a7ee5d5bed5ad38238152e4e6fd8c1f8cb7c998'],
]

export function describeSecp256k1(title: string, group: Secp256k1Group): void {
  const invalid = expect.objectContaining({ code: 'MPC_POINT_INVALID' })

  describe(title, () => {
    it.each(hashToCurveVectors)('hashes %s to the curve as RFC 9380 says', (_, message, point) => {
      const bytes = new TextEncoder().encode(message)
      const domain = 'QUUX-V01-CS02-with-secp256k1_XMD:SHA-256_SSWU_RO_'
      expect(hex(group.encode(group.hashToCurve(bytes, domain)))).toBe(point)
      expect(hex(group.encode(group.hashToCurve(bytes, `${domain}2`)))).not.toBe(point)
    })

    it('refuses encodings of the identity, x not below p, x off the curve, and other prefixes', () => {
      const x = group.encode(group.generator).subarray(1)
      const fieldPrime = unhex('fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f')
      // p + 1 is a second encoding of x = 1, which is on the curve.
      const beyond = unhex('fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30')
      const one = unhex('01'.padStart(64, '0'))
      const offCurve = unhex('05'.padStart(64, '0'))
      expect(() => group.decode(concatBytes(Uint8Array.of(2), one))).not.toThrow()
      for (const [prefix, rest] of [
        [0, new Uint8Array(32)],
        [2, new Uint8Array(32)],
        [2, fieldPrime],
        [2, beyond],
        [3, offCurve],
        [0, x],
        [1, x],
        [4, x],
        [5, x],
        [6, x],
        [7, x],
        [0x82, x],
      ] as const) {
        expect(() => group.decode(concatBytes(Uint8Array.of(prefix), rest))).toThrow(invalid)
      }
      expect(() => group.decode(Uint8Array.of(0))).toThrow(invalid)
    })

    it('gives the coordinates of a point', () => {
      // SEC 2 section 2.4.1.
      expect(group.coordinates(group.generator)).toEqual({
        x: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
        y: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
      })
      expect(() => group.coordinates(group.identity)).toThrow()
    })

    it('multiplies as Wycheproof says', () => {
      let tried = 0
      for (const { public: spki, private: key, shared, result } of listEcdhCases()) {
        const uncompressed = spki.slice(-130)
        if (result === 'invalid' || spki.length < 130 || !uncompressed.startsWith('04')) continue
        const scalar = BigInt(`0x${key}`)
        if (scalar === 0n || scalar >= group.scalars.order) continue
        const prefix = Number.parseInt(uncompressed.slice(-1), 16) % 2 === 0 ? '02' : '03'
        const point = group.decode(unhex(prefix + uncompressed.slice(2, 66)))
        for (const product of [group.multiply(point, scalar), group.multiplyPublic(point, scalar)]) {
          expect(group.coordinates(product).x).toBe(BigInt(`0x${shared}`))
        }
        tried++
      }
      expect(tried).toBeGreaterThan(400)
    })

    it('verifies as Wycheproof says', () => {
      const file = readVectors('ecdsa_secp256k1_sha256_bitcoin_test.json') as unknown as EcdsaFile
      expect(verifyAll(group, file)).toBeGreaterThan(100)
    })

    it('refuses signatures of other lengths, of the identity, and over other digests', () => {
      const noDigest = new Uint8Array(31)
      expect(group.verify(new Uint8Array(32), new Uint8Array(64), group.generator)).toBe(false)
      expect(group.verify(new Uint8Array(32), new Uint8Array(65), group.generator)).toBe(false)
      expect(group.verify(noDigest, new Uint8Array(64), group.generator)).toBe(false)
      expect(group.verify(new Uint8Array(32), new Uint8Array(64), group.identity)).toBe(false)
    })
  })
}

interface EcdsaFile {
  readonly testGroups: readonly {
    readonly publicKey: { readonly uncompressed: string }
    readonly tests: readonly { readonly msg: string; readonly sig: string; readonly result: string }[]
  }[]
}

/** The file's signatures are DER; those that are r||s in strict DER are tried, the others have no form here. */
function verifyAll(group: Secp256k1Group, { testGroups }: EcdsaFile): number {
  let tried = 0
  for (const { publicKey, tests } of testGroups) {
    const { uncompressed } = publicKey
    const prefix = Number.parseInt(uncompressed.slice(-1), 16) % 2 === 0 ? '02' : '03'
    const key = group.decode(unhex(prefix + uncompressed.slice(2, 66)))
    for (const { msg, sig, result } of tests) {
      const signature = readStrictDer(unhex(sig))
      if (signature === undefined) {
        expect(result).not.toBe('valid')
        continue
      }
      expect(group.verify(sha256(unhex(msg)), signature, key)).toBe(result === 'valid')
      tried++
    }
  }
  return tried
}

function readStrictDer(der: Uint8Array): Uint8Array | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined
  const out = new Uint8Array(64)
  let at = 2
  for (const start of [0, 32]) {
    const length = der[at + 1] as number
    const value = der.subarray(at + 2, at + 2 + length)
    if (der[at] !== 2 || value.length !== length || length === 0 || length > 33) return undefined
    if ((value[0] as number) > 0x7f || (length === 33 && value[0] !== 0)) return undefined
    if (length > 1 && value[0] === 0 && (value[1] as number) < 0x80) return undefined
    const digits = length === 33 ? value.subarray(1) : value
    out.set(digits, start + 32 - digits.length)
    at += 2 + length
  }
  return at === der.length ? out : undefined
}

interface EcdhCase {
  readonly public: string
  readonly private: string
  readonly shared: string
  readonly result: string
}

function listEcdhCases(): EcdhCase[] {
  const { testGroups } = readVectors('ecdh_secp256k1_test.json') as { testGroups: { tests: EcdhCase[] }[] }
  return testGroups.flatMap(({ tests }) => tests)
}

function readVectors(file: string): unknown {
  return JSON.parse(
    readFileSync(new URL(`../../../../test/vectors/wycheproof/${file}`, import.meta.url), 'utf8'),
  )
}
