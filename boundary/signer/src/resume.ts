import { type CountersignError, isCountersignError } from '@countersign/bytes'
import { isActive, wireError } from '@countersign/wire'
import { approvalFacts, callerOf, countableVotes, countedApprovals, requestKeyOf } from './approvals.ts'
import { checkNotFrozen } from './frozen.ts'
import { type Judged, judge } from './judge.ts'
import type { LedgerTx } from './ledger.ts'
import { parsePayload } from './payload.ts'
import type { ApprovalRecord, ApprovalVote } from './records.ts'
import type { Signer } from './signer.ts'
import { type Permitted, permit, type Request } from './verdict.ts'

/** A request that waits, decided once more over the records of this commit. */
export interface JudgedWaiting extends Request {
  readonly judged: Judged
  /** That count now, whatever the policy makes of them. */
  readonly votes: readonly ApprovalVote[]
}

/**
 * The same bytes, decoded again, under the policies, votes, windows and facts of this commit.
 * @returns the reason where who asked may ask no longer, whatever the policies say. */
export async function judgeWaiting(
  tx: LedgerTx,
  signer: Signer,
  record: ApprovalRecord,
): Promise<JudgedWaiting | CountersignError> {
  const { order: kept, operation, wallet: walletId } = record
  const wallet = await tx.get('wallet', walletId)
  if (kept === null || wallet === undefined) throw new Error(`bug: ${record.id} waits for nothing`)
  const credential = await tx.get('credential', record.credential)
  if (credential === undefined || !isActive(credential, tx.nowMs)) {
    const why = `The credential ${record.credential}, which has asked for it, is no longer active.`
    return wireError('WIRE_CREDENTIAL_REVOKED', why)
  }
  const { body, ...forwarded } = kept
  const order = { operation, walletId, body, forwarded }
  const intent = parsePayload({ ...order, wallet })
  if (intent.payloadDigest !== record.payloadDigest) throw new Error(`bug: ${record.id} has other bytes now`)
  let votes: readonly ApprovalVote[] = []
  let judged: Judged
  try {
    judged = await judge(tx, {
      signer,
      credential,
      wallet,
      intent,
      grant: body.grant,
      approvals: async (layers) => {
        votes = await countableVotes(tx, record, layers)
        return approvalFacts(votes)
      },
    })
  } catch (error) {
    if (isCountersignError(error) && error.code.startsWith('SIGNER_GRANT_')) return error
    throw error
  }
  return { caller: callerOf(record, credential), order, wallet, intent, judged, votes }
}

/** The permit of a request that has waited, in the commit that found it complete. */
export function permitWaiting(
  tx: LedgerTx,
  record: ApprovalRecord,
  { judged, votes, ...request }: JudgedWaiting,
): Promise<Permitted> {
  const approvals = countedApprovals(votes, judged.decision.approvals)
  return permit(tx, request, judged, { approval: record.id, approvals })
}

/**
 * Goes on with a request that waits, where all that it waits for is there: after a crash or a failure of the key's
 * backend, or because the policy asks for less now. Otherwise nothing happens; it goes on waiting.
 */
export async function resume(tx: LedgerTx, signer: Signer, id: string): Promise<Permitted | undefined> {
  const record = await tx.get('approval', id)
  if (record === undefined || !isWaiting(tx, record)) return undefined
  try {
    await checkNotFrozen(tx, record.wallet)
  } catch (error) {
    if (isCountersignError(error) && error.code === 'SIGNER_FROZEN') return undefined
    throw error
  }
  const waiting = await judgeWaiting(tx, signer, record)
  if (isCountersignError(waiting) || !waiting.judged.decision.permitted) return undefined
  return permitWaiting(tx, record, waiting)
}

/** Not settled, not over, and not being signed at this moment. */
export function isWaiting(tx: LedgerTx, record: ApprovalRecord): boolean {
  return (
    record.state === 'waiting' &&
    tx.nowMs < record.expiresAtMs &&
    tx.openPermit(requestKeyOf(record)) === undefined
  )
}
