import { expiryOf, requestKeyOf, settleApproval, waitingApprovalsMax } from './approvals.ts'
import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import { resume } from './resume.ts'
import { finish } from './sign.ts'
import type { Signer } from './signer.ts'
import { errorStored } from './vote.ts'

const tickMs = 1_000
/** After a failure that may pass: the disk, the clock. */
const retryMs = 30_000

/**
 * Ends what has waited too long: by a timer, at the start, and before each request. At the start it also goes on with
 * what had all its approvals and no outcome when the last process ended.
 */
export class DueApprovals {
  #signer: Signer | undefined
  #nextMs = Number.POSITIVE_INFINITY
  #retryAtMs = 0
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #resuming: Promise<void> | undefined

  async open(signer: Signer): Promise<void> {
    this.#signer = signer
    await this.#look()
    await this.settle()
    // Not waited for: a key's backend that does not answer must not keep the signer from starting.
    this.#resuming = resumeAll(signer)
    this.#timer = setInterval(() => void this.settle(), tickMs)
    this.#timer.unref()
  }

  /** A request waits from now on, by this answer. */
  expect({ body }: { readonly body: unknown }): void {
    const { approval } = body as { approval: { expiresAt: string } }
    this.#nextMs = Math.min(this.#nextMs, Date.parse(approval.expiresAt))
  }

  /** Resolves when everything that is over has been ended, or could not be for now. Never rejects. */
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
    await this.#resuming
    this.#nextMs = Number.POSITIVE_INFINITY
  }

  #isDue(): boolean {
    if (this.#signer === undefined || this.#nextMs === Number.POSITIVE_INFINITY) return false
    try {
      const nowMs = this.#signer.ledger.nowMs()
      return nowMs >= this.#nextMs && nowMs >= this.#retryAtMs
    } catch {
      // The clock is not to be believed, so nothing is over.
      return false
    }
  }

  async #work(): Promise<void> {
    const signer = this.#signer
    if (signer === undefined) return
    try {
      const rows = await signer.ledger.range('approval-waiting', 'due/', 'due0', waitingApprovalsMax)
      for (const { key, value } of rows) {
        if (expiryOf(key) > signer.ledger.nowMs()) break
        await signer.ledger.submit((tx) => expire(tx, value.approval))
      }
      await this.#look()
    } catch {
      // Still waiting, which no vote can use any more, and tried again.
      this.#retryAtMs = laterThanNow(signer)
    }
  }

  async #look(): Promise<void> {
    const [first] = (await this.#signer?.ledger.range('approval-waiting', 'due/', 'due0', 1)) ?? []
    this.#nextMs = first === undefined ? Number.POSITIVE_INFINITY : expiryOf(first.key)
  }
}

function laterThanNow(signer: Signer): number {
  try {
    return signer.ledger.nowMs() + retryMs
  } catch {
    return 0
  }
}

async function expire(tx: LedgerTx, id: string): Promise<void> {
  const record = await tx.get('approval', id)
  if (record?.state !== 'waiting' || record.expiresAtMs > tx.nowMs) return
  // It is being signed: the permit came in time, and its outcome settles it.
  if (tx.openPermit(requestKeyOf(record)) !== undefined) return
  const { requestId, requestDigest, credential, attribution, wallet, operation, payloadDigest, digest } =
    record
  const { index } = tx.append({
    type: 'expired',
    approvalId: id,
    digest,
    requestId,
    requestDigest,
    credential,
    attribution,
    wallet,
    operation,
    payloadDigest,
  })
  const error = signerError(
    'SIGNER_APPROVAL_EXPIRED',
    `The request has waited for its approvals until ${new Date(record.expiresAtMs).toISOString()}, in vain.`,
    { details: { approval: id } },
  )
  settleApproval(tx, record, { state: 'expired', index, answer: errorStored(error, { approval: id, index }) })
}

async function resumeAll(signer: Signer): Promise<void> {
  try {
    const rows = await signer.ledger.range('approval-waiting', 'due/', 'due0', waitingApprovalsMax)
    for (const { value } of rows) {
      const record = await signer.ledger.get('approval', value.approval)
      if (record === undefined || record.votes.length === 0) continue
      const permitted = await signer.ledger.submit((tx) => resume(tx, signer, record.id))
      // What fails here goes on waiting: whoever asks next tries again.
      if (permitted !== undefined) await finish(signer, permitted).catch(() => undefined)
    }
  } catch {
    // The disk or the clock: nothing was written, and every request tries again.
  }
}
