import { concatBytes, encodeHex, isEqual } from '@countersign/bytes'
import { intentError } from '../catalogue.ts'
import {
  type ByteReader,
  compactSize,
  littleEndianOf,
  psbtInvalid,
  readBytes,
  readCompactSize,
  readVector,
  uintBytes,
  vector,
} from './bitcoin-bytes.ts'
import {
  checkAmount,
  decodeTransaction,
  type TransactionBytes,
  type TransactionInput,
  type TransactionOutput,
} from './transaction-bytes.ts'

export const psbtBytesMax = 1_000_000
export const psbtInputsMax = 1_000
export const psbtOutputsMax = 1_000
/** Fields of one map. */
const fieldsMax = 1_000

/** One key-value pair as it stands in the bytes. */
export interface PsbtField {
  readonly type: number
  readonly keyData: Uint8Array
  readonly value: Uint8Array
}
export type PsbtMap = readonly PsbtField[]

export interface Psbt {
  readonly version: 0 | 2
  readonly global: PsbtMap
  readonly inputs: readonly PsbtMap[]
  readonly outputs: readonly PsbtMap[]
  /** The transaction that is signed, without scripts and witnesses of its inputs. */
  readonly transaction: TransactionBytes
}

/** Field types, by map (BIP-174, BIP-370, BIP-371). Those of version 2 alone are marked. */
export const globalField = {
  unsignedTransaction: 0x00,
  transactionVersion: 0x02,
  fallbackLockTime: 0x03,
  inputCount: 0x04,
  outputCount: 0x05,
  modifiable: 0x06,
  version: 0xfb,
} as const
export const inputField = {
  previousTransaction: 0x00,
  witnessOutput: 0x01,
  partialSignature: 0x02,
  sighashType: 0x03,
  redeemScript: 0x04,
  witnessScript: 0x05,
  bip32Derivation: 0x06,
  finalScriptSig: 0x07,
  finalScriptWitness: 0x08,
  previousId: 0x0e,
  outputIndex: 0x0f,
  sequence: 0x10,
  timeLockTime: 0x11,
  heightLockTime: 0x12,
  taprootKeySignature: 0x13,
  taprootScriptSignature: 0x14,
  taprootBip32Derivation: 0x16,
} as const
export const outputField = {
  bip32Derivation: 0x02,
  amount: 0x03,
  script: 0x04,
  taprootBip32Derivation: 0x07,
} as const

const globalOfVersion2: readonly number[] = [0x02, 0x03, 0x04, 0x05, 0x06]
const inputOfVersion2: readonly number[] = [0x0e, 0x0f, 0x10, 0x11, 0x12]
const outputOfVersion2: readonly number[] = [0x03, 0x04]

/** How long the data in a key is, by type; types that are not here are not known here, and free. */
type KeyLengths = Readonly<Record<number, readonly number[]>>
const none = [0]
/** A key of secp256k1, compressed or not. */
const keyed = [33, 65]
const globalKeys: KeyLengths = { 0: none, 1: [78], 2: none, 3: none, 4: none, 5: none, 6: none, 251: none }
const inputKeys: KeyLengths = {
  ...Object.fromEntries([0, 1, 3, 4, 5, 7, 8, 9, 14, 15, 16, 17, 18, 19, 23, 24].map((type) => [type, none])),
  2: keyed,
  6: keyed,
  10: [20],
  11: [32],
  12: [20],
  13: [32],
  20: [64],
  22: [32],
}
const outputKeys: KeyLengths = { 0: none, 1: none, 2: keyed, 3: none, 4: none, 5: none, 6: none, 7: [32] }

const magic = Uint8Array.of(0x70, 0x73, 0x62, 0x74, 0xff)

/**
 * Decodes a PSBT to its last byte. Fields that are not known here are kept as they are.
 * @throws {CountersignError} INTENT_PSBT_INVALID, INTENT_TOO_LARGE */
