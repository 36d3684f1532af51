import { CountersignError } from '@countersign/bytes'
import type { ApprovalNeed } from '@countersign/wire'
import { sdkErrors } from './catalogue.ts'

/** A request that waits, as its caller hears of it. */
export interface PendingApproval {
  readonly id: string
  readonly state: 'waiting'
  readonly digest: string
  readonly expiresAt: string
  readonly needs: readonly ApprovalNeed[]
}

/** Nothing is signed yet: the policy asks for approvals. The same request id gives the answer once they are there. */
export class CountersignWaits extends CountersignError {
  readonly approval: PendingApproval
  readonly requestId: string
  /** Of `sendTransaction`. */
  readonly transactionId: string | undefined

  constructor(approval: PendingApproval, requestId: string, transactionId?: string) {
    const who = approval.needs
      .filter(({ missing }) => missing > 0)
      .map(({ missing, group }) => `${missing} of ${group}`)
      .join(', ')
    super(
      'SDK_APPROVAL_NEEDED',
      sdkErrors.SDK_APPROVAL_NEEDED,
      `The request waits for approval as ${approval.id} until ${approval.expiresAt}${who === '' ? '' : `: ${who}`}.`,
      {
        details: {
          approval: approval.id,
          requestId,
          ...(transactionId === undefined ? {} : { transactionId }),
        },
      },
    )
    this.name = 'CountersignWaits'
    this.approval = approval
    this.requestId = requestId
    this.transactionId = transactionId
  }
}

/**
 * @param answer Checked already: what it says of the approval stands in the entry of its receipt, if it is of that type.
 * @returns undefined for every other answer. */
export function pendingApprovalOf(answer: unknown): PendingApproval | undefined {
  const { approval, receipt } = (answer ?? {}) as {
    approval?: unknown
    receipt?: { entry?: { type?: unknown } }
  }
  if (typeof approval !== 'object' || approval === null) return undefined
  // Beside a signature it would be nobody’s word but the engine’s.
  if (receipt?.entry?.type !== 'approval-requested') return undefined
  return (approval as PendingApproval).state === 'waiting' ? (approval as PendingApproval) : undefined
}
