/**
 * The main path of a signature. Read it top to bottom: authenticate, decode, decide and journal in one commit,
 * sign, verify, journal the outcome. Nothing below the permit is reached without the permit being durable.
 */
import { type Address, encodeHex, sha256 } from '@countersign/bytes'
import { describeEffect, type Intent, type Operation } from '@countersign/intent'
import {
  type Decision,
  decisionToJson,
  evaluate,
  explainDecision,
  type Facts,
  policyError,
  windowsNeeded,
} from '@countersign/policy'
import { checkActive, type ForwardedRequest, subjectOf } from '@countersign/wire'
import { authenticate, type Caller } from './authenticate.ts'
import { sharedFacts } from './books.ts'
import { signerError } from './catalogue.ts'
import { checkNotFrozen } from './frozen.ts'
import type { Appended, LedgerTx } from './ledger.ts'
import { assembleAnswer, parsePayload, type SignBody } from './payload.ts'
import { layersOf } from './policies.ts'
import type { StoredAnswer, WalletRecord } from './records.ts'
import {
  abandonPermit,
  answerOf,
  putRequest,
  type RememberedAnswer,
  remembered,
  requestKey,
} from './requests.ts'
import type { Answer, Signer } from './signer.ts'
import { verifyMade } from './verifier.ts'
import { book, usedInWindows } from './windows.ts'

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

