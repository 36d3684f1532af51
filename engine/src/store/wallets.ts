import type { Database } from './store.ts'

export interface WalletRow {
  readonly seq: number
  readonly id: string
  readonly type: string
  readonly address: string
  readonly publicKey: string
  readonly name: string | null
  readonly policy: string | null
  readonly user: UserIdentifier | null
  /** The signer's public record of the wallet, as JSON. */
  readonly record: string
  /** Null where the row was healed from the signer's record. */
  readonly createdBy: RequestRef | null
  /** ISO 8601. */
  readonly createdAt: string
}

export type NewWallet = Omit<WalletRow, 'seq'>

/** Normalised by `parseUserIdentifier`: one person has one spelling. */
export interface UserIdentifier {
  readonly type: string
  readonly value: string
}

export interface RequestRef {
  readonly credentialId: string
  readonly requestId: string
}

export interface Claim extends RequestRef {
  readonly ageMs: number
}

export interface WalletStore {
  get(id: string): Promise<WalletRow | undefined>
  find(user: UserIdentifier): Promise<WalletRow | undefined>
  /** Newest first. */
  list(page: { readonly before?: number; readonly limit: number }): Promise<readonly WalletRow[]>
  /** Adds the wallet and ends the claim on its user, in one commit. A wallet that is known stays as it is. */
  add(wallet: NewWallet): Promise<void>
  /** Takes the user for a request. @returns undefined when taken (or taken before by the same request), else who has it. */
  claim(user: UserIdentifier, by: RequestRef): Promise<Claim | undefined>
  /** @param from Only if it still holds the claim. */
  moveClaim(user: UserIdentifier, from: RequestRef, to: RequestRef): Promise<boolean>
  releaseClaim(user: UserIdentifier, by: RequestRef): Promise<void>
  setPolicy(id: string, policy: string | null): Promise<void>
}

interface Columns {
  seq: string
  id: string
  type: string
  address: string
  public_key: string
  name: string | null
  policy: string | null
  user_identifier: string | null
  user_identifier_type: string | null
  record: string
  created_by: string | null
  created_request: string | null
  created_at: Date
}

export function openWalletStore(database: Database): WalletStore {
  const { query } = database
  return {
    async get(id) {
      const { rows } = await query<Columns>('SELECT * FROM wallets WHERE id = $1', [id])
      return rows.map(toWallet)[0]
    },
    async find(user) {
      const { rows } = await query<Columns>(
        'SELECT * FROM wallets WHERE user_identifier_type = $1 AND user_identifier = $2',
        [user.type, user.value],
      )
      return rows.map(toWallet)[0]
    },
    async list({ before = Number.MAX_SAFE_INTEGER, limit }) {
      const { rows } = await query<Columns>(
        'SELECT * FROM wallets WHERE seq < $1 ORDER BY seq DESC LIMIT $2',
        [before, limit],
      )
      return rows.map(toWallet)
    },
    async add(wallet) {
      await database.commit(async (run) => {
        await run(
          `INSERT INTO wallets (id, type, address, public_key, name, policy, user_identifier, user_identifier_type,
             record, created_by, created_request, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING`,
          [
            ...[wallet.id, wallet.type, wallet.address, wallet.publicKey, wallet.name, wallet.policy],
            ...[wallet.user?.value ?? null, wallet.user?.type ?? null, wallet.record],
            ...[
              wallet.createdBy?.credentialId ?? null,
              wallet.createdBy?.requestId ?? null,
              wallet.createdAt,
            ],
          ],
        )
        if (wallet.user === null || wallet.createdBy === null) return
        // A row that was healed before its request was sent again does not know its user yet.
        await run(
          `UPDATE wallets SET user_identifier_type = $2, user_identifier = $3, created_by = $4, created_request = $5
           WHERE id = $1 AND user_identifier IS NULL`,
          [
            wallet.id,
            wallet.user.type,
            wallet.user.value,
            wallet.createdBy.credentialId,
            wallet.createdBy.requestId,
          ],
        )
        await run('DELETE FROM wallet_claims WHERE user_identifier_type = $1 AND user_identifier = $2', [
          wallet.user.type,
          wallet.user.value,
        ])
      })
    },
    async claim(user, by) {
      const inserted = await query(
        'INSERT INTO wallet_claims (user_identifier_type, user_identifier, credential_id, request_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
        [user.type, user.value, by.credentialId, by.requestId],
      )
      if (inserted.rowCount === 1) return undefined
      const { rows } = await query<{ credential_id: string; request_id: string; age_ms: string }>(
        `SELECT credential_id, request_id, (extract(epoch FROM now() - claimed_at) * 1000)::bigint AS age_ms
         FROM wallet_claims WHERE user_identifier_type = $1 AND user_identifier = $2`,
        [user.type, user.value],
      )
      const [row] = rows
      // Released in between: the caller is told to come again, as if it still stood.
      if (row === undefined) return { credentialId: '', requestId: '', ageMs: 0 }
      if (row.credential_id === by.credentialId && row.request_id === by.requestId) return undefined
      return { credentialId: row.credential_id, requestId: row.request_id, ageMs: Number(row.age_ms) }
    },
    async moveClaim(user, from, to) {
      const { rowCount } = await query(
        `UPDATE wallet_claims SET credential_id = $5, request_id = $6, claimed_at = now()
         WHERE user_identifier_type = $1 AND user_identifier = $2 AND credential_id = $3 AND request_id = $4`,
        [user.type, user.value, from.credentialId, from.requestId, to.credentialId, to.requestId],
      )
      return rowCount === 1
    },
    async releaseClaim(user, by) {
      await query(
        `DELETE FROM wallet_claims
         WHERE user_identifier_type = $1 AND user_identifier = $2 AND credential_id = $3 AND request_id = $4`,
        [user.type, user.value, by.credentialId, by.requestId],
      )
    },
    async setPolicy(id, policy) {
      await query('UPDATE wallets SET policy = $2 WHERE id = $1', [id, policy])
    },
  }
}

function toWallet(row: Columns): WalletRow {
  const { user_identifier: value, user_identifier_type: type, created_by, created_request } = row
  return {
    seq: Number(row.seq),
    id: row.id,
    type: row.type,
    address: row.address,
    publicKey: row.public_key,
    name: row.name,
    policy: row.policy,
    user: value === null || type === null ? null : { type, value },
    record: row.record,
    createdBy:
      created_by === null || created_request === null
        ? null
        : { credentialId: created_by, requestId: created_request },
    createdAt: row.created_at.toISOString(),
  }
}
