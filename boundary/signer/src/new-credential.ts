import { encodeHex } from '@countersign/bytes'
import {
  type CreateCredentialBody,
  type Credential,
  credentialId,
  decodeApiKeyHash,
  isActive,
  parsePublicKey,
  subjectOf,
  verifyRegistration,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import type { PasskeyUseRecord } from './records.ts'

/** A credential as the admin quorum wants it, and what its authenticator said about itself. */
export interface NewCredential {
  readonly credential: Credential
  readonly use: PasskeyUseRecord | undefined
}

/**
 * A passkey takes the registration response, not a bare key; an API key the hash of its text.
 * @throws {CountersignError} WIRE_PASSKEY_*, WIRE_PUBLIC_KEY_INVALID, SIGNER_CREDENTIAL_FORM */
export function newCredential(
  wanted: CreateCredentialBody,
  { audience, nowMs }: { readonly audience: string; readonly nowMs: number },
): NewCredential {
  const { role, name, powers = [], attribution = {}, expiresAt, walletPolicy } = wanted
  // Nobody would be asked when it ends: there could be fewer admins than the quorum, and no way back.
  if (role === 'admin' && expiresAt !== undefined) {
    throw signerError('SIGNER_CREDENTIAL_FORM', 'An admin does not end by itself; let the quorum revoke it.')
  }
  const common = {
    role,
    name,
    powers,
    attribution,
    status: 'active' as const,
    createdAt: new Date(nowMs).toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt: expiryOf(expiresAt, nowMs) }),
    ...(walletPolicy === undefined ? {} : { walletPolicy }),
  }
  const made = (algorithm: Credential['algorithm'], publicKey: Uint8Array): Credential => ({
    id: credentialId(algorithm, publicKey),
    algorithm,
    publicKey: encodeHex(publicKey),
    ...common,
  })
  if ('registration' in wanted) {
    const { rpId, origins, registration } = wanted
    const { algorithm, publicKey, passkey, signCount, backedUp } = verifyRegistration(registration, {
      audience,
      rpId,
      origins,
    })
    if (algorithm !== wanted.algorithm) {
      throw signerError('SIGNER_CREDENTIAL_FORM', `The registration is of a ${algorithm} key.`)
    }
    return { credential: { ...made(algorithm, publicKey), passkey }, use: { signCount, backedUp } }
  }
  if (wanted.algorithm === 'bearer') {
    const { ratePerMinute } = wanted
    const credential: Credential = {
      ...made('bearer', decodeApiKeyHash(wanted.publicKey)),
      bearer: true,
      ...(ratePerMinute === undefined ? {} : { ratePerMinute }),
    }
    return { credential, use: undefined }
  }
  return {
    credential: made(wanted.algorithm, parsePublicKey(wanted.algorithm, wanted.publicKey)),
    use: undefined,
  }
}

function expiryOf(text: string, nowMs: number): string {
  const ms = Date.parse(text)
  if (Number.isNaN(ms) || ms <= nowMs) {
    throw signerError('SIGNER_CREDENTIAL_FORM', 'expiresAt is no time to come.')
  }
  return new Date(ms).toISOString()
}

const rotationsMax = 100_000

/**
 * A credential and all that stand for the same subject: one identity, whatever keys it has had. Whoever revokes one
 * means all, also a key that a thief has rotated to.
 */
export async function listOfSubject(
  tx: Pick<LedgerTx, 'get'>,
  credential: Credential,
): Promise<Credential[]> {
  const found: Credential[] = []
  let next: string | undefined = subjectOf(credential)
  while (next !== undefined && found.length < rotationsMax) {
    const one: Credential | undefined = await tx.get('credential', next)
    if (one === undefined) break
    found.push(one)
    next = one.replacedBy
  }
  return found
}

export function activeOf(credentials: readonly Credential[], nowMs: number): Credential[] {
  return credentials.filter((one) => isActive(one, nowMs))
}
