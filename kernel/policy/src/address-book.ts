import {
  type AccountAddress,
  canonicalJson,
  encodeHex,
  encodeUtf8,
  type Hex,
  isCountersignError,
  parseAccountAddress,
  sha256,
} from '@countersign/bytes'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { policyError } from './catalogue.ts'
import { complaintOf } from './schema-complaint.ts'
import { idPattern, plainAddressItem, policyLimits, strict } from './schema-terms.ts'

/** Addresses under a name that policies share: "@suppliers" in an address list. */
export const addressBookSchema = Type.Object(
  {
    $schema: Type.Optional(
      Type.String({ description: 'Where an editor finds this schema; ignored.', maxLength: 500 }),
    ),
    version: Type.Literal(1, { description: 'Version of this format.' }),
    id: Type.String({ description: 'The name that policies write after "@".', pattern: idPattern }),
    name: Type.Optional(Type.String({ description: 'For people.', maxLength: 200 })),
    addresses: Type.Array(
      Type.Object(
        {
          address: plainAddressItem,
          label: Type.Optional(Type.String({ description: 'For people.', maxLength: 200 })),
        },
        { ...strict, description: 'One entry.' },
      ),
      { description: 'Entries; an empty book matches nothing.', maxItems: policyLimits.bookEntriesMax },
    ),
  },
  {
    ...strict,
    $id: 'urn:countersign:address-book:1',
    title: 'Countersign address book',
    description: 'Addresses that policies refer to by name.',
  },
)

export type AddressBookDocument = Type.Static<typeof addressBookSchema>

/** A parsed book: what conditions look addresses up in. */
export interface AddressBook {
  readonly id: string
  /** SHA-256 of the canonical JSON of the document. */
  readonly hash: Hex
  readonly document: AddressBookDocument
  readonly addresses: ReadonlySet<AccountAddress>
}

/** @throws {CountersignError} POLICY_BOOK_INVALID with `details.path`, POLICY_TOO_LARGE */
export function parseAddressBook(value: unknown): AddressBook {
  if (!Check(addressBookSchema, value)) {
    const { path, message, tooLarge } = complaintOf(addressBookSchema, value)
    throw tooLarge
      ? policyError('POLICY_TOO_LARGE', `At ${path}: ${message}.`, { details: { path } })
      : invalid(path, message)
  }
  const addresses = new Set<AccountAddress>()
  value.addresses.forEach(({ address }, i) => {
    const path = `addresses[${i}].address`
    const parsed = parseEntry(address, path)
    if (addresses.has(parsed)) throw invalid(path, `${address} stands in the book already`)
    addresses.add(parsed)
  })
  return { id: value.id, hash: addressBookHash(value), document: value, addresses }
}

/** What `expected` names when a book is replaced.
 * @throws {CountersignError} POLICY_BOOK_INVALID where the value has no canonical JSON. */
export function addressBookHash(document: AddressBookDocument): Hex {
  try {
    return encodeHex(sha256(encodeUtf8(canonicalJson(document))))
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw invalid('', 'it is not plain JSON: a text in it is not well-formed Unicode')
  }
}

function parseEntry(address: string, path: string): AccountAddress {
  try {
    return parseAccountAddress(address, 'The entry')
  } catch (cause) {
    if (!isCountersignError(cause)) throw cause
    throw policyError('POLICY_BOOK_INVALID', `At ${path}: ${cause.message}`, { details: { path }, cause })
  }
}

function invalid(path: string, message: string) {
  const where = path === '' ? 'The address book' : `At ${path}`
  return policyError('POLICY_BOOK_INVALID', `${where}: ${message}.`, { details: { path } })
}
