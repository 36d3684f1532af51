import { wireError } from '@countersign/wire'
import type { Caller } from './authenticate.ts'
import type { LedgerTx } from './ledger.ts'
import type { Organisation } from './records.ts'

/**
 * Counted here, in the commit that carries the change out, over credentials as they are in that commit.
 * @throws {CountersignError} WIRE_QUORUM_NOT_MET */
export async function checkQuorum(tx: LedgerTx, caller: Caller): Promise<Organisation> {
  const organisation = await tx.get('organisation', 'organisation')
  if (organisation === undefined) throw new Error('bug: a signer without an organisation')
  let admins = 0
  for (const { id } of caller.credentials) {
    const credential = await tx.get('credential', id)
    if (credential?.status === 'active' && credential.role === 'admin') admins++
  }
  if (admins < organisation.quorum) {
    throw wireError(
      'WIRE_QUORUM_NOT_MET',
      `This change is signed by ${admins} active admin${admins === 1 ? '' : 's'}; ${organisation.quorum} must sign it.`,
    )
  }
  return organisation
}

/** Admins that would be left, for changes that take one away. */
export async function activeAdmins(tx: LedgerTx): Promise<number> {
  const credentials = await tx.range('credential', '', '\uffff', credentialsMax)
  return credentials.filter(({ value }) => value.status === 'active' && value.role === 'admin').length
}

/** Credentials of one signer, revoked ones included. */
export const credentialsMax = 100_000
