import { decodeBase64Url, encodeBase64Url, encodeHex, type Hex } from '@countersign/bytes'
import {
  credentialId,
  encodePasskeySignature,
  type PasskeyAlgorithm,
  type PasskeyRegistration,
  passkeyChallenge,
  registrationChallenge,
  verifyRegistration,
} from '@countersign/wire'
import { sdkError } from './catalogue.ts'
import type { CredentialSigner } from './credential-key.ts'

/** What a page keeps of a passkey, to ask for signatures by it later. All of it is public. */
export interface PasskeyReference {
  /** Of the credential: `cred_…`. */
  readonly id: string
  readonly algorithm: PasskeyAlgorithm
  readonly publicKey: Hex
  /** The authenticator's own id, base64url. */
  readonly passkeyId: string
  readonly rpId: string
}

/** A new passkey. An admin quorum adds it: `credentials.create({ ...passkey.credential, role, name })`. */
export interface NewPasskey {
  readonly reference: PasskeyReference
  readonly signer: CredentialSigner
  readonly credential: {
    readonly algorithm: PasskeyAlgorithm
    readonly registration: PasskeyRegistration
    readonly rpId: string
    readonly origins: readonly string[]
  }
}

export interface RegisterPasskeyOptions {
  /** The signer that the passkey is for, `sgn_…`: it takes no registration that was made for another. */
  readonly audience: string
  /** A domain that the page's own is, or ends in; by default the page's own. */
  readonly rpId?: string
  /** Pages on which it may be used later; by default this one. */
  readonly origins?: readonly string[]
  /** Shown by the authenticator. */
  readonly rpName?: string
  readonly userName: string
  /** Of passkeys that this person has already, base64url: the same authenticator then makes no second one. */
  readonly exclude?: readonly string[]
}

export interface PasskeyBrowser {
  readonly credentials: Pick<CredentialsContainer, 'create' | 'get'>
  readonly location: Pick<Location, 'hostname' | 'origin'>
}

export const passkeyTimeoutMs = 120_000
const userIdBytes = 32
// COSE: ES256 and EdDSA (RFC 9053 section 2).
const algorithms = [-7, -8]

/**
 * Makes a passkey in this browser. Nothing is sent anywhere: what comes back is for `credentials.create`.
 * @throws {CountersignError} SDK_PASSKEY_REFUSED, WIRE_PASSKEY_* where the authenticator's answer would not be taken */
export async function registerPasskey(
  options: RegisterPasskeyOptions,
  browser: PasskeyBrowser = { credentials: navigator.credentials, location },
): Promise<NewPasskey> {
  const { audience, userName, exclude = [] } = options
  const rpId = options.rpId ?? browser.location.hostname
  const origins = options.origins ?? [browser.location.origin]
  const challenge = registrationChallenge({ audience, rpId })
  const made = await asked(() =>
    browser.credentials.create({
      publicKey: {
        challenge: new Uint8Array(challenge),
        rp: { id: rpId, name: options.rpName ?? rpId },
        // A handle of no meaning: two passkeys of one person are two credentials.
        user: {
          id: crypto.getRandomValues(new Uint8Array(userIdBytes)),
          name: userName,
          displayName: userName,
        },
        pubKeyCredParams: algorithms.map((alg) => ({ type: 'public-key', alg })),
        authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
        attestation: 'none',
        excludeCredentials: exclude.map(descriptor),
        timeout: passkeyTimeoutMs,
      },
    }),
  )
  const { attestationObject, clientDataJSON } = made.response as AuthenticatorAttestationResponse
  const registration = {
    clientDataJSON: base64Url(clientDataJSON),
    attestationObject: base64Url(attestationObject),
  }
  const { algorithm, publicKey, passkey } = verifyRegistration(registration, { audience, rpId, origins })
  const reference: PasskeyReference = {
    id: credentialId(algorithm, publicKey),
    algorithm,
    publicKey: encodeHex(publicKey),
    passkeyId: passkey.passkeyId,
    rpId,
  }
  return {
    reference,
    signer: passkeySigner(reference, browser),
    credential: { algorithm, registration, rpId, origins },
  }
}

/** Signs requests with a passkey: its user is asked for each. */
export function passkeySigner(
  { id, algorithm, publicKey, passkeyId, rpId }: PasskeyReference,
  { credentials }: Pick<PasskeyBrowser, 'credentials'> = navigator,
): CredentialSigner {
  return {
    id,
    algorithm,
    publicKey,
    async sign(base) {
      const made = await asked(() =>
        credentials.get({
          publicKey: {
            challenge: new Uint8Array(passkeyChallenge(base)),
            rpId,
            allowCredentials: [descriptor(passkeyId)],
            userVerification: 'required',
            timeout: passkeyTimeoutMs,
          },
        }),
      )
      const { authenticatorData, clientDataJSON, signature } = made.response as AuthenticatorAssertionResponse
      return encodePasskeySignature({
        authenticatorData: new Uint8Array(authenticatorData),
        clientDataJson: new Uint8Array(clientDataJSON),
        signature: new Uint8Array(signature),
      })
    },
  }
}

/** The browser says one thing for "cancelled", "timed out" and "no such passkey", on purpose. */
async function asked(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let made: Credential | null
  try {
    made = await ask()
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : 'unknown'
    throw sdkError('SDK_PASSKEY_REFUSED', `The browser gave no passkey (${name}).`, { cause })
  }
  if (made === null || made.type !== 'public-key') {
    throw sdkError('SDK_PASSKEY_REFUSED', 'The browser gave something else than a passkey.')
  }
  return made as PublicKeyCredential
}

function descriptor(passkeyId: string): PublicKeyCredentialDescriptor {
  return { type: 'public-key', id: new Uint8Array(decodeBase64Url(passkeyId, 'passkeyId')) }
}

function base64Url(buffer: ArrayBuffer): string {
  return encodeBase64Url(new Uint8Array(buffer))
}
