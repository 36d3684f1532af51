import { type Credential, subjectOf, wireError } from '@countersign/wire'
import { pendingAnswer } from './approval-json.ts'
import type { Caller } from './authenticate.ts'
import { takeBackUse } from './grant-use.ts'
import type { LedgerTx } from './ledger.ts'
import { replayed } from './nonce-memory.ts'
import type { ApprovalRecord, OpenPermit, RequestRecord, StoredAnswer } from './records.ts'
import type { Answer, Signer } from './signer.ts'
import { unbook } from './windows.ts'

/** How long a request id keeps its answer; longer than any signature lives, so that no replay outlasts it. */
export const requestRetentionMs = 25 * 60 * 60 * 1000

export interface RememberedAnswer extends StoredAnswer {
  /** Journal index of the outcome. */
  readonly index: number
  /** There is none yet: the request waits for this approval. */
  readonly approval?: string
}

/** By subject: a request that is retried with a key that was rotated in between is still the same request. */
export function requestKey(caller: {
  primary: Pick<Credential, 'id' | 'subject'>
  requestId: string
}): string {
  return `${subjectOf(caller.primary)}/${caller.requestId}`
}

export function keyOfPermit({ subject, requestId }: OpenPermit): string {
  return `${subject}/${requestId}`
}

/**
 * Same id and body: the same answer as before. Same id, other body: an error. The same signed bytes again: a replay.
 * @returns undefined for a request that is new, or whose first try was abandoned without a signature.
 * @throws {CountersignError} WIRE_NONCE_REPLAYED, WIRE_REQUEST_ID_REUSED, WIRE_REQUEST_IN_FLIGHT */
export async function remembered(tx: LedgerTx, caller: Caller): Promise<RememberedAnswer | undefined> {
  // Under each of its signers: whoever forwards it can reorder the signatures, and leave some out.
  for (const [i, primary] of caller.credentials.entries()) {
    const key = requestKey({ primary, requestId: caller.requestId })
    const open = tx.openPermit(key)
    if (open !== undefined) {
      if (open.nonce === caller.nonces[i]) throw replayed()
      checkSameBody(open, caller)
      throw wireError('WIRE_REQUEST_IN_FLIGHT', `The request ${caller.requestId} is still being worked on.`)
    }
    const filed = await tx.get('request', key)
    if (filed !== undefined && filed.nonce === caller.nonces[i]) throw replayed()
    const record = filed?.under === undefined ? filed : await tx.get('request', filed.under)
    if (record === undefined) continue
    checkSameBody(record, caller)
    if (record.state === 'done' && record.answer !== null) return { ...record.answer, index: record.index }
    if (record.approval !== undefined) return pendingAnswer(await approvalOf(tx, record.approval))
  }
  return undefined
}

async function approvalOf(tx: Pick<LedgerTx, 'get'>, id: string): Promise<ApprovalRecord> {
  const approval = await tx.get('approval', id)
  if (approval === undefined) throw new Error(`bug: a request waits for ${id}, which is not there`)
  return approval
}

function checkSameBody({ digest }: { readonly digest: string }, caller: Caller): void {
  if (digest === caller.digest) return
  throw wireError(
    'WIRE_REQUEST_ID_REUSED',
    `The request id ${caller.requestId} was used for another request.`,
  )
}

/** The answer as it was given first; the journal gives its receipt again, byte for byte. */
export async function answerOf(signer: Signer, answer: RememberedAnswer): Promise<Answer> {
  if (!answer.receipt) return { status: answer.status, body: answer.body }
  const receipt = await signer.journal.receipt(answer.index)
  return { status: answer.status, body: { ...(answer.body as object), receipt } }
}

/** Files the outcome of a request under each of its signers. */
export function putRequest(
  tx: LedgerTx,
  caller: Caller,
  request: Omit<RequestRecord, 'digest' | 'nonce' | 'at' | 'credential' | 'requestId'>,
  expiresMs = tx.nowMs + requestRetentionMs,
): void {
  const [nonce = '', ...otherNonces] = caller.nonces
  const record: RequestRecord = {
    ...request,
    digest: caller.digest,
    nonce,
    at: new Date(tx.nowMs).toISOString(),
    credential: caller.primary.id,
    requestId: caller.requestId,
  }
  const under = requestKey(caller)
  tx.put('request', under, record, expiresMs)
  for (const [i, otherNonce] of otherNonces.entries()) {
    const other = caller.credentials[i + 1]
    if (other === undefined) throw new Error('bug: a nonce without its credential')
    const key = requestKey({ primary: other, requestId: caller.requestId })
    const reference = {
      ...record,
      nonce: otherNonce,
      state: 'done' as const,
      answer: null,
      under,
    }
    tx.put('request', key, reference, expiresMs)
  }
}

/** The record that counts, for any of the request's signers.
 * @param asked `credential`: its subject. */
export async function findRequest(
  source: Pick<LedgerTx, 'get'>,
  asked: { credential: string; requestId: string },
): Promise<RequestRecord | undefined> {
  const filed = await source.get('request', `${asked.credential}/${asked.requestId}`)
  return filed?.under === undefined ? filed : source.get('request', filed.under)
}

/** Keeps the answer of a request that needs one commit only. */
export function putAnswer(
  tx: LedgerTx,
  {
    caller,
    wallet,
    index,
    answer,
  }: { caller: Caller; wallet: string | null; index: number; answer: StoredAnswer },
): void {
  putRequest(tx, caller, { state: 'done', wallet, index, answer })
}

/**
 * A permit whose signature has left nobody: its budget is free again, and the journal says so. The request keeps its
 * nonce, so that the same bytes are a replay.
 */
export async function abandonPermit(
  tx: LedgerTx,
  key: string,
  permit: OpenPermit,
  reason: string,
): Promise<void> {
  const { booked, digest, nonce, credential, requestId, wallet, grant, approval } = permit
  await unbook(tx, booked)
  if (grant !== undefined) await takeBackUse(tx, grant)
  const { index } = tx.append({ type: 'abandoned', requestId, credential, permit: permit.index, reason })
  const at = new Date(tx.nowMs).toISOString()
  const filed = { digest, nonce, at, credential, requestId, wallet, index, answer: null }
  if (approval === undefined) {
    tx.put('request', key, { ...filed, state: 'abandoned' }, tx.nowMs + requestRetentionMs)
  } else {
    // Its approvals stand: it waits again, for whoever asks or approves next.
    const { expiresAtMs } = await approvalOf(tx, approval)
    tx.put('request', key, { ...filed, state: 'waiting', approval }, expiresAtMs + requestRetentionMs)
  }
  tx.settle(key)
}
