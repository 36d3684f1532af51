import { isCountersignError } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { addressBookHash, parseAddressBook } from './address-book.ts'
import {
  address,
  alice,
  bob,
  book,
  books,
  codes,
  decide,
  effect,
  layersOf,
  policy,
  solanaAddress,
} from './fixtures.ts'
import { policyLimits } from './schema.ts'

const entries = (...addresses: readonly string[]) => addresses.map((one) => ({ address: one }))

function refusal(value: unknown) {
  try {
    parseAddressBook(value)
  } catch (error) {
    if (!isCountersignError(error)) throw error
    return { code: error.code, path: error.details?.path }
  }
  throw new Error('it was accepted')
}

describe('parseAddressBook', () => {
  it('takes addresses of every family, and hashes what was written', () => {
    const document = {
      version: 1 as const,
      id: 'payees',
      addresses: [
        { address: alice, label: 'Alice' },
        ...entries(solanaAddress(1), 'BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ'),
      ],
    }
    const parsed = parseAddressBook(document)
    expect([...parsed.addresses]).toEqual([
      alice,
      solanaAddress(1),
      'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq',
    ])
    expect(parsed.hash).toBe(addressBookHash(document))
    expect(parseAddressBook({ ...document, name: 'x' }).hash).not.toBe(parsed.hash)
    expect(parseAddressBook({ version: 1, id: 'empty', addresses: [] }).addresses.size).toBe(0)
  })

  it.each<[string, unknown, string]>([
    ['no object', null, ''],
    ['another version', { version: 2, id: 'a', addresses: [] }, 'version'],
    ['an unknown key', { version: 1, id: 'a', addresses: [], entries: [] }, 'entries'],
    ['a name', { version: 1, id: 'a', addresses: entries('vitalik.eth') }, 'addresses[0].address'],
    ['another book', { version: 1, id: 'a', addresses: entries('@b') }, 'addresses[0].address'],
    [
      'a wrong checksum',
      { version: 1, id: 'a', addresses: entries(`0xAa${'aa'.repeat(19)}`) },
      'addresses[0].address',
    ],
    [
      'an address twice',
      { version: 1, id: 'a', addresses: entries(alice, alice.toUpperCase().replace('0X', '0x')) },
      'addresses[1].address',
    ],
    [
      'a label that is no Unicode',
      { version: 1, id: 'a', addresses: [{ address: alice, label: '\ud800' }] },
      '',
    ],
  ])('refuses %s', (_name, value, path) => {
    expect(refusal(value)).toEqual({ code: 'POLICY_BOOK_INVALID', path })
  })

  it('holds so many and no more', () => {
    const many = Array.from({ length: policyLimits.bookEntriesMax + 1 }, (_, i) => ({
      address: `0x${i.toString(16).padStart(40, '0')}`,
    }))
    expect(refusal({ version: 1, id: 'a', addresses: many })).toEqual({
      code: 'POLICY_TOO_LARGE',
      path: 'addresses',
    })
    expect(parseAddressBook({ version: 1, id: 'a', addresses: many.slice(1) }).addresses.size).toBe(
      policyLimits.bookEntriesMax,
    )
  })
})

describe('books in policies', () => {
  const rule = { effects: ['native-transfer'], when: { recipient: ['@payees', '@board', bob] } }
  const facts = { books: books(book('payees', alice), book('board', address(4))) }
  const ask = (recipient: typeof alice, known: object = facts) =>
    codes(decide(layersOf(policy(rule)), { effects: [effect.native({ recipient })], facts: known }))

  it('stand beside each other and beside addresses', () => {
    for (const recipient of [alice, bob, address(4)]) expect(ask(recipient)).toEqual([])
    expect(ask(address(5))).toEqual(['POLICY_RECIPIENT'])
  })

  it('are named by the policy, so that the signer knows which to load', () => {
    const parsed = policy(
      rule,
      { effects: ['typed-data'], when: { typedData: { message: { to: { addresses: ['@shops'] } } } } },
      { effects: ['delegation-grant'], when: { enforcers: { allowed: ['@enforcers'] } } },
      {
        effects: ['contract-call'],
        when: { function: { abi: 'function f(address a)', args: { a: { addresses: ['@args'] } } } },
      },
      { effects: ['program-call'], when: { field: { 'accounts.*.address': { addresses: ['@fields'] } } } },
    )
    expect(parsed.books).toEqual(['args', 'board', 'enforcers', 'fields', 'payees', 'shops'])
    expect(policy({ effects: ['fee'] }).books).toEqual([])
  })

  it('that are missing refuse, but for what is listed besides', () => {
    for (const known of [{}, { books: books(book('board', address(4))) }]) {
      expect(ask(alice, known)).toEqual(['POLICY_BOOK'])
      expect(ask(bob, known)).toEqual([])
    }
    const refused = decide(layersOf(policy(rule)), { effects: [effect.native()], facts: {} })
    expect(refused.effects[0]?.reasons[0]?.message).toContain('the address book @payees')
  })

  it('that are missing make a forbid match', () => {
    const layers = layersOf(
      policy(
        { effects: ['native-transfer'] },
        { action: 'forbid', effects: ['native-transfer'], when: { recipient: ['@sanctions'] } },
      ),
    )
    const asked = (known: object) => codes(decide(layers, { effects: [effect.native()], facts: known }))
    expect(asked({ books: books(book('sanctions', bob)) })).toEqual([])
    expect(asked({ books: books(book('sanctions', alice)) })).toEqual(['POLICY_FORBIDDEN'])
    expect(asked({})).toEqual(['POLICY_FORBIDDEN'])
  })
})
