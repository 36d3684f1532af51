import { signerError } from './catalogue.ts'
import type { LedgerTx } from './ledger.ts'
import type { Frozen } from './records.ts'

/**
 * Break-glass. Frozen means: no permit, and no signature of a permit that was there before; nothing loosens. What only
 * reads, and what tightens, goes on.
 * @param walletId `undefined`: only whether everything is frozen.
 * @throws {CountersignError} SIGNER_FROZEN */
export async function checkNotFrozen(tx: Pick<LedgerTx, 'get'>, walletId: string | undefined): Promise<void> {
  const whole = (await tx.get('organisation', 'organisation'))?.frozen
  if (whole) throw frozenError('Everything', whole)
  if (walletId === undefined) return
  const wallet = (await tx.get('wallet', walletId))?.frozen
  if (wallet) throw frozenError(`The wallet ${walletId}`, wallet)
}

function frozenError(what: string, { by, at, reason }: Frozen) {
  return signerError('SIGNER_FROZEN', `${what} was frozen by ${by} at ${at}: ${reason}`, {
    details: { frozen: { by, at, reason } },
  })
}
