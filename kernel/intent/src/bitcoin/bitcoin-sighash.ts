import { concatBytes, sha256 } from '@countersign/bytes'
import { doubleSha256, uintBytes, vector } from './bitcoin-bytes.ts'
import { taggedHash } from './bitcoin-script.ts'
import {
  outpointBytes,
  outputBytes,
  type TransactionBytes,
  type TransactionInput,
  type TransactionOutput,
} from './transaction-bytes.ts'

export const sighashDefault = 0
export const sighashAll = 1

/** Digests of a transaction that commit to all of it; what they share is hashed once. */
export interface SighashContext {
  /** BIP-143, SIGHASH_ALL, for an input that spends P2WPKH. Commits to the amount of that input alone. */
  witnessV0(index: number): Uint8Array
  /** BIP-341, key path without annex. Commits to the amounts and scripts of all inputs. */
  taproot(index: number, sighashType: typeof sighashDefault | typeof sighashAll): Uint8Array
}

/** @param spent The outputs that the inputs spend, in their order. */
export function sighashContext(
  transaction: TransactionBytes,
  spent: readonly TransactionOutput[],
): SighashContext {
  const { version, inputs, outputs, lockTime } = transaction
  const prevouts = concatBytes(...inputs.map(outpointBytes))
  const sequences = concatBytes(...inputs.map(sequenceBytes))
  const allOutputs = concatBytes(...outputs.map(outputBytes))
  const v0 = [prevouts, sequences, allOutputs].map(doubleSha256)
  const v1 = concatBytes(
    uintBytes(version, 4),
    uintBytes(lockTime, 4),
    sha256(prevouts),
    sha256(concatBytes(...spent.map(({ amountMinor }) => uintBytes(amountMinor, 8)))),
    sha256(concatBytes(...spent.map(({ script }) => vector(script)))),
    sha256(sequences),
    sha256(allOutputs),
  )
  return {
    witnessV0(index) {
      const [hashPrevouts, hashSequences, hashOutputs] = v0 as [Uint8Array, Uint8Array, Uint8Array]
      const input = inputs[index] as TransactionInput
      const { amountMinor, script } = spent[index] as TransactionOutput
      const scriptCode = Uint8Array.of(0x76, 0xa9, 0x14, ...script.subarray(2), 0x88, 0xac)
      return doubleSha256(
        concatBytes(
          uintBytes(version, 4),
          hashPrevouts,
          hashSequences,
          outpointBytes(input),
          vector(scriptCode),
          uintBytes(amountMinor, 8),
          sequenceBytes(input),
          hashOutputs,
          uintBytes(lockTime, 4),
          uintBytes(sighashAll, 4),
        ),
      )
    },
    taproot(index, sighashType) {
      // Epoch 0; spend type 0: key path, no annex.
      return taggedHash(
        'TapSighash',
        Uint8Array.of(0, sighashType),
        v1,
        Uint8Array.of(0),
        uintBytes(index, 4),
      )
    },
  }
}

function sequenceBytes({ sequence }: TransactionInput): Uint8Array {
  return uintBytes(sequence, 4)
}