interface Permit {
  /** The part of the journal entries that says who asked for what. */
  readonly asked: WhatWasAsked
  readonly index: number
  readonly rules: readonly string[]
}

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
  const permit = await signer.ledger.submit((tx) => decide(tx, { signer, caller, order, wallet, intent }))
  if ('status' in permit) return answerOf(signer, permit)
  await signer.at('permitted')

  // 5. Sign the digest that was recomputed from what was decoded, and 6. check it before it leaves.
  let signature: Verified
  try {
    signature = await signAndVerify(signer, wallet, intent)
  } catch (error) {
    await abandon(signer, caller, permit)
    throw error
  }
  await signer.at('verified')

  // 7. The outcome, durable before the answer.
  const answer = assembleAnswer(intent, signature)
  try {
    const outcome = await signer.ledger.submit((tx) =>
      recordOutcome(tx, { caller, wallet, permit, answer, signature }),
    )
    await signer.at('recorded')
    return { status: 200, body: { ...answer, receipt: outcome.receipt() } }
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

async function decide(
  tx: LedgerTx,
  { signer, caller, order, wallet, intent }: Deciding,
): Promise<Permit | RememberedAnswer> {
  const known = await remembered(tx, caller)
  if (known !== undefined) return known
  await checkNotFrozen(tx, wallet.id)

  // The credential may have been revoked since it was authenticated; what this commit holds decides.
  const credential = await tx.get('credential', caller.primary.id)
  if (credential === undefined) throw signer.revoked(caller.primary.id)
  checkActive(credential, tx.nowMs)
  const layers = await layersOf(tx, signer.policies, wallet.id)
  const facts: Facts = {
    ...(await sharedFacts(tx, wallet.id, layers)),
    walletId: wallet.id,
    ...(wallet.type === 'EVM' ? { walletAddress: wallet.address.toLowerCase() as Address } : {}),
    operation: intent.operation,
    // By subject: a key that came by rotation has the same rules and the same windows as the one before.
    credentialId: subjectOf(credential),
    role: credential.role,
    bearer: credential.bearer === true,
    nowMs: tx.nowMs,
  }
  const used = await usedInWindows(tx, windowsNeeded(intent, facts, layers))
  const decision = evaluate({ intent, facts, layers, used })
  if (!decision.permitted) return refuse(tx, { caller, order, intent, decision })

  const booked = await book(tx, decision.reservations)
  const asked = whatWasAsked({ caller, order, intent })
  const rules = rulesOf(decision)
  const [nonce = ''] = caller.nonces
  // All that the recovery needs to undo it stands in the permit itself.
  const { requestId, digest, primary } = caller
  const subject = subjectOf(primary)
  const { index } = tx.append({ type: 'permit', ...asked, subject, nonce, rules, booked })
  const open = { digest, nonce, credential: primary.id, subject, requestId, wallet: wallet.id, index, booked }
  tx.open(requestKey(caller), open)
  return { asked, index, rules }
}

function refuse(
  tx: LedgerTx,
  {
    caller,
    order,
    intent,
    decision,
  }: { caller: Caller; order: SignOrder; intent: Intent; decision: Decision },
): RememberedAnswer {
  const shown = shortened(decision)
  const reasons = explainDecision(shown)
  const { index } = tx.append({ type: 'refused', ...whatWasAsked({ caller, order, intent }), reasons })
  const json = decisionToJson(shown)
  const error = policyError(
    'POLICY_REFUSED',
    `The policy does not permit this: ${reasons[0] ?? 'no rule permits it'}`,
    {
      details: { reasons },
    },
  )
  const answer: StoredAnswer = {
    status: error.status,
    body: { error: error.toJSON(), decision: json, journal: { index } },
    receipt: false,
  }
  putRequest(tx, caller, { state: 'done', wallet: order.walletId, index, answer })
  return { ...answer, index }
}

const effectsShownMax = 16

/** A small request can have hundreds of effects, each with many reasons against it: not all of them go into the books. */
function shortened(decision: Decision): Decision {
  const { effects } = decision
  if (effects.length <= effectsShownMax) return decision
  const refused = effects.filter(({ reasons }) => reasons.length > 0)
  const shown = (refused.length > 0 ? refused : effects).slice(0, effectsShownMax)
  const layer = decision.reasons[0]?.layer ?? 'wallet'
  const message = `The request has ${effects.length} effects, of which ${refused.length} are refused; ${shown.length} are shown.`
  return {
    ...decision,
    reasons: [...decision.reasons, { code: 'POLICY_MORE', layer, message }],
    effects: shown,
  }
}

interface Verified {
  readonly bytes: Uint8Array
  readonly recovery: 0 | 1 | undefined
}

async function signAndVerify(signer: Signer, wallet: WalletRecord, intent: Intent): Promise<Verified> {
  const signature = await signer.backend.sign({ key: wallet.key, payload: intent.toSign })
  await signer.at('signed')
  const { algorithm, publicKey } = wallet
  const recovery = await verifyMade({
    algorithm,
    publicKey,
    payload: intent.toSign,
    bytes: signature.bytes,
    recovery: signature.recovery,
  })
  if (recovery === 0 || recovery === 1) {
    return { bytes: signature.bytes, recovery: algorithm === 'secp256k1' ? recovery : undefined }
  }
  const error = signerError(
    'SIGNER_SIGNATURE_INVALID',
    `The signature by ${wallet.key} does not verify; it was thrown away.`,
  )
  signer.halt(error)
  throw error
}

interface Outcome {
  readonly caller: Caller
  readonly wallet: WalletRecord
  readonly permit: Permit
  readonly answer: { readonly hash?: string }
  readonly signature: Verified
}

async function recordOutcome(tx: LedgerTx, outcome: Outcome): Promise<Appended> {
  const { caller, wallet, permit, answer, signature } = outcome
  // A freeze stops also what was permitted before it: nothing is journalled as signed while it holds.
  await checkNotFrozen(tx, wallet.id)
  const entry = tx.append({
    type: 'signed',
    ...permit.asked,
    address: wallet.address,
    rules: permit.rules,
    approvals: [],
    permit: permit.index,
    signatureDigest: encodeHex(sha256(signature.bytes)),
    ...(answer.hash === undefined ? {} : { transactionHash: answer.hash }),
  })
  putRequest(tx, caller, {
    state: 'done',
    wallet: wallet.id,
    index: entry.index,
    answer: { status: 200, body: answer, receipt: true },
  })
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

type WhatWasAsked = ReturnType<typeof whatWasAsked>

function whatWasAsked({ caller, order, intent }: { caller: Caller; order: SignOrder; intent: Intent }) {
  return {
    requestId: caller.requestId,
    requestDigest: caller.digest,
    credential: caller.primary.id,
    ...(caller.primary.bearer === true ? { bearer: true } : {}),
    attribution: caller.attribution,
    wallet: order.walletId,
    operation: intent.operation,
    payloadDigest: intent.payloadDigest,
    effects: intent.effects.map(describeEffect),
  }
}

function rulesOf(decision: Decision): string[] {
  const rules = new Set<string>()
  for (const { permittedBy } of decision.effects)
    for (const { layer, rule } of permittedBy) rules.add(`${layer}:${rule}`)
  return [...rules].sort()
}
