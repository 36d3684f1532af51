import { decodeHex, encodeHex, type Hex, keccak256 } from '@countersign/bytes'
import { parseTransaction, serializeTransaction, type TransactionSerializable } from 'viem'
import type { SignedParts, TransactionRow } from '../store/transactions.ts'

/**
 * What the signer signed, if it is this row's transaction: the prepared bytes, or (where it gave its earlier
 * answer to the same request, which this engine's books have lost) that request's transaction with a lower nonce.
 * @returns undefined where it is neither. */
export function parseSignedAnswer(
  row: Pick<TransactionRow, 'unsigned' | 'nonce' | 'chain'>,
  text: string,
): SignedParts | undefined {
  try {
    const { signedTransaction, receipt } = JSON.parse(text) as { signedTransaction: Hex; receipt?: unknown }
    const {
      r: _r,
      s: _s,
      v: _v,
      yParity: _y,
      ...fields
    } = parseTransaction(signedTransaction) as Record<string, unknown>
    const unsigned = serializeTransaction(fields as TransactionSerializable)
    const nonce = Number(fields.nonce ?? 0)
    const isPrepared = unsigned === row.unsigned.toLowerCase()
    if (!isPrepared && !(nonce < row.nonce && `eip155:${fields.chainId}` === row.chain)) return undefined
    return {
      raw: signedTransaction,
      hash: encodeHex(keccak256(decodeHex(signedTransaction))),
      receipt: receipt === undefined ? null : JSON.stringify(receipt),
      nonce,
      unsigned,
    }
  } catch {
    return undefined
  }
}
