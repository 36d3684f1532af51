import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeU16 } from './byte-writer.ts'
import { ed25519Group } from './ed25519-group.ts'
import { isProofValid, type ProofContext, proofBytes, proveSecret } from './schnorr-proof.ts'
import { nobleSecp256k1Group } from './secp256k1-noble.ts'
import { seededRandom } from './testing/index.ts'

describe.each([nobleSecp256k1Group, ed25519Group])('proof of knowledge on $name', (group) => {
  const random = seededRandom(new Uint8Array(32))
  const secret = group.scalars.random(random)
  const point = group.multiplyBase(secret)
  const session = new Uint8Array(32).fill(1)
  const context: ProofContext = { group, tag: 'dkg/pok', fields: [session, encodeU16(1), encodeU16(0)] }
  const proof = proveSecret(context, { secret, point, nonce: group.scalars.random(random) })

  it('holds', () => {
    expect(proof).toHaveLength(proofBytes(group))
    expect(isProofValid(context, point, proof)).toBe(true)
  })

  it('does not hold in another session, for another party, coefficient, purpose or point', () => {
    const others: ProofContext[] = [
      { ...context, fields: [session.map((byte) => byte ^ 1), encodeU16(1), encodeU16(0)] },
      { ...context, fields: [session, encodeU16(2), encodeU16(0)] },
      { ...context, fields: [session, encodeU16(1), encodeU16(1)] },
      // 257 and 1 differ only in the byte that a truncation would lose.
      { ...context, fields: [session, encodeU16(257), encodeU16(0)] },
      { ...context, fields: [session, encodeU16(1)] },
      { ...context, tag: 'dkg/share-pok' },
    ]
    for (const other of others) expect(isProofValid(other, point, proof)).toBe(false)
    expect(isProofValid(context, group.generator, proof)).toBe(false)
    expect(isProofValid(context, group.negate(point), proof)).toBe(false)
    expect(isProofValid(context, group.identity, proof)).toBe(false)
  })

  it('does not hold with any bit flipped, cut or lengthened', () => {
    fc.assert(
      fc.property(fc.nat({ max: proof.length * 8 - 1 }), (bit) => {
        const other = proof.slice()
        other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(isProofValid(context, point, other)).toBe(false)
      }),
      { numRuns: 60 },
    )
    expect(isProofValid(context, point, proof.subarray(1))).toBe(false)
    expect(isProofValid(context, point, Uint8Array.of(...proof, 0))).toBe(false)
    expect(isProofValid(context, point, new Uint8Array(0))).toBe(false)
    expect(isProofValid(context, point, new Uint8Array(proof.length))).toBe(false)
  })

  it('does not hold with its answer plus the order', () => {
    const { scalars, pointBytes } = group
    const answer = scalars.decode(proof.subarray(pointBytes))
    const lifted = answer + scalars.order
    if (lifted >= 2n ** 256n) return
    const bytes = Buffer.from(lifted.toString(16).padStart(64, '0'), 'hex')
    const other = proof.slice()
    other.set(group.name === 'ed25519' ? bytes.reverse() : bytes, pointBytes)
    expect(isProofValid(context, point, other)).toBe(false)
  })
})
