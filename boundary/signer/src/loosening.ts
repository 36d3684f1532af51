import { isCountersignError } from '@countersign/bytes'
import {
  type AddressBook,
  type LooseningReason,
  loosens,
  type Policy,
  type PolicyDocument,
} from '@countersign/policy'
import type { LedgerTx } from './ledger.ts'
import type { PolicyCache } from './policies.ts'
import type { PolicyRecord, Records, WalletGroupRecord } from './records.ts'

/**
 * Whether a change may permit what was refused before: decided here, over the records of the commit that carries it
 * out, by nobody's word. Each function gives its reasons; none means that it tightens. What cannot be told loosens.
 */
export type Reasons = readonly LooseningReason[]

/** In one answer and one journal entry. */
const reasonsMax = 50
const policiesAtOnce = 20
/** Beyond it nobody has looked, so any change of a book loosens. */
const policiesScannedMax = 10_000
/** No more than this can wait. */
const changesScannedMax = 1_000

/** A policy in the place of its former version. A new one holds for nobody yet. */
export function policyReasons(cache: PolicyCache, before: PolicyRecord | undefined, after: Policy): Reasons {
  if (before === undefined) return []
  const known = readable(cache, before)
  return shortened(known === undefined ? [unreadable(before.id)] : loosens(known, after))
}

interface Assignment {
  readonly before: string | null
  readonly after: string | null
  /** What it means that there is none: a wallet then signs nothing; another layer is not there. */
  readonly none: 'permits nothing' | 'does not apply'
}

/** Another policy in the same place. */
export async function assignmentReasons(
  tx: LedgerTx,
  cache: PolicyCache,
  { before, after, none }: Assignment,
): Promise<Reasons> {
  if (before === after) return []
  if (none === 'does not apply') {
    if (before === null) return []
    if (after === null) return [{ why: `the policy ${before} holds no longer, and nothing takes its place` }]
  }
  const [former, next] = [await load(tx, cache, before), await load(tx, cache, after)]
  if (former === 'unreadable' || next === 'unreadable') return [unreadable(before ?? after ?? '')]
  return shortened(loosens(former, next))
}

/**
 * Another version of an address book. A book that is missing satisfies no permit rule and fails every forbid rule, so
 * that a first version loosens wherever it is named.
 */
export async function bookReasons(
  tx: LedgerTx,
  before: AddressBook | undefined,
  after: AddressBook,
): Promise<Reasons> {
  const added = [...after.addresses].filter((address) => before?.addresses.has(address) !== true)
  const removed = [...(before?.addresses ?? [])].filter((address) => !after.addresses.has(address))
  if (before !== undefined && added.length === 0 && removed.length === 0) return []
  const reasons: LooseningReason[] = []
  const mention = JSON.stringify(`@${after.id}`)
  const isComplete = await eachPolicy(tx, ({ id, document }) => {
    if (!JSON.stringify(document).includes(mention)) return
    for (const rule of (document as PolicyDocument).rules) {
      if (!JSON.stringify(rule).includes(mention)) continue
      const why =
        before === undefined
          ? 'the book that it names is new'
          : rule.action === 'permit'
            ? counted(added.length, 'more in the book that it permits')
            : counted(removed.length, 'fewer in the book that it forbids')
      if (why !== undefined) reasons.push({ rule: rule.id, why: `policy ${id}: ${why}` })
    }
  })
  if (!isComplete) reasons.push({ why: 'there are more policies than can be searched for the book' })
  const waiting = await pendingThatSays(tx, mention)
  if (waiting !== undefined) reasons.push({ why: `the change ${waiting}, which waits, names it` })
  return shortened(reasons)
}

/**
 * What a pending change will put in force is judged with it, not with what others make of it while it waits: a book
 * that it names must not be filled at once, shortly before its time.
 */
async function pendingThatSays(tx: LedgerTx, text: string): Promise<string | undefined> {
  for (const { value } of await tx.range('change-due', '', '\uffff', changesScannedMax)) {
    const record = await tx.get('change', value.change)
    if (record === undefined || JSON.stringify(record.body).includes(text)) return value.change
  }
  return undefined
}

