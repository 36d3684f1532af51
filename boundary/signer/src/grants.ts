import { randomBytes } from 'node:crypto'
import type { Hex, JsonObject } from '@countersign/bytes'
import { type PolicyDocument, parsePolicy } from '@countersign/policy'
import { type CreateGrantBody, type Credential, isActive, parseDelay, subjectOf } from '@countersign/wire'
import type { Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { type Asked, change } from './change.ts'
import { checkNotFrozen } from './frozen.ts'
import { grantTerms } from './grant-json.ts'
import { findRoom, type GrantRoom, takeRoom } from './grant-room.ts'
import { keptUntilMs, lastEndMs } from './grant-use.ts'
import type { LedgerTx } from './ledger.ts'
import { checkNamedCredentials } from './named-credentials.ts'
import { checkQuorum } from './quorum.ts'
import type { GrantRecord, WalletRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'
import { isOwnedBy, proveOwnerOrQuorum } from './wallet-owner.ts'

/** An owner may have them compiled in the ledger's own thread; policies, which only the quorum can change, may be larger. */
const rulesCharsMax = 32_768
/** Five years. What is to go on longer is granted anew by somebody who still wants it. */
const lifetimeMsMax = 5 * 366 * 24 * 60 * 60 * 1000

/**
 * Lets a credential ask for wallets under rules. Signed by the owner of all of them alone, at once; or by the admin
 * quorum, which loosens, because somebody more may ask then. It never permits what another layer does not.
 * @throws {CountersignError} SIGNER_GRANT_FORM, SIGNER_GRANTS_FULL, POLICY_* */
export function createGrant(signer: Signer, asked: Asked, wanted: CreateGrantBody): Promise<Answer> {
  // A change that has waited was a quorum's, whoever owns the wallets by now.
  const isNew = !('carry' in asked)
  const apply = async (tx: LedgerTx, caller: Caller) => {
    const wallets = await walletsOf(tx, wanted.wallets)
    const owner = isNew ? await soleOwner(tx, wallets, caller) : undefined
    const grantee = await granteeOf(tx, wanted.to)
    for (const { id } of wallets) await checkNotFrozen(tx, id)
    const room = await findRoom(tx, wanted.wallets)
    const record = await newRecord(tx, { wanted, grantee, owner, caller })
    const terms = grantTerms(record, wallets)
    const rules = record.rules as JsonObject
    return {
      entry: {
        type: 'grant',
        change: 'made',
        grant: record.id,
        wallets: record.wallets,
        terms,
        rules,
      } as const,
      status: 201,
      body: { ...terms, rules },
      loosens:
        owner === undefined ? [{ why: `${grantee.id} (${grantee.name}) may ask under the grant` }] : [],
      write: (index: number) => putNew(tx, { ...record, index, madeIndex: index }, room),
    }
  }
  return change(signer, asked, apply, {
    prove: proveOwnerOrQuorum,
    async check(tx, caller) {
      if ((await soleOwner(tx, await walletsOf(tx, wanted.wallets), caller)) === undefined)
        await checkQuorum(tx, caller)
    },
  })
}

async function walletsOf(tx: LedgerTx, ids: readonly string[]): Promise<WalletRecord[]> {
  const wallets: WalletRecord[] = []
  for (const id of ids) {
    const wallet = await tx.get('wallet', id)
    if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${id}.`)
    wallets.push(wallet)
  }
  return wallets
}

/** The one signer, where all of the wallets are its own. */
async function soleOwner(
  tx: LedgerTx,
  wallets: readonly WalletRecord[],
  caller: Caller,
): Promise<Credential | undefined> {
  for (const wallet of wallets) if (!(await isOwnedBy(tx, wallet, caller))) return undefined
  return tx.get('credential', caller.primary.id)
}

async function granteeOf(tx: LedgerTx, id: string): Promise<Credential> {
  const credential = await tx.get('credential', id)
  if (credential === undefined)
    throw signerError('SIGNER_CREDENTIAL_UNKNOWN', `No credential has the id ${id}.`)
  if (credential.bearer === true || credential.algorithm === 'bearer') {
    throw form(`${id} is an API key, which whoever carries the traffic has; a grant is for a key`)
  }
  if (!isActive(credential, tx.nowMs)) throw form(`the credential ${id} is not active`)
  return credential
}

interface Making {
  readonly wanted: CreateGrantBody
  readonly grantee: Credential
  readonly owner: Credential | undefined
  readonly caller: Caller
}

async function newRecord(
  tx: LedgerTx,
  { wanted, grantee, owner, caller }: Making,
): Promise<Omit<GrantRecord, 'index' | 'madeIndex'>> {
  const times = timesOf(wanted, tx.nowMs)
  const id = await newGrantId(tx)
  const { rules, rulesHash } = rulesOf(wanted, id)
  await checkNamedCredentials(tx, rules)
  return {
    id,
    name: wanted.name ?? null,
    to: subjectOf(grantee),
    wallets: wanted.wallets,
    rules,
    rulesHash,
    grantedBy:
      owner === undefined
        ? { quorum: caller.credentials.map((one) => one.id) }
        : { owner: owner.id, subject: subjectOf(owner) },
    ...times,
    maxUses: wanted.maxUses ?? null,
    createdAtMs: tx.nowMs,
    revoked: null,
  }
}

/** Made here and never taken from a request, so that nobody can put other rules where somebody expects a grant. */
async function newGrantId(tx: LedgerTx): Promise<string> {
  const time = tx.nowMs.toString(16).padStart(12, '0')
  const id = `grt_${time}${randomBytes(6).toString('hex')}`
  if ((await tx.get('grant', id)) !== undefined) throw new Error('bug: two grants drew the same id')
  return id
}

/** @throws {CountersignError} POLICY_*, SIGNER_GRANT_FORM */
function rulesOf({ rules }: CreateGrantBody, id: string): { rules: PolicyDocument; rulesHash: Hex } {
  const { length } = JSON.stringify(rules)
  if (length > rulesCharsMax) throw form(`its rules have ${length} characters; ${rulesCharsMax} are allowed`)
  const { document, hash } = parsePolicy({ ...rules, id })
  return { rules: document, rulesHash: hash }
}

function timesOf({ notBefore, expires, keepAlive }: CreateGrantBody, nowMs: number) {
  const notBeforeMs = notBefore === undefined ? nowMs : timeOf(notBefore, 'notBefore')
  const expiresMs = timeOf(expires, 'expires')
  if (expiresMs <= nowMs) throw form('`expires` is past')
  if (expiresMs <= notBeforeMs) throw form('it ends before it begins')
  const kept = keepAlive === undefined ? null : keepAliveOf(keepAlive, expiresMs)
  if (lastEndMs({ expiresMs, keepAlive: kept }) - nowMs > lifetimeMsMax) {
    throw form('it could hold for over five years')
  }
  return { notBeforeMs, expiresMs, keepAlive: kept }
}

function keepAliveOf(
  { extendBy, hardEnd }: NonNullable<CreateGrantBody['keepAlive']>,
  expiresMs: number,
): NonNullable<GrantRecord['keepAlive']> {
  const extendByMs = parseDelay(extendBy)
  if (extendByMs === undefined || extendByMs === 0) throw form('`extendBy` is between 1s and 90d')
  const hardEndMs = timeOf(hardEnd, 'hardEnd')
  if (hardEndMs < expiresMs) throw form('`hardEnd` is before `expires`')
  return { extendByMs, hardEndMs }
}

/** A day that the calendar does not have would otherwise become the next one that it has. */
function timeOf(text: string, name: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 19) !== text.slice(0, 19))
    throw form(`\`${name}\` is no time`)
  return ms
}

function putNew(tx: LedgerTx, record: GrantRecord, room: GrantRoom): void {
  tx.put('grant', record.id, record, keptUntilMs(record))
  const untilMs = lastEndMs(record)
  for (const key of indexKeys(record)) tx.put('grant-of', key, { grant: record.id }, untilMs)
  takeRoom(tx, room, untilMs)
}

/** Under what a grant is found for as long as it can be used. */
export function indexKeys({
  id,
  to,
  wallets,
  grantedBy,
}: Omit<GrantRecord, 'index' | 'madeIndex'>): string[] {
  const about = new Set([...wallets, to, ...('owner' in grantedBy ? [grantedBy.subject] : [])])
  return [...about].map((one) => `${one}/${id}`)
}

function form(why: string) {
  return signerError('SIGNER_GRANT_FORM', `The grant cannot be made: ${why}.`)
}
