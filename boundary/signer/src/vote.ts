import { type CountersignError, decodeHex, isCountersignError, isEqualConstantTime } from '@countersign/bytes'
import type { Decision } from '@countersign/policy'
import {
  type ApproveBody,
  type Credential,
  type RejectBody,
  type SignedRequest,
  subjectOf,
  wireError,
} from '@countersign/wire'
import { needsJson } from './approval-json.ts'
import { mayVote, policiesDigest, requestKeyOf, settleApproval, votersOf } from './approvals.ts'
import { authenticate, type Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { checkNotFrozen } from './frozen.ts'
import type { LedgerTx } from './ledger.ts'
import type { ApprovalRecord, StoredAnswer } from './records.ts'
import { answerOf, putAnswer, type RememberedAnswer, remembered } from './requests.ts'
import { judgeWaiting, permitWaiting, resume } from './resume.ts'
import { finish } from './sign.ts'
import type { Answer, Signer } from './signer.ts'
import { type Permitted, refuse } from './verdict.ts'

export type Vote = { readonly id: string } & (
  | ({ readonly verdict: 'approved' } & ApproveBody)
  | ({ readonly verdict: 'rejected' } & RejectBody)
)

/** What one commit made of a vote. */
interface Counted {
  readonly answer: RememberedAnswer
  /** It was the last that was needed: what is left is to sign. */
  readonly permitted?: Permitted | undefined
}

/**
 * One credential's word about one request. With the last approval that the policies ask for, the request is decided,
 * booked and permitted in the commit of the vote itself, and then signed like any other.
 * @throws {CountersignError} SIGNER_APPROVAL_*, SIGNER_FROZEN, WIRE_NOT_PERMITTED */
export async function vote(signer: Signer, request: SignedRequest, given: Vote): Promise<Answer> {
  const caller = await authenticate(request, signer.authentication)
  const { answer, permitted } = await signer.ledger.submit((tx) => count(tx, signer, caller, given))
  if (permitted !== undefined) await finish(signer, permitted)
  const { status, body } = await answerOf(signer, answer)
  if (status !== 200) return { status, body }
  // Where it has come to is asked anew: the vote itself may have been given long ago.
  const record = await signer.ledger.get('approval', given.id)
  return { status, body: { ...(body as object), state: record?.state ?? 'expired' } }
}

async function count(tx: LedgerTx, signer: Signer, caller: Caller, given: Vote): Promise<Counted> {
  const known = await remembered(tx, caller)
  if (known !== undefined) {
    const permitted = given.verdict === 'approved' ? await resume(tx, signer, given.id) : undefined
    return { answer: known, permitted }
  }
  const record = await tx.get('approval', given.id)
  if (record === undefined) throw unknownApproval(given.id)
  checkStillWaits(tx, record)
  // The digest says over which bytes: an approval of anything else is none.
  if (!isEqualConstantTime(decodeHex(given.digest, 'digest', 32), decodeHex(record.digest))) {
    throw signerError('SIGNER_APPROVAL_DIFFERS', `The digest is not that of ${record.id}.`)
  }
  const credential = await tx.get('credential', caller.primary.id)
  if (credential === undefined || !mayVote(credential, tx.nowMs)) throw signer.revoked(caller.primary.id)
  if (given.verdict === 'approved') await checkNotFrozen(tx, record.wallet)

  const waiting = await judgeWaiting(tx, signer, record)
  const isOver = isCountersignError(waiting) || waiting.judged.decision.outcome === 'refused'
  checkListed(record, credential, isOver ? undefined : waiting.judged.decision)
  if (given.verdict === 'rejected') return reject(tx, { record, caller, reason: given.reason ?? null })
  if (isOver) return { answer: end(tx, { record, caller, waiting }) }

  const voted = addVote(tx, {
    record,
    caller,
    credential,
    policies: policiesDigest(waiting.judged.layers),
  })
  const decided = await judgeWaiting(tx, signer, voted.record)
  if (isCountersignError(decided)) throw new Error('bug: two answers to one question in one commit')
  const { approvals, permitted } = decided.judged.decision
  tx.put('approval', record.id, {
    ...voted.record,
    needs: needsJson(approvals),
    voters: votersOf(approvals),
  })
  if (!permitted) return { answer: voted.answer }
  return { answer: voted.answer, permitted: await permitWaiting(tx, voted.record, decided) }
}

function checkStillWaits(tx: LedgerTx, record: ApprovalRecord): void {
  if (tx.openPermit(requestKeyOf(record)) !== undefined) {
    throw wireError('WIRE_REQUEST_IN_FLIGHT', `The request of ${record.id} is being signed at this moment.`)
  }
  const state = record.state === 'waiting' && tx.nowMs >= record.expiresAtMs ? 'expired' : record.state
  if (state === 'waiting') return
  throw signerError('SIGNER_APPROVAL_SETTLED', `The request of ${record.id} waits no longer: ${state}.`, {
    details: { state },
  })
}

/**
 * Named by a rule that would permit the request: now, or, where it is refused at this moment, when it was last decided.
 * @throws {CountersignError} WIRE_NOT_PERMITTED */
function checkListed(record: ApprovalRecord, credential: Credential, decision: Decision | undefined): void {
  const voters = decision === undefined ? record.voters : votersOf(decision.approvals)
  if (voters.includes(subjectOf(credential))) return
  throw wireError(
    'WIRE_NOT_PERMITTED',
    `The policies do not ask ${credential.id} for its approval of ${record.id}.`,
    { fix: 'Those whose approval counts stand in `needs`; the one who asks may be excluded.' },
  )
}

function addVote(
  tx: LedgerTx,
  {
    record,
    caller,
    credential,
    policies,
  }: { record: ApprovalRecord; caller: Caller; credential: Credential; policies: ApprovalRecord['policies'] },
): { record: ApprovalRecord; answer: RememberedAnswer } {
  const { index, answer } = journalVote(tx, { record, caller, verdict: 'approved', reason: null })
  const subject = subjectOf(credential)
  // One subject has one vote: the later takes the place of the earlier, by whichever of its keys.
  const others = record.votes.filter((other) => other.subject !== subject)
  const own = { credential: credential.id, subject, atMs: tx.nowMs, index, policies }
  return { record: { ...record, votes: [...others, own] }, answer }
}

function reject(
  tx: LedgerTx,
  { record, caller, reason }: { record: ApprovalRecord; caller: Caller; reason: string | null },
): Counted {
  const { index, answer } = journalVote(tx, { record, caller, verdict: 'rejected', reason })
  const by = caller.primary.id
  const error = signerError(
    'SIGNER_APPROVAL_REJECTED',
    `${by} has rejected this request${reason === null ? '.' : `: ${reason}`}`,
    { details: { approval: record.id, by, reason } },
  )
  settleApproval(tx, record, {
    state: 'rejected',
    index,
    by,
    ...(reason === null ? {} : { reason }),
    answer: errorStored(error, { approval: record.id, index }),
  })
  return { answer }
}

/** No approval can help it any more: who asked may ask no longer, or the policies refuse it now. */
function end(
  tx: LedgerTx,
  {
    record,
    caller,
    waiting,
  }: { record: ApprovalRecord; caller: Caller; waiting: Awaited<ReturnType<typeof judgeWaiting>> },
): RememberedAnswer {
  const settlement = isCountersignError(waiting)
    ? refuseEnded(tx, record, waiting)
    : { index: refuse(tx, waiting, waiting.judged.decision, { approvalId: record.id }).index }
  const { index } = settlement
  settleApproval(tx, record, { state: 'refused', ...settlement })
  const error = signerError(
    'SIGNER_APPROVAL_SETTLED',
    `The request of ${record.id} waits no longer: the policies refuse it now.`,
    { details: { state: 'refused' } },
  )
  const answer = errorStored(error, { approval: record.id, index })
  putAnswer(tx, { caller, wallet: record.wallet, index, answer })
  return { ...answer, index }
}

function refuseEnded(
  tx: LedgerTx,
  record: ApprovalRecord,
  why: CountersignError,
): { readonly index: number; readonly answer: StoredAnswer } {
  const { requestId, requestDigest, credential, attribution, wallet, operation, payloadDigest, effects } =
    record
  const { index } = tx.append({
    type: 'refused',
    requestId,
    requestDigest,
    credential,
    attribution,
    wallet,
    operation,
    payloadDigest,
    effects: [...effects],
    reasons: [why.message],
    approvalId: record.id,
  })
  return { index, answer: errorStored(why, { approval: record.id, index }) }
}

interface Said {
  readonly record: ApprovalRecord
  readonly caller: Caller
  readonly verdict: Vote['verdict']
  readonly reason: string | null
}

/** The entry of a vote, and the answer to the one who gave it. */
function journalVote(
  tx: LedgerTx,
  { record, caller, verdict, reason }: Said,
): { readonly index: number; readonly answer: RememberedAnswer } {
  const { id, digest, wallet, operation, payloadDigest } = record
  const { index } = tx.append({
    type: verdict,
    approvalId: id,
    digest,
    wallet,
    operation,
    payloadDigest,
    requestId: caller.requestId,
    requestDigest: caller.digest,
    credential: caller.primary.id,
    attribution: caller.attribution,
    reason,
    of: { requestId: record.requestId, requestDigest: record.requestDigest, credential: record.credential },
  })
  const at = new Date(tx.nowMs).toISOString()
  const stored: StoredAnswer = {
    status: 200,
    body: { approval: id, verdict, digest, at, reason },
    receipt: true,
  }
  putAnswer(tx, { caller, wallet, index, answer: stored })
  return { index, answer: { ...stored, index } }
}

export function errorStored(
  error: CountersignError,
  { approval, index }: { readonly approval: string; readonly index: number },
): StoredAnswer {
  return {
    status: error.status,
    body: { error: error.toJSON(), approval: { id: approval }, journal: { index } },
    receipt: false,
  }
}

export function unknownApproval(id: string) {
  return signerError('SIGNER_APPROVAL_UNKNOWN', `No approval has the id ${id}.`)
}
