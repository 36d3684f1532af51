import type { TransactionRow } from '../store/transactions.ts'

/** The public form of a row; `transactionAnswer` of kernel/wire. */
export function transactionJson(row: TransactionRow): string {
  const { id, walletId, chain, state, hash, nonce, block, createdAt, updatedAt } = row
  const json = JSON.stringify({
    id,
    walletId,
    chain,
    status: state,
    hash,
    nonce,
    blockNumber: block === null ? null : Number(block.number),
    requestId: row.requestId,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    ...(row.approval === null ? {} : { approval: { id: row.approval } }),
  })
  // Both are JSON already, as the signer and this engine wrote them.
  const more = [
    row.error === null ? '' : `,"error":${row.error}`,
    row.receipt === null ? '' : `,"receipt":${row.receipt}`,
  ]
  return `${json.slice(0, -1)}${more.join('')}}`
}
