import type { EntryFacts } from '@countersign/wire'
import type { Database } from './store.ts'

/** How far the copy of the journal goes. */
export interface JournalCopy {
  readonly audience: string
  readonly size: number
  /** Right edge of the tree: base64, largest subtree first. */
  readonly roots: readonly string[]
}

export interface CopiedEntry {
  readonly index: number
  readonly facts: EntryFacts
  /** As it stands in the journal. */
  readonly text: string
}

export interface JournalFilter {
  readonly wallet?: string
  readonly credential?: string
  readonly agent?: string
  readonly workflow?: string
  readonly operator?: string
  readonly transactionHash?: string
  readonly type?: string
  /** ISO 8601, both included. */
  readonly from?: string
  readonly to?: string
}

export interface UnmatchedRow {
  readonly chain: string
  readonly wallet: string
  readonly address: string
  readonly what: string
  readonly block: number
  readonly why: string
}

export interface JournalStore {
  copy(): Promise<JournalCopy | undefined>
  /** @returns false where another engine has copied on meanwhile. */
  append(
    before: JournalCopy | undefined,
    entries: readonly CopiedEntry[],
    after: JournalCopy,
  ): Promise<boolean>
  /** Oldest first, from the index `start` on. */
  search(
    filter: JournalFilter,
    page: { readonly start: number; readonly limit: number },
  ): Promise<readonly { readonly index: number; readonly text: string }[]>
  /** Signatures that made one of these transactions or user operations. */
  signedWith(hashes: readonly string[]): Promise<readonly { readonly index: number; readonly text: string }[]>
  /** Smart accounts for which user operations were signed, each with the first wallet that did. */
  operationSenders(): Promise<readonly { readonly wallet: string; readonly address: string }[]>
  /** @returns those that were not known before. */
  addUnmatched(rows: readonly UnmatchedRow[]): Promise<readonly UnmatchedRow[]>
  countUnmatched(): Promise<ReadonlyMap<string, number>>
  /** The block at which the next look at an account starts. */
  nextBlock(chain: string, address: string): Promise<number | undefined>
  setNextBlock(chain: string, address: string, block: number): Promise<void>
}

export function openJournalStore(database: Database): JournalStore {
  return {
    async copy() {
      const { rows } = await database.query<{ audience: string; size: string; roots: string[] }>(
        'SELECT audience, size, roots FROM journal_copy',
      )
      const [row] = rows
      return row === undefined ? undefined : { ...row, size: Number(row.size) }
    },
    append: (before, entries, after) =>
      database.commit(async (query) => {
        const { audience, size, roots } = after
        const moved =
          before === undefined
            ? await query(
                'INSERT INTO journal_copy (audience, size, roots) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
                [audience, size, roots],
              )
            : await query('UPDATE journal_copy SET size = $1, roots = $2 WHERE size = $3 AND audience = $4', [
                size,
                roots,
                before.size,
                audience,
              ])
        if (moved.rowCount !== 1) return false
        const column = (of: (entry: CopiedEntry) => unknown) => entries.map(of)
        await query(
          `INSERT INTO journal_entries
             (i, at, type, wallet, credentials, agent, workflow, operator, transaction_hash, operation_sender, entry)
           SELECT i, at, type, wallet, string_to_array(credentials, ' '), agent, workflow, operator, hash, sender, entry
           FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::text[], $11::text[])
             AS t (i, at, type, wallet, credentials, agent, workflow, operator, hash, sender, entry)`,
          [
            column(({ index }) => index),
            column(({ facts }) => facts.at),
            column(({ facts }) => facts.type),
            column(({ facts }) => facts.wallet ?? null),
            column(({ facts }) => facts.credentials.join(' ')),
            column(({ facts }) => facts.agent ?? null),
            column(({ facts }) => facts.workflow ?? null),
            column(({ facts }) => facts.operator ?? null),
            column(({ facts }) => hashKey(facts.transactionHash)),
            column(({ facts }) => hashKey(facts.operationSender)),
            column(({ text }) => text),
          ],
        )
        return true
      }),
    async search(filter, { start, limit }) {
      const conditions: string[] = []
      const values: unknown[] = []
      const add = (value: unknown, condition: (place: string) => string) => {
        if (value === undefined) return
        values.push(value)
        conditions.push(condition(`$${values.length}`))
      }
      add(start, (place) => `i >= ${place}`)
      add(filter.wallet, (place) => `wallet = ${place}`)
      add(filter.credential, (place) => `credentials @> ARRAY[${place}::text]`)
      add(filter.agent, (place) => `agent = ${place}`)
      add(filter.workflow, (place) => `workflow = ${place}`)
      add(filter.operator, (place) => `operator = ${place}`)
      add(hashKey(filter.transactionHash) ?? undefined, (place) => `transaction_hash = ${place}`)
      add(filter.type, (place) => `type = ${place}`)
      add(filter.from, (place) => `at >= ${place}`)
      add(filter.to, (place) => `at <= ${place}`)
      values.push(limit)
      const { rows } = await database.query<{ i: string; entry: string }>(
        `SELECT i, entry FROM journal_entries WHERE ${conditions.join(' AND ')} ORDER BY i LIMIT $${values.length}`,
        values,
      )
      return rows.map(({ i, entry }) => ({ index: Number(i), text: entry }))
    },
    async signedWith(hashes) {
      if (hashes.length === 0) return []
      const { rows } = await database.query<{ i: string; entry: string }>(
        `SELECT i, entry FROM journal_entries WHERE transaction_hash = ANY($1::text[]) AND type = 'signed' ORDER BY i`,
        [hashes.map(hashKey)],
      )
      return rows.map(({ i, entry }) => ({ index: Number(i), text: entry }))
    },
    async operationSenders() {
      const { rows } = await database.query<{ wallet: string; address: string }>(
        `SELECT DISTINCT ON (operation_sender) wallet, operation_sender AS address FROM journal_entries
         WHERE operation_sender IS NOT NULL AND wallet IS NOT NULL ORDER BY operation_sender, i`,
        [],
      )
      return rows
    },
    async addUnmatched(rows) {
      const fresh: UnmatchedRow[] = []
      for (const row of rows) {
        const { rowCount } = await database.query(
          `INSERT INTO unmatched_transactions (chain, wallet, address, what, block_number, why)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
          [row.chain, row.wallet, row.address, row.what, row.block, row.why],
        )
        if (rowCount === 1) fresh.push(row)
      }
      return fresh
    },
    async countUnmatched() {
      const { rows } = await database.query<{ chain: string; count: string }>(
        'SELECT chain, count(*) FROM unmatched_transactions GROUP BY chain',
      )
      return new Map(rows.map(({ chain, count }) => [chain, Number(count)]))
    },
    async nextBlock(chain, address) {
      const { rows } = await database.query<{ next_block: string }>(
        'SELECT next_block FROM reconciled_accounts WHERE chain = $1 AND address = $2',
        [chain, address],
      )
      return rows[0] === undefined ? undefined : Number(rows[0].next_block)
    },
    async setNextBlock(chain, address, block) {
      await database.query(
        `INSERT INTO reconciled_accounts (chain, address, next_block) VALUES ($1, $2, $3)
         ON CONFLICT (chain, address) DO UPDATE SET next_block = excluded.next_block`,
        [chain, address, block],
      )
    },
  }
}

/** EVM hashes are hexadecimal, which has two spellings; Solana's are base58, which has one. */
function hashKey(hash: string | undefined): string | null {
  if (hash === undefined) return null
  return /^0x[0-9a-fA-F]+$/.test(hash) ? hash.toLowerCase() : hash
}
