/**
 * Transactions that wait for people. The signer alone knows what becomes of them; the engine asks it: when a vote has
 * passed through here, when the caller asks again, and now and then. What it learns is durable before it acts on it, so
 * a restart goes on where it was, and the same signed bytes are what is broadcast.
 */
import type { SignedRequest } from '@countersign/wire'
import { engineError } from '../catalogue.ts'
import { errorForLog } from '../log.ts'
import type { Outcome, SignerAnswer } from '../signer-client.ts'
import type { TransactionRow } from '../store/transactions.ts'
import { type Follower, repeat } from './follow.ts'
import type { Lanes } from './lanes.ts'
import { answerFrom, broadcastRow, recordOutcome, resolve, rowOf, type Transactions } from './send.ts'
import { transactionJson } from './transaction-json.ts'

const pollMsDefault = 1_000
/** One look asks about this many; more are asked about in turn. */
const askedAtOnce = 32
/** Votes whose transaction was not looked at yet; of any further one the next look tells. */
const votesMax = 512

export interface WaitingFollower extends Follower {
  /** Somebody has decided about this approval: look now. */
  voted(approval: string): void
}

export function followWaiting(engine: Transactions, pollMs = pollMsDefault): WaitingFollower {
  const votes = new Set<string>()
  let working: Promise<void> | undefined
  let isClosed = false
  let after = -1
  const onError = (error: unknown) =>
    engine.log.warn({ error: errorForLog(error) }, 'what waits for approval could not be looked at')
  // One that cannot be settled now keeps none of the others waiting.
  const settleOne = (row: TransactionRow) =>
    settle(engine, row, (lane, work) => engine.lanes.run(lane, work)).catch(onError)
  const follower = repeat(
    pollMs,
    async () => {
      const rows = await engine.store.transactions.listWaiting(askedAtOnce, after)
      after = rows.length < askedAtOnce ? -1 : (rows.at(-1)?.seq ?? -1)
      for (const row of rows) await settleOne(row)
    },
    onError,
  )
  async function work(): Promise<void> {
    for (const approval of votes) {
      votes.delete(approval)
      const row = await engine.store.transactions.findByApproval(approval)
      if (row?.state !== 'waiting-approval') continue
      await settleOne(row)
    }
  }
  return {
    voted(approval) {
      if (isClosed || votes.size >= votesMax) return
      votes.add(approval)
      working ??= work()
        .catch(onError)
        .finally(() => {
          working = undefined
        })
    },
    async close() {
      isClosed = true
      votes.clear()
      await working
      await follower.close()
    },
  }
}

/** Of the signer's answer to a request that waits. */
export function approvalIn({ status, text }: SignerAnswer): string | undefined {
  if (status !== 202) return undefined
  const { approval } = JSON.parse(text) as { approval?: { id?: unknown } }
  return typeof approval?.id === 'string' ? approval.id : undefined
}

/** The transaction, with what the signer itself says and proves of the approval. */
export function waitingAnswer(row: TransactionRow, answer: SignerAnswer): SignerAnswer {
  const { approval, receipt } = JSON.parse(answer.text) as { approval?: unknown; receipt?: unknown }
  const transaction = JSON.parse(transactionJson(row)) as object
  return { status: 202, text: JSON.stringify({ ...transaction, approval, receipt }) }
}

/** For the caller who asks again, under the same request id. */
export async function askAgain(
  engine: Transactions,
  row: TransactionRow,
  { request, inLane }: { readonly request: SignedRequest; readonly inLane: Lanes['run'] },
): Promise<SignerAnswer> {
  const answer = await engine.signer.forward(request, row.unsigned as `0x${string}`)
  if (approvalIn(answer) !== undefined) return waitingAnswer(row, answer)
  await settle(engine, row, inLane)
  const now = await rowOf(engine, row.id)
  return now.state === 'waiting-approval' ? answer : answerFrom(now)
}

/** Looks what has become of it, and takes it from there. */
async function settle(engine: Transactions, row: TransactionRow, inLane: Lanes['run']): Promise<void> {
  const outcome = await engine.signer.outcome(row.credentialId, row.requestId)
  if (outcome.state === 'waiting' || outcome.state === 'pending') return
  const { walletId, chain } = row
  await inLane({ walletId, chain }, async () => {
    const now = await engine.store.transactions.get(row.id)
    if (now?.state === 'waiting-approval') await record(engine, now, outcome)
  })
}

async function record(engine: Transactions, row: TransactionRow, outcome: Outcome): Promise<void> {
  const { transactions } = engine.store
  if (outcome.state !== 'done') {
    const error = engineError(
      'ENGINE_APPROVAL_LOST',
      `The signer no longer keeps what became of ${row.approval}, for which this transaction waited.`,
    )
    await transactions.fail(row.id, ['waiting-approval'], JSON.stringify(error))
    engine.metrics.transactions.inc({ state: 'failed' })
    return
  }
  // One that a crash left undecided may hold the nonce or not; the next look finds it decided.
  for (const other of await transactions.listPreparing(row)) if (!(await resolve(engine, other))) return
  await recordOutcome(engine, row, { status: outcome.status, text: JSON.stringify(outcome.answer) })
  const signed = await rowOf(engine, row.id)
  const chain = engine.chains.get(row.chain)
  if (signed.state !== 'signed' || chain === undefined) return
  await engine.at('signed')
  await broadcastRow(engine, chain, signed)
  await engine.at('broadcast')
}
