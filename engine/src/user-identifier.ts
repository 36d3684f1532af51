import type { userIdentifierTypes } from '@countersign/wire'
import { engineError } from './catalogue.ts'
import type { UserIdentifier } from './store/wallets.ts'

type UserIdentifierType = (typeof userIdentifierTypes)[number]

/**
 * One person, one spelling: what differs only in how it is written must not get a second wallet.
 * @throws {CountersignError} ENGINE_USER_IDENTIFIER_INVALID; the message never repeats the identifier. */
export function parseUserIdentifier(value: string, type: UserIdentifierType): UserIdentifier {
  const normal = forms[type](value.normalize('NFC').trim())
  if (normal !== undefined) return { type, value: normal }
  throw engineError('ENGINE_USER_IDENTIFIER_INVALID', `The user identifier is not of the type ${type}.`)
}

const forms: Record<UserIdentifierType, (text: string) => string | undefined> = {
  // RFC 5321 lets the local part be case-sensitive; no provider of weight makes use of it.
  EMAIL: (text) =>
    text.length <= 254 &&
    /^[^\s@<>"(),:;\\[\]]{1,64}@(?=[^@]{3,255}$)[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+$/u.test(text)
      ? text.toLowerCase()
      : undefined,
  // E.164: a plus, a country code, at most 15 digits. Spaces, dots, dashes and parentheses are how people write it.
  PHONE: (text) => matched(text.replace(/[\s().-]/g, ''), /^\+[1-9][0-9]{6,14}$/),
  CUSTOM_ID: (text) => matched(text, /^[^\p{C}\p{Z}](?:[^\p{C}]{0,126}[^\p{C}\p{Z}])?$/u),
  TWITTER: (text) => matched(text.replace(/^@/, '').toLowerCase(), /^[a-z0-9_]{1,15}$/),
  TELEGRAM: (text) =>
    matched(text.replace(/^@/, '').toLowerCase(), /^(?:[a-z][a-z0-9_]{3,31}|[1-9][0-9]{4,19})$/),
}

function matched(text: string, form: RegExp): string | undefined {
  return form.test(text) ? text : undefined
}
