import * as api from './api-approvals.ts'
import type { Route } from './routes.ts'

/** What people decide, and what others say that policies count on. */
export const approvalRoutes = [
  {
    method: 'GET',
    pattern: '/v1/approvals',
    operation: 'listApprovals',
    auth: 'credential',
    signer: true,
    status: 200,
    summary:
      'List requests that wait for approval or have waited, oldest first, in the signer’s signed words. Admins, approvers and the power read see all, others those that concern them.',
    query: api.approvalsQuery,
    answer: api.approvalsAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/approvals/{approvalId}',
    operation: 'getApproval',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'What a request would do, whose approval it needs and has, in the signer’s signed words.',
    answer: api.approvalAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/approvals/{approvalId}/approve',
    operation: 'approveRequest',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Approve exactly these bytes. With the last approval that is needed they are signed.',
    body: api.approveBody,
    answer: api.voteAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/approvals/{approvalId}/reject',
    operation: 'rejectRequest',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Reject a request for good. One approver suffices.',
    body: api.rejectBody,
    answer: api.voteAnswer,
  },
  {
    method: 'POST',
    pattern: '/v1/facts',
    operation: 'addFact',
    auth: 'credential',
    signer: true,
    status: 200,
    summary: 'Say a price, or what a simulation found. Counts only where a policy names this credential.',
    body: api.factBody,
    answer: api.factAnswer,
  },
] as const satisfies readonly Route[]

/** Routes that sign: answered with 202 and `approvalPendingAnswer` where policy asks for approvals. */
export const approvableOperations: ReadonlySet<string> = new Set([
  'signMessage',
  'signTypedData',
  'signTransaction',
  'signAuthorization',
  'signUserOperation',
  'signRaw',
  'sendTransaction',
])
