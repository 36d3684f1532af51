import type { Intent } from '@countersign/intent'
import { type ApprovalFact, type Decision, evaluate, type Facts, windowsNeeded } from '@countersign/policy'
import { type Credential, subjectOf } from '@countersign/wire'
import { sharedFacts } from './books.ts'
import { type LoadedFacts, loadFacts } from './facts.ts'
import { type GrantInUse, grantInUse } from './grant-use.ts'
import type { LedgerTx } from './ledger.ts'
import { layersOf, type PolicyLayer } from './policies.ts'
import type { SignedFactRecord, WalletRecord } from './records.ts'
import type { Signer } from './signer.ts'
import { accountOf } from './wallet-chain.ts'
import { usedInWindows } from './windows.ts'

export interface Judging {
  readonly signer: Pick<Signer, 'policies'>
  /** Who asks, as this commit holds it. */
  readonly credential: Credential
  readonly wallet: WalletRecord
  readonly intent: Intent
  /** The id that the request names. Whoever permits counts its use: `countUse`. */
  readonly grant: string | undefined
  /** Of this very request, given what policies are in force. */
  readonly approvals?: (layers: readonly PolicyLayer[]) => Promise<readonly ApprovalFact[]>
}

export interface Judged {
  readonly decision: Decision
  readonly layers: readonly PolicyLayer[]
  /** Under which it was judged; its use is not counted yet. */
  readonly grant: GrantInUse | undefined
  /** Signed by others, and counted on. */
  readonly facts: readonly SignedFactRecord[]
}

/**
 * Every policy layer over what the signer itself knows in this commit. The engine's word is in none of it.
 * @throws {CountersignError} SIGNER_GRANT_* */
export async function judge(tx: LedgerTx, judging: Judging): Promise<Judged> {
  const { signer, credential, wallet, intent, approvals } = judging
  const grant = await grantInUse(tx, { credential, walletId: wallet.id, grant: judging.grant })
  const shared = await layersOf(tx, signer.policies, wallet.id)
  const layers = grant === undefined ? shared : [...shared, grant.layer]
  const signed: LoadedFacts = await loadFacts(tx, { intent, account: accountOf(wallet), layers })
  const facts: Facts = {
    ...(await sharedFacts(tx, wallet.id, layers)),
    walletId: wallet.id,
    walletAddress: accountOf(wallet),
    operation: intent.operation,
    // By subject: a key that came by rotation has the same rules and the same windows as the one before.
    credentialId: subjectOf(credential),
    grantId: grant?.id,
    role: credential.role,
    bearer: credential.bearer === true,
    nowMs: tx.nowMs,
    prices: signed.prices,
    simulations: signed.simulations,
    approvals: approvals === undefined ? [] : await approvals(layers),
  }
  const used = await usedInWindows(tx, windowsNeeded(intent, facts, layers))
  return { decision: evaluate({ intent, facts, layers, used }), layers, grant, facts: signed.records }
}
