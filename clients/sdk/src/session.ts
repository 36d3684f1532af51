import { isCountersignError } from '@countersign/bytes'
import type { AccountWallet } from './account.ts'
import { sdkError } from './catalogue.ts'
import { carriedOut } from './change-answers.ts'
import { type ClientOptions, type CountersignClient, createCountersignClient } from './client.ts'
import type { CredentialSigner } from './credential-key.ts'
import type { NewGrant } from './grant-answers.ts'
import { encodeSession, parseSession } from './session-string.ts'

/** What an owner hands to a server of theirs: a grant over one wallet, as a rule for a short time. */
export interface NewSession extends Omit<NewGrant, 'wallets'> {
  /** Wallet id. */
  readonly wallet: string
}

/** A session that was imported: goes where `createCountersign`’s result goes, and signs under its grant. */
export interface Session {
  readonly client: CountersignClient
  /** From the grant’s own journal entry, not by the engine’s word. */
  readonly wallet: AccountWallet
  readonly grant: string
}

export interface ImportSessionOptions
  extends Omit<ClientOptions, 'url' | 'credential' | 'apiKey' | 'cosigners'> {
  /** The grantee’s own key: the session is worth nothing without it. */
  readonly credential: CredentialSigner
  /** Instead of the engine that the session names. */
  readonly url?: string
  /** The signer that you trust. Recommended: without it the one that the session names is believed. */
  readonly audience?: string
}

/**
 * Grants to `to`, signed by this client’s credential, and gives the grant as one line of text. There is no secret in
 * it: it may be logged, mailed or stolen.
 * @throws {CountersignError} SDK_CHANGE_WAITS where an admin quorum grants and there is a delay */
export async function exportSession(
  client: CountersignClient,
  { wallet, ...grant }: NewSession,
): Promise<string> {
  const made = carriedOut(await client.grants.create({ ...grant, wallets: [wallet] }))
  return encodeSession({
    signer: await client.audience(),
    url: client.transport.url,
    wallet,
    grant: made.id,
    to: made.to,
  })
}

/**
 * Looks the grant up and believes only what its receipt proves.
 * @throws {CountersignError} SDK_SESSION_INVALID, SDK_AUDIENCE_MISMATCH, SIGNER_GRANT_UNKNOWN, SDK_ANSWER_UNPROVEN */
export async function importSession(session: string, options: ImportSessionOptions): Promise<Session> {
  const facts = parseSession(session)
  const { audience = facts.signer, url = facts.url } = options
  if (audience !== facts.signer)
    throw sdkError('SDK_AUDIENCE_MISMATCH', `The session is for ${facts.signer}, but ${audience} is trusted.`)
  const client = createCountersignClient({ ...options, url, audience })
  const grant = await client.grants.get(facts.grant)
  const found = grant.wallets.find(({ id }) => id === facts.wallet)
  if (found === undefined || grant.to !== facts.to) {
    throw sdkError('SDK_SESSION_INVALID', 'The session says something else than the grant that it names.')
  }
  const { id, address, publicKey } = found
  return { client, wallet: { id, address, publicKey }, grant: grant.id }
}

/** Codes of a grant, or of its grantee, that signs nothing any more. */
const endedCodes: ReadonlySet<string> = new Set([
  'SIGNER_GRANT_UNKNOWN',
  'WIRE_CREDENTIAL_REVOKED',
  'WIRE_CREDENTIAL_EXPIRED',
])

/**
 * Whether the signer would take a request under it now. An engine can hide that it was revoked, and gains nothing by
 * it: the signer decides each request itself.
 * @throws {CountersignError} where nobody answers */
export async function isSessionActive({ client, grant }: Session): Promise<boolean> {
  try {
    const { state, unusable, expires } = await client.grants.get(grant)
    // When it begins, the signer says: a clock here that is a little behind would find a new session too early.
    return state === 'active' && unusable === null && Date.now() < Date.parse(expires)
  } catch (error) {
    if (isCountersignError(error) && endedCodes.has(error.code)) return false
    throw error
  }
}

/** Prolongs it, signed with the grantee’s key. @returns when it ends now; never after its hard end. */
export async function keepSessionAlive({ client, grant }: Session): Promise<Date> {
  const { expires } = await client.grants.keepAlive(grant)
  return new Date(expires)
}
