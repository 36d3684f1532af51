import { isCountersignError } from '@countersign/bytes'
import { CountersignRefused } from '@countersign/sdk'

export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  refused: 3,
  verificationFailed: 4,
  unavailable: 5,
  waiting: 6,
  unmatched: 7,
} as const

export const exitCodesHelp = `
Exit codes:
  0  done
  1  error
  2  the command was used wrongly
  3  refused by policy, by a grant or by an approver
  4  something did not verify: a journal, a receipt, a signature, an identity
  5  the engine or the signer is not available
  6  it is accepted and waits: a change that loosens for its delay, a signature for its approvals
  7  ALARM: a wallet's transaction is on a chain and not in the journal`

const verificationCodes = new Set([
  'CLI_VERIFICATION_FAILED',
  'CLI_ROLLED_BACK',
  'CLI_NOT_WITNESSED',
  'SDK_ANSWER_UNPROVEN',
  'SDK_APPROVAL_MISMATCH',
  'SDK_SIGNATURE_MISMATCH',
  'SDK_AUDIENCE_MISMATCH',
  'WIRE_CHECKPOINT_INVALID',
  'WIRE_RECEIPT_INVALID',
  'WIRE_TILE_INVALID',
  'WIRE_DOCUMENT_INVALID',
  'WIRE_STATEMENT_INVALID',
])

const approvalRefusals = new Set(['SIGNER_APPROVAL_REJECTED', 'SIGNER_APPROVAL_EXPIRED'])

export function exitCodeOf(error: unknown): number {
  if (error instanceof CountersignRefused) return exitCodes.refused
  if (!isCountersignError(error)) return exitCodes.error
  if (error.code === 'CLI_USAGE' || error.code === 'CLI_NOT_CONFIGURED') return exitCodes.usage
  if (error.code === 'CLI_UNMATCHED') return exitCodes.unmatched
  if (verificationCodes.has(error.code)) return exitCodes.verificationFailed
  if (error.code === 'SDK_APPROVAL_NEEDED') return exitCodes.waiting
  // As a policy’s refusal: the request was understood, and may not be signed.
  if (approvalRefusals.has(error.code)) return exitCodes.refused
  if (error.code.startsWith('SIGNER_GRANT_') && error.status === 403) return exitCodes.refused
  if (error.status === 503) return exitCodes.unavailable
  return exitCodes.error
}
