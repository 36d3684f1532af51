/**
 * Passkeys as credentials: the authenticator signs the hash of the same RFC 9421 signature base as its WebAuthn
 * challenge. Sections are those of Web Authentication Level 3, https://www.w3.org/TR/webauthn-3/.
 */
import { concatBytes, sha256 } from '@countersign/bytes'
import { authenticatorDataBytesMax, parseAuthenticatorData } from './authenticator-data.ts'
import { wireError } from './catalogue.ts'
import { checkAuthenticator, checkClientData, clientDataBytesMax, type PasskeyScope } from './client-data.ts'
import { parseDerSignature } from './ecdsa-der.ts'
import type { CredentialAlgorithm, PasskeyAlgorithm } from './request.ts'

/** What a browser gives for `navigator.credentials.get` (section 5.2.2). */
export interface PasskeyAssertion {
  readonly authenticatorData: Uint8Array
  readonly clientDataJson: Uint8Array
  /** DER for ES256, 64 bytes for Ed25519. */
  readonly signature: Uint8Array
}

/** What of a passkey's credential its signatures are checked against. */
export interface PasskeyFacts extends PasskeyScope {
  /** Of the authenticator's credential, base64url: names it to browsers. */
  readonly passkeyId: string
  readonly backupEligible: boolean
}

/** An assertion that says all that it must; that the key has signed it is left to be verified. */
export interface CheckedAssertion {
  readonly algorithm: Extract<CredentialAlgorithm, 'p256' | 'ed25519'>
  /** What the authenticator has signed. */
  readonly base: Uint8Array
  /** r||s or R||S, 64 bytes. */
  readonly signature: Uint8Array
  readonly signCount: number
  readonly backedUp: boolean
}

export function passkeyChallenge(signatureBase: Uint8Array): Uint8Array {
  return sha256(signatureBase)
}

const version = 1
const headerBytes = 5
const derBytesMax = 72
const derBytesMin = 8
const ed25519Bytes = 64

export const passkeySignatureBytesMax =
  headerBytes + authenticatorDataBytesMax + clientDataBytesMax + derBytesMax

/**
 * The value of a passkey's signature in the Signature header: a version byte, the lengths of the first two parts as
 * two bytes each, then the three parts. It has one form: every byte belongs to exactly one part.
 * @throws {CountersignError} WIRE_PASSKEY_MALFORMED */
export function encodePasskeySignature(assertion: PasskeyAssertion): Uint8Array {
  checkParts(assertion)
  const { authenticatorData, clientDataJson, signature } = assertion
  const header = new Uint8Array(headerBytes)
  const view = new DataView(header.buffer)
  view.setUint8(0, version)
  view.setUint16(1, authenticatorData.length)
  view.setUint16(3, clientDataJson.length)
  return concatBytes(header, authenticatorData, clientDataJson, signature)
}

/** @throws {CountersignError} WIRE_PASSKEY_MALFORMED */
export function parsePasskeySignature(bytes: Uint8Array): PasskeyAssertion {
  if (bytes.length < headerBytes || bytes[0] !== version) throw malformed(`is not of version ${version}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const clientDataAt = headerBytes + view.getUint16(1)
  const signatureAt = clientDataAt + view.getUint16(3)
  if (signatureAt > bytes.length) throw malformed('is shorter than it says')
  const assertion = {
    authenticatorData: bytes.subarray(headerBytes, clientDataAt),
    clientDataJson: bytes.subarray(clientDataAt, signatureAt),
    signature: bytes.subarray(signatureAt),
  }
  checkParts(assertion)
  return assertion
}

/**
 * Section 7.2, but for the signature itself and the counter: those take a key and a memory, which this has not.
 * @param signature As `parseRequestSignatures` gives it.
 * @throws {CountersignError} WIRE_PASSKEY_* */
export function checkPasskeySignature(
  signature: Uint8Array,
  wanted: { readonly algorithm: PasskeyAlgorithm; readonly base: Uint8Array; readonly passkey: PasskeyFacts },
): CheckedAssertion {
  const { algorithm, base, passkey } = wanted
  const assertion = parsePasskeySignature(signature)
  checkClientData(assertion.clientDataJson, {
    type: 'webauthn.get',
    challenge: passkeyChallenge(base),
    origins: passkey.origins,
  })
  const data = parseAuthenticatorData(assertion.authenticatorData)
  checkAuthenticator(data, passkey)
  // Section 6.1: only registrations attest a credential.
  if (data.attested !== undefined) throw malformed('attests a credential')
  if (data.backupEligible !== passkey.backupEligible) {
    throw wireError(
      'WIRE_PASSKEY_CLONED',
      'The authenticator says otherwise than at its registration whether it can be copied: it is another one.',
    )
  }
  return {
    algorithm: algorithm === 'webauthn-p256' ? 'p256' : 'ed25519',
    base: concatBytes(assertion.authenticatorData, sha256(assertion.clientDataJson)),
    signature: rawSignature(algorithm, assertion.signature),
    signCount: data.signCount,
    backedUp: data.backedUp,
  }
}

/**
 * Section 7.2 step 22: a counter that does not grow is that of a copy, of the authenticator or of the request.
 * Authenticators without a counter always say 0.
 * @throws {CountersignError} WIRE_PASSKEY_CLONED */
export function checkSignCount({
  credentialId,
  stored,
  stated,
}: {
  readonly credentialId: string
  readonly stored: number
  readonly stated: number
}): void {
  if (stated > stored || (stored === 0 && stated === 0)) return
  throw wireError(
    'WIRE_PASSKEY_CLONED',
    `The authenticator’s counter is ${stated} after ${stored}: it may have been copied.`,
    { details: { credential: credentialId, stored, stated } },
  )
}

/** Section 6.5.5: Ed25519 signatures come as they are. */
export function rawSignature(algorithm: PasskeyAlgorithm, signature: Uint8Array): Uint8Array {
  if (algorithm === 'webauthn-p256') return parseDerSignature(signature)
  if (signature.length !== ed25519Bytes) throw malformed('has not the 64 bytes of Ed25519')
  return signature
}

function checkParts({ authenticatorData, clientDataJson, signature }: PasskeyAssertion): void {
  if (authenticatorData.length > authenticatorDataBytesMax) throw malformed('has too much authenticator data')
  if (clientDataJson.length > clientDataBytesMax) throw malformed('has too much client data')
  if (signature.length < derBytesMin || signature.length > derBytesMax) {
    throw malformed('holds no signature of a possible length')
  }
}

function malformed(what: string) {
  return wireError('WIRE_PASSKEY_MALFORMED', `The passkey’s signature ${what}.`)
}
