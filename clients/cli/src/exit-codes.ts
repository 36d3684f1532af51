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
} as const

export const exitCodesHelp = `
Exit codes:
  0  done
  1  error
  2  the command was used wrongly
  3  refused by policy
  4  something did not verify: a journal, a receipt, a signature, an identity
  5  the engine or the signer is not available
  6  it is accepted and waits: a change that loosens, until its delay is over`

const verificationCodes = new Set([
  'CLI_VERIFICATION_FAILED',
  'CLI_ROLLED_BACK',
  'SDK_SIGNATURE_MISMATCH',
  'SDK_AUDIENCE_MISMATCH',
  'WIRE_CHECKPOINT_INVALID',
  'WIRE_RECEIPT_INVALID',
])

export function exitCodeOf(error: unknown): number {
  if (error instanceof CountersignRefused) return exitCodes.refused
  if (!isCountersignError(error)) return exitCodes.error
  if (error.code === 'CLI_USAGE' || error.code === 'CLI_NOT_CONFIGURED') return exitCodes.usage
  if (verificationCodes.has(error.code)) return exitCodes.verificationFailed
  if (error.status === 503) return exitCodes.unavailable
  return exitCodes.error
}
