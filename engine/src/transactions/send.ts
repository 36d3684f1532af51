/**
 * The life of a transaction until it is broadcast. Read it top to bottom: draft, take the lane, hold a nonce,
 * let the signer decide, keep the signed bytes, broadcast. Each step is durable before the next begins.
 */
import { randomBytes } from 'node:crypto'
import type { Hex } from '@countersign/bytes'
import { type SendTransactionBody, type SignedRequest, wireError } from '@countersign/wire'
import type { Caller, NonceMemory } from '../authenticate.ts'
import { type EngineErrorCode, engineError, engineErrors } from '../catalogue.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { SignerAnswer, SignerClient } from '../signer-client.ts'
import type { Store } from '../store/store.ts'
import { interruptedMarker, type TransactionRow } from '../store/transactions.ts'
import type { Chain } from './chain.ts'
import type { Lanes } from './lanes.ts'
import { type Draft, draftTransaction, finishDraft } from './prepare.ts'
import { parseSignedAnswer } from './signed-answer.ts'
import { transactionJson } from './transaction-json.ts'
import { approvalIn, askAgain, waitingAnswer } from './waiting.ts'

/** Names of the places at which a test kills the process; `waiting` only where people are to decide. */
export const crashPoints = ['lane-taken', 'prepared', 'answered', 'signed', 'sent', 'broadcast'] as const
export type CrashPoint = (typeof crashPoints)[number] | 'waiting'

export interface Transactions {
  readonly store: Store
  readonly signer: SignerClient
  readonly lanes: Lanes
  readonly chains: ReadonlyMap<string, Chain>
  readonly nonces: NonceMemory
  readonly metrics: Metrics
  readonly log: Logger
  readonly at: (point: CrashPoint) => Promise<void>
}

export interface SendOrder {
  readonly caller: Caller
  readonly request: SignedRequest
  readonly body: SendTransactionBody
  readonly wallet: { readonly id: string; readonly address: Hex }
}

/** @throws {CountersignError} for everything but a transaction that is signed, waits, or was refused by the signer. */
export async function sendTransaction(engine: Transactions, order: SendOrder): Promise<SignerAnswer> {
  const { caller, body, wallet, request } = order
  const known = await earlierAnswer(engine, order, (lane, work) => engine.lanes.run(lane, work))
  if (known !== undefined) return known

  // Everything that can go wrong without the signer goes wrong here, before a nonce is held.
  const chain = chainOf(engine.chains, body.transaction.chainId)
  const draft = await draftTransaction(chain, {
    from: wallet.address,
    request: body.transaction,
    maxFeeMinor: body.maxFeeMinor,
  })
  const lane = { walletId: wallet.id, chain: chain.id }

  return engine.lanes.run(lane, async () => {
    await engine.at('lane-taken')
    // A request that came twice at once: the first has been answered while this one waited.
    const meanwhile = await earlierAnswer(engine, order, (_lane, work) => work())
    if (meanwhile !== undefined) return meanwhile
    for (const row of await engine.store.transactions.listPreparing(lane)) await resolveOrThrow(engine, row)

    const nonce = await nextNonce(engine, { chain, draft, wallet })
    const unsigned = finishDraft(draft, nonce)
    const id = await engine.store.transactions.prepare({
      ...lane,
      id: `tx_${randomBytes(12).toString('hex')}`,
      credentialId: caller.subject,
      requestId: caller.requestId,
      requestDigest: caller.digest,
      nonce,
      unsigned,
    })
    if (id === undefined)
      throw engineError('ENGINE_BUSY', 'Another engine has just used this nonce or this request.')
    await engine.at('prepared')

    engine.nonces.take(caller.nonces)
    const answer = await askSigner(engine, { id, request, unsigned })
    const row = await engine.store.transactions.get(id)
    if (row === undefined || row.state === 'preparing') return answer
    if (row.state === 'waiting-approval') return waitingAnswer(row, answer)
    if (row.state !== 'signed') return answerFrom(row)
    await engine.at('signed')

    await broadcastRow(engine, chain, row)
    await engine.at('broadcast')
    return answerFrom(await rowOf(engine, id))
  })
}

/** Forwards the request and puts what comes of it into the books.
 * @throws {CountersignError} WIRE_SIGNER_UNAVAILABLE where the signer's books hold nothing of it either */
