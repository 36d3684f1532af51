import { concatBytes, decodeBase64Url, encodeBase64Url, encodeUtf8, sha256 } from '@countersign/bytes'
import { coseEdDsa, coseEs256, type PasskeyPublicKey, parseAuthenticatorData } from './authenticator-data.ts'
import { wireError } from './catalogue.ts'
import { type CborMap, decodeCbor, isCborMap } from './cbor.ts'
import { checkAuthenticator, checkClientData, checkPasskeyScope, type PasskeyScope } from './client-data.ts'
import { verifySignature } from './verify-signature.ts'
import { type PasskeyFacts, rawSignature } from './webauthn.ts'

/** What a browser gives for `navigator.credentials.create` (section 5.2.1), in base64url. */
export interface PasskeyRegistration {
  readonly clientDataJSON: string
  readonly attestationObject: string
}

/** base64url characters; an attestation object without certificates takes some 300. */
export const registrationCharsMax = 4_096

export interface RegisteredPasskey extends PasskeyPublicKey {
  readonly passkey: PasskeyFacts
  readonly signCount: number
  readonly backedUp: boolean
}

/**
 * The challenge that a registration must answer: it names the signer, so that a registration made for one is of no
 * use at another. It needs no freshness: the response is inside a request that the admin quorum has signed once, and
 * the same key is not added twice.
 */
export function registrationChallenge({
  audience,
  rpId,
}: {
  readonly audience: string
  readonly rpId: string
}): Uint8Array {
  return sha256(encodeUtf8(`countersign-passkey-registration-v1\n${audience}\n${rpId}`))
}

/**
 * WebAuthn Level 3 section 7.1. Attestation `none` is taken, and `packed` self attestation where an authenticator
 * gives it all the same: which model holds the key is nothing that decides here, so nobody's certificates are.
 * @throws {CountersignError} WIRE_PASSKEY_*, WIRE_PUBLIC_KEY_INVALID */
export function verifyRegistration(
  registration: PasskeyRegistration,
  { audience, rpId, origins }: PasskeyScope & { readonly audience: string },
): RegisteredPasskey {
  checkPasskeyScope({ rpId, origins })
  const clientData = decode(registration.clientDataJSON, 'client data')
  checkClientData(clientData, {
    type: 'webauthn.create',
    challenge: registrationChallenge({ audience, rpId }),
    origins,
  })
  const { authData, format, statement } = parseAttestation(
    decode(registration.attestationObject, 'attestation'),
  )
  const data = parseAuthenticatorData(authData)
  checkAuthenticator(data, { rpId })
  const { attested } = data
  if (attested === undefined) throw refused('attests no credential')
  checkAttestation(attested, { format, statement, signed: concatBytes(authData, sha256(clientData)) })
  const { algorithm, publicKey } = attested
  return {
    algorithm,
    publicKey,
    passkey: {
      passkeyId: encodeBase64Url(attested.credentialId),
      rpId,
      origins,
      backupEligible: data.backupEligible,
    },
    signCount: data.signCount,
    backedUp: data.backedUp,
  }
}

interface Attestation {
  readonly authData: Uint8Array
  readonly format: string
  readonly statement: CborMap
}

/** Section 6.5.4. It is the browser that writes this map, and not every one sorts its keys. */
function parseAttestation(bytes: Uint8Array): Attestation {
  const object = decodeCbor(bytes, { sortedKeys: false })
  if (!isCborMap(object) || object.size !== 3) throw refused('is not a map of fmt, attStmt and authData')
  const authData = object.get('authData')
  const format = object.get('fmt')
  const statement = object.get('attStmt')
  if (!(authData instanceof Uint8Array) || typeof format !== 'string' || !isCborMap(statement)) {
    throw refused('is not a map of fmt, attStmt and authData')
  }
  return { authData, format, statement }
}

/** Sections 8.7 and 8.2 (its step for self attestation). */
function checkAttestation(
  { algorithm, publicKey }: PasskeyPublicKey,
  { format, statement, signed }: Omit<Attestation, 'authData'> & { readonly signed: Uint8Array },
): void {
  if (format === 'none' && statement.size === 0) return
  if (format !== 'packed' || statement.size !== 2) {
    throw refused('carries a certificate or another kind of attestation; ask the browser for "none"')
  }
  const signature = statement.get('sig')
  const alg = algorithm === 'webauthn-p256' ? coseEs256 : coseEdDsa
  const isSelf =
    statement.get('alg') === alg &&
    signature instanceof Uint8Array &&
    verifySignature(
      { algorithm: algorithm === 'webauthn-p256' ? 'p256' : 'ed25519', publicKey },
      signed,
      rawSignature(algorithm, signature),
    )
  if (!isSelf) throw refused('is not signed by the key that it attests')
}

function decode(text: string, what: string): Uint8Array {
  if (text.length > registrationCharsMax)
    throw refused(`has over ${registrationCharsMax} characters of ${what}`)
  try {
    return decodeBase64Url(text, what)
  } catch (cause) {
    throw wireError('WIRE_PASSKEY_REGISTRATION', `The ${what} of the registration is not base64url.`, {
      cause,
    })
  }
}

function refused(what: string) {
  return wireError('WIRE_PASSKEY_REGISTRATION', `The registration of the passkey ${what}.`)
}
