import { type AccountAddress, parseAccountAddress } from '@countersign/bytes'
import type { Acting, Effect } from '@countersign/intent'
import type { Facts } from './decision.ts'

/** Who acts by this effect; `undefined`: the wallet, whose address is not among the facts. */
export function actorOf(effect: Effect, facts: Facts): AccountAddress | undefined {
  return (effect as Acting).account ?? facts.walletAddress
}

/** A list of addresses as a policy writes it: literal ones, books, "wallet", "account" and "none". */
export class AddressSet {
  readonly literals: ReadonlySet<AccountAddress>
  /** Names without the "@". */
  readonly books: readonly string[]
  readonly #wallet: boolean
  readonly #account: boolean
  readonly #none: boolean

  /** @throws {CountersignError} BYTES_NOT_AN_ADDRESS of the first entry that is none, wrapped by `parsed`. */
  constructor(
    entries: readonly string[],
    parsed: <T>(i: number, parse: () => T) => T = (_i, parse) => parse(),
  ) {
    const literals = new Set<AccountAddress>()
    const books = new Set<string>()
    entries.forEach((entry, i) => {
      if (entry.startsWith('@')) books.add(entry.slice(1))
      else if (entry !== 'wallet' && entry !== 'account' && entry !== 'none') {
        literals.add(parsed(i, () => parseAccountAddress(entry, 'The address')))
      }
    })
    this.literals = literals
    this.books = [...books]
    this.#wallet = entries.includes('wallet')
    this.#account = entries.includes('account')
    this.#none = entries.includes('none')
  }

  /** Nothing but literal addresses: what is not among them is not meant, whatever the facts. */
  get isLiteral(): boolean {
    return this.books.length === 0 && !this.#wallet && !this.#account && !this.#none
  }

  /** `undefined`: a book is missing, or "wallet" stands for an address that is not among the facts. */
  has(address: AccountAddress, effect: Effect, facts: Facts): boolean | undefined {
    if (this.literals.has(address)) return true
    let verdict: boolean | undefined = false
    if (this.#account) {
      const actor = actorOf(effect, facts)
      if (actor === address) return true
      if (actor === undefined) verdict = undefined
    }
    if (this.#wallet) {
      if (facts.walletAddress === address) return true
      if (facts.walletAddress === undefined) verdict = undefined
    }
    for (const name of this.books) {
      const book = facts.books?.get(name)
      if (book === undefined) verdict = undefined
      else if (book.addresses.has(address)) return true
    }
    return verdict
  }

  /** Whether "none" is listed. */
  hasNone(): boolean {
    return this.#none
  }

  /** Whether the wallet itself is meant, where its own address is not known: `undefined` where that cannot be told. */
  hasWalletItself(): true | undefined {
    return this.#wallet || this.#account ? true : undefined
  }

  missingBook(facts: Facts): string | undefined {
    return this.books.find((name) => facts.books?.has(name) !== true)
  }
}
