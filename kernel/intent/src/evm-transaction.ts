import { concatBytes, decodeHex, encodeHex, type Hex, keccak256 } from '@countersign/bytes'
import { intentError } from './catalogue.ts'
import type { AccessListItem, EvmTransaction, EvmTransactionType, SignedAuthorization } from './intent.ts'
import { decodeRlp, encodeRlp, type RlpItem } from './rlp.ts'
import {
  bytesOfUint,
  chainIdMax,
  decodeFixed,
  decodeList,
  decodeString,
  decodeUint,
  encodeFixed,
  encodeUint,
  nonceMax,
  uint64Max,
  uint256Max,
  uintOf,
} from './rlp-fields.ts'

/** geth's limit for a transaction in its pool (without blobs). */
export const transactionBytesMax = 131_072
/** Far over what a block holds. */
const blobsMax = 64
const authorizationsMax = 256

type TypedType = Exclude<EvmTransactionType, 0>

/** Items of the unsigned list; a signed one has three more (y parity, r, s). */
const unsignedItems: Record<TypedType, number> = { 1: 8, 2: 9, 3: 11, 4: 10 }

/**
 * Decodes the unsigned serialisation of a transaction: what would be hashed and signed.
 * Types 0 (only with EIP-155 chain id), 1 (EIP-2930), 2 (EIP-1559), 3 (EIP-4844, the payload without its blobs)
 * and 4 (EIP-7702). What is returned encodes back to the same bytes.
 * @throws {CountersignError} INTENT_TRANSACTION_*, INTENT_RLP_INVALID, INTENT_TOO_LARGE */
export function decodeEvmTransaction(bytes: Uint8Array): EvmTransaction {
  if (bytes.length > transactionBytesMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `The transaction has ${bytes.length} bytes; ${transactionBytesMax} are allowed.`,
    )
  }
  const first = bytes[0]
  if (first === undefined) throw invalid('it is empty')
  if (first >= 0xc0) return decodeLegacy(decodeList(decodeRlp(bytes), 'the transaction'))
  if (first !== 1 && first !== 2 && first !== 3 && first !== 4) {
    throw intentError(
      'INTENT_TRANSACTION_TYPE_UNKNOWN',
      `The first byte, 0x${first.toString(16).padStart(2, '0')}, is no transaction type that is decoded here.`,
    )
  }
  return decodeTyped(first, decodeList(decodeRlp(bytes.subarray(1)), 'the transaction'))
}

/**
 * The inverse of `decodeEvmTransaction`. Fields are checked again, so that this cannot make bytes that would not decode.
 * @throws {CountersignError} INTENT_TRANSACTION_INVALID, INTENT_TOO_LARGE, BYTES_NOT_HEX */
export function encodeUnsignedEvmTransaction(transaction: EvmTransaction): Uint8Array {
  const fields = encodeFields(transaction)
  if (transaction.type === 0) {
    const chainId = encodeUint(transaction.chainId, 'chainId', chainIdMax)
    return withinLimit(encodeRlp([...fields, chainId, empty, empty]))
  }
  return withinLimit(typedBytes(transaction.type, fields))
}

export interface EvmSignature {
  readonly r: bigint | Uint8Array
  readonly s: bigint | Uint8Array
  readonly yParity: number
}

/**
 * The wire form of a signed transaction. For type 3 it is the consensus form; the blobs' sidecar is the sender's to add.
 * @throws {CountersignError} INTENT_SIGNATURE_INVALID and those of `encodeUnsignedEvmTransaction` */
export function serializeSignedEvmTransaction(
  transaction: EvmTransaction,
  signature: EvmSignature,
): Uint8Array {
  const fields = encodeFields(transaction)
  const { r, s, yParity } = parseSignature(signature)
  if (transaction.type === 0) {
    // EIP-155.
    const v = transaction.chainId * 2n + 35n + BigInt(yParity)
    return encodeRlp([...fields, bytesOfUint(v), bytesOfUint(r), bytesOfUint(s)])
  }
  return typedBytes(transaction.type, [
    ...fields,
    bytesOfUint(BigInt(yParity)),
    bytesOfUint(r),
    bytesOfUint(s),
  ])
}

