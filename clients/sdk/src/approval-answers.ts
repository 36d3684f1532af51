import type { Hex } from '@countersign/bytes'
import type {
  ApprovalStatement,
  ApprovalSummary,
  ApprovalsStatement,
  FactStatement,
  VoteAnswer,
} from '@countersign/wire'

export type { ApprovalNeed, ApprovalState, ApprovalSummary } from '@countersign/wire'

/** What the signer says of a request that waits: checked to be its own words, in answer to this very question. */
export type Approval = ApprovalStatement
export type Voted = VoteAnswer

interface SignedBySigner<Statement> {
  readonly statement: Statement
  readonly signer: string
  readonly journalKey: Hex
  readonly signature: string
}
export type SignedApproval = SignedBySigner<ApprovalStatement>
export type SignedApprovals = SignedBySigner<ApprovalsStatement>
export type SignedFactTaken = SignedBySigner<FactStatement>
export type ApprovalListItem = ApprovalSummary
