import { canonicalJson, encodeHex, encodeUtf8, type Hex, sha256 } from '@countersign/bytes'
import type { PolicyId } from '@countersign/policy'
import { type PutWalletGroupBody, wireError } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { type Asked, change, checkExpected, hashOf } from './change.ts'
import type { LedgerTx } from './ledger.ts'
import { groupReasons } from './loosening.ts'
import type { WalletRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'

/** A wallet is in one group at most, so that it has one layer and one total of it. */
export function putWalletGroup(
  signer: Signer,
  request: Asked,
  { id, wallets: given, policy, expected }: { readonly id: string } & PutWalletGroupBody,
): Promise<Answer> {
  const wallets = [...new Set(given)].sort()
  if (wallets.length !== given.length) {
    throw wireError('WIRE_INVALID_BODY', 'A wallet stands twice in the list.', {
      details: { path: '/wallets' },
    })
  }
  return change(signer, request, async (tx) => {
    const before = await tx.get('wallet-group', id)
    checkExpected(before?.hash ?? null, expected, `group ${id}`)
    const policyHash = await hashOf(tx, policy)
    const changed = await membersChanged(tx, { id, wallets, before: before?.wallets ?? [] })
    const version = (before?.version ?? 0) + 1
    const appliedAt = new Date(tx.nowMs).toISOString()
    const hash = groupHash({ id, wallets, policy })
    const facts = { hash, version, policy, wallets }
    return {
      entry: { type: 'wallet-group', group: id, policyHash, ...facts },
      status: 200,
      body: { id, appliedAt, ...facts },
      loosens: await groupReasons(tx, signer.policies, { before, wallets, policy }),
      write: () => {
        for (const wallet of changed) tx.put('wallet', wallet.id, wallet)
        tx.put('wallet-group', id, { id, ...facts, policy: policy as PolicyId | null, appliedAt })
      },
    }
  })
}

/** What `expected` names. */
export function groupHash(group: {
  readonly id: string
  readonly wallets: readonly string[]
  readonly policy: string | null
}): Hex {
  const { id, wallets, policy } = group
  return encodeHex(sha256(encodeUtf8(canonicalJson({ id, wallets: [...wallets], policy }))))
}

/** The records of the wallets that come and go, as they will be. */
async function membersChanged(
  tx: LedgerTx,
  {
    id,
    wallets,
    before,
  }: { readonly id: string; readonly wallets: readonly string[]; readonly before: readonly string[] },
): Promise<WalletRecord[]> {
  const changed: WalletRecord[] = []
  const members = new Set(wallets)
  for (const walletId of wallets) {
    const wallet = await tx.get('wallet', walletId)
    if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${walletId}.`)
    if (wallet.group === id) continue
    if (wallet.group) {
      throw signerError('SIGNER_WALLET_GROUPED', `The wallet ${walletId} is in the group ${wallet.group}.`)
    }
    changed.push({ ...wallet, group: id })
  }
  for (const walletId of before) {
    if (members.has(walletId)) continue
    const wallet = await tx.get('wallet', walletId)
    if (wallet !== undefined) changed.push({ ...wallet, group: null })
  }
  return changed
}
