import type { Hex } from '@countersign/bytes'

/** Public-key algorithms of credentials; the names of their signatures are RFC 9421's where it has one. */
export const credentialAlgorithms = ['p256', 'ed25519', 'secp256k1'] as const
export type CredentialAlgorithm = (typeof credentialAlgorithms)[number]

export const signatureAlgorithmNames = {
  p256: 'ecdsa-p256-sha256',
  ed25519: 'ed25519',
  // RFC 9421 registers no name for this curve; SHA-256, r||s as for P-256.
  secp256k1: 'ecdsa-secp256k1-sha256',
} as const satisfies Record<CredentialAlgorithm, string>

export type Role = 'agent' | 'approver' | 'admin'

/** What a credential may do that no policy decides because no key is used. */
export const powers = ['create-wallet', 'read'] as const
export type Power = (typeof powers)[number]

export interface Credential {
  /** `cred_` + first 32 hexadecimal digits of SHA-256 over `algorithm || 0x00 || publicKey`. */
  readonly id: string
  readonly algorithm: CredentialAlgorithm
  /** Compressed point (33 bytes) or Ed25519 key (32 bytes). */
  readonly publicKey: Hex
  readonly role: Role
  readonly name: string
  readonly powers: readonly Power[]
  /** Who runs it: stands in each of its journal entries. */
  readonly attribution: Attribution
  readonly status: 'active' | 'revoked'
  /** ISO 8601. */
  readonly createdAt: string
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

/** The headers that travel with a signed request; any other stays at the engine. */
export const signedHeaders = [
  'content-digest',
  'content-type',
  'countersign-audience',
  'idempotency-key',
  'signature',
  'signature-input',
] as const

/** The signer's only message: a request, and what the engine has filled in for it. */
export interface ForwardedRequest {
  readonly request: SignedRequest
  /** Unsigned transaction that the engine prepared; the signer checks it against the request. */
  readonly preparedTransaction?: Hex
}
