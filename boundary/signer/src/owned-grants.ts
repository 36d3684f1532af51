import type { HeldGrant, OwnedCredential } from '@countersign/policy'
import { endedBecause, heldGrant, isYetToCome, usedUpBecause } from './grant-use.ts'
import type { LedgerTx } from './ledger.ts'
import type { GrantRecord, WalletRecord } from './records.ts'

/** Of one grantee; with more of them its figure is that of one who may ask freely. */
const grantsPerGranteeMax = 500

type Source = Pick<LedgerTx, 'get' | 'range' | 'nowMs'>

/** What an attacker can ask for with the credentials of grantees. */
export interface OwnedGrants {
  readonly records: readonly GrantRecord[]
  /** Subjects of grantees with more grants than are counted. */
  readonly uncounted: ReadonlySet<string>
}

export async function grantsOfOwned(source: Source, owned: readonly OwnedCredential[]): Promise<OwnedGrants> {
  const records: GrantRecord[] = []
  const uncounted = new Set<string>()
  const grantees = new Set(owned.filter(({ role }) => role === 'grantee').map(({ subject }) => subject))
  for (const subject of grantees) {
    // Also those that it has made itself, as an owner.
    const rows = await source.range('grant-of', `${subject}/`, `${subject}0`, grantsPerGranteeMax + 1)
    if (rows.length > grantsPerGranteeMax) {
      uncounted.add(subject)
      continue
    }
    for (const { value } of rows) {
      const record = await source.get('grant', value.grant)
      if (record?.to === subject) records.push(record)
    }
  }
  return { records, uncounted }
}

export interface GrantedRadius {
  readonly owned: readonly OwnedCredential[]
  readonly grants: readonly HeldGrant[]
  /** For people. */
  readonly notes: readonly string[]
}

/** What the grants say for one wallet: who of the attacker's credentials may ask for it under them only. */
export async function grantedRadius(
  source: Source,
  wallet: WalletRecord,
  { owned, granted }: { readonly owned: readonly OwnedCredential[]; readonly granted: OwnedGrants },
): Promise<GrantedRadius> {
  const owner = owned.find(({ subject, bearer }) => !bearer && subject === wallet.owner)
  if (owner !== undefined) {
    const why = `${owner.subject} owns this wallet, so it may let every other owned key ask for it.`
    return { owned, grants: [], notes: [why] }
  }
  const grants: HeldGrant[] = []
  for (const record of granted.records) {
    if (!record.wallets.includes(wallet.id)) continue
    const why = (await endedBecause(source, record, wallet.id)) ?? (await usedUpBecause(source, record))
    if (why === undefined || isYetToCome(why)) grants.push(heldGrant(record))
  }
  const isBound = ({ role, subject }: OwnedCredential) =>
    role === 'grantee' && !granted.uncounted.has(subject)
  return {
    owned: owned.map((one) => (isBound(one) ? { ...one, onlyUnderGrants: true } : one)),
    grants,
    notes: grants.map(({ id, to }) => `${to} may ask under the grant ${id}.`),
  }
}
