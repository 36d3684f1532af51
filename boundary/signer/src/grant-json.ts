import { formatDelay, type GrantTerms } from '@countersign/wire'
import type { LedgerTx } from './ledger.ts'
import type { GrantRecord, WalletRecord } from './records.ts'

/**
 * A grant as the journal and every answer have it. It binds the wallets' addresses, so that a grantee needs nobody's
 * word for them; of the rules it has the hash.
 */
export function grantTerms(
  record: Omit<GrantRecord, 'index' | 'madeIndex'>,
  wallets: readonly WalletRecord[],
): GrantTerms {
  const { id, name, to, rulesHash, grantedBy, maxUses, keepAlive, revoked } = record
  return {
    id,
    name,
    to,
    wallets: wallets.map(({ id: wallet, type, address, publicKey }) => ({
      id: wallet,
      type,
      address,
      publicKey,
    })),
    rulesHash,
    grantedBy: 'owner' in grantedBy ? { owner: grantedBy.owner } : { quorum: [...grantedBy.quorum] },
    notBefore: timeText(record.notBeforeMs),
    expires: timeText(record.expiresMs),
    maxUses,
    keepAlive:
      keepAlive === null
        ? null
        : { extendBy: formatDelay(keepAlive.extendByMs), hardEnd: timeText(keepAlive.hardEndMs) },
    createdAt: timeText(record.createdAtMs),
    state: revoked === null ? 'active' : 'revoked',
    revoked: revoked === null ? null : { by: revoked.by, at: timeText(revoked.atMs), reason: revoked.reason },
  }
}

export async function termsOf(source: Pick<LedgerTx, 'get'>, record: GrantRecord): Promise<GrantTerms> {
  const wallets: WalletRecord[] = []
  for (const id of record.wallets) {
    const wallet = await source.get('wallet', id)
    if (wallet === undefined)
      throw new Error(`bug: the grant ${record.id} is about a wallet that is not there`)
    wallets.push(wallet)
  }
  return grantTerms(record, wallets)
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
