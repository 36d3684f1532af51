import { isCountersignError } from '@countersign/bytes'
import { matchRoute } from '@countersign/wire'
import type { Caller } from './authenticate.ts'
import type { Apply } from './change.ts'
import { answerChange } from './change-routes.ts'
import type { LedgerTx } from './ledger.ts'
import { carryOut, checkMayLoosen, dueAtOf, settle } from './pending-changes.ts'
import { checkQuorum } from './quorum.ts'
import type { ChangeRecord } from './records.ts'
import type { Signer } from './signer.ts'

const tickMs = 1_000
/** After a failure that may pass: the disk, the clock. */
const retryMs = 30_000
const settledAtOnceMax = 256

/**
 * Carries changes out when their delay is over: by a timer, at the start, and before each request. Late is safe, as
 * all of them loosen; early is not, so the moment is compared in the commit, with the ledger's own time.
 */
export class DueChanges {
  #signer: Signer | undefined
  #nextMs = Number.POSITIVE_INFINITY
  #retryAtMs = 0
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  async open(signer: Signer): Promise<void> {
    this.#signer = signer
    await this.#look()
    await this.settle()
    this.#timer = setInterval(() => void this.settle(), tickMs)
    this.#timer.unref()
  }

  /** A change was proposed. */
  expect(dueAtMs: number): void {
    this.#nextMs = Math.min(this.#nextMs, dueAtMs)
  }

  /** Resolves when everything that is due has been settled, or could not be for now. Never rejects. */
  async settle(): Promise<void> {
    if (!this.#isDue()) return
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
    })
    await this.#running
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
    this.#nextMs = Number.POSITIVE_INFINITY
  }

  #isDue(): boolean {
    if (this.#signer === undefined || this.#nextMs === Number.POSITIVE_INFINITY) return false
    try {
      const nowMs = this.#signer.ledger.nowMs()
      return nowMs >= this.#nextMs && nowMs >= this.#retryAtMs
    } catch {
      // The clock is not to be believed, so nothing is due.
      return false
    }
  }

  async #work(): Promise<void> {
    const signer = this.#signer
    if (signer === undefined) return
    try {
      for (const { key, value } of await signer.ledger.range('change-due', '', '\uffff', settledAtOnceMax)) {
        if (dueAtOf(key) > signer.ledger.nowMs()) break
        await settleOne(signer, value.change)
      }
      await this.#look()
    } catch {
      // Still pending, and tried again: nothing of it was written.
      this.#retryAtMs = monotonicallyLater(signer)
    }
  }

  async #look(): Promise<void> {
    const [first] = (await this.#signer?.ledger.range('change-due', '', '\uffff', 1)) ?? []
    this.#nextMs = first === undefined ? Number.POSITIVE_INFINITY : dueAtOf(first.key)
  }
}

function monotonicallyLater(signer: Signer): number {
  try {
    return signer.ledger.nowMs() + retryMs
  } catch {
    return 0
  }
}

/** The same route, body and code as the request would have taken at once. */
async function settleOne(signer: Signer, id: string): Promise<void> {
  const record = await signer.ledger.get('change', id)
  if (record === undefined) throw new Error(`bug: the change ${id} is due and not there`)
  const { method, path, body } = record
  try {
    const match = matchRoute(method, path)
    const carry = (apply: Apply) => signer.ledger.submit((tx) => applyDue(tx, id, apply))
    const answer = answerChange(signer, { carry }, match, body)
    if (answer === undefined) throw new Error(`bug: ${method} ${path} is no change`)
    await answer
  } catch (error) {
    if (!isFinal(error)) throw error
    const reason = (error as Error).message
    await signer.ledger.submit(async (tx) => {
      const waiting = await stillDue(tx, id)
      if (waiting !== undefined) drop(tx, waiting, reason)
    })
  }
}

async function applyDue(tx: LedgerTx, id: string, apply: Apply): Promise<{ status: number; body: object }> {
  const record = await stillDue(tx, id)
  if (record === undefined) return settledAnswer
  const caller = callerOf(record)
  try {
    // Who has signed it must be who may change things now, as many as it takes now, and what it replaces must still be there.
    await checkQuorum(tx, caller)
    const change = await apply(tx, caller)
    await checkMayLoosen(tx, change)
    tx.append({
      type: 'change-applied',
      changeId: id,
      operation: record.operation,
      requestId: record.requestId,
      requestDigest: record.digest,
      credentials: record.credentials,
      proposedAt: new Date(record.proposedAtMs).toISOString(),
    })
    const index = carryOut(tx, change, caller, { changeId: id })
    settle(tx, record, { state: 'applied', index })
  } catch (error) {
    if (!isFinal(error)) throw error
    drop(tx, record, (error as Error).message)
  }
  return settledAnswer
}

const settledAnswer = { status: 200, body: {} }

/** Pending, and its time has come, in this commit. */
async function stillDue(tx: LedgerTx, id: string): Promise<ChangeRecord | undefined> {
  const record = await tx.get('change', id)
  return record?.state === 'pending' && record.dueAtMs <= tx.nowMs ? record : undefined
}

function drop(tx: LedgerTx, record: ChangeRecord, reason: string): void {
  const { index } = tx.append({
    type: 'change-dropped',
    changeId: record.id,
    operation: record.operation,
    reason,
    requestId: record.requestId,
    requestDigest: record.digest,
    credentials: record.credentials,
  })
  settle(tx, record, { state: 'dropped', reason, index })
}

/** Only the credentials' ids are taken from the record: what they are now is looked up. */
function callerOf(record: ChangeRecord): Caller {
  const credentials = record.credentials.map((id) => ({ id })) as unknown as Caller['credentials']
  const [primary] = credentials
  if (primary === undefined) throw new Error('bug: a change that nobody has signed')
  const { requestId, digest, attribution } = record
  return { credentials, primary, requestId, digest, attribution, nonces: [], passkeyUses: [] }
}

/** The change itself is refused. Anything else, such as a failing disk, says nothing about it. */
function isFinal(error: unknown): boolean {
  return isCountersignError(error) && (error.status < 500 || error.code === 'SIGNER_POLICY_UNREADABLE')
}
