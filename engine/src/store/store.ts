import { createHash } from 'node:crypto'
import { isCountersignError } from '@countersign/bytes'
import pg from 'pg'
import { engineError } from '../catalogue.ts'
import { type JournalStore, openJournalStore } from './journal.ts'
import { migrate } from './migrations.ts'
import { openTransactionStore, type TransactionStore } from './transactions.ts'
import { openWalletStore, type WalletStore } from './wallets.ts'

/** The engine's memory. Nothing in it can make the signer sign: it holds requests' outcomes, never an authority. */
export interface Store {
  readonly wallets: WalletStore
  readonly transactions: TransactionStore
  readonly journal: JournalStore
  /** Runs `work` while no other engine and no other caller of this one works in the same lane. */
  withLane<T>(lane: Lane, work: () => Promise<T>): Promise<T>
  ping(): Promise<void>
  close(): Promise<void>
}

/** One wallet on one chain: the scope of a nonce. */
export interface Lane {
  readonly walletId: string
  readonly chain: string
}

export interface Database {
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<pg.QueryResult<Row>>
  /** @throws what `work` throws, after rolling back. */
  commit<T>(work: (query: Database['query']) => Promise<T>): Promise<T>
}

export type StoreAddress =
  | { readonly connectionString: string }
  | (pg.ClientConfig & { readonly host: string })

const connectionsMax = 16
/** Lanes hold a connection for their lock, so these are apart: a lane must never wait for its own lock's slot. */
const laneConnectionsMax = 24
const connectTimeoutMs = 5_000
const statementTimeoutMs = 15_000
const laneLockTimeoutMs = 30_000
/** How long a lane may wait for its turn on one of those connections. */
const laneConnectTimeoutMs = 30_000

/** @throws {CountersignError} ENGINE_DATABASE_UNAVAILABLE, ENGINE_SCHEMA_NEWER */
export async function openStore(address: StoreAddress): Promise<Store> {
  const common = {
    ...address,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'countersign-engine',
  }
  const pool = new pg.Pool({ ...common, max: connectionsMax, statement_timeout: statementTimeoutMs })
  const lanePool = new pg.Pool({
    ...common,
    max: laneConnectionsMax,
    lock_timeout: laneLockTimeoutMs,
    connectionTimeoutMillis: laneConnectTimeoutMs,
  })
  // An idle connection that breaks is replaced at its next use; without a listener it would end the process.
  for (const one of [pool, lanePool]) one.on('error', () => undefined)
  const database: Database = {
    query: (sql, values = []) => asUnavailable(() => pool.query(sql, [...values])),
    commit: (work) => asUnavailable(() => commit(pool, work)),
  }
  try {
    await asUnavailable(async () => {
      const client = await pool.connect()
      try {
        await migrate(client)
      } finally {
        client.release()
      }
    })
  } catch (error) {
    await Promise.all([pool.end(), lanePool.end()])
    throw error
  }
  return {
    wallets: openWalletStore(database),
    transactions: openTransactionStore(database),
    journal: openJournalStore(database),
    withLane: (lane, work) => withLane(lanePool, lane, work),
    async ping() {
      await database.query('SELECT 1')
    },
    async close() {
      await Promise.all([pool.end(), lanePool.end()])
    },
  }
}

async function commit<T>(pool: pg.Pool, work: (query: Database['query']) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work((sql, values = []) => client.query(sql, [...values]))
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    client.release(broken)
  }
}

/** If this connection dies, so does the lock; then the unique index on nonces is what still holds. */
async function withLane<T>(pool: pg.Pool, lane: Lane, work: () => Promise<T>): Promise<T> {
  const key = createHash('sha256')
    .update(`lane\0${lane.walletId}\0${lane.chain}`)
    .digest()
    .readBigInt64BE(0)
    .toString()
  const client = await asUnavailable(() => pool.connect())
  let broken: Error | undefined
  const onError = (error: Error) => {
    broken = error
  }
  client.on('error', onError)
  try {
    await asUnavailable(() => client.query('SELECT pg_advisory_lock($1)', [key]))
    try {
      return await work()
    } finally {
      await client.query('SELECT pg_advisory_unlock($1)', [key]).catch(onError)
    }
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}

/** Errors of the connection, and of a server that goes away, are the operator's; a constraint or a typo is not. */
const operatingStates = /^(?:08|53|57|58|25006|40|55P03)/

async function asUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isCountersignError(error)) throw error
    const { code } = error as { code?: string }
    const isFromServer = error instanceof pg.DatabaseError
    if (isFromServer && !operatingStates.test(code ?? '')) throw error
    if (!isFromServer && !isConnectionError(error)) throw error
    // The driver's own text can name hosts and users; the code is enough here.
    throw engineError(
      'ENGINE_DATABASE_UNAVAILABLE',
      `The engine’s database does not answer (${code ?? 'no connection'}).`,
      {
        cause: error,
      },
    )
  }
}

function isConnectionError(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string }
  return /^E[A-Z]+$/.test(code ?? '') || /connection|connect|timeout|terminated|pool/i.test(message)
}

/** `23505`: another row has the same key. */
export function isUniqueViolation(error: unknown, constraint: string): boolean {
  return error instanceof pg.DatabaseError && error.code === '23505' && error.constraint === constraint
}
