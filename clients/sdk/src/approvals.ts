import type { Hex } from '@countersign/bytes'
import type { Approval, ApprovalState, ApprovalSummary, SignedApprovals, Voted } from './approval-answers.ts'
import { checkApprovalMatter } from './approval-intent.ts'
import { type Call, calls } from './calls.ts'
import { sdkError } from './catalogue.ts'
import type { CallOptions } from './client.ts'

type Execute = <Answer>(call: Call<Answer>, options?: CallOptions) => Promise<Answer>

/** A list that never ends is an engine that is broken. */
const pagesMax = 100_000

/**
 * Requests that wait for approval. What these give is the signer's own word: signed by it for this very question. What
 * is approved was decoded here once more, so that no engine can show one thing and have another approved.
 */
export function approvalsOf(execute: Execute) {
  const get = async (id: string): Promise<Approval> => (await execute(calls.getApproval(id))).statement
  return {
    get,
    /** Oldest first. Each page is signed as a whole. */
    async *list(query: { state?: ApprovalState } = {}): AsyncGenerator<ApprovalSummary, void, undefined> {
      let cursor: string | undefined
      for (let count = 0; count < pagesMax; count++) {
        const call: Call<SignedApprovals> = calls.listApprovals({
          ...query,
          ...(cursor === undefined ? {} : { cursor }),
        })
        const { statement } = await execute(call)
        yield* statement.items
        if (statement.nextCursor === null || statement.nextCursor === cursor) return
        cursor = statement.nextCursor
      }
    },
    /**
     * @param which What `get` gave and somebody has looked at, or an id: then it is asked for first.
     * @throws {CountersignError} SDK_APPROVAL_MISMATCH where the bytes are not what the description says */
    async approve(which: string | Approval, options?: CallOptions): Promise<Voted> {
      const shown = typeof which === 'string' ? await get(which) : which
      checkApprovalMatter(shown)
      const { approval: id, digest } = shown
      return execute(calls.approveRequest({ id, digest: digest as Hex }), options)
    },
    /** One rejection ends it. */
    async reject(
      which: string | Approval,
      { reason, ...options }: CallOptions & { readonly reason?: string } = {},
    ): Promise<Voted> {
      const { approval: id, digest } = typeof which === 'string' ? await get(which) : which
      return execute(calls.rejectRequest({ id, digest: digest as Hex, reason }), options)
    },
    /** Checks a description without approving it: what `approve` does first.
     * @throws {CountersignError} SDK_APPROVAL_MISMATCH */
    check: (approval: Approval): void => {
      checkApprovalMatter(approval)
    },
  }
}

/** The caller has signed the fact, so it knows which one the signer must say that it has. */
export function checkFactTaken(found: string, expected: string): void {
  if (found === expected) return
  throw sdkError('SDK_ANSWER_UNPROVEN', 'The answer is about another fact than the one that was sent.')
}