/** @param serialized As `serializeSignedEvmTransaction` returns it. */
export function evmTransactionHash(serialized: Uint8Array): Hex {
  return encodeHex(keccak256(serialized))
}

function decodeLegacy(items: readonly RlpItem[]): EvmTransaction {
  if (items.length === 6) {
    throw intentError(
      'INTENT_TRANSACTION_WITHOUT_CHAIN',
      'The legacy transaction names no chain; signed, it would be valid on every chain.',
    )
  }
  if (items.length !== 9) throw invalid(`it has ${items.length} fields where the unsigned legacy form has 9`)
  if (decodeString(items[7], 'r').length > 0 || decodeString(items[8], 's').length > 0) throw signed()
  const transaction: EvmTransaction = {
    type: 0,
    chainId: decodeChainId(items[6]),
    nonce: decodeUint(items[0], 'nonce', nonceMax),
    gasPrice: decodeUint(items[1], 'gasPrice', uint256Max),
    gasLimit: decodeUint(items[2], 'gasLimit', uint64Max),
    to: decodeTo(items[3]),
    value: decodeUint(items[4], 'value', uint256Max),
    data: encodeHex(decodeString(items[5], 'data')),
  }
  return transaction
}

function decodeTyped(type: TypedType, items: readonly RlpItem[]): EvmTransaction {
  checkItems(type, items)
  const priced = type !== 1
  // Types 2 to 4 have two prices where type 1 has one.
  const at = priced ? 4 : 3
  const transaction: EvmTransaction = {
    type,
    chainId: decodeChainId(items[0]),
    nonce: decodeUint(items[1], 'nonce', nonceMax),
    ...(priced
      ? {
          maxPriorityFeePerGas: decodeUint(items[2], 'maxPriorityFeePerGas', uint256Max),
          maxFeePerGas: decodeUint(items[3], 'maxFeePerGas', uint256Max),
        }
      : { gasPrice: decodeUint(items[2], 'gasPrice', uint256Max) }),
    gasLimit: decodeUint(items[at], 'gasLimit', uint64Max),
    to: decodeTo(items[at + 1]),
    value: decodeUint(items[at + 2], 'value', uint256Max),
    data: encodeHex(decodeString(items[at + 3], 'data')),
    accessList: decodeAccessList(items[at + 4]),
    ...(type === 3
      ? {
          maxFeePerBlobGas: decodeUint(items[9], 'maxFeePerBlobGas', uint256Max),
          blobVersionedHashes: decodeList(items[10], 'blobVersionedHashes').map((hash) =>
            decodeFixed(hash, 'a blob versioned hash', 32),
          ),
        }
      : {}),
    ...(type === 4 ? { authorizationList: decodeAuthorizations(items[9]) } : {}),
  }
  checkTransaction(transaction)
  return transaction
}

function checkItems(type: TypedType, items: readonly RlpItem[]): void {
  const count = unsignedItems[type]
  if (items.length === count) return
  if (items.length === count + 3) throw signed()
  if (type === 3 && Array.isArray(items[0])) {
    throw invalid('it is in the network form with its blobs; the unsigned payload alone is signed')
  }
  throw invalid(`it has ${items.length} fields where an unsigned one of type ${type} has ${count}`)
}

/** A field that the type does not have would silently be left out of what is signed. */
function checkForeignFields(transaction: EvmTransaction): void {
  const { type } = transaction
  const foreign: [boolean, keyof EvmTransaction][] = [
    [type >= 2, 'gasPrice'],
    [type < 2, 'maxFeePerGas'],
    [type < 2, 'maxPriorityFeePerGas'],
    [type === 0, 'accessList'],
    [type !== 3, 'maxFeePerBlobGas'],
    [type !== 3, 'blobVersionedHashes'],
    [type !== 4, 'authorizationList'],
  ]
  for (const [absent, field] of foreign) {
    if (absent && transaction[field] !== undefined) throw invalid(`type ${type} has no ${field}`)
  }
}

