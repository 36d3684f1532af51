import type { Hex } from '@countersign/bytes'
import { engineError } from '../catalogue.ts'
import { errorForLog } from '../log.ts'
import type { TransactionRow } from '../store/transactions.ts'
import type { Chain, Head } from './chain.ts'
import { broadcastRow, onItsWayMs, resolve, type Transactions } from './send.ts'

export interface Follower {
  /** Waits for the look that is under way. */
  close(): Promise<void>
}

const pollMsDefault = 1_000
const rebroadcastMsDefault = 15_000
const openStates = ['preparing', 'waiting-approval', 'signed', 'broadcast', 'mined'] as const
const rowsPerPage = 200
const rowsAtOnce = 8
/** Blocks after a transaction's nonce was used by another before it is given up: a reorganisation may bring it back. */
const nonceTakenDepthExtra = 2n

/** Follows every signed transaction of one chain until it is final; one look after the other. */
export function followChain(engine: Transactions, chain: Chain): Follower {
  const pollMs = chain.config.pollMs ?? pollMsDefault
  const followed: Followed = {
    engine,
    chain,
    missedSince: new Map(),
    rebroadcastMs: chain.config.rebroadcastMs ?? rebroadcastMsDefault,
  }
  return repeat(
    pollMs,
    () => look(followed),
    (error) =>
      engine.log.warn(
        { chain: chain.id, error: errorForLog(error) },
        'a look at the chain failed; the next one follows',
      ),
  )
}

/** Decides what a crash or a silent signer left open, for lanes that nobody sends through meanwhile. */
export function followPreparing(engine: Transactions, pollMs = pollMsDefault): Follower {
  return repeat(
    pollMs,
    () => resolvePreparing(engine),
    (error) => engine.log.warn({ error: errorForLog(error) }, 'open transactions could not be resolved yet'),
  )
}

interface Followed {
  readonly engine: Transactions
  readonly chain: Chain
  readonly rebroadcastMs: number
  /** Block at which a transaction without receipt was first seen to have lost its nonce. */
  readonly missedSince: Map<string, bigint>
}

async function look(followed: Followed): Promise<void> {
  const { engine, chain } = followed
  let head: Head | undefined
  for (let after = -1; ; ) {
    const rows = await engine.store.transactions.listOpen(chain.id, rowsPerPage, after)
    if (rows.length === 0) break
    head ??= await chain.head()
    const nonces = await minedNonces(followed, rows)
    for (let i = 0; i < rows.length; i += rowsAtOnce) {
      const some = rows.slice(i, i + rowsAtOnce)
      await Promise.all(
        some.map((row) =>
          followRow(followed, { row, head: head as Head, minedNonce: nonces.get(row.walletId) ?? 0 }),
        ),
      )
    }
    after = rows.at(-1)?.seq ?? after
  }
  const counts = await engine.store.transactions.countByState()
  for (const state of openStates) engine.metrics.openTransactions.set({ state }, counts.get(state) ?? 0)
}

/** Per wallet the count of mined transactions: what has a higher nonce cannot have a receipt, and is not asked for. */
async function minedNonces(
  { engine, chain }: Followed,
  rows: readonly TransactionRow[],
): Promise<Map<string, number>> {
  const nonces = new Map<string, number>()
  for (const walletId of new Set(rows.map((row) => row.walletId))) {
    const wallet = await engine.store.wallets.get(walletId)
    // Without the wallet's row there is no address; every receipt is then asked for.
    nonces.set(
      walletId,
      wallet === undefined ? Number.MAX_SAFE_INTEGER : await chain.nonce(wallet.address as Hex, 'latest'),
    )
  }
  return nonces
}

interface Look {
  readonly row: TransactionRow
  readonly head: Head
  readonly minedNonce: number
}

async function followRow(followed: Followed, { row, head, minedNonce }: Look): Promise<void> {
  const { engine, chain } = followed
  const { transactions } = engine.store
  const receipt =
    row.nonce < minedNonce || row.state === 'mined' ? await chain.receipt(row.hash as Hex) : undefined
  if (receipt === undefined) {
    if (row.state === 'mined') {
      // Its block is no longer part of the chain, and nodes do not put such transactions back by themselves.
      engine.log.warn(
        { transaction: row.id, chain: chain.id },
        'a mined transaction vanished in a reorganisation; it is sent again',
      )
      await transactions.markUnmined(row.id)
      await broadcastRow(engine, chain, { ...row, state: 'broadcast' })
    } else if (row.nonce < minedNonce) {
      await missReceipt(followed, row, head)
    } else if (row.broadcastAt === null || Date.now() - row.broadcastAt.getTime() >= followed.rebroadcastMs) {
      await broadcastRow(engine, chain, row)
    }
    return
  }
  followed.missedSince.delete(row.id)
  if (row.state !== 'mined' || row.block?.hash !== receipt.block.hash) {
    await transactions.markMined(row.id, receipt)
    if (row.state !== 'mined') engine.metrics.transactions.inc({ state: 'mined' })
  }
  const depth = head.number - receipt.block.number + 1n
  if (depth < BigInt(chain.config.confirmations)) return
  if ((await chain.blockHash(receipt.block.number)) !== receipt.block.hash) return
  await transactions.settle(row.id)
  engine.metrics.transactions.inc({ state: receipt.succeeded ? 'confirmed' : 'reverted' })
}

/** The nonce is used on chain, but not (as far as this node knows now) by this transaction. */
async function missReceipt(
  { engine, chain, missedSince }: Followed,
  row: TransactionRow,
  head: Head,
): Promise<void> {
  const since = missedSince.get(row.id)
  if (since === undefined || since > head.number) {
    missedSince.set(row.id, head.number)
    return
  }
  if (head.number - since < BigInt(chain.config.confirmations) + nonceTakenDepthExtra) return
  missedSince.delete(row.id)
  const error = engineError(
    'ENGINE_NONCE_TAKEN',
    `Another transaction of this wallet was mined with the nonce ${row.nonce}.`,
  )
  await engine.store.transactions.fail(row.id, ['signed', 'broadcast'], JSON.stringify(error))
  engine.metrics.transactions.inc({ state: 'failed' })
}

async function resolvePreparing(engine: Transactions): Promise<void> {
  const { transactions } = engine.store
  for (const { id, walletId, chain, updatedAt } of await transactions.listPreparing()) {
    // Most are being worked on right now; waiting for their lanes would only hold up those that are not.
    if (Date.now() - updatedAt.getTime() < onItsWayMs) continue
    // Inside the lane nobody is: a row that is open there was left behind.
    await engine.lanes.run({ walletId, chain }, async () => {
      const row = await transactions.get(id)
      if (row?.state === 'preparing') await resolve(engine, row)
    })
  }
}

/** Does the work again and again, with a pause between. */
export function repeat(
  pauseMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): Follower {
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  const next = () => {
    running = work()
      .catch(onError)
      .then(() => {
        if (!isClosed) timer = setTimeout(next, pauseMs)
      })
  }
  next()
  return {
    async close() {
      isClosed = true
      clearTimeout(timer)
      await running
    },
  }
}
