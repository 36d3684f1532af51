import { wireError } from './catalogue.ts'
import type { Credential } from './request.ts'

/**
 * The one answer to whether a credential counts: for requests, quorums, approvals and grants alike. What a
 * credential signed while it was active counts only for as long as it still is.
 * @param nowMs Of the commit that decides. */
export function isActive(
  { status, expiresAt }: Pick<Credential, 'status' | 'expiresAt'>,
  nowMs: number,
): boolean {
  return status === 'active' && (expiresAt === undefined || nowMs < Date.parse(expiresAt))
}

/** @throws {CountersignError} WIRE_CREDENTIAL_REVOKED, WIRE_CREDENTIAL_EXPIRED */
export function checkActive(
  credential: Pick<Credential, 'id' | 'status' | 'expiresAt'>,
  nowMs: number,
): void {
  if (isActive(credential, nowMs)) return
  const { id, status, expiresAt } = credential
  if (status !== 'active') throw wireError('WIRE_CREDENTIAL_REVOKED', `The credential ${id} was revoked.`)
  throw wireError('WIRE_CREDENTIAL_EXPIRED', `The credential ${id} ended at ${expiresAt}.`)
}

/**
 * Who a credential stands for: the id that it had before any rotation. Policies, windows, request ids and quorums go
 * by it, so that a new key is neither a new identity nor a new budget nor a second vote.
 */
export function subjectOf({ id, subject }: Pick<Credential, 'id' | 'subject'>): string {
  return subject ?? id
}
