import { describe, expect, it } from 'vitest'
import { formatKeyUri, parseKeyUri } from './index.ts'
import { codeOf } from './testing.ts'

describe('key URI', () => {
  it.each([
    undefined,
    null,
    7,
    '',
    'file:secp256k1',
    'file:secp256k1:',
    ':secp256k1:a',
    'file:SECP256K1:a',
    'file:p256:a',
    'file:secp256k1:a:b',
    'file:secp256k1:a\n',
    ' file:secp256k1:a',
    'file:secp256k1:../a',
    '1file:secp256k1:a',
    `file:secp256k1:${'a'.repeat(65)}`,
  ])('refuses %j', async (value) => {
    expect(await codeOf(() => parseKeyUri(value))).toBe('KEYS_URI_MALFORMED')
  })

  it('does not repeat what it was given', () => {
    const secret = '4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'
    expect(() => parseKeyUri(secret)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(secret) }),
    )
  })

  it('is not made of a name or a backend that it could not be parsed from', async () => {
    const parts = { backend: 'file', algorithm: 'ed25519' as const, name: 'a' }
    expect(await codeOf(() => formatKeyUri({ ...parts, name: 'a/b' }))).toBe('KEYS_NAME_INVALID')
    expect(await codeOf(() => formatKeyUri({ ...parts, backend: 'a:b' }))).toBe('KEYS_URI_MALFORMED')
    expect(await codeOf(() => formatKeyUri({ ...parts, algorithm: 'rsa' as 'ed25519' }))).toBe(
      'KEYS_URI_MALFORMED',
    )
  })
})
