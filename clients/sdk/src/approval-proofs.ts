import { type ApiOperation, verifyApproval, verifyApprovals, verifyFactTaken } from '@countersign/wire'
import type { Fields, Proof } from './check-answer.ts'

/** Instead of a signature’s own entry, where the request waits for approval. */
export const approvalRequestedProof: Proof = {
  type: 'approval-requested',
  fits: ({ approval }, entry) => {
    const { id, digest, state, expiresAt } = approval as Fields
    return (
      id === entry.approvalId &&
      digest === entry.digest &&
      state === 'waiting' &&
      expiresAt === entry.expiresAt
    )
  },
}

const isVote = (verdict: string) => (answer: Fields, entry: Fields) =>
  answer.approval === entry.approvalId &&
  answer.verdict === verdict &&
  answer.digest === entry.digest &&
  answer.at === entry.at &&
  answer.reason === entry.reason

export const approvalProofs: Readonly<Partial<Record<ApiOperation, Proof>>> = {
  approveRequest: { type: 'approved', fits: isVote('approved') },
  rejectRequest: { type: 'rejected', fits: isVote('rejected') },
}

interface Asked {
  readonly operation: ApiOperation
  readonly audience: string
  /** Digest of the request that asked. */
  readonly asked: string
  readonly params: Readonly<Record<string, string>>
}

export const statementOperations: ReadonlySet<ApiOperation> = new Set<ApiOperation>([
  'getApproval',
  'listApprovals',
  'addFact',
])

/** Answers that are statements of the signer instead of entries of its journal.
 * @throws {CountersignError} WIRE_STATEMENT_INVALID */
export function checkStatement(answer: unknown, { operation, audience, asked, params }: Asked): void {
  if (operation === 'getApproval')
    verifyApproval(answer, { audience, asked, approval: params.approvalId ?? '' })
  if (operation === 'listApprovals') verifyApprovals(answer, { audience, asked })
  if (operation === 'addFact') {
    // Which fact it is, the caller compares: it has signed it.
    const fact = (answer as { statement?: { fact?: string } } | null)?.statement?.fact ?? ''
    verifyFactTaken(answer, { audience, asked, fact })
  }
}
