import { describe, expect, it } from 'vitest'
import { parseUserIdentifier } from './user-identifier.ts'

describe('user identifiers', () => {
  it.each([
    ['EMAIL', ' Alice@Example.COM ', 'alice@example.com'],
    ['EMAIL', 'a+b@sub.example.org', 'a+b@sub.example.org'],
    ['PHONE', '+1 (555) 123-4567', '+15551234567'],
    ['CUSTOM_ID', 'user 42/ü', 'user 42/ü'],
    ['TWITTER', '@JaCk', 'jack'],
    ['TELEGRAM', '@Durov_1', 'durov_1'],
    ['TELEGRAM', '123456789', '123456789'],
  ] as const)('%s %s has one spelling', (type, written, normal) => {
    expect(parseUserIdentifier(written, type)).toEqual({ type, value: normal })
    expect(parseUserIdentifier(normal, type).value).toBe(normal)
  })

  it.each([
    ['EMAIL', 'alice'],
    ['EMAIL', 'a@b'],
    ['EMAIL', 'a b@example.com'],
    ['EMAIL', 'a@@example.com'],
    ['EMAIL', `${'a'.repeat(65)}@example.com`],
    ['PHONE', '5551234567'],
    ['PHONE', '+0123456789'],
    ['PHONE', '+1234567890123456'],
    ['CUSTOM_ID', ''],
    ['CUSTOM_ID', 'a\u0000b'],
    ['CUSTOM_ID', 'x'.repeat(129)],
    ['TWITTER', 'sixteen_chars_ab'],
    ['TWITTER', 'a-b'],
    ['TELEGRAM', 'abc'],
  ] as const)('%s %j is refused, and not repeated', (type, written) => {
    try {
      parseUserIdentifier(written, type)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENGINE_USER_IDENTIFIER_INVALID' })
      if (written.length > 3) expect(String(error)).not.toContain(written)
      return
    }
    expect.unreachable()
  })
})
