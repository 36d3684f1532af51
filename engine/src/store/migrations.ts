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
  {
    version: 2,
    sql: `
      -- A copy of the signer's journal, every part of which was checked against a signed checkpoint.
      CREATE TABLE journal_entries (
        i bigint PRIMARY KEY,
        at timestamptz NOT NULL,
        type text NOT NULL,
        wallet text,
        credentials text[] NOT NULL,
        agent text,
        workflow text,
        operator text,
        transaction_hash text,
        -- Of a signed user operation: the smart account.
        operation_sender text,
        entry text NOT NULL
      );
      CREATE INDEX journal_entries_at ON journal_entries (at, i);
      CREATE INDEX journal_entries_type ON journal_entries (type, i);
      CREATE INDEX journal_entries_wallet ON journal_entries (wallet, i) WHERE wallet IS NOT NULL;
      CREATE INDEX journal_entries_credentials ON journal_entries USING gin (credentials);
      CREATE INDEX journal_entries_agent ON journal_entries (agent, i) WHERE agent IS NOT NULL;
      CREATE INDEX journal_entries_workflow ON journal_entries (workflow, i) WHERE workflow IS NOT NULL;
      CREATE INDEX journal_entries_operator ON journal_entries (operator, i) WHERE operator IS NOT NULL;
      CREATE INDEX journal_entries_transaction ON journal_entries (transaction_hash)
        WHERE transaction_hash IS NOT NULL;
      CREATE INDEX journal_entries_sender ON journal_entries (operation_sender, i)
        WHERE operation_sender IS NOT NULL;

      -- One row: how far the copy goes, and the right edge of its tree.
      CREATE TABLE journal_copy (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        audience text NOT NULL,
        size bigint NOT NULL,
        roots text[] NOT NULL
      );

      -- What a chain shows and the journal does not know. Nothing takes a row out again.
      CREATE TABLE unmatched_transactions (
        seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        chain text NOT NULL,
        wallet text NOT NULL,
        address text NOT NULL,
        -- The hash, or the nonce where no transaction of the account used it.
        what text NOT NULL,
        block_number bigint NOT NULL,
        why text NOT NULL,
        found_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (chain, address, what)
      );
      CREATE TABLE reconciled_accounts (
        chain text NOT NULL,
        address text NOT NULL,
        next_block bigint NOT NULL,
        PRIMARY KEY (chain, address)
      );
    `,
  },
  {
    version: 3,
    sql: `
      ALTER TABLE transactions ADD COLUMN approval text;
      ALTER TABLE transactions DROP CONSTRAINT transactions_state_check;
      ALTER TABLE transactions ADD CONSTRAINT transactions_state_check CHECK (state IN
        ('preparing', 'waiting-approval', 'signed', 'broadcast', 'mined', 'confirmed', 'reverted', 'refused', 'failed'));
      ALTER TABLE transactions DROP CONSTRAINT transactions_check;
      ALTER TABLE transactions ADD CONSTRAINT transactions_check CHECK
        (state IN ('preparing', 'waiting-approval', 'refused', 'failed') OR (raw IS NOT NULL AND hash IS NOT NULL));
      -- What waits for people holds no nonce.
      DROP INDEX transactions_nonce;
      CREATE UNIQUE INDEX transactions_nonce ON transactions (wallet_id, chain, nonce)
        WHERE state NOT IN ('waiting-approval', 'refused', 'failed');
      CREATE INDEX transactions_waiting ON transactions (seq) WHERE state = 'waiting-approval';
      CREATE INDEX transactions_of_approval ON transactions (approval) WHERE approval IS NOT NULL;
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
