import { isActive, subjectOf, wireError } from '@countersign/wire'
import type { Caller } from './authenticate.ts'
import type { LedgerTx } from './ledger.ts'
import type { Organisation } from './records.ts'

/**
 * Counted here, in the commit that carries the change out, over credentials as they are in that commit.
 * @throws {CountersignError} WIRE_QUORUM_NOT_MET */
export async function checkQuorum(tx: LedgerTx, caller: Caller): Promise<Organisation> {
  const organisation = await tx.get('organisation', 'organisation')
  if (organisation === undefined) throw new Error('bug: a signer without an organisation')
  const subjects = new Set<string>()
  // Two credentials of one key are one admin.
  const keys = new Set<string>()
  for (const { id } of caller.credentials) {
    const credential = await tx.get('credential', id)
    if (credential === undefined || !isActive(credential, tx.nowMs)) continue
    // An API key is never an admin's; if it were, it would be the vote of whoever carries the traffic.
    if (credential.role !== 'admin' || credential.bearer === true) continue
    subjects.add(subjectOf(credential))
    keys.add(credential.publicKey)
  }
  const admins = Math.min(subjects.size, keys.size)
  if (admins < organisation.quorum) {
    throw wireError(
      'WIRE_QUORUM_NOT_MET',
      `This change is signed by ${admins} active admin${admins === 1 ? '' : 's'}; ${organisation.quorum} must sign it.`,
    )
  }
  return organisation
}

/** Admins that would be left, for changes that take one away. */
export async function activeAdmins(tx: Pick<LedgerTx, 'range' | 'nowMs'>): Promise<number> {
  const credentials = await tx.range('credential', '', '\uffff', credentialsMax)
  return credentials.filter(({ value }) => value.role === 'admin' && isActive(value, tx.nowMs)).length
}

/** Credentials of one signer, revoked ones included. */
export const credentialsMax = 100_000
