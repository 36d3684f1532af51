import { formatDelay } from '@countersign/wire'
import type { Ledger } from './ledger.ts'
import { changeJson, pendingChangesMax } from './pending-changes.ts'
import type { PolicyLayer } from './policies.ts'
import type { ChangeRecord, WalletRecord } from './records.ts'

/** What of a custody statement says how, and how soon, its other sentences can change. */
export async function changesStatement(
  ledger: Pick<Ledger, 'get' | 'range'>,
  wallet: WalletRecord,
  layers: readonly PolicyLayer[],
): Promise<object> {
  const organisation = await ledger.get('organisation', 'organisation')
  const pending: ChangeRecord[] = []
  for (const { value } of await ledger.range('change-due', '', '\uffff', pendingChangesMax)) {
    const record = await ledger.get('change', value.change)
    if (record?.state === 'pending' && affects(record, wallet, layers)) pending.push(record)
  }
  const delayMs = organisation?.looseningDelayMs ?? 0
  return {
    frozen: { everything: organisation?.frozen ?? null, wallet: wallet.frozen ?? null },
    changes: {
      looseningDelay: formatDelay(delayMs),
      veto:
        delayMs === 0
          ? 'A change that loosens acts at once: nobody can stop it.'
          : 'A change that loosens waits for the delay; one admin can veto it until then.',
      pending: pending.map((record) => {
        const { id, operation, path, loosens, credentials, proposedAt, dueAt } = changeJson(record)
        return { id, operation, path, loosens, credentials, proposedAt, dueAt }
      }),
    },
  }
}

/** Changes that name something else than this wallet lives under do not concern it; all others may. */
function affects(
  { operation, path }: ChangeRecord,
  wallet: WalletRecord,
  layers: readonly PolicyLayer[],
): boolean {
  const names = (id: string) => path.split('/').includes(id)
  switch (operation) {
    case 'setWalletPolicy':
      return names(wallet.id)
    case 'putWalletGroup':
      return wallet.group ? names(wallet.group) : true
    case 'putPolicy':
      return layers.some(({ policy }) => policy !== undefined && names(policy.id))
    case 'putBook':
      return layers.some(({ policy }) => policy?.books.some(names) === true)
    default:
      return true
  }
}
