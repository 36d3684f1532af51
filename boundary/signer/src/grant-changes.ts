import {
  type Credential,
  isActive,
  type RevokeGrantBody,
  type SignedRequest,
  subjectOf,
} from '@countersign/wire'
import { authenticate, type Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { checkNotFrozen } from './frozen.ts'
import { termsOf } from './grant-json.ts'
import { leaveRoom } from './grant-room.ts'
import { endedBecause, keptUntilMs, lastEndMs, unknownGrant, usedUpBecause } from './grant-use.ts'
import { indexKeys } from './grants.ts'
import type { LedgerTx } from './ledger.ts'
import type { GrantRecord } from './records.ts'
import { answerOf, putAnswer, type RememberedAnswer, remembered } from './requests.ts'
import type { Answer, Signer } from './signer.ts'

/**
 * Ends a grant: by either side or one admin alone, and at once, frozen or not. A request that was permitted before
 * this commit is signed; none is permitted after it.
 * @throws {CountersignError} SIGNER_GRANT_UNKNOWN, SIGNER_GRANT_REVOKED */
export async function revokeGrant(
  signer: Signer,
  request: SignedRequest,
  { id, reason = null }: { readonly id: string; readonly reason?: RevokeGrantBody['reason'] | null },
): Promise<Answer> {
  return changeGrant(signer, request, async (tx, caller, credential) => {
    const record = await grantFor(tx, id, credential)
    if (record.revoked !== null) throw await endedBecause(tx, record, record.wallets[0] as string)
    const revoked = { by: caller.primary.id, atMs: tx.nowMs, reason: reason ?? null }
    for (const key of indexKeys(record)) tx.delete('grant-of', key)
    await leaveRoom(tx, record.wallets, lastEndMs(record))
    return { change: 'revoked', record: { ...record, revoked } }
  })
}

/**
 * Its grantee prolongs it, counted from this commit: an engine that holds the request back gains nothing beyond the
 * request's own five minutes, and the hard end stands.
 * @throws {CountersignError} SIGNER_GRANT_* */
export async function keepGrantAlive(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  return changeGrant(signer, request, async (tx, _caller, credential) => {
    const record = await grantFor(tx, id, credential)
    if (record.to !== subjectOf(credential)) {
      throw signerError('SIGNER_GRANT_FOREIGN', `The grant ${id} is not for ${credential.id}.`)
    }
    const why = await unusableBecause(tx, record)
    if (why !== undefined) throw why
    const { keepAlive, expiresMs } = record
    if (keepAlive === null) throw signerError('SIGNER_GRANT_FIXED', `The grant ${id} has no keep-alive.`)
    for (const wallet of record.wallets) await checkNotFrozen(tx, wallet)
    const prolongedMs = Math.max(expiresMs, tx.nowMs + keepAlive.extendByMs)
    return {
      change: 'kept-alive',
      record: { ...record, expiresMs: Math.min(keepAlive.hardEndMs, prolongedMs) },
    }
  })
}

/** Why nothing at all is signed under it now; one wallet that still is suffices. */
export async function unusableBecause(source: Pick<LedgerTx, 'get' | 'nowMs'>, record: GrantRecord) {
  const usedUp = await usedUpBecause(source, record)
  let first: Awaited<ReturnType<typeof endedBecause>>
  for (const wallet of record.wallets) {
    const ended = await endedBecause(source, record, wallet)
    if (ended === undefined) return usedUp
    first ??= ended
  }
  return first
}

/** @throws {CountersignError} SIGNER_GRANT_UNKNOWN, also for whom it does not concern. */
async function grantFor(tx: LedgerTx, id: string, credential: Credential): Promise<GrantRecord> {
  const record = await tx.get('grant', id)
  if (record === undefined) throw unknownGrant(id)
  if (credential.role === 'admin' || (await isParty(tx, record, credential))) return record
  throw unknownGrant(id)
}

/** Grantee, grantor, or owner of one of its wallets now. */
export async function isParty(
  source: Pick<LedgerTx, 'get'>,
  { to, grantedBy, wallets }: GrantRecord,
  credential: Credential,
): Promise<boolean> {
  const subject = subjectOf(credential)
  if (to === subject || ('owner' in grantedBy && grantedBy.subject === subject)) return true
  for (const id of wallets) if ((await source.get('wallet', id))?.owner === subject) return true
  return false
}

type Plan = (
  tx: LedgerTx,
  caller: Caller,
  credential: Credential,
) => Promise<{ readonly change: 'revoked' | 'kept-alive'; readonly record: GrantRecord }>

async function changeGrant(signer: Signer, request: SignedRequest, plan: Plan): Promise<Answer> {
  const caller = await authenticate(request, signer.authentication)
  const answer = await signer.ledger.submit(async (tx): Promise<RememberedAnswer> => {
    const known = await remembered(tx, caller)
    if (known !== undefined) return known
    const credential = await tx.get('credential', caller.primary.id)
    if (credential === undefined || !isActive(credential, tx.nowMs)) throw signer.revoked(caller.primary.id)
    const { change, record } = await plan(tx, caller, credential)
    const terms = await termsOf(tx, record)
    const { index } = tx.append({
      type: 'grant',
      change,
      grant: record.id,
      wallets: record.wallets,
      terms,
      requestId: caller.requestId,
      requestDigest: caller.digest,
      credential: caller.primary.id,
      attribution: caller.attribution,
    })
    tx.put('grant', record.id, { ...record, index }, keptUntilMs(record))
    const stored = { status: 200, body: terms, receipt: true }
    putAnswer(tx, { caller, wallet: null, index, answer: stored })
    return { ...stored, index }
  })
  return answerOf(signer, answer)
}
