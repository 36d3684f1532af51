import { type Hex, parseAddress, parseAmountMinor, parseQuantity } from '@countersign/bytes'
import Type, { type Static } from 'typebox'
import { addressSchema, hexOf, hexUpTo, payloadBytesMax, quantitySchema, strict } from './api-values.ts'
import { wireError } from './catalogue.ts'

const accessListSchema = Type.Array(
  Type.Object(
    { address: addressSchema, storageKeys: Type.Array(hexOf(32, 'Storage slot.'), { maxItems: 1024 }) },
    strict,
  ),
  { maxItems: 256, description: 'EIP-2930.' },
)

const authorizationListSchema = Type.Array(
  Type.Object(
    {
      chainId: quantitySchema,
      address: addressSchema,
      nonce: quantitySchema,
      yParity: Type.Union([Type.Literal(0), Type.Literal(1)]),
      r: quantitySchema,
      s: quantitySchema,
    },
    strict,
  ),
  { maxItems: 64, description: 'EIP-7702 authorizations, already signed.' },
)

/** What a caller wants done; the engine may fill in nonce, gas, prices and type where they are not stated. */
export const transactionRequestSchema = Type.Object(
  {
    chainId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'EIP-155 chain id.' }),
    to: Type.Optional(addressSchema),
    value: Type.Optional(quantitySchema),
    data: Type.Optional(hexUpTo(payloadBytesMax, 'Calldata, or init code where `to` is not stated.')),
    type: Type.Optional(
      Type.Unsafe<0 | 1 | 2 | 3 | 4>({
        type: 'integer',
        enum: [0, 1, 2, 3, 4],
        description: 'EIP-2718 type.',
      }),
    ),
    nonce: Type.Optional(quantitySchema),
    gas: Type.Optional(quantitySchema),
    gasPrice: Type.Optional(quantitySchema),
    maxFeePerGas: Type.Optional(quantitySchema),
    maxPriorityFeePerGas: Type.Optional(quantitySchema),
    accessList: Type.Optional(accessListSchema),
    authorizationList: Type.Optional(authorizationListSchema),
    maxFeePerBlobGas: Type.Optional(quantitySchema),
    blobVersionedHashes: Type.Optional(Type.Array(hexOf(32, 'EIP-4844 versioned hash.'), { maxItems: 16 })),
  },
  {
    ...strict,
    description:
      'What is stated here is in the signed bytes exactly. Nonce, gas, prices and type may be filled in where they are not stated; anything else that is not stated is absent or zero.',
  },
)

export type TransactionRequest = Static<typeof transactionRequestSchema>

/** A decoded transaction; `EvmTransaction` of kernel/intent fits. */
export interface PreparedTransaction {
  readonly type: number
  readonly chainId: bigint
  readonly nonce: bigint
  readonly gasLimit: bigint
  readonly gasPrice?: bigint
  readonly maxFeePerGas?: bigint
  readonly maxPriorityFeePerGas?: bigint
  readonly to: Hex | undefined
  readonly value: bigint
  readonly data: Hex
  readonly accessList?: readonly { readonly address: Hex; readonly storageKeys: readonly Hex[] }[]
  readonly authorizationList?: readonly PreparedAuthorization[]
  readonly maxFeePerBlobGas?: bigint
  readonly blobVersionedHashes?: readonly Hex[]
}

export interface PreparedAuthorization {
  readonly chainId: bigint
  readonly address: Hex
  readonly nonce: bigint
  readonly yParity: number
  readonly r: bigint
  readonly s: bigint
}

/** EIP-4844 GAS_PER_BLOB. */
const gasPerBlob = 131_072n

/**
 * That the engine prepared what the credential asked for: this is what an owned engine cannot get past.
 * @param maxFeeMinor As the caller stated it: bounds gas times the highest price, blob gas included.
 * @throws {CountersignError} WIRE_PREPARED_DIFFERS, with details.field */
