import { decodeUtf8, encodeBase64Url, encodeUtf8, isEqual, parseJson, sha256 } from '@countersign/bytes'
import type { AuthenticatorData } from './authenticator-data.ts'
import { wireError } from './catalogue.ts'

/** Where a passkey may be used: pinned when it is added, by those who add it. */
export interface PasskeyScope {
  readonly rpId: string
  /** Exact, for example `https://console.example.org`. */
  readonly origins: readonly string[]
}

/** Browsers write some 130 to 250 characters. */
export const clientDataBytesMax = 1_024
export const passkeyOriginsMax = 8

const jsonLimits = { textCharsMax: clientDataBytesMax, depthMax: 4 }

/**
 * What the browser says about the ceremony (WebAuthn Level 3 section 5.8.1), compared with what it must be.
 * Members that are not known are passed over, as the section asks; browsers add some on purpose.
 * @throws {CountersignError} WIRE_PASSKEY_MALFORMED, WIRE_PASSKEY_CHALLENGE, WIRE_PASSKEY_ORIGIN */
export function checkClientData(
  bytes: Uint8Array,
  wanted: {
    readonly type: 'webauthn.get' | 'webauthn.create'
    readonly challenge: Uint8Array
    readonly origins: readonly string[]
  },
): void {
  const { type, challenge, origin, crossOrigin, topOrigin } = parseClientData(bytes)
  // Section 7.2 steps 10 to 14; 7.1 steps 7 to 11.
  if (type !== wanted.type) throw malformed(`is not of the type ${wanted.type}`)
  if (typeof challenge !== 'string' || challenge !== encodeBase64Url(wanted.challenge)) {
    throw wireError(
      'WIRE_PASSKEY_CHALLENGE',
      'The passkey has signed another challenge than the one of this request.',
    )
  }
  if (typeof origin !== 'string' || !wanted.origins.includes(origin)) {
    throw wireError('WIRE_PASSKEY_ORIGIN', 'The passkey was used on a page whose origin is not pinned to it.')
  }
  // A frame in somebody else's page: the origin may be right, but the user looked at something else.
  if ((crossOrigin !== undefined && crossOrigin !== false) || topOrigin !== undefined) {
    throw wireError('WIRE_PASSKEY_ORIGIN', 'The passkey was used inside a page of another origin.')
  }
}

function parseClientData(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  if (bytes.length > clientDataBytesMax) throw malformed(`is over ${clientDataBytesMax} bytes`)
  let value: unknown
  try {
    value = parseJson(decodeUtf8(bytes), jsonLimits)
  } catch (cause) {
    throw wireError('WIRE_PASSKEY_MALFORMED', 'The client data of the passkey is not JSON in UTF-8.', {
      cause,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('is no object')
  return value as Readonly<Record<string, unknown>>
}

/**
 * Section 7.2 steps 15 to 18: the relying party, presence and verification of the user.
 * @throws {CountersignError} WIRE_PASSKEY_RP, WIRE_PASSKEY_NOT_VERIFIED */
export function checkAuthenticator(
  { rpIdHash, userPresent, userVerified }: AuthenticatorData,
  { rpId }: Pick<PasskeyScope, 'rpId'>,
): void {
  if (!isEqual(rpIdHash, sha256(encodeUtf8(rpId)))) {
    throw wireError('WIRE_PASSKEY_RP', `The passkey was used for another relying party than ${rpId}.`)
  }
  if (!userPresent || !userVerified) {
    throw wireError(
      'WIRE_PASSKEY_NOT_VERIFIED',
      userPresent ? 'The authenticator has not verified its user.' : 'The authenticator has not seen a user.',
    )
  }
}

// Labels of RFC 1035 in lower case; an internationalised name stands in its ASCII form.
const rpIdForm =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
const originForm = /^(https?):\/\/([a-z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?$/

/**
 * Whether a browser would let a page of each origin use the relying party's id (section 5.1.3: equal, or a suffix
 * from a dot on), and do so over a connection that nobody can stand in for. Which suffixes are anybody's to register
 * only browsers know; a name without a dot is one, but for localhost.
 * @throws {CountersignError} WIRE_PASSKEY_ORIGIN, WIRE_PASSKEY_RP */
export function checkPasskeyScope({ rpId, origins }: PasskeyScope): void {
  const isName = rpId === 'localhost' || (rpIdForm.test(rpId) && /\.[a-z][a-z0-9-]*$/.test(rpId))
  if (!isName)
    throw wireError('WIRE_PASSKEY_RP', 'The relying party’s id is not a domain name in lower case.')
  if (
    origins.length === 0 ||
    origins.length > passkeyOriginsMax ||
    new Set(origins).size !== origins.length
  ) {
    throw wireError('WIRE_PASSKEY_ORIGIN', `A passkey has 1 to ${passkeyOriginsMax} different origins.`)
  }
  for (const origin of origins) {
    const [, scheme, host = '', port] = originForm.exec(origin) ?? []
    const isLocal = host === 'localhost' || host.endsWith('.localhost')
    const isOwn = host === rpId || host.endsWith(`.${rpId}`)
    const isDefault = port === (scheme === 'https' ? '443' : '80')
    if (!isOwn || isDefault || Number(port ?? 0) > 65_535 || (scheme !== 'https' && !isLocal)) {
      throw wireError(
        'WIRE_PASSKEY_ORIGIN',
        'An origin is not https (or http on localhost), not as browsers write it, or not of the relying party.',
      )
    }
  }
}

function malformed(what: string) {
  return wireError('WIRE_PASSKEY_MALFORMED', `The client data of the passkey ${what}.`)
}
