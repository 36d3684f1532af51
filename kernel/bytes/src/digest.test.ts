import { createHash, createHmac } from 'node:crypto'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hmacSha256, sha256, sha256Base64, sha256Hex } from './digest.ts'
import { encodeBase64, encodeHex, encodeUtf8 } from './hex.ts'

describe('sha256', () => {
  it('is FIPS 180-4 in every form, over bytes and over text as UTF-8', () => {
    const input = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary', maxLength: 200 }))
    fc.assert(
      fc.property(input, (data) => {
        const wanted = nobleSha256(typeof data === 'string' ? encodeUtf8(data) : data)
        expect(sha256(data)).toEqual(wanted)
        expect(sha256Hex(data)).toBe(encodeHex(wanted))
        expect(sha256Base64(data)).toBe(encodeBase64(wanted))
      }),
    )
  })

  it('hashes the part of a buffer that it is given, and the vector of the standard', () => {
    const bytes = encodeUtf8('xxabcxx')
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(sha256Hex(bytes.subarray(2, 5))).toBe(`0x${abc}`)
    expect(encodeHex(sha256('abc'))).toBe(`0x${abc}`)
    expect(createHash('sha256').update('abc').digest('hex')).toBe(abc)
  })
})

describe('hmacSha256', () => {
  it('is RFC 2104 for every message in turn, short after long', () => {
    const keys = fc.uint8Array({ maxLength: 100 })
    const messages = fc.array(
      fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(new Uint8Array(9_000))),
      {
        maxLength: 6,
      },
    )
    fc.assert(
      fc.property(keys, messages, (key, list) => {
        const mac = hmacSha256(key)
        const made = list.map((message) => mac(message))
        // Compared at the end: no result may change with the next message.
        for (const [i, message] of list.entries()) {
          expect(made[i]).toEqual(hmac(nobleSha256, key, message))
          expect(made[i]).toEqual(new Uint8Array(createHmac('sha256', key).update(message).digest()))
        }
      }),
      { numRuns: 50 },
    )
  })
})
