import { encodeHex, sha256 } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { rawDigestIntent, rawMessageBytesMax, rawMessageIntent } from './raw.ts'

describe('rawDigestIntent', () => {
  it('signs the digest as it is, and a copy of it', () => {
    const digest = Buffer.alloc(32, 7)
    const intent = rawDigestIntent(digest)
    digest.fill(8)
    expect(intent.toSign).toEqual(new Uint8Array(32).fill(7))
    expect(intent).toMatchObject({
      operation: 'sign-raw',
      effects: [{ kind: 'raw-digest', digest: `0x${'07'.repeat(32)}` }],
    })
  })

  it.each([0, 31, 33, 64])('refuses %i bytes', (length) => {
    expect(() => rawDigestIntent(new Uint8Array(length))).toThrow(
      expect.objectContaining({ code: 'INTENT_DIGEST_INVALID' }),
    )
  })
})

describe('rawMessageIntent', () => {
  it('signs the message as it is, and a copy of it', () => {
    const message = Buffer.alloc(5, 7)
    const intent = rawMessageIntent(message)
    const messageHash = encodeHex(sha256(message))
    message.fill(8)
    expect(intent.toSign).toEqual(new Uint8Array(5).fill(7))
    expect(intent.effects).toEqual([{ kind: 'raw-message', messageHash, messageBytes: 5 }])
    expect(intent.payloadDigest).toBe(messageHash)
  })

  it('refuses nothing and too much', () => {
    expect(() => rawMessageIntent(new Uint8Array(0))).toThrow(
      expect.objectContaining({ code: 'INTENT_DIGEST_INVALID' }),
    )
    expect(() => rawMessageIntent(new Uint8Array(rawMessageBytesMax))).not.toThrow()
    expect(() => rawMessageIntent(new Uint8Array(rawMessageBytesMax + 1))).toThrow(
      expect.objectContaining({ code: 'INTENT_TOO_LARGE' }),
    )
  })
})
