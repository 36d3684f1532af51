import type { Hex } from '@countersign/bytes'

/** Keys that sign the signature base as it is; the names of their signatures are RFC 9421's where it has one. */
export const credentialAlgorithms = ['p256', 'ed25519', 'secp256k1'] as const
export type CredentialAlgorithm = (typeof credentialAlgorithms)[number]

/** Passkeys: the base's hash is their WebAuthn challenge. */
export const passkeyAlgorithms = ['webauthn-p256', 'webauthn-ed25519'] as const
export type PasskeyAlgorithm = (typeof passkeyAlgorithms)[number]

/** What can sign a request. */
export const signingAlgorithms = [...credentialAlgorithms, ...passkeyAlgorithms] as const
export type SigningAlgorithm = (typeof signingAlgorithms)[number]

/** `bearer`: an API key, which signs nothing. */
export const credentialKinds = [...signingAlgorithms, 'bearer'] as const
export type CredentialKind = (typeof credentialKinds)[number]

export const signatureAlgorithmNames = {
  p256: 'ecdsa-p256-sha256',
  ed25519: 'ed25519',
  // RFC 9421 registers no name for this curve; SHA-256, r||s as for P-256.
  secp256k1: 'ecdsa-secp256k1-sha256',
  // Nor for these.
  'webauthn-p256': 'webauthn-p256',
  'webauthn-ed25519': 'webauthn-ed25519',
} as const satisfies Record<SigningAlgorithm, string>

export function isPasskeyAlgorithm(kind: CredentialKind): kind is PasskeyAlgorithm {
  return kind === 'webauthn-p256' || kind === 'webauthn-ed25519'
}

/** `grantee`: may ask for signatures only under a grant. */
export type Role = 'agent' | 'approver' | 'admin' | 'grantee'

/** What a credential may do that no policy decides because no key is used. */
export const powers = ['create-wallet', 'read', 'freeze'] as const
export type Power = (typeof powers)[number]

export interface Credential {
  /** `cred_` + first 32 hexadecimal digits of SHA-256 over `algorithm || 0x00 || publicKey`. */
  readonly id: string
  readonly algorithm: CredentialKind
  /** Compressed point (33 bytes) or Ed25519 key (32 bytes); of an API key the SHA-256, which is no secret. */
  readonly publicKey: Hex
  readonly role: Role
  readonly name: string
  readonly powers: readonly Power[]
  /** Who runs it: stands in each of its journal entries. */
  readonly attribution: Attribution
  readonly status: 'active' | 'revoked'
  /** ISO 8601. */
  readonly createdAt: string
  /** ISO 8601; from then on it is as good as revoked. `isActive` decides. */
  readonly expiresAt?: string
  /** The credential that this one has come from by rotation, the first of them: see `subjectOf`. */
  readonly subject?: string
  readonly replacedBy?: string
  /** Of passkeys, and of nothing else. */
  readonly passkey?: Passkey
  /** Of API keys, and of nothing else: whoever sees the key has it. */
  readonly bearer?: true
  /** Of API keys: requests in a minute. */
  readonly ratePerMinute?: number
  /** The policy of wallets that it makes without naming one. */
  readonly walletPolicy?: string
}

/** Where a passkey may be used, and how browsers name it. All of it is fixed when it is added. */
export interface Passkey {
  /** The authenticator's own id of it, base64url. */
  readonly passkeyId: string
  readonly rpId: string
  readonly origins: readonly string[]
  /** Whether it can be copied to other devices. */
  readonly backupEligible: boolean
}

export interface Attribution {
  readonly agent?: string
  readonly workflow?: string
  readonly operator?: string
}

/** The HTTP request as its credential signed it; the engine forwards it unchanged. */
export interface SignedRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path and query as signed, for example `/v1/wallets/wal_1/sign-message`. */
  readonly path: string
  /** Lower-case names; only the headers of `signedHeaders`. */
  readonly headers: Readonly<Record<string, string>>
  /** The body's exact text; empty for GET. */
  readonly body: string
}

/** The headers that travel with a request; any other stays at the engine. The last is never there together with a signature. */
export const signedHeaders = [
  'content-digest',
  'content-type',
  'countersign-audience',
  'idempotency-key',
  'signature',
  'signature-input',
  'x-api-key',
] as const

/** The signer's only message: a request, and what the engine has filled in for it. */
export interface ForwardedRequest {
  readonly request: SignedRequest
  /** Unsigned transaction that the engine prepared; the signer checks it against the request. */
  readonly preparedTransaction?: Hex
}