/** What the specifications of the types ask beyond the fields' own ranges. */
function checkTransaction(transaction: EvmTransaction): void {
  const { type, to, blobVersionedHashes = [], authorizationList = [] } = transaction
  if (transaction.chainId < 1n) throw invalid('its chain id is 0')
  if (type === 3 || type === 4) {
    if (to === undefined) throw invalid(`type ${type} cannot deploy; it has no recipient`)
  }
  if (type >= 2 && (transaction.maxPriorityFeePerGas ?? 0n) > (transaction.maxFeePerGas ?? 0n)) {
    throw invalid('maxPriorityFeePerGas is over maxFeePerGas')
  }
  if (type === 3) {
    if (blobVersionedHashes.length === 0) throw invalid('a blob transaction has no blobs')
    if (blobVersionedHashes.length > blobsMax) throw tooMany('blobs', blobsMax)
    if (!blobVersionedHashes.every((hash) => hash.startsWith('0x01'))) {
      throw invalid('a blob versioned hash does not start with version 0x01')
    }
  }
  if (type === 4) {
    if (authorizationList.length === 0) throw invalid('a set-code transaction has no authorizations')
    if (authorizationList.length > authorizationsMax) throw tooMany('authorizations', authorizationsMax)
  }
}

function decodeChainId(item: RlpItem | undefined): bigint {
  const chainId = decodeUint(item, 'chainId', chainIdMax)
  if (chainId === 0n) throw invalid('its chain id is 0')
  return chainId
}

function decodeTo(item: RlpItem | undefined): Hex | undefined {
  const bytes = decodeString(item, 'to')
  return bytes.length === 0 ? undefined : decodeFixed(bytes, 'to', 20)
}

function decodeAccessList(item: RlpItem | undefined): readonly AccessListItem[] {
  return decodeList(item, 'accessList').map((entry) => {
    const fields = decodeList(entry, 'an entry of the access list')
    if (fields.length !== 2) throw invalid('an entry of the access list has not 2 fields')
    return {
      address: decodeFixed(fields[0], 'an address of the access list', 20),
      storageKeys: decodeList(fields[1], 'storageKeys').map((key) => decodeFixed(key, 'a storage key', 32)),
    }
  })
}

function decodeAuthorizations(item: RlpItem | undefined): readonly SignedAuthorization[] {
  return decodeList(item, 'authorizationList').map((entry) => {
    const fields = decodeList(entry, 'an authorization')
    if (fields.length !== 6) throw invalid('an authorization has not 6 fields')
    return {
      chainId: decodeUint(fields[0], 'chainId of an authorization', chainIdMax),
      address: decodeFixed(fields[1], 'address of an authorization', 20),
      nonce: decodeUint(fields[2], 'nonce of an authorization', uint64Max),
      yParity: decodeUint(fields[3], 'yParity of an authorization', 1n) === 1n ? 1 : 0,
      r: decodeUint(fields[4], 'r of an authorization', uint256Max),
      s: decodeUint(fields[5], 's of an authorization', uint256Max),
    }
  })
}

