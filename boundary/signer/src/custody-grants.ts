import { describeExposure, type Exposure, exposureOf, grantedLayer } from '@countersign/policy'
import { type Credential, type GrantTerms, subjectOf } from '@countersign/wire'
import { termsOf } from './grant-json.ts'
import { grantsPerWalletMax } from './grant-room.ts'
import { endedBecause, heldGrant, isYetToCome, usedUpBecause, usesOf } from './grant-use.ts'
import type { LedgerTx } from './ledger.ts'
import type { PolicyLayer } from './policies.ts'
import type { GrantRecord, WalletRecord } from './records.ts'

/** Grants whose own figure is worked out; the others of a grantee stand in the figure for all of them. */
const figuresMax = 50

export interface WalletGrants {
  readonly grants: readonly GrantRecord[]
  readonly uses: ReadonlyMap<string, number>
  readonly terms: readonly GrantTerms[]
}

type Source = Pick<LedgerTx, 'get' | 'range' | 'nowMs'>

/** Grants over a wallet under which something could be signed, now or later. */
export async function grantsOver(source: Source, walletId: string): Promise<WalletGrants> {
  const grants: GrantRecord[] = []
  const uses = new Map<string, number>()
  for (const { value } of await source.range(
    'grant-of',
    `${walletId}/`,
    `${walletId}0`,
    grantsPerWalletMax,
  )) {
    const record = await source.get('grant', value.grant)
    if (record === undefined) continue
    const why = (await endedBecause(source, record, walletId)) ?? (await usedUpBecause(source, record))
    if (why !== undefined && !isYetToCome(why)) continue
    grants.push(record)
    uses.set(record.id, await usesOf(source, record.id))
  }
  const terms: GrantTerms[] = []
  for (const record of grants) terms.push(await termsOf(source, record))
  return { grants, uses, terms }
}

/** Who may let others ask, and whom somebody has let. */
export function grantsStatement(wallet: WalletRecord, { terms, uses }: WalletGrants): object {
  return {
    owner: wallet.owner ?? null,
    ownerMay: wallet.owner
      ? 'The owner’s credential alone may let any credential that the signer knows ask for this wallet, at once. It permits nothing that the policies do not.'
      : 'Nobody owns this wallet: only the admin quorum may let a grantee ask for it.',
    grants: terms.map(({ id, to, grantedBy, notBefore, expires, keepAlive, maxUses, rulesHash }) => ({
      id,
      to,
      grantedBy,
      notBefore,
      expires,
      hardEnd: keepAlive?.hardEnd ?? expires,
      maxUses,
      uses: uses.get(id) ?? 0,
      rulesHash,
    })),
  }
}

export interface GranteeExposure {
  readonly what: string
  readonly exposure: Exposure | undefined
  readonly canMove: readonly string[]
}

/** Grantees may ask under a grant only, unless the wallet is their own: its owner can grant to itself. */
export function isBoundToGrants({ role, id, subject }: Credential, wallet: WalletRecord): boolean {
  return role === 'grantee' && wallet.owner !== subjectOf(subject === undefined ? { id } : { id, subject })
}

/** What somebody could move who has the key of a grantee: under each grant, and under all of them together. */
export function exposuresOfGrantee(
  { id, name, subject }: Credential,
  { grants, uses }: WalletGrants,
  { layers, walletId }: { readonly layers: readonly PolicyLayer[]; readonly walletId: string },
): GranteeExposure[] {
  const who = subjectOf(subject === undefined ? { id } : { id, subject })
  const what = `credential ${name} (${id}), a grantee`
  const own = grants.filter(({ to }) => to === who)
  if (own.length === 0) {
    const canMove = ['Nothing: it may ask only under a grant, and has none over this wallet.']
    return [{ what, exposure: undefined, canMove }]
  }
  const single = own.slice(0, figuresMax).map((record): GranteeExposure => {
    const exposure = exposureOf([...layers, grantedLayer([heldGrant(record)])], walletId, [who])
    const { maxUses } = record
    const left = maxUses === null ? [] : [`In ${maxUses - (uses.get(record.id) ?? 0)} signatures at most.`]
    const canMove = [...describeExposure(exposure), ...left]
    return { what: `${what}, under the grant ${record.id}`, exposure, canMove }
  })
  if (own.length === 1) return single
  const exposure = exposureOf([...layers, grantedLayer(own.map(heldGrant))], walletId, [who])
  const together = `${what}, under all of its ${own.length} grants together`
  return [...single, { what: together, exposure, canMove: describeExposure(exposure) }]
}
