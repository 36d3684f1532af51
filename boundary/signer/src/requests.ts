import { wireError } from '@countersign/wire'
import type { Caller } from './authenticate.ts'
import type { LedgerTx } from './ledger.ts'
import { replayed } from './nonce-memory.ts'
import type { StoredAnswer } from './records.ts'
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
  const record = await tx.get('request', requestKey(caller))
  if (record === undefined) return undefined
  if (record.nonce === caller.nonce) throw replayed()
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
  const [leaf] = await signer.journal.leaves(answer.index, 1)
  if (leaf === undefined) throw new Error('bug: a request points behind the end of the journal')
  const receipt = await signer.journal.receipt(answer.index, leaf)
  return { status: answer.status, body: { ...(answer.body as object), receipt } }
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
  tx.put(
    'request',
    requestKey(caller),
    {
      digest: caller.digest,
      nonce: caller.nonce,
      state: 'done',
      at: new Date(tx.nowMs).toISOString(),
      credential: caller.primary.id,
      requestId: caller.requestId,
      wallet,
      index,
      booked: [],
      answer,
    },
    tx.nowMs + requestRetentionMs,
  )
}