export function checkPrepared(
  request: TransactionRequest,
  transaction: PreparedTransaction,
  maxFeeMinor?: string | bigint,
): void {
  // A field that this version does not know could do anything; nobody may slip one in on either side.
  checkKnown(request, requestFields, 'request')
  checkKnown(transaction, transactionFields, 'transaction')

  checkSame('chainId', BigInt(request.chainId), transaction.chainId)
  checkSame(
    'to',
    request.to === undefined ? undefined : parseAddress(request.to, 'to'),
    lower(transaction.to),
  )
  checkSame('value', quantity(request.value, 'value') ?? 0n, transaction.value)
  checkSame('data', lower(request.data) ?? '0x', lower(transaction.data))
  checkSame('accessList', accessListText(request.accessList), accessListText(transaction.accessList))
  checkSame(
    'authorizationList',
    authorizationsText(request.authorizationList),
    authorizationsText(transaction.authorizationList),
  )
  checkSame(
    'blobVersionedHashes',
    hashesText(request.blobVersionedHashes),
    hashesText(transaction.blobVersionedHashes),
  )

  checkStated('type', request.type, transaction.type)
  checkStated('nonce', quantity(request.nonce, 'nonce'), transaction.nonce)
  checkStated('gas', quantity(request.gas, 'gas'), transaction.gasLimit)
  for (const price of prices) checkStated(price, quantity(request[price], price), transaction[price])

  if (maxFeeMinor !== undefined) checkFee(transaction, maxFeeMinor)
}

/** The most that the transaction can burn. */
export function highestFeeMinor(transaction: PreparedTransaction): bigint {
  const { gasLimit, gasPrice = 0n, maxFeePerGas = 0n } = transaction
  const { maxFeePerBlobGas = 0n, blobVersionedHashes = [] } = transaction
  // A type has one of the two prices; the tip is part of maxFeePerGas (EIP-1559).
  return (
    gasLimit * (gasPrice + maxFeePerGas) + gasPerBlob * BigInt(blobVersionedHashes.length) * maxFeePerBlobGas
  )
}

const prices = ['gasPrice', 'maxFeePerGas', 'maxPriorityFeePerGas', 'maxFeePerBlobGas'] as const

const requestFields: ReadonlySet<string> = new Set(Object.keys(transactionRequestSchema.properties))
const transactionFields: ReadonlySet<string> = new Set([
  'type',
  'chainId',
  'nonce',
  'gasLimit',
  ...prices,
  'to',
  'value',
  'data',
  'accessList',
  'authorizationList',
  'blobVersionedHashes',
])

function checkKnown(value: object, known: ReadonlySet<string>, where: string): void {
  const unknown = Object.keys(value).find((field) => !known.has(field))
  if (unknown !== undefined) throw differs(unknown, `The ${where} has the unknown field ${unknown}.`)
}

function checkFee(transaction: PreparedTransaction, maxFeeMinor: string | bigint): void {
  const max = typeof maxFeeMinor === 'bigint' ? maxFeeMinor : parseAmountMinor(maxFeeMinor, 'maxFeeMinor')
  const fee = highestFeeMinor(transaction)
  if (fee <= max) return
  throw differs('maxFeeMinor', `The prepared transaction can cost ${fee} in fees; the caller allows ${max}.`)
}

function checkStated<T>(field: string, stated: T | undefined, prepared: T | undefined): void {
  if (stated !== undefined) checkSame(field, stated, prepared)
}

function checkSame<T>(field: string, wanted: T, prepared: T): void {
  if (wanted === prepared) return
  throw differs(field, `The prepared transaction has another ${field} than the caller asked for.`)
}

function differs(field: string, message: string) {
  return wireError('WIRE_PREPARED_DIFFERS', message, { details: { field } })
}

function quantity(value: string | number | undefined, field: string): bigint | undefined {
  return value === undefined ? undefined : parseQuantity(value, field)
}

function lower(hex: Hex | undefined): string | undefined {
  return hex?.toLowerCase()
}

type AccessList = PreparedTransaction['accessList']
type Authorizations = TransactionRequest['authorizationList'] | PreparedTransaction['authorizationList']

// Lists are compared as texts of one form. An absent list and an empty one do the same.
function accessListText(list: AccessList = []): string {
  return JSON.stringify(list.map(({ address, storageKeys }) => [lower(address), storageKeys.map(lower)]))
}

function authorizationsText(list: Authorizations = []): string {
  return JSON.stringify(
    list.map(({ chainId, address, nonce, yParity, r, s }) => [
      ...[chainId, nonce, yParity, r, s].map((value) =>
        String(typeof value === 'bigint' ? value : parseQuantity(value, 'authorizationList')),
      ),
      lower(address),
    ]),
  )
}

function hashesText(hashes: readonly Hex[] = []): string {
  return JSON.stringify(hashes.map(lower))
}
