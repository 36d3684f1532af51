import { type FreezeBody, isActive, type SignedRequest, type ThawBody, wireError } from '@countersign/wire'
import { authenticate } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { type Asked, change } from './change.ts'
import type { LedgerTx } from './ledger.ts'
import type { Frozen } from './records.ts'
import { answerOf, putAnswer, remembered } from './requests.ts'
import type { Answer, Signer } from './signer.ts'

/** Any admin, or a credential with the power for it, alone and at once. What is frozen stays as it was frozen first. */
export async function freeze(
  signer: Signer,
  request: SignedRequest,
  { wallet: walletId, reason }: FreezeBody,
): Promise<Answer> {
  const caller = await authenticate(request, signer.authentication)
  const answer = await signer.ledger.submit(async (tx) => {
    const known = await remembered(tx, caller)
    if (known !== undefined) return known
    const credential = await tx.get('credential', caller.primary.id)
    const may =
      credential !== undefined &&
      isActive(credential, tx.nowMs) &&
      credential.bearer !== true &&
      (credential.role === 'admin' || credential.powers.includes('freeze'))
    if (!may) {
      throw wireError('WIRE_NOT_PERMITTED', `The credential ${caller.primary.id} may not freeze.`, {
        fix: 'Ask an admin, or add a credential with the power freeze.',
      })
    }
    const before = await frozenNow(tx, walletId)
    const frozen = before ?? { by: caller.primary.id, at: new Date(tx.nowMs).toISOString(), reason }
    if (before === null) await putFrozen(tx, walletId, frozen)
    const wallet = walletId ?? null
    const { index } = tx.append({
      type: 'freeze',
      wallet,
      frozen,
      reason,
      requestId: caller.requestId,
      requestDigest: caller.digest,
      credential: caller.primary.id,
      attribution: caller.attribution,
    })
    const stored = { status: 200, body: { wallet, frozen }, receipt: true }
    putAnswer(tx, { caller, wallet, index, answer: stored })
    return { ...stored, index }
  })
  return answerOf(signer, answer)
}

/**
 * The quorum only, and at once. It names the freeze that it lifts: a thaw that somebody held back must not lift a
 * later one.
 */
export function thaw(
  signer: Signer,
  request: Asked,
  { wallet: walletId, expected }: ThawBody,
): Promise<Answer> {
  return change(signer, request, async (tx) => {
    const before = await frozenNow(tx, walletId)
    if (before?.at !== expected) {
      const now = before === null ? 'nothing is frozen there' : `it was frozen at ${before.at}`
      throw signerError('SIGNER_CHANGE_CONFLICT', `The thaw is for the freeze of ${expected}; ${now}.`, {
        details: { now: before?.at ?? null, expected },
      })
    }
    await putFrozen(tx, walletId, null)
    const wallet = walletId ?? null
    return { entry: { type: 'thaw', wallet, before }, status: 200, body: { wallet, frozen: null } }
  })
}

async function frozenNow(tx: LedgerTx, walletId: string | undefined): Promise<Frozen | null> {
  if (walletId === undefined) return (await tx.get('organisation', 'organisation'))?.frozen ?? null
  const wallet = await tx.get('wallet', walletId)
  if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${walletId}.`)
  return wallet.frozen ?? null
}

async function putFrozen(tx: LedgerTx, walletId: string | undefined, frozen: Frozen | null): Promise<void> {
  if (walletId === undefined) {
    const organisation = await tx.get('organisation', 'organisation')
    if (organisation !== undefined) tx.put('organisation', 'organisation', { ...organisation, frozen })
    return
  }
  const wallet = await tx.get('wallet', walletId)
  if (wallet !== undefined) tx.put('wallet', walletId, { ...wallet, frozen })
}
