import { formatDelay, type SignedRequest } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { Page } from './forward.ts'
import { changeJson, pendingChangesMax } from './pending-changes.ts'
import { activeAdmins } from './quorum.ts'
import { authenticateReader, pageAnswer } from './read.ts'
import type { ChangeRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'

const changesAtOnce = 256

/** Every credential may know under which rules it asks. */
export async function readOrganisation(signer: Signer, request: SignedRequest): Promise<Answer> {
  await authenticateReader(signer, request, 'credential')
  const { ledger } = signer
  const organisation = await ledger.get('organisation', 'organisation')
  if (organisation === undefined) throw new Error('bug: a signer without an organisation')
  const pending = await ledger.range('change-due', '', '\uffff', pendingChangesMax)
  const body = {
    quorum: organisation.quorum,
    admins: await activeAdmins({ range: ledger.range, nowMs: ledger.nowMs() }),
    policy: organisation.policy,
    looseningDelay: formatDelay(organisation.looseningDelayMs ?? 0),
    frozen: organisation.frozen ?? null,
    pendingChanges: pending.length,
  }
  return { status: 200, body }
}

/** Oldest first. */
export async function readChanges(
  signer: Signer,
  request: SignedRequest,
  { after, limit, state }: Page & { readonly state: string | undefined },
): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const items: ReturnType<typeof changeJson>[] = []
  let from = after
  for (;;) {
    const rows = await signer.ledger.range('change', `${from}\0`, '\uffff', changesAtOnce)
    for (const { key, value } of rows) {
      from = key
      if (state !== undefined && value.state !== state) continue
      items.push(changeJson(value))
      if (items.length === limit) return pageAnswer({ after, limit }, items)
    }
    if (rows.length < changesAtOnce) return pageAnswer({ after, limit }, items)
  }
}

/** With the receipt of the entry that says where it has come to, so that it is not the engine's word. */
export async function readChange(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const record: ChangeRecord | undefined = await signer.ledger.get('change', id)
  if (record === undefined) throw signerError('SIGNER_CHANGE_UNKNOWN', `No change has the id ${id}.`)
  const receipt = await signer.journal.receipt(record.index)
  return { status: 200, body: { ...changeJson(record), body: record.body, receipt } }
}

export async function readBooks(signer: Signer, request: SignedRequest, page: Page): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const rows = await signer.ledger.range('book', `${page.after}\0`, '\uffff', page.limit)
  return pageAnswer(
    page,
    rows.map(({ value: { document, ...rest } }) => ({ ...rest, entries: entriesOf(document) })),
  )
}

export async function readBook(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const book = await signer.ledger.get('book', id)
  if (book === undefined) throw signerError('SIGNER_BOOK_UNKNOWN', `No address book has the id ${id}.`)
  const { document, ...rest } = book
  return { status: 200, body: { ...rest, entries: entriesOf(document), book: document } }
}

function entriesOf(document: unknown): number {
  return (document as { addresses: readonly unknown[] }).addresses.length
}

export async function readWalletGroups(signer: Signer, request: SignedRequest, page: Page): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const rows = await signer.ledger.range('wallet-group', `${page.after}\0`, '\uffff', page.limit)
  return pageAnswer(
    page,
    rows.map(({ value: { wallets, ...rest } }) => ({ ...rest, size: wallets.length })),
  )
}

export async function readWalletGroup(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const group = await signer.ledger.get('wallet-group', id)
  if (group === undefined) throw signerError('SIGNER_GROUP_UNKNOWN', `No group has the id ${id}.`)
  return { status: 200, body: group }
}
