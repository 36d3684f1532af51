import { decodeHex, encodeHex, encodeUtf8, type Hex } from '@countersign/bytes'
import {
  authorizationIntent,
  evmTransactionHash,
  evmTransactionIntent,
  type Intent,
  type Operation,
  personalMessageIntent,
  rawDigestIntent,
  rawMessageIntent,
  serializeSignedEvmTransaction,
  type TypedDataInput,
  typedDataIntent,
} from '@countersign/intent'
import {
  type Attribution,
  checkPrepared,
  type ForwardedRequest,
  type TransactionRequest,
  wireError,
} from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { WalletRecord } from './records.ts'

/** The body of a sign-* request; which members stand in it depends on the operation. Validated by the route's schema. */
export interface SignBody {
  readonly attribution?: Attribution
  readonly message?: string | { readonly raw: Hex }
  readonly typedData?: unknown
  readonly unsignedTransaction?: Hex
  readonly transaction?: TransactionRequest
  readonly maxFeeMinor?: string
  readonly contractAddress?: Hex
  readonly chainId?: number
  readonly nonce?: number
  readonly digest?: Hex
  readonly data?: Hex
}

interface Payload {
  readonly operation: Operation
  readonly body: SignBody
  readonly wallet: WalletRecord
  readonly forwarded: ForwardedRequest
}

/** Step 2 of the main path. What comes back is made from the decoded fields, not from what the caller sent.
 * @throws {CountersignError} INTENT_*, SIGNER_WALLET_KIND, WIRE_* */
export function parsePayload(payload: Payload): Intent {
  const { operation, wallet, body } = payload
  if (wallet.algorithm === 'ed25519') {
    if (operation !== 'sign-raw' || body.data === undefined) {
      throw signerError(
        'SIGNER_WALLET_KIND',
        'An Ed25519 wallet signs raw messages only: send sign-raw with data.',
      )
    }
    return rawMessageIntent(decodeHex(body.data, 'data'))
  }
  switch (operation) {
    case 'sign-transaction':
      return evmTransactionIntent(transactionBytes(payload))
    case 'sign-message':
      return personalMessageIntent(messageBytes(body))
    case 'sign-typed-data':
      return typedDataIntent(body.typedData as TypedDataInput)
    case 'sign-authorization':
      return authorizationIntent({
        contractAddress: body.contractAddress as Hex,
        chainId: BigInt(body.chainId as number),
        nonce: BigInt(body.nonce as number),
      })
    case 'sign-user-operation':
      throw new Error('bug: no route asks for a user operation')
    case 'sign-raw':
      return rawDigestIntent(decodeHex(body.digest ?? body.data, 'digest', 32))
  }
}

/**
 * Either the caller has signed the very bytes, or it has signed what it wants and the engine has filled in nonce,
 * gas and prices; then everything that the caller said must be in the bytes, and nothing else.
 */
function transactionBytes({ body, forwarded }: Payload): Uint8Array {
  const { preparedTransaction } = forwarded
  if (body.unsignedTransaction !== undefined) {
    if (preparedTransaction !== undefined && preparedTransaction !== body.unsignedTransaction) {
      throw wireError(
        'WIRE_PREPARED_DIFFERS',
        'The caller signed its own transaction bytes; another transaction came with them.',
      )
    }
    return decodeHex(body.unsignedTransaction, 'unsignedTransaction')
  }
  if (body.transaction === undefined)
    throw new Error('bug: the schema lets a sign-transaction body without transaction pass')
  if (preparedTransaction === undefined) {
    throw wireError(
      'WIRE_PREPARED_DIFFERS',
      'The request leaves nonce, gas or prices to the engine, but no prepared transaction came with it.',
    )
  }
  const bytes = decodeHex(preparedTransaction, 'preparedTransaction')
  const { transaction } = evmTransactionIntent(bytes)
  if (transaction === undefined) throw new Error('bug: a transaction intent without transaction')
  checkPrepared(body.transaction, transaction, body.maxFeeMinor)
  return bytes
}

function messageBytes({ message }: SignBody): Uint8Array {
  if (typeof message === 'string') return encodeUtf8(message)
  return decodeHex(message?.raw, 'message.raw')
}

/** What the caller gets beside the receipt. */
export interface SignAnswer {
  readonly signature: Hex
  readonly r?: Hex
  readonly s?: Hex
  readonly yParity?: 0 | 1
  readonly signedTransaction?: Hex
  readonly hash?: Hex
}

/** Signatures over secp256k1 are r||s||v with v 27 or 28, as wallets give them. */
export function assembleAnswer(
  intent: Intent,
  { bytes, recovery }: { readonly bytes: Uint8Array; readonly recovery: 0 | 1 | undefined },
): SignAnswer {
  if (recovery === undefined) return { signature: encodeHex(bytes) }
  const signature: Hex = `${encodeHex(bytes)}${recovery === 0 ? '1b' : '1c'}`
  const [r, s] = [bytes.subarray(0, 32), bytes.subarray(32)]
  if (intent.operation === 'sign-authorization') {
    return { signature, r: encodeHex(r), s: encodeHex(s), yParity: recovery }
  }
  if (intent.transaction === undefined) return { signature }
  const signed = serializeSignedEvmTransaction(intent.transaction, { r, s, yParity: recovery })
  return { signature, signedTransaction: encodeHex(signed), hash: evmTransactionHash(signed) }
}
