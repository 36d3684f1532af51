import { concatBytes, encodeSolanaAddress, isEqual, type SolanaAddress } from '@countersign/bytes'
import { intentError } from '../catalogue.ts'

/** What fits into one packet: IPv6's least MTU without headers (solana-packet, PACKET_DATA_SIZE). */
export const solanaTransactionBytesMax = 1_232
export const solanaSignatureBytes = 64
/** Account indexes are single bytes. */
const accountsMax = 256
const addressBytes = 32

export interface SolanaMessage {
  readonly version: 'legacy' | 0
  readonly requiredSignatures: number
  readonly readonlySigned: number
  readonly readonlyUnsigned: number
  /** 32 bytes each; the first pays the fee. */
  readonly staticAccounts: readonly Uint8Array[]
  readonly blockhash: Uint8Array
  readonly instructions: readonly CompiledInstruction[]
  /** Always empty in a legacy message. */
  readonly lookups: readonly TableLookup[]
}

export interface CompiledInstruction {
  readonly programIndex: number
  readonly accountIndexes: Uint8Array
  readonly data: Uint8Array
}

export interface TableLookup {
  readonly table: Uint8Array
  readonly writableIndexes: Uint8Array
  readonly readonlyIndexes: Uint8Array
}

/**
 * Decodes the message of a transaction, legacy or version 0: what would be signed. It must be one that a validator
 * takes (solana-message, `sanitize` of both versions), in its only encoding, with nothing after its end.
 * @throws {CountersignError} INTENT_SOLANA_MESSAGE_INVALID, INTENT_TRANSACTION_TYPE_UNKNOWN, INTENT_TOO_LARGE */
export function decodeSolanaMessage(bytes: Uint8Array): SolanaMessage {
  if (bytes.length > solanaTransactionBytesMax) throw tooLarge(bytes.length)
  const first = bytes[0]
  if (first !== undefined && first > 0x80) {
    throw intentError(
      'INTENT_TRANSACTION_TYPE_UNKNOWN',
      `The message is of version ${first & 0x7f}; legacy messages and version 0 are decoded here.`,
    )
  }
  const reader: Reader = { bytes, at: 0 }
  const message = readMessage(reader)
  if (reader.at !== bytes.length) throw invalid(`${bytes.length - reader.at} bytes follow its end`)
  checkMessage(message)
  const wireBytes = 1 + solanaSignatureBytes * message.requiredSignatures + bytes.length
  if (wireBytes > solanaTransactionBytesMax) throw tooLarge(wireBytes)
  if (!isEqual(encodeSolanaMessage(message), bytes)) {
    throw new Error('bug: a decoded message encodes to other bytes')
  }
  return message
}

/** The inverse of `decodeSolanaMessage`. */
export function encodeSolanaMessage(message: SolanaMessage): Uint8Array {
  const { version, staticAccounts, instructions, lookups } = message
  const parts: Uint8Array[] = []
  if (version === 0) parts.push(Uint8Array.of(0x80))
  parts.push(
    Uint8Array.of(message.requiredSignatures, message.readonlySigned, message.readonlyUnsigned),
    encodeCompactU16(staticAccounts.length),
    ...staticAccounts,
    message.blockhash,
    encodeCompactU16(instructions.length),
  )
  for (const { programIndex, accountIndexes, data } of instructions) {
    parts.push(Uint8Array.of(programIndex), encodeCompactU16(accountIndexes.length), accountIndexes)
    parts.push(encodeCompactU16(data.length), data)
  }
  if (version === 0) {
    parts.push(encodeCompactU16(lookups.length))
    for (const { table, writableIndexes, readonlyIndexes } of lookups) {
      parts.push(table, encodeCompactU16(writableIndexes.length), writableIndexes)
      parts.push(encodeCompactU16(readonlyIndexes.length), readonlyIndexes)
    }
  }
  return concatBytes(...parts)
}

/**
 * Whether the bytes start like a message of any version, sane or not: wider than what validators take, so that
 * nothing that could be a transaction is signed as something else. Versions 64 and up do not count: their first byte
 * starts UTF-8 text, or, as 0xff, an off-chain message. */
export function couldBeSolanaMessage(bytes: Uint8Array): boolean {
  const first = bytes[0]
  if (first === undefined || first >= 0xc0) return false
  if (first > 0x80) return true
  try {
    const { requiredSignatures } = readMessage({ bytes, at: 0 })
    // Long texts can have the form of a message with many signers, which fits into no packet.
    return 1 + solanaSignatureBytes * requiredSignatures + bytes.length <= solanaTransactionBytesMax
  } catch {
    return false
  }
}

interface Reader {
  readonly bytes: Uint8Array
  at: number
}

