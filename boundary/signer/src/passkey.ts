import { isCountersignError } from '@countersign/bytes'
import {
  type Credential,
  checkPasskeySignature,
  checkSignCount,
  isPasskeyAlgorithm,
  type ParsedSignature,
  wireError,
} from '@countersign/wire'
import type { Ledger, LedgerTx } from './ledger.ts'
import type { RequestCheck } from './verify.ts'

/** What an authenticator said about itself when it signed. */
export interface PasskeyUse {
  readonly credentialId: string
  readonly signCount: number
  readonly backedUp: boolean
}

/** What of a signature is left to be verified with the credential's key.
 * @throws {CountersignError} WIRE_PASSKEY_*, WIRE_UNKNOWN_CREDENTIAL */
export function signatureCheck(
  credential: Credential,
  { base, signature }: Pick<ParsedSignature, 'base' | 'signature'>,
): { readonly check: RequestCheck; readonly use?: PasskeyUse } {
  const { id, algorithm, publicKey, passkey } = credential
  if (algorithm === 'bearer')
    throw wireError('WIRE_UNKNOWN_CREDENTIAL', `The credential ${id} has no key that signs.`)
  if (!isPasskeyAlgorithm(algorithm)) return { check: { algorithm, publicKey, base, signature } }
  if (passkey === undefined) throw new Error('bug: a passkey without its facts')
  const { signCount, backedUp, ...checked } = checkPasskeySignature(signature, { algorithm, base, passkey })
  return { check: { ...checked, publicKey }, use: { credentialId: id, signCount, backedUp } }
}

/**
 * Compares the counters with the last ones, and keeps them: in the commit that carries the request out, or before it.
 * @throws {CountersignError} WIRE_PASSKEY_CLONED */
export async function takeUses(tx: LedgerTx, uses: readonly PasskeyUse[]): Promise<void> {
  for (const { credentialId, signCount, backedUp } of uses) {
    const before = await tx.get('passkey-use', credentialId)
    checkSignCount({ credentialId, stored: before?.signCount ?? 0, stated: signCount })
    // Most passkeys never count: they cost no commit.
    if (before?.signCount === signCount && before.backedUp === backedUp) continue
    tx.put('passkey-use', credentialId, { signCount, backedUp })
  }
}

/** The same as a commit of its own, for requests that no quorum signs.
 * @throws {CountersignError} WIRE_PASSKEY_CLONED */
export function countUses(ledger: Ledger, uses: readonly PasskeyUse[]): Promise<void> {
  if (uses.length === 0) return Promise.resolve()
  return reportingClones(ledger, () => ledger.submit((tx) => takeUses(tx, uses)))
}

/**
 * A counter that went back stands in the journal even though its request is refused. Only who holds the key, or has a
 * request by it that is fresh, can cause such an entry: everything else is refused before.
 */
export async function reportingClones<T>(ledger: Ledger, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isCountersignError(error) && error.code === 'WIRE_PASSKEY_CLONED') {
      const entry = { type: 'alarm', alarm: 'passkey-cloned', ...error.details } as const
      // Where not even this can be written, the refusal of the request still stands.
      await ledger.submit(async (tx) => tx.append(entry)).catch(() => undefined)
    }
    throw error
  }
}
