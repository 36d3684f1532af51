import type { RequiredApproval } from '@countersign/policy'
import type { ApprovalNeed } from '@countersign/wire'
import type { ApprovalRecord } from './records.ts'
import type { RememberedAnswer } from './requests.ts'

/** Of a large group; the list is for people, who counts is decided over all of it. */
const membersShownMax = 100

/** What policies ask for, as it crosses processes. */
export function needsJson(needs: readonly RequiredApproval[]): ApprovalNeed[] {
  return needs.map(({ layer, rule, group, needed, have, missing, counted, eligible, expiresInMs }) => ({
    layer,
    rule,
    group,
    needed,
    have,
    missing,
    counted: counted.slice(0, membersShownMax),
    eligible: eligible.slice(0, membersShownMax),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  }))
}

/** What the caller of a request hears for as long as it waits. */
export function pendingAnswer(record: ApprovalRecord): RememberedAnswer & { readonly approval: string } {
  const { id, digest, expiresAtMs, needs, requested } = record
  const approval = {
    id,
    state: 'waiting',
    digest,
    expiresAt: new Date(expiresAtMs).toISOString(),
    needs: [...needs],
  }
  return { status: 202, body: { approval }, receipt: true, index: requested, approval: id }
}
