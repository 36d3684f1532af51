import { encodeHex, type Hex } from '@countersign/bytes'
import fc from 'fast-check'
import { hashAuthorization } from 'viem/utils'
import { describe, expect, it } from 'vitest'
import { authorizationIntent } from './authorization.ts'

const contractAddress = `0x${'ab'.repeat(20)}` as Hex
const good = { chainId: 8453, contractAddress, nonce: 7 }

describe('authorizationIntent', () => {
  it('is a delegation that this wallet signs', () => {
    expect(authorizationIntent(good)).toMatchObject({
      operation: 'sign-authorization',
      chain: 'eip155:8453',
      effects: [
        {
          kind: 'delegation',
          chain: 'eip155:8453',
          delegate: contractAddress,
          authorityNonce: 7n,
          signedBy: 'own',
        },
      ],
    })
  })

  it('names no chain where it is valid on all of them', () => {
    const intent = authorizationIntent({ ...good, chainId: 0 })
    expect(intent.chain).toBeUndefined()
    expect(intent.effects).toMatchObject([{ chain: undefined }])
  })

  it('hashes as viem does', () => {
    const numbers = fc.oneof(fc.constantFrom(0, 1, 127, 128, 255, 256), fc.nat(Number.MAX_SAFE_INTEGER))
    fc.assert(
      fc.property(
        numbers,
        numbers,
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        (chainId, nonce, bytes) => {
          const address = encodeHex(bytes)
          expect(encodeHex(authorizationIntent({ chainId, nonce, contractAddress: address }).toSign)).toBe(
            hashAuthorization({ chainId, nonce, address }),
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  it('admits the highest nonce and chain', () => {
    expect(() => authorizationIntent({ ...good, nonce: (1n << 64n) - 2n })).not.toThrow()
    expect(() => authorizationIntent({ ...good, chainId: Number.MAX_SAFE_INTEGER })).not.toThrow()
  })

  it.each<[string, object]>([
    ['a nonce over 2^64 - 2', { nonce: (1n << 64n) - 1n }],
    ['a negative nonce', { nonce: -1n }],
    ['a chain id over 2^53 - 1', { chainId: 1n << 53n }],
    ['a fraction', { nonce: 1.5 }],
    ['no chain id', { chainId: undefined }],
    ['a short address', { contractAddress: '0x11' }],
    ['an address with a wrong checksum', { contractAddress: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD' }],
  ])('refuses %s', (_, change) => {
    expect(() => authorizationIntent({ ...good, ...change } as never)).toThrow(
      expect.objectContaining({ name: 'CountersignError' }),
    )
  })
})
