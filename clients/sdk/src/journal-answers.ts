import type { EntriesAnswer } from './answers.ts'

/** What entries are found by; all that are given must hold. */
export interface JournalSearch {
  readonly wallet?: string
  /** Who asked, or whom it is about. */
  readonly credential?: string
  readonly agent?: string
  readonly workflow?: string
  readonly operator?: string
  /** Of a transaction or a user operation. */
  readonly transactionHash?: string
  readonly type?: string
  /** ISO 8601 in UTC, or a day; both are included. */
  readonly from?: string
  readonly to?: string
  /** Index of the first entry that is looked at; 0 by default. */
  readonly start?: number
  readonly limit?: number
}

export interface EntriesFound extends EntriesAnswer {
  /** Where the next page starts; `null`: there is none. */
  readonly nextStart: number | null
}

/** What stands beside an entry. `isDocument` of the wire package checks the text against its digest. */
export interface JournalDocumentAnswer {
  readonly sha256: string
  /** Canonical JSON: one field of the entry. */
  readonly text: string
}
