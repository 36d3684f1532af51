import { isCountersignError } from '@countersign/bytes'
import {
  type ApprovalSummary,
  approvalContext,
  approvalsContext,
  type Credential,
  type SignedRequest,
  subjectOf,
} from '@countersign/wire'
import { needsJson } from './approval-json.ts'
import { countableVotes, payloadOf, walletFacts } from './approvals.ts'
import type { Caller } from './authenticate.ts'
import type { Page } from './forward.ts'
import type { LedgerTx } from './ledger.ts'
import { authenticateReader } from './read.ts'
import type { ApprovalRecord } from './records.ts'
import { isWaiting, judgeWaiting } from './resume.ts'
import type { Answer, Signer } from './signer.ts'
import { unknownApproval } from './vote.ts'

const approvalsAtOnce = 128
/** Records that one page looks through: most may be none of the reader's business. */
const approvalsScannedMax = 4_096

/**
 * What a request would do and whose approval it needs, in the signer's own words: signed with the journal key over
 * `countersign-approval-v1\n` and the canonical statement, for this one question. The engine in between can alter
 * nothing of it, and hand out nothing old for new.
 */
export async function readApproval(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  const caller = await authenticateReader(signer, request, 'credential')
  const statement = await signer.ledger.submit(async (tx) => {
    const record = await tx.get('approval', id)
    if (record === undefined || !concerns(record, caller)) throw unknownApproval(id)
    return statementOf(tx, signer, { record, caller })
  })
  return signed(signer, approvalContext, statement)
}

/** Oldest first. The page is signed as a whole, so that nothing on it can be left out or put elsewhere. */
export async function readApprovals(
  signer: Signer,
  request: SignedRequest,
  { after, limit, state }: Page & { readonly state: string | undefined },
): Promise<Answer> {
  const caller = await authenticateReader(signer, request, 'credential')
  const items: ApprovalSummary[] = []
  let from = after
  let nextCursor: string | null = null
  scan: for (let scanned = 0; ; scanned += approvalsAtOnce) {
    const rows = await signer.ledger.range('approval', `${from}\0`, '\uffff', approvalsAtOnce)
    for (const { key, value } of rows) {
      from = key
      if ((state !== undefined && value.state !== state) || !concerns(value, caller)) continue
      items.push(await summaryOf(signer.ledger, value))
      if (items.length < limit) continue
      nextCursor = key
      break scan
    }
    if (rows.length < approvalsAtOnce) break
    if (scanned < approvalsScannedMax) continue
    nextCursor = from
    break
  }
  return signed(signer, approvalsContext, { ...statementHead(signer, caller), items, nextCursor })
}

async function signed(signer: Signer, context: string, statement: object): Promise<Answer> {
  const signature = await signer.journal.signStatement(context, statement)
  const { audience, publicKey } = signer.journal
  return { status: 200, body: { statement, signer: audience, journalKey: publicKey, signature } }
}

/** `asked` ties a statement to the one request that it answers. */
function statementHead(signer: Signer, { digest }: Caller) {
  const at = new Date(signer.ledger.nowMs()).toISOString()
  return { version: 1, signer: signer.journal.audience, at, asked: digest }
}

/** Those who approve for a living see all; others what they have asked for, or are asked about. */
function concerns({ subject, voters, votes }: ApprovalRecord, { primary }: Caller): boolean {
  if (primary.role === 'admin' || primary.role === 'approver' || primary.powers.includes('read')) return true
  const own = subjectOf(primary)
  return subject === own || voters.includes(own) || votes.some((vote) => vote.subject === own)
}

async function summaryOf(source: Pick<LedgerTx, 'get'>, record: ApprovalRecord): Promise<ApprovalSummary> {
  const wallet = await source.get('wallet', record.wallet)
  const credential: Credential | undefined = await source.get('credential', record.credential)
  if (wallet === undefined || credential === undefined) throw new Error(`bug: ${record.id} is of nobody`)
  return {
    approval: record.id,
    state: record.state,
    digest: record.digest,
    wallet: walletFacts(wallet),
    operation: record.operation,
    effects: [...record.effects],
    requestedBy: {
      credential: record.credential,
      name: credential.name,
      attribution: record.attribution,
    },
    createdAt: new Date(record.createdAtMs).toISOString(),
    expiresAt: new Date(record.expiresAtMs).toISOString(),
  }
}

async function statementOf(
  tx: LedgerTx,
  signer: Signer,
  { record, caller }: { record: ApprovalRecord; caller: Caller },
): Promise<object> {
  const { order, settled, operation, wallet: walletId } = record
  const now = await decisionNow(tx, signer, record)
  const countedNow = new Set(now.counting)
  const payload =
    order === null
      ? null
      : payloadOf({ operation, walletId, body: order.body, forwarded: forwardedOf(order) })
  return {
    ...statementHead(signer, caller),
    ...(await summaryOf(tx, record)),
    requestId: record.requestId,
    requestDigest: record.requestDigest,
    payloadDigest: record.payloadDigest,
    payload,
    outcome: now.outcome,
    reasons: now.reasons,
    needs: now.needs,
    votes: record.votes.map(({ credential, atMs }) => ({
      credential,
      at: new Date(atMs).toISOString(),
      counts: countedNow.has(credential),
    })),
    policies: now.policies,
    settled:
      settled === null
        ? null
        : { at: new Date(settled.atMs).toISOString(), by: settled.by, reason: settled.reason },
    index: record.index,
  }
}

function forwardedOf({ preparedTransaction }: NonNullable<ApprovalRecord['order']>) {
  return preparedTransaction === undefined ? {} : { preparedTransaction }
}

/** As it would be decided at this moment; of what is settled, nothing is decided any more. */
async function decisionNow(tx: LedgerTx, signer: Signer, record: ApprovalRecord) {
  const nothing = { outcome: null, needs: record.needs, policies: [], counting: [] }
  if (!isWaiting(tx, record)) return { ...nothing, reasons: [] }
  const judged = await judgeWaiting(tx, signer, record)
  if (isCountersignError(judged)) return { ...nothing, outcome: 'refused', reasons: [judged.message] }
  const { decision, layers } = judged.judged
  const votes = await countableVotes(tx, record, layers)
  return {
    outcome: decision.outcome,
    reasons: [
      ...decision.reasons.map(({ message }) => message),
      ...decision.effects.flatMap(({ reasons }) => reasons.map(({ message }) => message)),
    ].slice(0, reasonsShownMax),
    needs: needsJson(decision.approvals),
    policies: layers.flatMap(({ layer, policy }) =>
      policy === undefined ? [] : [{ layer, id: policy.id, hash: policy.hash }],
    ),
    counting: votes.map(({ credential }) => credential),
  }
}

const reasonsShownMax = 64
