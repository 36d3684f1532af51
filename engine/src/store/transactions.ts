import { type Database, isUniqueViolation, type Lane } from './store.ts'

/**
 * `preparing`: the nonce is held while the signer decides. `waiting-approval`: people decide, which takes hours, so
 * the nonce is not held. `signed`: the signed bytes are kept, and from here on the nonce is spent. `broadcast`, `mined`
 * (not deep enough yet), then `confirmed` or `reverted`. `refused` by policy and `failed` hold no nonce.
 */
export const transactionStates = [
  'preparing',
  'waiting-approval',
  'signed',
  'broadcast',
  'mined',
  'confirmed',
  'reverted',
  'refused',
  'failed',
] as const
export type TransactionState = (typeof transactionStates)[number]

export interface TransactionRow extends Lane {
  readonly seq: number
  readonly id: string
  readonly credentialId: string
  readonly requestId: string
  readonly requestDigest: string
  readonly state: TransactionState
  readonly nonce: number
  readonly unsigned: string
  readonly raw: string | null
  readonly hash: string | null
  /** The signer's receipt, as JSON. */
  readonly receipt: string | null
  /** The signer's own answer where it refused. */
  readonly answer: { readonly status: number; readonly body: string } | null
  /** Of the approval that it waits for, or has waited for. */
  readonly approval: string | null
  /** An ErrorBody, as JSON. */
  readonly error: string | null
  readonly block: { readonly number: bigint; readonly hash: string } | null
  readonly succeeded: boolean | null
  readonly broadcastAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface NewTransaction extends Lane {
  readonly id: string
  readonly credentialId: string
  readonly requestId: string
  readonly requestDigest: string
  readonly nonce: number
  readonly unsigned: string
}

export interface SignedParts {
  readonly raw: string
  readonly hash: string
  readonly receipt: string | null
  /** As prepared; another only where the signer answered with the request's earlier transaction. */
  readonly nonce: number
  readonly unsigned: string
}

export interface TransactionFilter {
  readonly walletId?: string
  readonly credentialId?: string
  readonly before?: number
  readonly limit: number
}

export interface TransactionStore {
  get(id: string): Promise<TransactionRow | undefined>
  findByRequest(credentialId: string, requestId: string): Promise<TransactionRow | undefined>
  /** Newest first. */
  list(filter: TransactionFilter): Promise<readonly TransactionRow[]>
  /**
   * Durable before the signer is asked. A request that was interrupted before gets its row again.
   * @returns the row's id, or undefined where the request or the nonce has a row already. */
  prepare(transaction: NewTransaction): Promise<string | undefined>
  /**
   * Durable before the bytes leave; takes the nonce for good.
   * @returns false, and nothing is changed, where another transaction has the nonce: one that waited does not hold it. */
  sign(id: string, signed: SignedParts): Promise<boolean>
  /** Gives the nonce back until the approvals are there. */
  wait(id: string, approval: string): Promise<void>
  /** Forgets a request that the signer did not take. */
  drop(id: string): Promise<void>
  refuse(id: string, answer: { readonly status: number; readonly body: string }): Promise<void>
  /** @param from The states in which this still makes sense; a row in another stays as it is. */
  fail(
    id: string,
    from: readonly TransactionState[],
    error: string,
    answer?: { readonly status: number; readonly body: string },
  ): Promise<void>
  markBroadcast(id: string): Promise<void>
  noteBroadcastError(id: string, error: string): Promise<void>
  markMined(
    id: string,
    mined: { readonly block: { number: bigint; hash: string }; readonly succeeded: boolean },
  ): Promise<void>
  /** A block that held it is no longer part of the chain. */
  markUnmined(id: string): Promise<void>
  /** From `mined`, to what its receipt said. */
  settle(id: string): Promise<void>
  listPreparing(lane?: Lane): Promise<readonly TransactionRow[]>
  findByApproval(approval: string): Promise<TransactionRow | undefined>
  /** Oldest first. */
  listWaiting(limit: number, after?: number): Promise<readonly TransactionRow[]>
  /** Signed and not settled, oldest first. */
  listOpen(chain: string, limit: number, after?: number): Promise<readonly TransactionRow[]>
  /** The lowest nonce that this engine has not had signed; 0 for a new lane. */
  nextNonce(lane: Lane): Promise<number>
  countByState(): Promise<ReadonlyMap<TransactionState, number>>
}

interface Columns {
  seq: string
  id: string
  wallet_id: string
  chain: string
  credential_id: string
  request_id: string
  request_digest: string
  state: TransactionState
  nonce: string
  unsigned: string
  raw: string | null
  hash: string | null
  receipt: string | null
  answer_status: number | null
  answer: string | null
  approval: string | null
  error: string | null
  block_number: string | null
  block_hash: string | null
  succeeded: boolean | null
  broadcast_at: Date | null
  created_at: Date
  updated_at: Date
}

/** A row that is only still there so that its request can be tried again. */
export const interruptedMarker = '"code":"ENGINE_INTERRUPTED"'

export function openTransactionStore({ query, commit }: Database): TransactionStore {
  const select = async (where: string, values: readonly unknown[]) => {
    const { rows } = await query<Columns>(`SELECT * FROM transactions ${where}`, values)
    return rows.map(toTransaction)
  }
  const update = async (
    id: string,
    from: readonly TransactionState[],
    set: string,
    values: readonly unknown[] = [],
  ) => {
    await query(`UPDATE transactions SET ${set}, updated_at = now() WHERE id = $1 AND state = ANY($2)`, [
      id,
      from,
      ...values,
    ])
  }
  return {
    get: async (id) => (await select('WHERE id = $1', [id]))[0],
    findByRequest: async (credentialId, requestId) =>
      (await select('WHERE credential_id = $1 AND request_id = $2', [credentialId, requestId]))[0],
    list: ({ walletId = null, credentialId = null, before = Number.MAX_SAFE_INTEGER, limit }) =>
      select(
        `WHERE seq < $1 AND ($2::text IS NULL OR wallet_id = $2) AND ($3::text IS NULL OR credential_id = $3)
         ORDER BY seq DESC LIMIT $4`,
        [before, walletId, credentialId, limit],
      ),
    async prepare(row) {
      try {
        const { rows } = await query<{ id: string }>(
          `INSERT INTO transactions AS t (id, wallet_id, chain, credential_id, request_id, request_digest, state, nonce, unsigned)
           VALUES ($1, $2, $3, $4, $5, $6, 'preparing', $7, $8)
           ON CONFLICT (credential_id, request_id) DO UPDATE
             SET state = 'preparing', nonce = excluded.nonce, unsigned = excluded.unsigned, chain = excluded.chain,
                 wallet_id = excluded.wallet_id, error = NULL, updated_at = now()
             WHERE t.state = 'failed' AND t.request_digest = excluded.request_digest AND position($9 IN t.error) > 0
           RETURNING id`,
          [
            ...[row.id, row.walletId, row.chain, row.credentialId, row.requestId, row.requestDigest],
            ...[row.nonce, row.unsigned, interruptedMarker],
          ],
        )
        return rows[0]?.id
      } catch (error) {
        if (isUniqueViolation(error, 'transactions_nonce')) return undefined
        throw error
      }
    },
    async sign(id, { raw, hash, receipt, nonce, unsigned }) {
      const signing = commit(async (run) => {
        const { rows } = await run<{ wallet_id: string; chain: string; nonce: string }>(
          `UPDATE transactions SET state = 'signed', raw = $2, hash = $3, receipt = $4, nonce = $5, unsigned = $6,
             updated_at = now()
           WHERE id = $1 AND state IN ('preparing', 'waiting-approval') RETURNING wallet_id, chain, nonce`,
          [id, raw, hash, receipt, nonce, unsigned],
        )
        const [row] = rows
        if (row === undefined) throw new Error(`bug: ${id} is not being prepared`)
        await run(
          `INSERT INTO lanes AS l (wallet_id, chain, next_nonce) VALUES ($1, $2, $3)
           ON CONFLICT (wallet_id, chain) DO UPDATE SET next_nonce = greatest(l.next_nonce, excluded.next_nonce)`,
          [row.wallet_id, row.chain, Number(row.nonce) + 1],
        )
      })
      try {
        await signing
        return true
      } catch (error) {
        if (isUniqueViolation(error, 'transactions_nonce')) return false
        throw error
      }
    },
    wait: (id, approval) =>
      update(id, ['preparing'], `state = 'waiting-approval', approval = $3`, [approval]),
    async drop(id) {
      await query(`DELETE FROM transactions WHERE id = $1 AND state = 'preparing'`, [id])
    },
    refuse: (id, { status, body }) =>
      update(id, ['preparing', 'waiting-approval'], `state = 'refused', answer_status = $3, answer = $4`, [
        status,
        body,
      ]),
    fail: (id, from, error, answer) =>
      update(id, from, `state = 'failed', error = $3, answer_status = $4, answer = $5`, [
        error,
        answer?.status ?? null,
        answer?.body ?? null,
      ]),
    markBroadcast: (id) =>
      update(id, ['signed', 'broadcast'], `state = 'broadcast', broadcast_at = now(), error = NULL`),
    noteBroadcastError: (id, error) =>
      update(id, ['signed', 'broadcast'], `broadcast_at = now(), error = $3`, [error]),
    markMined: (id, { block, succeeded }) =>
      update(
        id,
        ['signed', 'broadcast', 'mined'],
        `state = 'mined', block_number = $3, block_hash = $4, succeeded = $5, error = NULL`,
        [block.number.toString(), block.hash, succeeded],
      ),
    markUnmined: (id) =>
      update(id, ['mined'], `state = 'broadcast', block_number = NULL, block_hash = NULL, succeeded = NULL`),
    settle: (id) => update(id, ['mined'], `state = CASE WHEN succeeded THEN 'confirmed' ELSE 'reverted' END`),
    listPreparing: (lane) =>
      lane === undefined
        ? select(`WHERE state = 'preparing' ORDER BY seq`, [])
        : select(`WHERE state = 'preparing' AND wallet_id = $1 AND chain = $2 ORDER BY seq`, [
            lane.walletId,
            lane.chain,
          ]),
    findByApproval: async (approval) => (await select('WHERE approval = $1', [approval]))[0],
    listWaiting: (limit, after = -1) =>
      select(`WHERE state = 'waiting-approval' AND seq > $1 ORDER BY seq LIMIT $2`, [after, limit]),
    listOpen: (chain, limit, after = -1) =>
      select(
        `WHERE state IN ('signed', 'broadcast', 'mined') AND chain = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
        [chain, after, limit],
      ),
    async nextNonce({ walletId, chain }) {
      const { rows } = await query<{ next_nonce: string }>(
        'SELECT next_nonce FROM lanes WHERE wallet_id = $1 AND chain = $2',
        [walletId, chain],
      )
      return Number(rows[0]?.next_nonce ?? 0)
    },
    async countByState() {
      const { rows } = await query<{ state: TransactionState; count: string }>(
        `SELECT state, count(*) FROM transactions WHERE state NOT IN ('confirmed', 'reverted', 'refused', 'failed') GROUP BY state`,
      )
      return new Map(rows.map(({ state, count }) => [state, Number(count)]))
    },
  }
}

function toTransaction(row: Columns): TransactionRow {
  return {
    seq: Number(row.seq),
    id: row.id,
    walletId: row.wallet_id,
    chain: row.chain,
    credentialId: row.credential_id,
    requestId: row.request_id,
    requestDigest: row.request_digest,
    state: row.state,
    nonce: Number(row.nonce),
    unsigned: row.unsigned,
    raw: row.raw,
    hash: row.hash,
    receipt: row.receipt,
    answer:
      row.answer === null || row.answer_status === null
        ? null
        : { status: row.answer_status, body: row.answer },
    approval: row.approval,
    error: row.error,
    block:
      row.block_number === null || row.block_hash === null
        ? null
        : { number: BigInt(row.block_number), hash: row.block_hash },
    succeeded: row.succeeded,
    broadcastAt: row.broadcast_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