/** Another membership, or another policy, of a group of wallets. */
export async function groupReasons(
  tx: LedgerTx,
  cache: PolicyCache,
  {
    before,
    wallets,
    policy,
  }: {
    readonly before: WalletGroupRecord | undefined
    readonly wallets: readonly string[]
    readonly policy: string | null
  },
): Promise<Reasons> {
  const members = new Set(wallets)
  const left = (before?.wallets ?? []).filter((id) => !members.has(id))
  const known = new Set(before?.wallets)
  const joined = wallets.filter((id) => !known.has(id))
  const reasons: LooseningReason[] = []
  if (before !== undefined) {
    if (before.policy !== null && left.length > 0) {
      reasons.push({ why: `${left.length} of its wallets leave the policy ${before.policy}` })
    }
    reasons.push(
      ...(await assignmentReasons(tx, cache, {
        before: before.policy,
        after: policy,
        none: 'does not apply',
      })),
    )
  }
  // Without a group a limit per group refuses; in another one its total starts empty.
  const opened = joined.length === 0 ? undefined : await policyWithGroupTotals(tx, joined)
  if (opened !== undefined) {
    reasons.push({ why: `the policy ${opened} has limits per group, whose totals are other ones here` })
  }
  const waiting = joined.length === 0 ? undefined : await pendingThatSays(tx, groupTotals)
  if (waiting !== undefined) reasons.push({ why: `the change ${waiting}, which waits, has limits per group` })
  return shortened(reasons)
}

const groupTotals = '"per":"group"'

async function policyWithGroupTotals(tx: LedgerTx, wallets: readonly string[]): Promise<string | undefined> {
  const ids = new Set<string>()
  const organisation = await tx.get('organisation', 'organisation')
  if (organisation?.policy) ids.add(organisation.policy)
  for (const id of wallets) {
    const wallet = await tx.get('wallet', id)
    if (wallet?.policy) ids.add(wallet.policy)
    for (const { value } of await tx.range('grant-of', `${id}/`, `${id}0`, policiesScannedMax)) {
      const grant = await tx.get('grant', value.grant)
      if (grant !== undefined && JSON.stringify(grant.rules).includes(groupTotals)) return grant.id
    }
  }
  for (const id of ids) {
    const record = await tx.get('policy', id)
    if (record === undefined || JSON.stringify(record.document).includes(groupTotals)) return id
  }
  return undefined
}

export function quorumReasons({ before, after }: { before: number; after: number }): Reasons {
  return after < before ? [{ why: `${after} admins can change what ${before} had to sign` }] : []
}

export function delayReasons({ beforeMs, afterMs }: { beforeMs: number; afterMs: number }): Reasons {
  return afterMs < beforeMs ? [{ why: 'changes that loosen take effect sooner' }] : []
}

/** @returns false where there are more policies than are looked at. */
async function eachPolicy(tx: LedgerTx, look: (record: Rules) => void): Promise<boolean> {
  const policies = await eachRow(tx, 'policy', look)
  // What a grant's rules name opens by them too.
  return (await eachRow(tx, 'grant', ({ id, rules }) => look({ id, document: rules }))) && policies
}

type Rules = { readonly id: string; readonly document: unknown }

async function eachRow<K extends 'policy' | 'grant'>(
  tx: LedgerTx,
  kind: K,
  look: (record: Records[K]) => void,
): Promise<boolean> {
  let after = ''
  for (let seen = 0; seen < policiesScannedMax; seen += policiesAtOnce) {
    const rows = await tx.range(kind, after === '' ? '' : `${after}\0`, '\uffff', policiesAtOnce)
    for (const { key, value } of rows) {
      look(value)
      after = key
    }
    if (rows.length < policiesAtOnce) return true
  }
  return false
}

async function load(
  tx: LedgerTx,
  cache: PolicyCache,
  id: string | null,
): Promise<Policy | undefined | 'unreadable'> {
  if (id === null) return undefined
  const record = await tx.get('policy', id)
  return record === undefined ? 'unreadable' : (readable(cache, record) ?? 'unreadable')
}

function readable(cache: PolicyCache, record: PolicyRecord): Policy | undefined {
  try {
    return cache.parse(record)
  } catch (error) {
    if (isCountersignError(error) && error.code === 'SIGNER_POLICY_UNREADABLE') return undefined
    throw error
  }
}

function unreadable(id: string): LooseningReason {
  return { why: `the policy ${id} cannot be read, so nothing is signed under it as it is` }
}

function counted(count: number, what: string): string | undefined {
  return count === 0 ? undefined : `${count} ${what}`
}

function shortened(reasons: Reasons): Reasons {
  if (reasons.length <= reasonsMax) return reasons
  return [...reasons.slice(0, reasonsMax), { why: `and ${reasons.length - reasonsMax} more` }]
}