export function decodePsbt(bytes: Uint8Array): Psbt {
  if (bytes.length > psbtBytesMax) {
    throw intentError('INTENT_TOO_LARGE', `The PSBT has ${bytes.length} bytes; ${psbtBytesMax} are allowed.`)
  }
  const reader: ByteReader = { bytes, at: 0 }
  if (!isEqual(readBytes(reader, magic.length), magic)) throw psbtInvalid('it does not start as a PSBT')
  const global = readMap(reader, globalKeys)
  const version = versionOf(global)
  const unsigned = version === 0 ? unsignedTransactionOf(global) : undefined
  const inputCount = unsigned?.inputs.length ?? countOf(global, globalField.inputCount)
  const outputCount = unsigned?.outputs.length ?? countOf(global, globalField.outputCount)
  checkCount(inputCount, psbtInputsMax, 'inputs')
  checkCount(outputCount, psbtOutputsMax, 'outputs')
  const inputs = Array.from({ length: inputCount }, () => readMap(reader, inputKeys))
  const outputs = Array.from({ length: outputCount }, () => readMap(reader, outputKeys))
  if (reader.at !== bytes.length) throw psbtInvalid('bytes follow its end')
  const psbt = { version, global, inputs, outputs }
  if (unsigned !== undefined) {
    checkNone([global], globalOfVersion2)
    checkNone(inputs, inputOfVersion2)
    checkNone(outputs, outputOfVersion2)
  }
  const transaction = unsigned ?? transactionOfVersion2(global, inputs, outputs)
  checkOutpoints(transaction)
  return { ...psbt, transaction }
}

/** The inverse of `decodePsbt`. */
export function encodePsbt({ global, inputs, outputs }: Omit<Psbt, 'transaction' | 'version'>): Uint8Array {
  return concatBytes(magic, ...[global, ...inputs, ...outputs].map(encodeMap))
}

/** The value of a field whose key has no data, or undefined. */
export function fieldValue(map: PsbtMap, type: number): Uint8Array | undefined {
  return map.find((one) => one.type === type)?.value
}

export function hasField(map: PsbtMap, types: readonly number[]): boolean {
  return map.some(({ type }) => types.includes(type))
}

function readMap(reader: ByteReader, keyLengths: KeyLengths): PsbtField[] {
  const fields: PsbtField[] = []
  const keys = new Set<string>()
  for (;;) {
    const key = readVector(reader)
    if (key.length === 0) return fields
    const name = encodeHex(key)
    if (keys.has(name)) throw psbtInvalid('a key stands twice in a map')
    keys.add(name)
    if (fields.length === fieldsMax) {
      throw intentError('INTENT_TOO_LARGE', `The PSBT has a map with more than ${fieldsMax} fields.`)
    }
    const keyReader: ByteReader = { bytes: key, at: 0 }
    const type = readCompactSize(keyReader)
    const keyData = key.slice(keyReader.at)
    if (keyLengths[type]?.includes(keyData.length) === false) {
      throw psbtInvalid(`a key of type ${type} has ${keyData.length} bytes of data`)
    }
    fields.push({ type, keyData, value: readVector(reader) })
  }
}

function encodeMap(map: PsbtMap): Uint8Array {
  return concatBytes(
    ...map.flatMap(({ type, keyData, value }) => [
      vector(concatBytes(compactSize(type), keyData)),
      vector(value),
    ]),
    Uint8Array.of(0),
  )
}

function versionOf(global: PsbtMap): 0 | 2 {
  const value = fieldValue(global, globalField.version)
  if (value === undefined) return 0
  const version = uint32Of(value, 'its version')
  if (version !== 0 && version !== 2) throw psbtInvalid(`version ${version} is not known`)
  return version
}

function unsignedTransactionOf(global: PsbtMap): TransactionBytes {
  const value = fieldValue(global, globalField.unsignedTransaction)
  if (value === undefined) throw psbtInvalid('it has no transaction')
  const transaction = decodeTransaction(value, 'unsigned')
  if (transaction.inputs.some(({ scriptSig }) => scriptSig.length > 0)) {
    throw psbtInvalid('its unsigned transaction has a signature script')
  }
  return transaction
}

