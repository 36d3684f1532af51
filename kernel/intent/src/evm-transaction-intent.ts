import { encodeHex, evmChainId, isEqual, keccak256, sha256 } from '@countersign/bytes'
import { effectsOfEvmTransaction } from './effects.ts'
import { decodeEvmTransaction, encodeUnsignedEvmTransaction } from './evm-transaction.ts'
import type { Intent } from './intent.ts'

/**
 * What a signature over an unsigned EVM transaction can do. The digest to sign is taken from the bytes that the
 * decoded fields encode to, and those must be the bytes that came.
 * @throws {CountersignError} those of `decodeEvmTransaction` */
export function evmTransactionIntent(bytes: Uint8Array): Intent {
  const transaction = decodeEvmTransaction(bytes)
  const encoded = encodeUnsignedEvmTransaction(transaction)
  if (!isEqual(encoded, bytes)) throw new Error('bug: a decoded transaction encodes to other bytes')
  return {
    operation: 'sign-transaction',
    chain: evmChainId(transaction.chainId),
    effects: effectsOfEvmTransaction(transaction),
    toSign: keccak256(encoded),
    payloadDigest: encodeHex(sha256(encoded)),
    transaction,
  }
}
