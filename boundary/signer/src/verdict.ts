import { describeEffect, type Intent } from '@countersign/intent'
import { type Decision, decisionToJson, explainDecision, policyError } from '@countersign/policy'
import { subjectOf } from '@countersign/wire'
import type { Caller } from './authenticate.ts'
import { countUse } from './grant-use.ts'
import type { Judged } from './judge.ts'
import type { LedgerTx } from './ledger.ts'
import type { StoredAnswer, WalletRecord } from './records.ts'
import { putRequest, type RememberedAnswer, requestKey } from './requests.ts'
import type { PayloadParts } from './sign-body.ts'
import { book } from './windows.ts'

/** What is asked for, without the credential's signature over it. */
export type Order = Pick<PayloadParts, 'operation' | 'body' | 'forwarded'> & { readonly walletId: string }

/** A request that is being decided: who asks, for what, and what that does. */
export interface Request {
  readonly caller: Caller
  readonly order: Order
  readonly wallet: WalletRecord
  readonly intent: Intent
}

/** An approval that counted, and where it stands in the journal. */
export interface CountedApproval {
  readonly credential: string
  readonly index: number
}

export interface Permit {
  /** The part of the journal entries that says who asked for what. */
  readonly asked: WhatWasAsked
  readonly index: number
  readonly rules: readonly string[]
  readonly approvals: readonly CountedApproval[]
  /** What the effects are worth, where a rule has priced them. */
  readonly values: readonly object[]
  /** Of the request that waited; `undefined`: it did not have to. */
  readonly approval: string | undefined
}

export interface Permitted extends Request {
  readonly permit: Permit
}

/** What a request waited for, where it did. */
export interface Waited {
  readonly approval: string
  readonly approvals: readonly CountedApproval[]
}

/** Books what the decision takes and journals the permit, in the commit that decided. Nothing is signed without. */
export async function permit(
  tx: LedgerTx,
  request: Request,
  { decision, facts, grant }: Judged,
  waited?: Waited,
): Promise<Permitted> {
  const { caller, wallet } = request
  const booked = await book(tx, decision.reservations)
  if (grant !== undefined) await countUse(tx, grant.id)
  const asked = whatWasAsked(request)
  const rules = rulesOf(decision)
  const values = valuesOf(decision)
  const approvals = waited?.approvals ?? []
  const [nonce = ''] = caller.nonces
  const { requestId, digest, primary } = caller
  const subject = subjectOf(primary)
  const approval = waited === undefined ? {} : { approval: waited.approval }
  // All that the recovery needs to undo it stands in the permit itself.
  const { index } = tx.append({
    type: 'permit',
    ...asked,
    subject,
    nonce,
    rules,
    ...(waited === undefined ? {} : { ...approval, approvals }),
    ...(values.length === 0 ? {} : { values }),
    ...(facts.length === 0 ? {} : { facts }),
    booked,
  })
  tx.open(requestKey(caller), {
    digest,
    nonce,
    credential: primary.id,
    subject,
    requestId,
    wallet: wallet.id,
    index,
    booked,
    ...(grant === undefined ? {} : { grant: grant.id }),
    ...approval,
  })
  return { ...request, permit: { asked, index, rules, approvals, values, approval: waited?.approval } }
}

/** A refusal by policy is an answer like a signature: journalled, and kept for the request's id. */
export function refuse(
  tx: LedgerTx,
  { caller, order, intent }: Pick<Request, 'caller' | 'order' | 'intent'>,
  decision: Decision,
  more: object = {},
): RememberedAnswer {
  const shown = shortened(decision)
  const reasons = explainDecision(shown)
  const { index } = tx.append({
    type: 'refused',
    ...whatWasAsked({ caller, order, intent }),
    reasons,
    ...more,
  })
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

type WhatWasAsked = ReturnType<typeof whatWasAsked>

export function whatWasAsked({ caller, order, intent }: Pick<Request, 'caller' | 'order' | 'intent'>) {
  return {
    requestId: caller.requestId,
    requestDigest: caller.digest,
    credential: caller.primary.id,
    ...(caller.primary.bearer === true ? { bearer: true } : {}),
    attribution: caller.attribution,
    wallet: order.walletId,
    ...(order.body.grant === undefined ? {} : { grant: order.body.grant }),
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

function valuesOf({ effects }: Decision): object[] {
  return effects.flatMap(({ effect, value }) => (value === undefined ? [] : [{ effect, ...value }]))
}
