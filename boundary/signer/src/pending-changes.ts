import { randomBytes } from 'node:crypto'
import { type Json, parseJson } from '@countersign/bytes'
import type { LooseningReason } from '@countersign/policy'
import { isActive, matchRoute, type SignedRequest, type VetoChangeBody, wireError } from '@countersign/wire'
import { authenticate, type Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { checkNotFrozen } from './frozen.ts'
import type { JournalEntry } from './journal.ts'
import type { LedgerTx } from './ledger.ts'
import type { ChangeRecord } from './records.ts'
import { answerOf, putAnswer, type RememberedAnswer, remembered } from './requests.ts'
import type { Answer, Signer } from './signer.ts'

/** Changes that wait at the same time: each has a whole body in the records. */
export const pendingChangesMax = 256
/** How long a settled change can be asked for; the journal has it for good. */
const settledRetentionMs = 90 * 24 * 60 * 60 * 1000

/** What a change does to the records, and what the journal and the caller are told of it. */
export interface Change {
  readonly entry: JournalEntry
  readonly status: number
  readonly body: object
  /** Why it may permit what was refused before. Where there is a reason, nothing is written but by `write`. */
  readonly loosens?: readonly LooseningReason[]
  readonly write?: (index: number) => void
}

interface Asked {
  readonly caller: Caller
  readonly request: SignedRequest
  readonly change: Change
}

/** Carries a change out in this commit, or, where it loosens and there is a delay, puts it where it waits. */
export async function carryOutOrPropose(tx: LedgerTx, asked: Asked): Promise<RememberedAnswer> {
  const { caller, change } = asked
  if ((change.loosens ?? []).length > 0) {
    await checkMayLoosen(tx, change)
    const { looseningDelayMs = 0 } = await organisationOf(tx)
    if (looseningDelayMs > 0) return propose(tx, { ...asked, dueAtMs: tx.nowMs + looseningDelayMs })
  }
  const index = carryOut(tx, change, caller)
  const stored = { status: change.status, body: change.body, receipt: true }
  putAnswer(tx, { caller, wallet: null, index, answer: stored })
  return { ...stored, index }
}

/** The change itself, and its entry. @returns the entry's index. */
export function carryOut(
  tx: LedgerTx,
  { entry, write }: Change,
  { requestId, digest, credentials, attribution }: ChangeCaller,
  more: object = {},
): number {
  const { index } = tx.append({
    ...entry,
    ...more,
    requestId,
    requestDigest: digest,
    credentials: credentials.map(({ id }) => id),
    attribution,
  })
  write?.(index)
  return index
}

/** What is left of a caller when a change has waited. */
export type ChangeCaller = Pick<Caller, 'requestId' | 'digest' | 'attribution'> & {
  readonly credentials: readonly { readonly id: string }[]
}

/** Nothing loosens while everything, or what it is about, is frozen.
 * @throws {CountersignError} SIGNER_FROZEN */
export async function checkMayLoosen(tx: LedgerTx, { entry }: Change): Promise<void> {
  await checkNotFrozen(tx, typeof entry.wallet === 'string' ? entry.wallet : undefined)
}

async function propose(
  tx: LedgerTx,
  { caller, request, change, dueAtMs }: Asked & { readonly dueAtMs: number },
): Promise<RememberedAnswer> {
  if (change.write === undefined) throw new Error('bug: a change that loosens was written already')
  const waiting = await tx.range('change-due', '', '\uffff', pendingChangesMax)
  if (waiting.length >= pendingChangesMax) {
    throw signerError('SIGNER_CHANGES_FULL', `${pendingChangesMax} changes wait already.`)
  }
  const { method, path } = request
  const { operation } = matchRoute(method, path).route
  const body = parseJson(request.body)
  const loosens = change.loosens ?? []
  const id = newChangeId(tx.nowMs)
  const dueAt = new Date(dueAtMs).toISOString()
  const index = carryOut(
    tx,
    {
      ...change,
      entry: { type: 'change-proposed', operation, method, path, body, loosens, dueAt },
      write: noWrite,
    },
    caller,
    { changeId: id },
  )
  const record: ChangeRecord = {
    id,
    operation,
    method,
    path,
    body,
    requestId: caller.requestId,
    digest: caller.digest,
    credentials: caller.credentials.map((credential) => credential.id),
    attribution: caller.attribution,
    loosens,
    proposedAtMs: tx.nowMs,
    dueAtMs,
    state: 'pending',
    index,
    settled: null,
  }
  tx.put('change', id, record)
  tx.put('change-due', dueKey(record), { change: id })
  const stored = { status: 202, body: { change: id, state: 'pending', dueAt, loosens }, receipt: true }
  putAnswer(tx, { caller, wallet: null, index, answer: stored })
  return { ...stored, index }
}

const noWrite = () => undefined

/** Ids sort by the time of the proposal. */
function newChangeId(nowMs: number): string {
  return `chg_${nowMs.toString(16).padStart(12, '0')}${randomBytes(6).toString('hex')}`
}

const dueDigits = 15

/** Of a pending change. Those that are due in the same millisecond go in the order of their proposals. */
export function dueKey({ dueAtMs, index, id }: Pick<ChangeRecord, 'dueAtMs' | 'index' | 'id'>): string {
  return `${[dueAtMs, index].map((part) => String(part).padStart(dueDigits, '0')).join('/')}/${id}`
}

/** The moment in a key of `dueKey`. */
export function dueAtOf(key: string): number {
  return Number(key.slice(0, dueDigits))
}

export interface Settlement {
  readonly state: 'applied' | 'vetoed' | 'dropped'
  /** Of a veto. */
  readonly by?: string
  readonly reason?: string
  /** Of the entry that says so. */
  readonly index: number
}

/** A change leaves `pending` once: whoever settles it has read it as pending in the same commit. */
export function settle(tx: LedgerTx, record: ChangeRecord, { state, by, reason, index }: Settlement): void {
  const settled = { atMs: tx.nowMs, by: by ?? null, reason: reason ?? null }
  // The body stands in the journal; keeping it here too would keep every policy twice.
  tx.put('change', record.id, { ...record, body: null, state, index, settled }, tx.nowMs + settledRetentionMs)
  tx.delete('change-due', dueKey(record))
}

/**
 * One admin stops what many have signed, until the moment at which it is carried out.
 * @throws {CountersignError} SIGNER_CHANGE_UNKNOWN, SIGNER_CHANGE_SETTLED, WIRE_NOT_PERMITTED */
export async function vetoChange(
  signer: Signer,
  request: SignedRequest,
  { id, reason }: { readonly id: string } & VetoChangeBody,
): Promise<Answer> {
  const caller = await authenticate(request, signer.authentication)
  const answer = await signer.ledger.submit(async (tx) => {
    const known = await remembered(tx, caller)
    if (known !== undefined) return known
    const credential = await tx.get('credential', caller.primary.id)
    const isAdmin =
      credential !== undefined &&
      isActive(credential, tx.nowMs) &&
      credential.role === 'admin' &&
      credential.bearer !== true
    if (!isAdmin) {
      throw wireError('WIRE_NOT_PERMITTED', `The credential ${caller.primary.id} may not veto changes.`, {
        fix: 'Ask an admin: any one of them can.',
      })
    }
    const record = await pendingChange(tx, id)
    const { index } = tx.append({
      type: 'change-vetoed',
      changeId: id,
      reason: reason ?? null,
      requestId: caller.requestId,
      requestDigest: caller.digest,
      credential: caller.primary.id,
      attribution: caller.attribution,
    })
    settle(tx, record, {
      state: 'vetoed',
      by: caller.primary.id,
      ...(reason === undefined ? {} : { reason }),
      index,
    })
    const at = new Date(tx.nowMs).toISOString()
    const body = { change: id, state: 'vetoed', by: caller.primary.id, at, reason: reason ?? null }
    const stored = { status: 200, body, receipt: true }
    putAnswer(tx, { caller, wallet: null, index, answer: stored })
    return { ...stored, index }
  })
  return answerOf(signer, answer)
}

async function pendingChange(tx: LedgerTx, id: string): Promise<ChangeRecord> {
  const record = await tx.get('change', id)
  if (record === undefined) throw signerError('SIGNER_CHANGE_UNKNOWN', `No change has the id ${id}.`)
  if (record.state === 'pending') return record
  throw signerError('SIGNER_CHANGE_SETTLED', `The change ${id} was ${record.state} already.`, {
    details: { state: record.state },
  })
}

async function organisationOf(tx: LedgerTx) {
  const organisation = await tx.get('organisation', 'organisation')
  if (organisation === undefined) throw new Error('bug: a signer without an organisation')
  return organisation
}

/** What everybody with the power to read may know of a change. */
export function changeJson(
  record: ChangeRecord,
): { readonly [field: string]: Json } & { readonly id: string } {
  const { id, operation, method, path, digest, requestId, credentials, loosens, state, index, settled } =
    record
  return {
    id,
    operation,
    method,
    path,
    digest,
    requestId,
    credentials: [...credentials],
    loosens: loosens.map(({ rule, why }) => (rule === undefined ? { why } : { rule, why })),
    state,
    proposedAt: new Date(record.proposedAtMs).toISOString(),
    dueAt: new Date(record.dueAtMs).toISOString(),
    settledAt: settled === null ? null : new Date(settled.atMs).toISOString(),
    settledBy: settled?.by ?? null,
    reason: settled?.reason ?? null,
    index,
  }
}
