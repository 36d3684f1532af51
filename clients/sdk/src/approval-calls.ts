import type { Hex } from '@countersign/bytes'
import type { ApprovalState } from '@countersign/wire'
import type { SignedApproval, SignedApprovals, SignedFactTaken, Voted } from './approval-answers.ts'
import { get, post, segment } from './call.ts'
import type { PageQuery } from './calls.ts'

/** What people decide, and what others say that policies count on; a part of `calls`. */
export const approvalCalls = {
  listApprovals: (query: PageQuery & { readonly state?: ApprovalState } = {}) =>
    get<SignedApprovals>('/v1/approvals', query),
  getApproval: (id: string) => get<SignedApproval>(`/v1/approvals/${segment(id)}`),
  approveRequest: ({ id, digest }: { readonly id: string; readonly digest: Hex }) =>
    post<Voted>(`/v1/approvals/${segment(id)}/approve`, { digest }),
  rejectRequest: ({
    id,
    ...body
  }: {
    readonly id: string
    readonly digest: Hex
    readonly reason?: string | undefined
  }) => post<Voted>(`/v1/approvals/${segment(id)}/reject`, body),
  addFact: (input: { readonly fact: object; readonly signature: string }) =>
    post<SignedFactTaken>('/v1/facts', input),
} as const
