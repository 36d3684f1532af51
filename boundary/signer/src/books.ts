import { type AddressBook, type Facts, parseAddressBook } from '@countersign/policy'
import type { PutBookBody } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import { type Asked, change, checkExpected } from './change.ts'
import type { LedgerTx } from './ledger.ts'
import { bookReasons } from './loosening.ts'
import type { PolicyLayer } from './policies.ts'
import type { BookRecord } from './records.ts'
import type { Answer, Signer } from './signer.ts'

export function putBook(
  signer: Signer,
  request: Asked,
  { id, book, expected }: { readonly id: string } & PutBookBody,
): Promise<Answer> {
  return change(signer, request, async (tx) => {
    const parsed = parseAddressBook(book)
    if (parsed.id !== id) {
      throw signerError(
        'SIGNER_CHANGE_CONFLICT',
        `The book in the body has the id ${parsed.id}, the path says ${id}.`,
      )
    }
    const before = await tx.get('book', id)
    checkExpected(before?.hash ?? null, expected, `book ${id}`)
    const version = (before?.version ?? 0) + 1
    const appliedAt = new Date(tx.nowMs).toISOString()
    const { hash, document } = parsed
    const entries = parsed.addresses.size
    return {
      entry: { type: 'book', book: id, hash, version, entries, document },
      status: 200,
      body: { id, hash, version, appliedAt, entries },
      loosens: await bookReasons(tx, before === undefined ? undefined : parsedBook(before), parsed),
      write: () => tx.put('book', id, { id, hash, version, document, appliedAt }),
    }
  })
}

const parsedBooksMax = 1_000
/** Books parsed once per version. */
const parsedBooks = new Map<string, AddressBook>()

function parsedBook(record: BookRecord): AddressBook {
  const known = parsedBooks.get(record.hash)
  if (known !== undefined) return known
  const book = parseAddressBook(record.document)
  if (parsedBooks.size >= parsedBooksMax) parsedBooks.clear()
  parsedBooks.set(record.hash, book)
  return book
}

/**
 * What wallets have in common, as it stands in this commit: the group of this one, and the books that its policies
 * name. A book that is not there stays away, and rules that name it cannot be judged. */
export async function sharedFacts(
  source: Pick<LedgerTx, 'get'>,
  walletId: string,
  layers: readonly PolicyLayer[],
): Promise<Pick<Facts, 'groupId' | 'books'>> {
  const books = new Map<string, AddressBook>()
  for (const id of layers.flatMap(({ policy }) => policy?.books ?? [])) {
    if (books.has(id)) continue
    const record = await source.get('book', id)
    if (record !== undefined) books.set(id, parsedBook(record))
  }
  const wallet = await source.get('wallet', walletId)
  return { ...(wallet?.group ? { groupId: wallet.group } : {}), books }
}
