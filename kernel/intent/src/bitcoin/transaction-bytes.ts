import { concatBytes, encodeHex } from '@countersign/bytes'
import {
  type ByteReader,
  compactSize,
  doubleSha256,
  psbtInvalid,
  readBytes,
  readCompactSize,
  readList,
  readUint32,
  readUint64,
  readVector,
  uintBytes,
  vector,
} from './bitcoin-bytes.ts'

/** 21 million coins. */
export const moneyMax = 2_100_000_000_000_000n

export interface TransactionInput {
  /** In the order of bytes in which it is hashed, the reverse of how it is shown. */
  readonly previousId: Uint8Array
  readonly previousIndex: number
  readonly scriptSig: Uint8Array
  readonly sequence: number
  readonly witness: readonly Uint8Array[]
}

export interface TransactionOutput {
  readonly amountMinor: bigint
  readonly script: Uint8Array
}

export interface TransactionBytes {
  readonly version: number
  readonly inputs: readonly TransactionInput[]
  readonly outputs: readonly TransactionOutput[]
  readonly lockTime: number
}

/**
 * Decodes a transaction to its last byte.
 * @param form `unsigned`: as PSBT version 0 has it, without witnesses (and so with no ambiguity of the segwit marker).
 * @throws {CountersignError} INTENT_PSBT_INVALID
 * @see BIP-144 */
export function decodeTransaction(bytes: Uint8Array, form: 'unsigned' | 'any'): TransactionBytes {
  const reader: ByteReader = { bytes, at: 0 }
  const version = readUint32(reader)
  const hasWitness = form === 'any' && bytes[4] === 0
  if (hasWitness) {
    readBytes(reader, 1)
    if (readBytes(reader, 1)[0] !== 1) throw psbtInvalid('a transaction has an unknown flag')
  }
  // An input takes at least 32 + 4 + 1 + 4 bytes, an output 8 + 1.
  const bare = readList(reader, 41, () => ({
    previousId: readBytes(reader, 32),
    previousIndex: readUint32(reader),
    scriptSig: readVector(reader),
    sequence: readUint32(reader),
  }))
  const outputs = readList(reader, 9, () => ({
    amountMinor: checkAmount(readUint64(reader)),
    script: readVector(reader),
  }))
  const inputs = bare.map((input) => ({
    ...input,
    witness: hasWitness ? readList(reader, 1, () => readVector(reader)) : [],
  }))
  if (hasWitness && inputs.every(({ witness }) => witness.length === 0)) {
    throw psbtInvalid('a transaction has the form with witnesses, but no witness')
  }
  const lockTime = readUint32(reader)
  if (reader.at !== bytes.length) throw psbtInvalid('bytes follow the end of a transaction')
  return { version, inputs, outputs, lockTime }
}

export function checkAmount(amountMinor: bigint): bigint {
  if (amountMinor > moneyMax) throw psbtInvalid('an amount is over 21 million coins')
  return amountMinor
}

/** BIP-144: with witnesses if there is any. */
export function encodeTransaction(transaction: TransactionBytes): Uint8Array {
  const { version, inputs, outputs, lockTime } = transaction
  if (inputs.every(({ witness }) => witness.length === 0)) return encodeWithoutWitness(transaction)
  return concatBytes(
    uintBytes(version, 4),
    Uint8Array.of(0, 1),
    encodeInputs(inputs),
    encodeOutputs(outputs),
    ...inputs.flatMap(({ witness }) => [compactSize(witness.length), ...witness.map(vector)]),
    uintBytes(lockTime, 4),
  )
}

/** What the transaction id is the hash of. */
export function encodeWithoutWitness(transaction: TransactionBytes): Uint8Array {
  const { version, inputs, outputs, lockTime } = transaction
  return concatBytes(
    uintBytes(version, 4),
    encodeInputs(inputs),
    encodeOutputs(outputs),
    uintBytes(lockTime, 4),
  )
}

/** In the order of bytes in which inputs name it. */
export function transactionIdBytes(transaction: TransactionBytes): Uint8Array {
  return doubleSha256(encodeWithoutWitness(transaction))
}

/** As explorers show it: reversed, without 0x. */
export function shownTransactionId(id: Uint8Array): string {
  return encodeHex(new Uint8Array(id).reverse()).slice(2)
}

/** @returns the stack of items of a finalized witness (BIP-174). */
export function decodeWitness(bytes: Uint8Array): readonly Uint8Array[] {
  const reader: ByteReader = { bytes, at: 0 }
  const items = Array.from({ length: checkedCount(reader) }, () => readVector(reader))
  if (reader.at !== bytes.length) throw psbtInvalid('bytes follow the end of a witness')
  return items
}

function checkedCount(reader: ByteReader): number {
  const count = readCompactSize(reader)
  if (count > reader.bytes.length) throw psbtInvalid('it ends too early')
  return count
}

export function outpointBytes({ previousId, previousIndex }: TransactionInput): Uint8Array {
  return concatBytes(previousId, uintBytes(previousIndex, 4))
}

export function outputBytes({ amountMinor, script }: TransactionOutput): Uint8Array {
  return concatBytes(uintBytes(amountMinor, 8), vector(script))
}

function encodeInputs(inputs: readonly TransactionInput[]): Uint8Array {
  return concatBytes(
    compactSize(inputs.length),
    ...inputs.flatMap((input) => [
      outpointBytes(input),
      vector(input.scriptSig),
      uintBytes(input.sequence, 4),
    ]),
  )
}

function encodeOutputs(outputs: readonly TransactionOutput[]): Uint8Array {
  return concatBytes(compactSize(outputs.length), ...outputs.map(outputBytes))
}
