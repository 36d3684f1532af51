import { randomBytes } from 'node:crypto'
import { canonicalJson, encodeHex, encodeUtf8, type Hex, type JsonObject, sha256 } from '@countersign/bytes'
import { describeEffect } from '@countersign/intent'
import type { ApprovalFact, RequiredApproval } from '@countersign/policy'
import { approvalDigest, type Credential, isActive, subjectOf } from '@countersign/wire'
import { needsJson, pendingAnswer } from './approval-json.ts'
import type { Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import type { Judged } from './judge.ts'
import type { LedgerTx } from './ledger.ts'
import type { PolicyLayer } from './policies.ts'
import type { ApprovalRecord, ApprovalVote, StoredAnswer, WalletRecord } from './records.ts'
import { putRequest, type RememberedAnswer, requestKey, requestRetentionMs } from './requests.ts'
import type { Signer } from './signer.ts'
import { type CountedApproval, type Order, type Request, whatWasAsked } from './verdict.ts'
import { chainOfWallet } from './wallet-chain.ts'

/** Requests that wait at the same time, in all and of one credential: each has its payload in the records. */
export const waitingApprovalsMax = 512
export const waitingPerCredentialMax = 32
/** How long a request waits; longer where an approval counts for longer. */
export const approvalLifetimeMs = 24 * 60 * 60 * 1000
export const approvalLifetimeMsMax = 7 * 24 * 60 * 60 * 1000
/** Characters of what would be signed; what is larger cannot wait, and nobody could judge it. */
export const waitingPayloadCharsMax = 300_000
/** How long what is settled can be asked for; the journal has it for good. */
const settledRetentionMs = 30 * 24 * 60 * 60 * 1000

/** Puts a request where it waits for what policy asks for: nothing is booked, nothing is signed. */
export async function fileApproval(
  tx: LedgerTx,
  signer: Signer,
  request: Request,
  { decision, layers }: Judged,
): Promise<RememberedAnswer> {
  const { caller, order, wallet, intent } = request
  const subject = subjectOf(caller.primary)
  const payload = payloadOf(order)
  await checkRoom(tx, subject, payload)
  const { body, forwarded } = order
  const id = newApprovalId(tx.nowMs)
  const effects = intent.effects.map(describeEffect)
  const { payloadDigest, operation } = intent
  const digest = approvalDigest({
    signer: signer.journal.audience,
    approval: id,
    wallet: walletFacts(wallet),
    operation,
    requestDigest: caller.digest,
    payloadDigest,
    effects,
    payload,
  })
  const expiresAtMs = tx.nowMs + lifetimeMs(decision.approvals)
  const { index } = tx.append({
    type: 'approval-requested',
    ...whatWasAsked(request),
    approvalId: id,
    digest,
    needs: decision.approvals.map(({ layer, rule, group, needed }) => ({ layer, rule, group, needed })),
    expiresAt: new Date(expiresAtMs).toISOString(),
  })
  const [nonce = ''] = caller.nonces
  const record: ApprovalRecord = {
    id,
    state: 'waiting',
    requestId: caller.requestId,
    requestDigest: caller.digest,
    nonce,
    credential: caller.primary.id,
    subject,
    attribution: caller.attribution,
    wallet: wallet.id,
    operation,
    order: {
      body,
      ...(forwarded.preparedTransaction === undefined
        ? {}
        : { preparedTransaction: forwarded.preparedTransaction }),
    },
    payloadDigest,
    digest,
    effects,
    needs: needsJson(decision.approvals),
    voters: votersOf(decision.approvals),
    policies: policiesDigest(layers),
    votes: [],
    createdAtMs: tx.nowMs,
    expiresAtMs,
    requested: index,
    index,
    settled: null,
  }
  tx.put('approval', id, record)
  for (const key of waitingKeys(record)) tx.put('approval-waiting', key, { approval: id })
  putRequest(
    tx,
    caller,
    { state: 'waiting', wallet: wallet.id, index, answer: null, approval: id },
    expiresAtMs + requestRetentionMs,
  )
  return pendingAnswer(record)
}

/** @throws {CountersignError} SIGNER_APPROVALS_FULL, SIGNER_APPROVAL_TOO_LARGE */
async function checkRoom(tx: LedgerTx, subject: string, payload: JsonObject): Promise<void> {
  const { length } = JSON.stringify(payload)
  if (length > waitingPayloadCharsMax) {
    throw signerError(
      'SIGNER_APPROVAL_TOO_LARGE',
      `What would wait for approval has ${length} characters; ${waitingPayloadCharsMax} are allowed.`,
    )
  }
  const own = await tx.range('approval-waiting', `of/${subject}/`, `of/${subject}0`, waitingPerCredentialMax)
  if (own.length >= waitingPerCredentialMax) {
    throw signerError(
      'SIGNER_APPROVALS_FULL',
      `${waitingPerCredentialMax} requests of ${subject} wait for approval already.`,
    )
  }
  const all = await tx.range('approval-waiting', 'due/', 'due0', waitingApprovalsMax)
  if (all.length < waitingApprovalsMax) return
  throw signerError('SIGNER_APPROVALS_FULL', `${waitingApprovalsMax} requests wait for approval already.`)
}

/** An approval that is given late still counts for as long as its rule says. */
function lifetimeMs(needs: readonly RequiredApproval[]): number {
  const within = needs.flatMap(({ expiresInMs }) => expiresInMs ?? [])
  return Math.min(approvalLifetimeMsMax, Math.max(approvalLifetimeMs, ...within))
}

/** Members of a body that say nothing about the bytes to be signed. */
const besidePayload: readonly string[] = ['attribution', 'transaction', 'maxFeeMinor', 'grant']

/** All that is needed to decode once more what would be signed: shown to approvers, and bound by what they sign. */
export function payloadOf({ body, forwarded }: Order): JsonObject {
  const { transaction } = body
  const { preparedTransaction } = forwarded
  if (transaction !== undefined && preparedTransaction !== undefined) {
    return { unsignedTransaction: preparedTransaction }
  }
  const members = Object.entries(body).filter(([name]) => !besidePayload.includes(name))
  return Object.fromEntries(members) as JsonObject
}

/** What of a wallet decides how a payload is read. */
export function walletFacts(wallet: WalletRecord) {
  const { id, type, address, publicKey, form } = wallet
  return {
    id,
    type,
    address,
    publicKey,
    ...(type === 'EVM' ? {} : { chain: chainOfWallet(wallet) }),
    ...(form === undefined ? {} : { form }),
  }
}

/** Ids sort by the time of the request. */
function newApprovalId(nowMs: number): string {
  return `apr_${nowMs.toString(16).padStart(12, '0')}${randomBytes(6).toString('hex')}`
}

const dueDigits = 15

/** Only waiting ones have these: by the end of their time, and by who asks. */
export function waitingKeys({
  id,
  subject,
  expiresAtMs,
}: Pick<ApprovalRecord, 'id' | 'subject' | 'expiresAtMs'>): readonly [due: string, own: string] {
  return [`due/${String(expiresAtMs).padStart(dueDigits, '0')}/${id}`, `of/${subject}/${id}`]
}

/** The moment in the first of `waitingKeys`. */
export function expiryOf(key: string): number {
  return Number(key.slice('due/'.length, 'due/'.length + dueDigits))
}

export function votersOf(needs: readonly RequiredApproval[]): string[] {
  return [...new Set(needs.flatMap(({ counted, eligible }) => [...counted, ...eligible]))].sort()
}

/** Names the policies in force, version by version: an approval was given under these. */
export function policiesDigest(layers: readonly PolicyLayer[]): Hex {
  const named = layers.map(({ layer, policy }) => [layer, policy?.hash ?? null])
  return encodeHex(sha256(encodeUtf8(canonicalJson(named))))
}

/**
 * The votes that count now: by a credential that is active in this commit, under the policies that are in force in it.
 * Of one subject there is only ever one: two keys of one rotation are one voter. So are two credentials of one key.
 */
export async function countableVotes(
  tx: Pick<LedgerTx, 'get' | 'nowMs'>,
  { votes }: Pick<ApprovalRecord, 'votes'>,
  layers: readonly PolicyLayer[],
): Promise<ApprovalVote[]> {
  const policies = policiesDigest(layers)
  const counting: ApprovalVote[] = []
  const keys = new Set<string>()
  for (const vote of votes) {
    if (vote.policies !== policies) continue
    const credential = await tx.get('credential', vote.credential)
    if (credential === undefined || !mayVote(credential, tx.nowMs)) continue
    if (keys.has(credential.publicKey)) continue
    keys.add(credential.publicKey)
    counting.push(vote)
  }
  return counting
}

/** An API key never approves: whoever carries the traffic has it. */
export function mayVote(credential: Credential, nowMs: number): boolean {
  return isActive(credential, nowMs) && credential.bearer !== true && credential.algorithm !== 'bearer'
}

export function approvalFacts(votes: readonly ApprovalVote[]): ApprovalFact[] {
  return votes.map(({ subject, atMs }) => ({ credentialId: subject, atMs }))
}

/** Those that the decision has counted, for the journal. */
export function countedApprovals(
  votes: readonly ApprovalVote[],
  needs: readonly RequiredApproval[],
): CountedApproval[] {
  const counted = new Set(needs.flatMap((need) => need.counted))
  return votes
    .filter(({ subject }) => counted.has(subject))
    .map(({ credential, index }) => ({ credential, index }))
}

export interface ApprovalSettlement {
  readonly state: Exclude<ApprovalRecord['state'], 'waiting'>
  /** Of the entry that says so. */
  readonly index: number
  readonly by?: string
  readonly reason?: string
  /** For the caller of the request; a signature and a refusal by policy have filed theirs. */
  readonly answer?: StoredAnswer
}

/** A request leaves `waiting` once: whoever settles it has read it as waiting in the same commit. */
export function settleApproval(tx: LedgerTx, record: ApprovalRecord, settlement: ApprovalSettlement): void {
  const { state, index, by, reason, answer } = settlement
  const settled = { atMs: tx.nowMs, by: by ?? null, reason: reason ?? null }
  tx.put(
    'approval',
    record.id,
    // The journal has what it did; the payload itself is needed no longer.
    { ...record, state, index, order: null, settled },
    tx.nowMs + settledRetentionMs,
  )
  for (const key of waitingKeys(record)) tx.delete('approval-waiting', key)
  if (answer !== undefined) {
    putRequest(tx, callerOf(record), { state: 'done', wallet: record.wallet, index, answer })
  }
}

/** Who asked, as far as the books still need it. Whether the credential may still ask is looked up. */
export function callerOf(record: ApprovalRecord, credential?: Credential): Caller {
  const { requestId, requestDigest, nonce, attribution } = record
  const primary = credential ?? ({ id: record.credential, subject: record.subject } as Credential)
  return {
    credentials: [primary],
    primary,
    requestId,
    digest: requestDigest,
    nonces: [nonce],
    attribution,
    passkeyUses: [],
  }
}

export function requestKeyOf(record: ApprovalRecord): string {
  return requestKey(callerOf(record))
}
