import { concatBytes, decodeHex, encodeHex, encodeUtf8, type Hex } from '@countersign/bytes'
import fc from 'fast-check'
import { hashMessage } from 'viem'
import { describe, expect, it } from 'vitest'
import { unlessRefused } from '../testing/mutations.ts'
import { decodeEvmTransaction } from './evm-transaction.ts'
import { messageBytesMax, personalMessageIntent } from './message.ts'

describe('personalMessageIntent', () => {
  it('says what the message is', () => {
    const hash = hashMessage('héllo')
    expect(personalMessageIntent('héllo')).toMatchObject({
      operation: 'sign-message',
      chain: undefined,
      effects: [{ kind: 'message', text: 'héllo', messageBytes: 6, messageHash: hash }],
      toSign: decodeHex(hash),
    })
  })

  it('has no text for bytes that are not UTF-8', () => {
    expect(personalMessageIntent({ raw: '0xff00' }).effects).toEqual([
      { kind: 'message', text: undefined, messageBytes: 2, messageHash: hashMessage({ raw: '0xff00' }) },
    ])
  })

  it.each([31, 32, 33])('of %i bytes: 32 may be the hash of what an account signs', (length) => {
    const raw = `0x${'61'.repeat(length)}` as const
    const { effects } = personalMessageIntent({ raw })
    expect(effects).toEqual([
      expect.objectContaining({ kind: 'message', text: 'a'.repeat(length) }),
      ...(length === 32 ? [{ kind: 'raw-digest', digest: raw }] : []),
    ])
  })

  it('takes a string that looks like hex as text', () => {
    expect(encodeHex(personalMessageIntent('0x1234').toSign)).toBe(hashMessage('0x1234'))
    expect(encodeHex(personalMessageIntent({ raw: '0x1234' }).toSign)).toBe(hashMessage({ raw: '0x1234' }))
  })

  it('hashes as viem does, text and bytes', () => {
    const texts = fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed())
    fc.assert(
      fc.property(texts, fc.uint8Array({ maxLength: 300 }), (text, bytes) => {
        expect(encodeHex(personalMessageIntent(text).toSign)).toBe(hashMessage(text))
        const raw = encodeHex(bytes)
        expect(encodeHex(personalMessageIntent({ raw }).toSign)).toBe(hashMessage({ raw }))
        expect(encodeHex(personalMessageIntent(bytes).toSign)).toBe(hashMessage({ raw }))
      }),
      { numRuns: 300 },
    )
  })

  it('can never be a transaction: no preimage of a message decodes as one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const preimage = concatBytes(encodeUtf8(`\x19Ethereum Signed Message:\n${bytes.length}`), bytes)
        expect(unlessRefused(() => decodeEvmTransaction(preimage))).toBeUndefined()
      }),
    )
  })

  it('admits its limit and not a byte more', () => {
    expect(() => personalMessageIntent('a'.repeat(messageBytesMax))).not.toThrow()
    expect(() => personalMessageIntent('a'.repeat(messageBytesMax + 1))).toThrow(
      expect.objectContaining({ code: 'INTENT_TOO_LARGE' }),
    )
  })

  it.each<[string, unknown]>([
    ['a lone surrogate', '\ud800'],
    ['a number', 5],
    ['nothing', null],
    ['no raw', {}],
    ['a raw that is no hex', { raw: '0x1' as Hex }],
    ['a raw that is text', { raw: 'hello' }],
    ['another key', { raw: '0x12', text: 'x' }],
    ['a list', ['0x12']],
  ])('refuses %s', (_, message) => {
    expect(() => personalMessageIntent(message as never)).toThrow(
      expect.objectContaining({ code: 'INTENT_MESSAGE_INVALID' }),
    )
  })
})
