import type { CountersignError } from '@countersign/bytes'
import {
  type Credential,
  type GrantSummary,
  isActive,
  type SignedRequest,
  subjectOf,
  wireError,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { Page } from './forward.ts'
import { isParty, unusableBecause } from './grant-changes.ts'
import { termsOf } from './grant-json.ts'
import { unknownGrant, usesOf } from './grant-use.ts'
import type { LedgerTx } from './ledger.ts'
import { activeOf, listOfSubject } from './new-credential.ts'
import { authenticateReader, pageAnswer } from './read.ts'
import type { GrantRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'

interface Query extends Page {
  readonly wallet: string | undefined
  readonly credential: string | undefined
}

/** All that are kept, for those who may read; otherwise, and where something is named, those that can still be used. */
export async function readGrants(signer: Signer, request: SignedRequest, query: Query): Promise<Answer> {
  const { primary } = await authenticateReader(signer, request, 'credential')
  const { wallet, credential, after, limit } = query
  const source = sourceOf(signer)
  const mayRead = primary.role === 'admin' || primary.powers.includes('read')
  if (wallet !== undefined && credential !== undefined)
    throw wireError('WIRE_INVALID_REQUEST', 'The query names a wallet and a credential; give one of them.')
  if (mayRead && wallet === undefined && credential === undefined) {
    const rows = await signer.ledger.range('grant', `${after}\0`, '\uffff', limit)
    return pageAnswer(
      query,
      await summaries(
        source,
        rows.map(({ value }) => value),
      ),
    )
  }
  const about = wallet ?? (await subjectNamed(source, credential ?? primary.id))
  if (!mayRead) await checkOwn(source, primary, about)
  const rows = await signer.ledger.range('grant-of', `${about}/${after}\0`, `${about}0`, limit)
  const records: GrantRecord[] = []
  for (const { value } of rows) {
    const record = await signer.ledger.get('grant', value.grant)
    if (record !== undefined) records.push(record)
  }
  return pageAnswer(query, await summaries(source, records))
}

/** With the receipt of the entry that says how it stands; uses are counted in records, which have none. */
export async function readGrant(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  const { primary } = await authenticateReader(signer, request, 'credential')
  const source = sourceOf(signer)
  const record = await signer.ledger.get('grant', id)
  if (record === undefined) throw unknownGrant(id)
  const may =
    primary.role === 'admin' || primary.powers.includes('read') || (await isParty(source, record, primary))
  if (!may) throw unknownGrant(id)
  const [summary] = await summaries(source, [record])
  const receipt = await signer.journal.receipt(record.index)
  return { status: 200, body: { ...summary, rules: record.rules, receipt } }
}

type Source = Pick<LedgerTx, 'get' | 'nowMs'>

function sourceOf({ ledger }: Signer): Source {
  return { get: ledger.get, nowMs: ledger.nowMs() }
}

async function summaries(source: Source, records: readonly GrantRecord[]): Promise<GrantSummary[]> {
  const made: GrantSummary[] = []
  for (const record of records) {
    const why = (await unusableBecause(source, record)) ?? (await granteeGone(source, record))
    made.push({
      ...(await termsOf(source, record)),
      uses: await usesOf(source, record.id),
      unusable: why?.code ?? null,
    })
  }
  return made
}

/** Every key of the grantee was revoked, or has ended. */
export async function granteeGone(
  source: Source,
  { to }: Pick<GrantRecord, 'to'>,
): Promise<CountersignError | undefined> {
  const grantee = await source.get('credential', to)
  if (grantee !== undefined && activeOf(await listOfSubject(source, grantee), source.nowMs).length > 0)
    return undefined
  return wireError('WIRE_CREDENTIAL_REVOKED', `The credential ${to} has no key any more that counts.`)
}

async function subjectNamed(source: Source, id: string): Promise<string> {
  const credential = await source.get('credential', id)
  if (credential === undefined)
    throw signerError('SIGNER_CREDENTIAL_UNKNOWN', `No credential has the id ${id}.`)
  return subjectOf(credential)
}

async function checkOwn(source: Source, credential: Credential, about: string): Promise<void> {
  const subject = subjectOf(credential)
  if (about === subject) return
  if (isActive(credential, source.nowMs) && (await source.get('wallet', about))?.owner === subject) return
  throw wireError(
    'WIRE_NOT_PERMITTED',
    `The credential ${credential.id} may not list the grants of ${about}.`,
    {
      fix: 'Leave the query out to see your own grants, or ask with the power read.',
    },
  )
}