function transactionOfVersion2(
  global: PsbtMap,
  inputs: readonly PsbtMap[],
  outputs: readonly PsbtMap[],
): TransactionBytes {
  checkNone([global], [globalField.unsignedTransaction])
  return {
    version: uint32Of(fieldValue(global, globalField.transactionVersion), 'the transaction version'),
    inputs: inputs.map((map): TransactionInput => {
      const previousId = fieldValue(map, inputField.previousId)
      if (previousId?.length !== 32) throw psbtInvalid('an input has no previous transaction id')
      const sequence = fieldValue(map, inputField.sequence)
      return {
        previousId,
        previousIndex: uint32Of(fieldValue(map, inputField.outputIndex), 'the output index of an input'),
        scriptSig: new Uint8Array(0),
        sequence: sequence === undefined ? 0xffffffff : uint32Of(sequence, 'a sequence'),
        witness: [],
      }
    }),
    outputs: outputs.map((map): TransactionOutput => {
      const amount = fieldValue(map, outputField.amount)
      const script = fieldValue(map, outputField.script)
      if (amount?.length !== 8 || script === undefined)
        throw psbtInvalid('an output has no amount or no script')
      return { amountMinor: checkAmount(littleEndianOf(amount)), script }
    }),
    lockTime: lockTimeOf(global, inputs),
  }
}

/** First Unix time that a lock time means; what is below is a height. */
const lockTimeThreshold = 500_000_000

/** BIP-370, "Determining Lock Time": a height that all inputs take, else a time that all take, else the fallback. */
function lockTimeOf(global: PsbtMap, inputs: readonly PsbtMap[]): number {
  const required = inputs
    .map((map) => ({
      height: optionalUint32(map, inputField.heightLockTime, 'a height lock time'),
      time: optionalUint32(map, inputField.timeLockTime, 'a time lock time'),
    }))
    .filter(({ height, time }) => height !== undefined || time !== undefined)
  for (const { height, time } of required) {
    if (height !== undefined && (height === 0 || height >= lockTimeThreshold)) {
      throw psbtInvalid('a height lock time is no height')
    }
    if (time !== undefined && time < lockTimeThreshold) throw psbtInvalid('a time lock time is no time')
  }
  if (required.length === 0) {
    return optionalUint32(global, globalField.fallbackLockTime, 'the fallback lock time') ?? 0
  }
  for (const kind of ['height', 'time'] as const) {
    const values = required.map((one) => one[kind])
    if (values.every((value) => value !== undefined)) return Math.max(...values)
  }
  throw psbtInvalid('its inputs require lock times of different kinds')
}

function optionalUint32(map: PsbtMap, type: number, name: string): number | undefined {
  const value = fieldValue(map, type)
  return value === undefined ? undefined : uint32Of(value, name)
}

function uint32Of(value: Uint8Array | undefined, name: string): number {
  if (value?.length !== 4) throw psbtInvalid(`${name} is missing or not 4 bytes long`)
  return Number(littleEndianOf(value))
}

function countOf(global: PsbtMap, type: number): number {
  const value = fieldValue(global, type)
  if (value === undefined) throw psbtInvalid('it does not count its inputs and outputs')
  const reader: ByteReader = { bytes: value, at: 0 }
  const count = readCompactSize(reader)
  if (reader.at !== value.length) throw psbtInvalid('a count has more bytes than it needs')
  return count
}

function checkCount(count: number, max: number, what: string): void {
  if (count === 0) throw psbtInvalid(`it has no ${what}`)
  if (count > max) throw intentError('INTENT_TOO_LARGE', `The PSBT has more than ${max} ${what}.`)
}

function checkNone(maps: readonly PsbtMap[], types: readonly number[]): void {
  if (maps.some((map) => hasField(map, types))) throw psbtInvalid('it has a field of the other version')
}

function checkOutpoints({ inputs }: TransactionBytes): void {
  const outpoints = inputs.map(({ previousId, previousIndex }) => `${encodeHex(previousId)}:${previousIndex}`)
  if (new Set(outpoints).size !== outpoints.length) throw psbtInvalid('it spends an output twice')
}

/** BIP-370: once something is signed for, inputs and outputs can no longer change. */
export function withoutModifiable(global: PsbtMap): PsbtMap {
  return global.map((field) =>
    field.type === globalField.modifiable
      ? { ...field, value: uintBytes(BigInt(field.value[0] ?? 0) & ~3n, 1) }
      : field,
  )
}