async function askSigner(
  engine: Transactions,
  { id, request, unsigned }: { id: string; request: SignedRequest; unsigned: Hex },
): Promise<SignerAnswer> {
  let answer: SignerAnswer
  try {
    answer = await engine.signer.forward(request, unsigned)
  } catch (error) {
    // It may have been signed all the same: the nonce stays held until the signer's books tell.
    await resolveOrThrow(engine, await rowOf(engine, id))
    const row = await rowOf(engine, id)
    // That it waits, only the signer itself can prove: it is asked when the caller asks again.
    if (row.state === 'failed' || row.state === 'waiting-approval') throw error
    return answerFrom(row)
  }
  await engine.at('answered')
  await recordAnswer(engine, await rowOf(engine, id), answer)
  return answer
}

/**
 * Puts the signer's answer into the books: signed, waiting, refused, or (where it did not take the request) nothing at
 * all. */
export async function recordAnswer(
  engine: Transactions,
  row: TransactionRow,
  answer: SignerAnswer,
): Promise<void> {
  const { store } = engine
  const approval = approvalIn(answer)
  if (approval !== undefined) {
    await recordWaiting(engine, row, approval)
  } else if (answer.status === 200 || isPolicyRefusal(answer)) {
    await recordOutcome(engine, row, answer)
  } else if (answer.status < 500 && answer.status !== 409) {
    // Not taken by the signer, so not in its books either: the same request may be signed anew and sent again.
    await store.transactions.drop(row.id)
  } else {
    // 409: an earlier try of the same request may be signed. 5xx: the signer may have failed after signing.
    await resolve(engine, row)
  }
}

async function recordWaiting(engine: Transactions, row: TransactionRow, approval: string): Promise<void> {
  await engine.store.transactions.wait(row.id, approval)
  engine.metrics.transactions.inc({ state: 'waiting-approval' })
  await engine.at('waiting')
}

/** The answer that stands in the signer's books for good. Only inside the lane. */
export async function recordOutcome(
  { store, metrics }: Pick<Transactions, 'store' | 'metrics'>,
  row: TransactionRow,
  answer: SignerAnswer,
): Promise<void> {
  const undecided = ['preparing', 'waiting-approval'] as const
  const kept = { status: answer.status, body: answer.text }
  if (isPolicyRefusal(answer)) {
    await store.transactions.refuse(row.id, kept)
    metrics.transactions.inc({ state: 'refused' })
    return
  }
  if (answer.status !== 200) {
    // Rejected, expired, or its asker may ask no longer: the signer's own reason stands in the row.
    const { error } = JSON.parse(answer.text) as { error?: unknown }
    await store.transactions.fail(row.id, undecided, JSON.stringify(error ?? {}), kept)
    metrics.transactions.inc({ state: 'failed' })
    return
  }
  const signed = parseSignedAnswer(row, answer.text)
  const isKept = signed !== undefined && (await store.transactions.sign(row.id, signed))
  metrics.transactions.inc({ state: isKept ? 'signed' : 'failed' })
  if (isKept) return
  const error =
    signed === undefined
      ? engineError(
          'ENGINE_ANSWER_MISMATCH',
          'The signer answered with another transaction than the one that was prepared.',
        )
      : engineError(
          'ENGINE_NONCE_TAKEN',
          `Another transaction of this wallet has taken the nonce ${signed.nonce} meanwhile.`,
        )
  await store.transactions.fail(row.id, undecided, JSON.stringify(error))
}

export async function broadcastRow(engine: Transactions, chain: Chain, row: TransactionRow): Promise<void> {
  const { store, log, metrics } = engine
  const result = await chain.broadcast(row.raw as Hex)
  await engine.at('sent')
  if (result.kind === 'failed') {
    log.warn(
      { transaction: row.id, chain: chain.id, reason: result.reason },
      'the chain does not take a signed transaction; it is tried again',
    )
    const error = engineError(
      'ENGINE_CHAIN_UNAVAILABLE',
      `The chain’s endpoint does not take the transaction: ${result.reason}.`,
    )
    await store.transactions.noteBroadcastError(row.id, JSON.stringify(error))
    return
  }
  // "Nonce used" is most often this very transaction, mined already; the follower looks for its receipt first.
  await store.transactions.markBroadcast(row.id)
  if (row.state === 'signed') metrics.transactions.inc({ state: 'broadcast' })
}

