import type { ChainId, Hex } from '@countersign/bytes'

/** An output that carries data (OP_RETURN); coins in it are lost. */
export interface DataOutput {
  readonly kind: 'data-output'
  readonly chain: ChainId
  readonly data: Hex
  readonly amountMinor: bigint
}