function readMessage(reader: Reader): SolanaMessage {
  const version = reader.bytes[0] === 0x80 ? 0 : 'legacy'
  if (version === 0) reader.at++
  const header = take(reader, 3)
  const staticAccounts = readMany(reader, 'account', () => take(reader, addressBytes))
  const blockhash = take(reader, addressBytes)
  const instructions = readMany(reader, 'instruction', () => ({
    programIndex: take(reader, 1)[0] as number,
    accountIndexes: readBytes(reader),
    data: readBytes(reader),
  }))
  const lookups =
    version === 'legacy'
      ? []
      : readMany(reader, 'table lookup', () => ({
          table: take(reader, addressBytes),
          writableIndexes: readBytes(reader),
          readonlyIndexes: readBytes(reader),
        }))
  const [requiredSignatures, readonlySigned, readonlyUnsigned] = header as unknown as [number, number, number]
  return {
    version,
    requiredSignatures,
    readonlySigned,
    readonlyUnsigned,
    staticAccounts,
    blockhash,
    instructions,
    lookups,
  }
}

function checkMessage(message: SolanaMessage): void {
  const { requiredSignatures, readonlySigned, readonlyUnsigned, staticAccounts, lookups } = message
  // At least one signer, the fee payer, must be writable.
  if (readonlySigned >= requiredSignatures) throw invalid('no signer is writable, so nobody pays the fee')
  if (requiredSignatures + readonlyUnsigned > staticAccounts.length) {
    throw invalid('its header counts more accounts than it lists')
  }
  let accounts = staticAccounts.length
  for (const { writableIndexes, readonlyIndexes } of lookups) {
    if (writableIndexes.length + readonlyIndexes.length === 0)
      throw invalid('a table lookup takes no account')
    accounts += writableIndexes.length + readonlyIndexes.length
  }
  if (accounts > accountsMax) throw invalid(`it has more than ${accountsMax} accounts`)
  for (const { programIndex, accountIndexes } of message.instructions) {
    // Programs are never taken from a table, and the fee payer is no program.
    if (programIndex === 0 || programIndex >= staticAccounts.length) {
      throw invalid('the program of an instruction is the fee payer or not among its accounts')
    }
    if (accountIndexes.some((index) => index >= accounts)) {
      throw invalid('an instruction names an account that is not there')
    }
  }
  checkDistinct(staticAccounts, 'account')
  checkDistinct(
    lookups.map(({ table }) => table),
    'lookup table',
  )
}

function checkDistinct(addresses: readonly Uint8Array[], what: string): void {
  const seen = new Set<SolanaAddress>()
  for (const bytes of addresses) {
    const address = encodeSolanaAddress(bytes)
    if (seen.has(address)) throw invalid(`the ${what} ${address} stands in it twice`)
    seen.add(address)
  }
}

function readMany<T>(reader: Reader, what: string, read: () => T): T[] {
  const count = readCompactU16(reader)
  // Every item has at least one byte.
  if (count > reader.bytes.length - reader.at) throw invalid(`its ${what} list is longer than the message`)
  return Array.from({ length: count }, read)
}

function readBytes(reader: Reader): Uint8Array {
  return take(reader, readCompactU16(reader))
}

/** 7 bits a byte, low ones first, at most 3 bytes, in the shortest form only (solana-short-vec). */
function readCompactU16(reader: Reader): number {
  let value = 0
  for (let i = 0; i < 3; i++) {
    const byte = take(reader, 1)[0] as number
    value |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) {
      if (byte === 0 && i > 0) throw invalid('a length is not in its shortest form')
      if (value > 0xffff) break
      return value
    }
  }
  throw invalid('a length is over 65535')
}

function encodeCompactU16(value: number): Uint8Array {
  if (value < 0x80) return Uint8Array.of(value)
  if (value < 0x4000) return Uint8Array.of((value & 0x7f) | 0x80, value >> 7)
  return Uint8Array.of((value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14)
}

function take(reader: Reader, count: number): Uint8Array {
  const end = reader.at + count
  if (end > reader.bytes.length) throw invalid('it ends too early')
  // A copy: what was decided on must not change with the caller's buffer.
  const taken = new Uint8Array(reader.bytes.subarray(reader.at, end))
  reader.at = end
  return taken
}

function tooLarge(bytes: number) {
  return intentError(
    'INTENT_TOO_LARGE',
    `The transaction has ${bytes} bytes with its signatures; ${solanaTransactionBytesMax} are allowed.`,
  )
}

function invalid(what: string) {
  return intentError('INTENT_SOLANA_MESSAGE_INVALID', `The Solana message does not decode: ${what}.`)
}
