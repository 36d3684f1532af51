import type { CountersignError, Hex } from '@countersign/bytes'
import type { HeldGrant, Policy, PolicyId } from '@countersign/policy'
import { type Credential, isActive, subjectOf } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import { PolicyCache, type PolicyLayer } from './policies.ts'
import type { GrantRecord } from './records.ts'

/** How long a grant that has ended can be asked for; the journal has it for good. */
export const endedGrantRetentionMs = 90 * 24 * 60 * 60 * 1000

export interface GrantInUse {
  readonly id: string
  /** Its rules: one layer more that must permit. */
  readonly layer: PolicyLayer
}

interface Use {
  readonly credential: Credential
  readonly walletId: string
  /** As the request names it. */
  readonly grant: string | undefined
}

/**
 * The grant under which a request is made, as it stands in the commit that decides. What was permitted in an earlier
 * commit stands, also where the grant has ended since.
 * @returns undefined where the request names none.
 * @throws {CountersignError} SIGNER_GRANT_* */
export async function grantInUse(
  tx: Pick<LedgerTx, 'get' | 'nowMs'>,
  { credential, walletId, grant }: Use,
): Promise<GrantInUse | undefined> {
  if (grant === undefined) {
    if (credential.role !== 'grantee') return undefined
    throw signerError(
      'SIGNER_GRANT_NEEDED',
      `The credential ${credential.id} is a grantee; the request names no grant.`,
    )
  }
  const record = await tx.get('grant', grant)
  if (record === undefined) throw unknownGrant(grant)
  if (record.to !== subjectOf(credential)) {
    throw signerError('SIGNER_GRANT_FOREIGN', `The grant ${grant} is not for ${credential.id}.`)
  }
  if (!record.wallets.includes(walletId)) {
    throw signerError('SIGNER_GRANT_WALLET', `The grant ${grant} is not about the wallet ${walletId}.`)
  }
  const why = (await endedBecause(tx, record, walletId)) ?? (await usedUpBecause(tx, record))
  if (why !== undefined) throw why
  return { id: grant, layer: grantLayer(record) }
}

/** With the permit, in its commit: so that no two requests can take the last one. */
export async function countUse(tx: LedgerTx, grant: string): Promise<void> {
  await addUses(tx, grant, 1)
}

/** Of a permit that was abandoned: no signature has left the signer. */
export async function takeBackUse(tx: LedgerTx, grant: string): Promise<void> {
  await addUses(tx, grant, -1)
}

async function addUses(tx: LedgerTx, grant: string, change: 1 | -1): Promise<void> {
  const record = await tx.get('grant', grant)
  // Ended so long ago that nothing is kept of it.
  if (record === undefined) return
  const uses = (await usesOf(tx, grant)) + change
  if (uses < 0) throw new Error(`bug: the grant ${grant} was used less than never`)
  tx.put('grant-use', grant, { uses }, keptUntilMs(record))
}

export async function usesOf(source: Pick<LedgerTx, 'get'>, grant: string): Promise<number> {
  return (await source.get('grant-use', grant))?.uses ?? 0
}

/** The latest time at which it could still hold. */
export function lastEndMs({ expiresMs, keepAlive }: Pick<GrantRecord, 'expiresMs' | 'keepAlive'>): number {
  return keepAlive === null ? expiresMs : Math.max(expiresMs, keepAlive.hardEndMs)
}

/** The same for all that is kept of a grant, whatever becomes of it. */
export function keptUntilMs(record: Pick<GrantRecord, 'expiresMs' | 'keepAlive'>): number {
  return lastEndMs(record) + endedGrantRetentionMs
}

/**
 * Why nothing is signed under it now, uses apart.
 * @param walletId For this one: of several wallets one may have another owner by now. */
export async function endedBecause(
  source: Pick<LedgerTx, 'get' | 'nowMs'>,
  record: GrantRecord,
  walletId: string,
): Promise<CountersignError | undefined> {
  const { id, revoked, notBeforeMs, expiresMs } = record
  if (revoked !== null) {
    const at = new Date(revoked.atMs).toISOString()
    return signerError('SIGNER_GRANT_REVOKED', `The grant ${id} was revoked by ${revoked.by} at ${at}.`)
  }
  if (!(await isGrantorStanding(source, record, walletId))) {
    return signerError('SIGNER_GRANT_ORPHANED', `Who has signed the grant ${id} is not the owner any more.`)
  }
  if (source.nowMs < notBeforeMs) {
    const from = new Date(notBeforeMs).toISOString()
    return signerError('SIGNER_GRANT_EARLY', `The grant ${id} holds from ${from} on.`)
  }
  if (source.nowMs >= expiresMs) {
    const end = new Date(expiresMs).toISOString()
    return signerError('SIGNER_GRANT_EXPIRED', `The grant ${id} ended at ${end}.`)
  }
  return undefined
}

/** One that does not hold yet will: for what could be lost it counts. */
export function isYetToCome({ code }: CountersignError): boolean {
  return code === 'SIGNER_GRANT_EARLY'
}

export async function usedUpBecause(
  source: Pick<LedgerTx, 'get'>,
  { id, maxUses }: GrantRecord,
): Promise<CountersignError | undefined> {
  if (maxUses === null || (await usesOf(source, id)) < maxUses) return undefined
  return signerError('SIGNER_GRANT_USED_UP', `All ${maxUses} uses of the grant ${id} are spent.`)
}

/**
 * An owner's grant rests on one key. Where that was rotated, the old key may have been in other hands, and so may be
 * whom it has granted to: the grant ends, and the owner makes it anew. A quorum's grant is a decision of the
 * organisation and outlives its admins, like a policy.
 */
async function isGrantorStanding(
  source: Pick<LedgerTx, 'get' | 'nowMs'>,
  { grantedBy, madeIndex }: GrantRecord,
  walletId: string,
): Promise<boolean> {
  if ('quorum' in grantedBy) return true
  const credential = await source.get('credential', grantedBy.owner)
  if (credential === undefined || !isActive(credential, source.nowMs)) return false
  if (credential.replacedBy !== undefined) return false
  const wallet = await source.get('wallet', walletId)
  // An owner to whom the wallet came back has to say again who may ask.
  return wallet?.owner === subjectOf(credential) && madeIndex > (wallet.ownerIndex ?? -1)
}

/** Rules of grants, apart from policies: so that many grants do not drive these out of memory. */
const parsedRules = new PolicyCache()

export function grantLayer(record: GrantRecord): PolicyLayer {
  return { layer: 'grant', policy: policyOf(record) }
}

/** As it counts in figures of what could be lost. */
export function heldGrant(record: GrantRecord): HeldGrant {
  return { id: record.id, to: record.to, policy: policyOf(record) }
}

function policyOf({ id, rules, rulesHash }: GrantRecord): Policy {
  const record = { id: id as PolicyId, hash: rulesHash as Hex, version: 1, document: rules, appliedAt: '' }
  return parsedRules.parse(record)
}

export function unknownGrant(id: string): CountersignError {
  return signerError('SIGNER_GRANT_UNKNOWN', `There is no grant ${id}.`)
}
