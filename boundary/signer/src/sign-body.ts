import { type CountersignError, decodeHex, encodeUtf8, type Hex } from '@countersign/bytes'
import type { Operation } from '@countersign/intent'
import {
  type Attribution,
  type ForwardedRequest,
  type SignUserOperationBody,
  type TransactionRequest,
  wireError,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { WalletRecord } from './records.ts'

/** The body of a sign-* request; which members stand in it depends on the operation. Validated by the route's schema. */
export interface SignBody {
  readonly attribution?: Attribution
  /** Under which the request is made. */
  readonly grant?: string
  /** sign-message; and sign-transaction of SOLANA wallets: base64. */
  readonly message?: string | { readonly raw: Hex }
  readonly typedData?: unknown
  readonly unsignedTransaction?: Hex
  readonly transaction?: TransactionRequest
  readonly maxFeeMinor?: string
  readonly lookupTables?: readonly { readonly table: string; readonly addresses: readonly string[] }[]
  readonly tokenAccounts?: readonly {
    readonly owner: string
    readonly mint: string
    readonly tokenProgram?: string
  }[]
  readonly psbt?: string
  readonly contractAddress?: Hex
  readonly chainId?: number
  readonly nonce?: number
  readonly entryPoint?: Hex
  readonly userOperation?: SignUserOperationBody['userOperation']
  readonly signatureForm?: SignUserOperationBody['signatureForm']
  readonly digest?: Hex
  readonly data?: Hex
}

export interface PayloadParts {
  readonly operation: Operation
  readonly body: SignBody
  readonly wallet: WalletRecord
  /** What the engine has filled in, if anything. */
  readonly forwarded: Pick<ForwardedRequest, 'preparedTransaction'>
}

export function messageBytes({ message }: SignBody): Uint8Array {
  if (typeof message === 'string') return encodeUtf8(message)
  return decodeHex(message?.raw, 'message.raw')
}

const forms = ['unsignedTransaction', 'transaction', 'message', 'psbt', 'digest', 'data'] as const

/** For a body that is right for another type of wallet. */
export function wrongForm(
  { type }: WalletRecord,
  body: SignBody,
  wanted: (typeof forms)[number],
): CountersignError {
  const found = forms.find((name) => body[name] !== undefined) ?? 'something else'
  return signerError(
    'SIGNER_WALLET_KIND',
    `Of this operation, ${type} wallets take \`${wanted}\`; the request has \`${found}\`.`,
  )
}

/** What the engine fills in is for EVM transactions alone. @throws {CountersignError} WIRE_PREPARED_DIFFERS */
export function checkNothingPrepared({ preparedTransaction }: PayloadParts['forwarded']): void {
  if (preparedTransaction === undefined) return
  throw wireError(
    'WIRE_PREPARED_DIFFERS',
    'The caller signed all that is to be signed; another transaction came with it.',
  )
}
