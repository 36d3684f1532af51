import { encodeBase64 } from '@countersign/bytes'
import { type SignedRequest, subjectOf, wireError } from '@countersign/wire'
import { authenticate, type Caller } from './authenticate.ts'
import { signerError } from './catalogue.ts'
import { walletJson } from './create-wallet.ts'
import type { Page } from './forward.ts'
import { parseLeaf } from './journal.ts'
import { findRequest } from './requests.ts'
import type { Answer, Signer } from './signer.ts'

/** Entries of one page, and its characters: a page of large entries is cut short, so that none can be kept from a reader. */
export const entriesPerPageMax = 256
const entriesCharsMax = 4_000_000

/** Everybody with a credential may read what proves its own requests; the rest takes the power `read`. */
export async function authenticateReader(
  signer: Signer,
  request: SignedRequest,
  needs: 'credential' | 'read',
): Promise<Caller> {
  const caller = await authenticate(request, signer.authentication)
  const { role, powers, id } = caller.primary
  if (needs === 'read' && role !== 'admin' && !powers.includes('read')) {
    throw wireError('WIRE_NOT_PERMITTED', `The credential ${id} may not read this.`, {
      fix: 'Ask an admin, or add a credential with the power read.',
    })
  }
  return caller
}

export async function readWallet(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  await authenticateReader(signer, request, 'credential')
  const wallet = await signer.ledger.get('wallet', id)
  if (wallet === undefined) throw signerError('SIGNER_WALLET_UNKNOWN', `No wallet has the id ${id}.`)
  return { status: 200, body: walletJson(wallet) }
}

export async function readCredentials(signer: Signer, request: SignedRequest, page: Page): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const rows = await signer.ledger.range('credential', `${page.after}\0`, '\uffff', page.limit)
  return pageAnswer(
    page,
    rows.map(({ value }) => value),
  )
}

export async function readPolicies(signer: Signer, request: SignedRequest, page: Page): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const rows = await signer.ledger.range('policy', `${page.after}\0`, '\uffff', page.limit)
  return pageAnswer(
    page,
    rows.map(({ value: { id, hash, version, appliedAt } }) => ({ id, hash, version, appliedAt })),
  )
}

export function pageAnswer(page: Page, items: readonly { readonly id: string }[]): Answer {
  const nextCursor = items.length < page.limit ? null : (items.at(-1)?.id ?? null)
  return { status: 200, body: { items, nextCursor } }
}

export async function readPolicy(signer: Signer, request: SignedRequest, id: string): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const policy = await signer.ledger.get('policy', id)
  if (policy === undefined) throw signerError('SIGNER_POLICY_UNKNOWN', `No policy has the id ${id}.`)
  const { document, ...rest } = policy
  return { status: 200, body: { ...rest, policy: document } }
}

/** A caller's own receipt, by the id of the request that it was for. */
export async function readReceipt(
  signer: Signer,
  request: SignedRequest,
  requestId: string,
): Promise<Answer> {
  const { primary } = await authenticateReader(signer, request, 'credential')
  const record = await findRequest(signer.ledger, { credential: subjectOf(primary), requestId })
  if (record?.answer?.receipt !== true) {
    throw signerError(
      'SIGNER_ENTRY_UNKNOWN',
      `There is no receipt for a request ${requestId} of ${primary.id}.`,
    )
  }
  return { status: 200, body: await signer.journal.receipt(record.index) }
}

/** Public: a tree head tells nothing but how much has happened, and watchers need it. */
export function readCheckpoint(signer: Signer): Answer {
  return {
    status: 200,
    body: { checkpoint: signer.journal.checkpoint(), journalKey: signer.journal.publicKey },
  }
}

export async function readSignedCheckpoint(signer: Signer, request: SignedRequest): Promise<Answer> {
  await authenticateReader(signer, request, 'credential')
  return readCheckpoint(signer)
}

export async function readEntries(
  signer: Signer,
  request: SignedRequest,
  { start, limit }: { start: number; limit: number },
): Promise<Answer> {
  await authenticateReader(signer, request, 'read')
  const leaves = await signer.journal.leaves(start, Math.min(limit, entriesPerPageMax))
  let chars = 0
  const fitting = leaves.filter((leaf, i) => {
    chars += leaf.length
    return i === 0 || chars <= entriesCharsMax
  })
  const entries = fitting.map((leaf, i) => ({ index: start + i, entry: parseLeaf(leaf) }))
  return {
    status: 200,
    body: { entries, size: signer.journal.size() },
  }
}

export async function readInclusion(
  signer: Signer,
  request: SignedRequest,
  { index, size }: { index: number; size: number },
): Promise<Answer> {
  await authenticateReader(signer, request, 'credential')
  const hashes = await signer.journal.inclusion(index, size)
  return { status: 200, body: { index, size, hashes: hashes.map((hash) => encodeBase64(hash)) } }
}

export async function readConsistency(
  signer: Signer,
  request: SignedRequest,
  { from, to }: { from: number; to: number },
): Promise<Answer> {
  await authenticateReader(signer, request, 'credential')
  const hashes = await signer.journal.consistency(from, to)
  return { status: 200, body: { from, to, hashes: hashes.map((hash) => encodeBase64(hash)) } }
}
