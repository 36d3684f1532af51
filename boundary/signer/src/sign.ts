/**
 * The main path of a signature. Read it top to bottom: authenticate, decode, decide and journal in one commit,
 * sign, verify, journal the outcome. Nothing below the permit is reached without the permit being durable.
 */
import { concatBytes, encodeHex, sha256 } from '@countersign/bytes'
import type { Intent, Operation } from '@countersign/intent'
import { checkActive, type ForwardedRequest } from '@countersign/wire'
import { fileApproval, settleApproval } from './approvals.ts'
import { authenticate, type Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { evidenceOf } from './evidence.ts'
import { checkNotFrozen } from './frozen.ts'
import { judge } from './judge.ts'
import type { Appended, LedgerTx } from './ledger.ts'
import { type Made, makeSignatures } from './make-signatures.ts'
import { type Assembled, assembleAnswer, parsePayload, type SignBody } from './payload.ts'
import type { WalletRecord } from './records.ts'
import {
  abandonPermit,
  answerOf,
  putRequest,
  type RememberedAnswer,
  remembered,
  requestKey,
} from './requests.ts'
import { resume } from './resume.ts'
import { type Answer, receiptAnswer, type Signer } from './signer.ts'
import { type Permit, type Permitted, permit, refuse } from './verdict.ts'

/** Names of the places at which a test kills the process; the two around a commit are the ledger's. */
export const crashPoints = [
  'authenticated',
  'permitted',
  'signed',
  'verified',
  'recorded',
  'before-commit',
  'after-commit',
] as const
export type CrashPoint = (typeof crashPoints)[number]

export interface SignOrder {
  readonly operation: Operation
  readonly walletId: string
  readonly body: SignBody
  readonly forwarded: ForwardedRequest
}

/** Once a second for an hour. */
const abandonRetryMs = 1_000
const abandonTriesMax = 3_600

/** @throws {CountersignError} for everything but a signature or a refusal by policy. */
export async function sign(signer: Signer, order: SignOrder): Promise<Answer> {
  // 1. Who asks: every signature on the request, its age, its audience, its nonce.
  const asker = await authenticate(order.forwarded.request, signer.authentication)
  const caller = { ...asker, attribution: { ...order.body.attribution, ...asker.attribution } }
  await signer.at('authenticated')

  // 2. What it does: decoded here, from the bytes that will be signed.
  const wallet = await signer.ledger.get('wallet', order.walletId)
  if (wallet === undefined)
    throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${order.walletId}.`)
  const intent = parsePayload({ ...order, wallet })

  // 3 and 4. May it: every policy layer over the signer's own facts; windows and journal in one durable commit.
  const decided = await signer.ledger.submit((tx) => decide(tx, { signer, caller, order, wallet, intent }))
  if ('permit' in decided) return finish(signer, decided)
  if (decided.status === 202) signer.approvals.expect(decided)
  return answerOf(signer, decided)
}

/** Steps 5 to 7, of what is permitted: at once, or after it has waited for approvals. */
export async function finish(signer: Signer, permitted: Permitted): Promise<Answer> {
  const { caller, order, wallet, intent, permit } = permitted
  await signer.at('permitted')

  // 5. Sign what was recomputed from what was decoded, and 6. check it before it leaves.
  let made: readonly Made[]
  try {
    made = await makeSignatures(signer, wallet, intent)
  } catch (error) {
    await abandon(signer, caller, permit)
    throw error
  }
  await signer.at('verified')

  // 7. The outcome, durable before the answer.
  try {
    const assembled = assembleAnswer({ ...order, wallet }, intent, made)
    const outcome = await signer.ledger.submit((tx) => recordOutcome(tx, { ...permitted, assembled, made }))
    await signer.at('recorded')
    return receiptAnswer(200, assembled.answer, outcome.receipt())
  } catch (error) {
    await abandon(signer, caller, permit)
    throw error
  }
}

interface Deciding {
  readonly signer: Signer
  readonly caller: Caller
  readonly order: SignOrder
  readonly wallet: WalletRecord
  readonly intent: Intent
}

async function decide(tx: LedgerTx, { signer, ...request }: Deciding): Promise<Permitted | RememberedAnswer> {
  const { caller, order, wallet, intent } = request
  const known = await remembered(tx, caller)
  // One that waits may have all that it waits for by now. What counts is what was filed, not what came this time.
  if (known?.approval !== undefined) return (await resume(tx, signer, known.approval)) ?? known
  if (known !== undefined) return known
  await checkNotFrozen(tx, wallet.id)

  // The credential may have been revoked since it was authenticated; what this commit holds decides.
  const credential = await tx.get('credential', caller.primary.id)
  if (credential === undefined) throw signer.revoked(caller.primary.id)
  checkActive(credential, tx.nowMs)
  const judged = await judge(tx, { signer, credential, wallet, intent, grant: order.body.grant })
  if (judged.decision.outcome === 'needs-approval') return fileApproval(tx, signer, request, judged)
  if (!judged.decision.permitted) return refuse(tx, request, judged.decision)
  return permit(tx, request, judged)
}

interface Outcome extends Permitted {
  readonly assembled: Assembled
  readonly made: readonly Made[]
}

async function recordOutcome(tx: LedgerTx, outcome: Outcome): Promise<Appended> {
  const { caller, wallet, permit, intent, assembled, made } = outcome
  const { approval, approvals, values } = permit
  // A freeze stops also what was permitted before it: nothing is journalled as signed while it holds.
  await checkNotFrozen(tx, wallet.id)
  const entry = tx.append({
    type: 'signed',
    ...permit.asked,
    address: wallet.address,
    rules: permit.rules,
    ...(approval === undefined ? {} : { approval }),
    approvals,
    ...(values.length === 0 ? {} : { values }),
    permit: permit.index,
    // Over all of them, where there is more than one.
    signatureDigest: encodeHex(sha256(concatBytes(...made.map(({ bytes }) => bytes)))),
    ...evidenceOf(intent),
    ...assembled.facts,
  })
  putRequest(tx, caller, {
    state: 'done',
    wallet: wallet.id,
    index: entry.index,
    answer: { status: 200, body: assembled.answer, receipt: true },
  })
  if (approval !== undefined) {
    const record = await tx.get('approval', approval)
    if (record?.state !== 'waiting') throw new Error(`bug: ${approval} was signed and did not wait`)
    settleApproval(tx, record, { state: 'signed', index: entry.index })
  }
  tx.settle(requestKey(caller))
  return entry
}

/** The signature exists nowhere outside this process and is dropped: the budget is free again, and the journal says so. */
async function abandon(signer: Signer, caller: Caller, permit: Permit, tries = 1): Promise<void> {
  try {
    await signer.ledger.submit(async (tx) => {
      const key = requestKey(caller)
      const open = tx.openPermit(key)
      if (open?.index !== permit.index) return
      await abandonPermit(tx, key, open, 'no signature left the signer')
    })
  } catch {
    // The store or the clock is down: the permit stays open and booked until they are back, or until the recovery
    // at the next start resolves it.
    if (tries >= abandonTriesMax) return
    setTimeout(() => void abandon(signer, caller, permit, tries + 1), abandonRetryMs).unref()
  }
}
