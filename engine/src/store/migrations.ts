import type { PoolClient } from 'pg'
import { engineError } from '../catalogue.ts'

interface Migration {
  readonly version: number
  readonly sql: string
}

/** Never edited once released: a change is a further entry. */
const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE wallets (
        seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        id text PRIMARY KEY,
        type text NOT NULL,
        address text NOT NULL,
        public_key text NOT NULL,
        name text,
        policy text,
        user_identifier text,
        user_identifier_type text,
        -- The signer's public record of the wallet, as JSON.
        record text NOT NULL,
        created_by text,
        created_request text,
        created_at timestamptz NOT NULL,
        CHECK ((user_identifier IS NULL) = (user_identifier_type IS NULL))
      );
      CREATE UNIQUE INDEX wallets_user ON wallets (user_identifier_type, user_identifier)
        WHERE user_identifier IS NOT NULL;

      -- A user identifier whose wallet is being created by this very request.
      CREATE TABLE wallet_claims (
        user_identifier_type text NOT NULL,
        user_identifier text NOT NULL,
        credential_id text NOT NULL,
        request_id text NOT NULL,
        claimed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_identifier_type, user_identifier)
      );

      CREATE TABLE lanes (
        wallet_id text NOT NULL,
        chain text NOT NULL,
        next_nonce bigint NOT NULL,
        PRIMARY KEY (wallet_id, chain)
      );

      CREATE TABLE transactions (
        seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        id text PRIMARY KEY,
        wallet_id text NOT NULL,
        chain text NOT NULL,
        credential_id text NOT NULL,
        request_id text NOT NULL,
        request_digest text NOT NULL,
        state text NOT NULL CHECK (state IN
          ('preparing', 'signed', 'broadcast', 'mined', 'confirmed', 'reverted', 'refused', 'failed')),
        nonce bigint NOT NULL,
        unsigned text NOT NULL,
        raw text,
        hash text,
        receipt text,
        answer_status integer,
        answer text,
        error text,
        block_number bigint,
        block_hash text,
        succeeded boolean,
        broadcast_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (credential_id, request_id),
        CHECK (state IN ('preparing', 'refused', 'failed') OR (raw IS NOT NULL AND hash IS NOT NULL))
      );
      -- Whatever else goes wrong, no nonce is given to two transactions that are or may be signed.
      CREATE UNIQUE INDEX transactions_nonce ON transactions (wallet_id, chain, nonce)
        WHERE state NOT IN ('refused', 'failed');
      CREATE INDEX transactions_open ON transactions (chain, seq)
        WHERE state IN ('signed', 'broadcast', 'mined');
      CREATE INDEX transactions_preparing ON transactions (wallet_id, chain) WHERE state = 'preparing';
      CREATE INDEX transactions_of_wallet ON transactions (wallet_id, seq);
      CREATE INDEX transactions_of_credential ON transactions (credential_id, seq);
    `,
  },
]

/** Any number that no other program takes for its advisory lock: "csmigrat" in ASCII. */
const migrationLock = '7166179847494033780'

/** Brings the schema to this version's; several engines may start at once.
 * @throws {CountersignError} ENGINE_SCHEMA_NEWER */
export async function migrate(client: PoolClient): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [migrationLock])
  try {
    await client.query(
      'CREATE TABLE IF NOT EXISTS migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
    )
    const { rows } = await client.query<{ version: number }>(
      'SELECT coalesce(max(version), 0) AS version FROM migrations',
    )
    const present = rows[0]?.version ?? 0
    const newest = migrations.at(-1)?.version ?? 0
    if (present > newest) {
      throw engineError(
        'ENGINE_SCHEMA_NEWER',
        `The database has schema version ${present}; this engine knows ${newest}.`,
      )
    }
    for (const { version, sql } of migrations) {
      if (version <= present) continue
      await client.query('BEGIN')
      try {
        await client.query(sql)
        await client.query('INSERT INTO migrations (version) VALUES ($1)', [version])
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      }
    }
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [migrationLock])
  }
}
