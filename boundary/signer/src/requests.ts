import { wireError } from '@countersign/wire'
import type { Caller } from './authenticate.ts'
import type { LedgerTx } from './ledger.ts'
import { replayed } from './nonce-memory.ts'
import type { RequestRecord, StoredAnswer } from './records.ts'
import type { Answer, Signer } from './signer.ts'

/** How long a request id keeps its answer; longer than any signature lives, so that no replay outlasts it. */
export const requestRetentionMs = 25 * 60 * 60 * 1000

export interface RememberedAnswer extends StoredAnswer {
  /** Journal index of the outcome. */
  readonly index: number
}

export function requestKey(caller: { primary: { id: string }; requestId: string }): string {
  return `${caller.primary.id}/${caller.requestId}`
}

/**
 * Same id and body: the same answer as before. Same id, other body: an error. The same signed bytes again: a replay.
 * @returns undefined for a request that is new, or whose first try was abandoned without a signature.
 * @throws {CountersignError} WIRE_NONCE_REPLAYED, WIRE_REQUEST_ID_REUSED, WIRE_REQUEST_IN_FLIGHT */
export async function remembered(tx: LedgerTx, caller: Caller): Promise<RememberedAnswer | undefined> {
  // Under each of its signers: whoever forwards it can reorder the signatures, and leave some out.
  for (const [i, { id }] of caller.credentials.entries()) {
    const filed = await tx.get('request', `${id}/${caller.requestId}`)
    if (filed !== undefined && filed.nonce === caller.nonces[i]) throw replayed()
    const record = filed?.under === undefined ? filed : await tx.get('request', filed.under)
    const answer = record === undefined ? undefined : rememberedAs(record, caller)
    if (answer !== undefined) return answer
  }
  return undefined
}

function rememberedAs(record: RequestRecord, caller: Caller): RememberedAnswer | undefined {
  if (record.digest !== caller.digest) {
    throw wireError(
      'WIRE_REQUEST_ID_REUSED',
      `The request id ${caller.requestId} was used for another request.`,
    )
  }
  if (record.state === 'pending') {
    throw wireError('WIRE_REQUEST_IN_FLIGHT', `The request ${caller.requestId} is still being worked on.`)
  }
  if (record.state === 'abandoned' || record.answer === null) return undefined
  return { ...record.answer, index: record.index }
}

/** The answer as it was given first; a receipt is made again from its journal entry, bit for bit. */
export async function answerOf(signer: Signer, answer: RememberedAnswer): Promise<Answer> {
  if (!answer.receipt) return { status: answer.status, body: answer.body }
  const receipt = await signer.journal.receipt(answer.index, await signer.journal.provenLeaf(answer.index))
  return { status: answer.status, body: { ...(answer.body as object), receipt } }
}

/** Files a request under each of its signers. A pending one has no end: only its outcome may take it away. */
export function putRequest(
  tx: LedgerTx,
  caller: Caller,
  request: Omit<RequestRecord, 'digest' | 'nonce' | 'at' | 'credential' | 'requestId'>,
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
  const expiresMs = tx.nowMs + requestRetentionMs
  tx.put('request', under, record, request.state === 'pending' ? undefined : expiresMs)
  for (const [i, otherNonce] of otherNonces.entries()) {
    const key = `${caller.credentials[i + 1]?.id}/${caller.requestId}`
    const reference = {
      ...record,
      nonce: otherNonce,
      state: 'done' as const,
      booked: [],
      answer: null,
      under,
    }
    tx.put('request', key, reference, expiresMs)
  }
}

/** The record that counts, for any of the request's signers. */
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
  putRequest(tx, caller, { state: 'done', wallet, index, booked: [], answer })
}