/** All fields but the signature, and but the chain id of a legacy transaction. */
function encodeFields(transaction: EvmTransaction): RlpItem[] {
  checkForeignFields(transaction)
  checkTransaction(transaction)
  const { type } = transaction
  const nonce = encodeUint(transaction.nonce, 'nonce', nonceMax)
  const prices =
    type < 2
      ? [encodeUint(transaction.gasPrice, 'gasPrice', uint256Max)]
      : [
          encodeUint(transaction.maxPriorityFeePerGas, 'maxPriorityFeePerGas', uint256Max),
          encodeUint(transaction.maxFeePerGas, 'maxFeePerGas', uint256Max),
        ]
  const common: RlpItem[] = [
    nonce,
    ...prices,
    encodeUint(transaction.gasLimit, 'gasLimit', uint64Max),
    transaction.to === undefined ? empty : encodeFixed(transaction.to, 'to', 20),
    encodeUint(transaction.value, 'value', uint256Max),
    decodeHex(transaction.data, 'data'),
  ]
  if (type === 0) return common
  const fields: RlpItem[] = [encodeUint(transaction.chainId, 'chainId', chainIdMax), ...common]
  fields.push((transaction.accessList ?? []).map(encodeAccess))
  if (type === 3) {
    fields.push(
      encodeUint(transaction.maxFeePerBlobGas, 'maxFeePerBlobGas', uint256Max),
      (transaction.blobVersionedHashes ?? []).map((hash) => encodeFixed(hash, 'a blob versioned hash', 32)),
    )
  }
  if (type === 4) fields.push((transaction.authorizationList ?? []).map(encodeAuthorization))
  return fields
}

function encodeAccess({ address, storageKeys }: AccessListItem): RlpItem {
  return [
    encodeFixed(address, 'an address of the access list', 20),
    storageKeys.map((key) => encodeFixed(key, 'a storage key', 32)),
  ]
}

function encodeAuthorization(authorization: SignedAuthorization): RlpItem {
  return [
    encodeUint(authorization.chainId, 'chainId of an authorization', chainIdMax),
    encodeFixed(authorization.address, 'address of an authorization', 20),
    encodeUint(authorization.nonce, 'nonce of an authorization', uint64Max),
    encodeUint(BigInt(authorization.yParity), 'yParity of an authorization', 1n),
    encodeUint(authorization.r, 'r of an authorization', uint256Max),
    encodeUint(authorization.s, 's of an authorization', uint256Max),
  ]
}

const empty = new Uint8Array(0)

function typedBytes(type: TypedType, fields: readonly RlpItem[]): Uint8Array {
  return concatBytes(Uint8Array.of(type), encodeRlp(fields))
}

function withinLimit(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= transactionBytesMax) return bytes
  throw intentError('INTENT_TOO_LARGE', `The transaction encodes to more than ${transactionBytesMax} bytes.`)
}

/** Order of secp256k1 (SEC 2, section 2.4.1). */
const secp256k1Order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

function parseSignature({ r, s, yParity }: EvmSignature): { r: bigint; s: bigint; yParity: 0 | 1 } {
  const rValue = scalarOf(r)
  const sValue = scalarOf(s)
  if (rValue < 1n || rValue >= secp256k1Order) throw badSignature('r is out of range')
  // EIP-2: the upper half is not valid on chain.
  if (sValue < 1n || sValue > secp256k1Order / 2n)
    throw badSignature('s is out of range or in the upper half')
  if (yParity !== 0 && yParity !== 1) throw badSignature('yParity is neither 0 nor 1')
  return { r: rValue, s: sValue, yParity }
}

function scalarOf(value: bigint | Uint8Array): bigint {
  if (typeof value === 'bigint') return value
  if (value.length !== 32) throw badSignature('r or s is not 32 bytes long')
  return uintOf(value)
}

function signed() {
  return intentError('INTENT_TRANSACTION_SIGNED', 'The transaction carries a signature already.')
}

function tooMany(what: string, max: number) {
  return intentError('INTENT_TOO_LARGE', `The transaction has more than ${max} ${what}.`)
}

function invalid(what: string) {
  return intentError('INTENT_TRANSACTION_INVALID', `The transaction does not decode: ${what}.`)
}

function badSignature(what: string) {
  return intentError('INTENT_SIGNATURE_INVALID', `The signature cannot stand in a transaction: ${what}.`)
}