/** @returns whether the row is now decided. Only inside its lane: nobody else prepares it at the same time. */
export async function resolve(engine: Transactions, row: TransactionRow): Promise<boolean> {
  const outcome = await engine.signer.outcome(row.credentialId, row.requestId)
  if (outcome.state === 'done') {
    await recordOutcome(engine, row, { status: outcome.status, text: JSON.stringify(outcome.answer) })
    return true
  }
  if (outcome.state === 'waiting') {
    await recordWaiting(engine, row, outcome.approval)
    return true
  }
  if (outcome.state === 'pending') return false
  // The request may still be on its way through a socket, where no book knows of it.
  if (outcome.state === 'unknown' && Date.now() - row.updatedAt.getTime() < onItsWayMs) return false
  const error = engineError('ENGINE_INTERRUPTED', 'The engine was interrupted before the signer had signed.')
  await engine.store.transactions.fail(row.id, ['preparing'], JSON.stringify(error))
  engine.metrics.transactions.inc({ state: 'failed' })
  return true
}

/** How long a forwarded request may be in a socket's buffers before the signer's books must know of it. */
export const onItsWayMs = 2_000
const resolveAttempts = 12
const resolvePauseMs = 250

async function resolveOrThrow(engine: Transactions, row: TransactionRow): Promise<void> {
  for (let attempt = 0; attempt < resolveAttempts; attempt++) {
    if (await resolve(engine, row)) return
    await new Promise((done) => setTimeout(done, resolvePauseMs))
  }
  throw wireError(
    'WIRE_SIGNER_UNAVAILABLE',
    'An earlier transaction of this wallet is still undecided in the signer.',
  )
}

async function nextNonce(
  { store }: Transactions,
  { chain, draft, wallet }: { chain: Chain; draft: Draft; wallet: SendOrder['wallet'] },
): Promise<number> {
  const [onChain, inLane] = await Promise.all([
    chain.nonce(wallet.address, 'pending'),
    store.transactions.nextNonce({ walletId: wallet.id, chain: chain.id }),
  ])
  const next = Math.max(onChain, inLane)
  if (draft.statedNonce !== undefined && draft.statedNonce !== next) {
    throw engineError(
      'ENGINE_NONCE_CONFLICT',
      `The stated nonce is ${draft.statedNonce}; the next one of this wallet is ${next}.`,
      {
        details: { stated: draft.statedNonce, next },
      },
    )
  }
  return next
}

/**
 * Same id and body: the same answer, or how far it has come. An interrupted request is as if it had never come.
 * @param inLane Runs what must not meet another transaction of the lane. */
async function earlierAnswer(
  engine: Transactions,
  { caller, request }: Pick<SendOrder, 'caller' | 'request'>,
  inLane: Lanes['run'],
): Promise<SignerAnswer | undefined> {
  const row = await engine.store.transactions.findByRequest(caller.subject, caller.requestId)
  if (row === undefined) return undefined
  if (row.requestDigest !== caller.digest) {
    throw wireError(
      'WIRE_REQUEST_ID_REUSED',
      `The request id ${caller.requestId} was used for another request.`,
    )
  }
  if (row.state === 'preparing') {
    throw wireError('WIRE_REQUEST_IN_FLIGHT', `The request ${caller.requestId} is still being worked on.`)
  }
  if (row.state === 'failed' && row.error?.includes(interruptedMarker)) return undefined
  engine.nonces.take(caller.nonces)
  return row.state === 'waiting-approval' ? askAgain(engine, row, { request, inLane }) : answerFrom(row)
}

/** @throws {CountersignError} for a row that failed */
export function answerFrom(row: TransactionRow): SignerAnswer {
  if (row.answer !== null) return { status: row.answer.status, text: row.answer.body }
  if (row.state !== 'failed') return { status: 202, text: transactionJson(row) }
  const { code, message } = JSON.parse(row.error ?? '{}') as { code?: string; message?: string }
  if (code === undefined || !Object.hasOwn(engineErrors, code))
    throw new Error(`bug: ${row.id} failed without a reason`)
  throw engineError(code as EngineErrorCode, message ?? 'The transaction failed.')
}

export async function rowOf({ store }: Transactions, id: string): Promise<TransactionRow> {
  const row = await store.transactions.get(id)
  if (row === undefined) throw new Error(`bug: the transaction ${id} is gone`)
  return row
}

function isPolicyRefusal({ status, text }: SignerAnswer): boolean {
  return status === 403 && /^\{"error":\{"code":"POLICY_/.test(text)
}

/** @throws {CountersignError} ENGINE_CHAIN_UNKNOWN */
export function chainOf(chains: ReadonlyMap<string, Chain>, chainNumber: number): Chain {
  const chain = chains.get(`eip155:${chainNumber}`)
  if (chain !== undefined) return chain
  throw engineError('ENGINE_CHAIN_UNKNOWN', `This engine has no endpoint for eip155:${chainNumber}.`, {
    details: { chains: [...chains.keys()] },
  })
}
