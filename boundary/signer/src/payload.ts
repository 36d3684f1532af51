import { type Address, decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import {
  authorizationIntent,
  entryPoints,
  evmTransactionHash,
  evmTransactionIntent,
  type Intent,
  personalMessageIntent,
  rawDigestIntent,
  serializeSignedEvmTransaction,
  type TypedDataInput,
  typedDataIntent,
  type UserOperationInput,
  type UserOperationRequest,
  userOperationIntent,
} from '@countersign/intent'
import { checkPrepared, wireError } from '@countersign/wire'
import { type BitcoinAnswer, bitcoinAnswer, bitcoinIntent } from './bitcoin-payload.ts'
import type { Made } from './make-signatures.ts'
import {
  checkNothingPrepared,
  messageBytes,
  type PayloadParts,
  type SignBody,
  wrongForm,
} from './sign-body.ts'
import { type SolanaAnswer, solanaAnswer, solanaIntent } from './solana-payload.ts'

export type { SignBody } from './sign-body.ts'

/** Step 2 of the main path. What comes back is made from the decoded fields, not from what the caller sent.
 * @throws {CountersignError} INTENT_*, SIGNER_WALLET_KIND, WIRE_* */
export function parsePayload(payload: PayloadParts): Intent {
  const { operation, wallet, body, forwarded } = payload
  if (operation !== 'sign-transaction' || wallet.type !== 'EVM') checkNothingPrepared(forwarded)
  if (wallet.type === 'SOLANA') return solanaIntent(payload)
  if (wallet.type === 'BITCOIN') return bitcoinIntent(payload)
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
      return userOperationIntent(userOperationOf(body))
    case 'sign-raw':
      return rawDigestIntent(decodeHex(body.digest ?? body.data, 'digest', 32))
  }
}

/**
 * Either the caller has signed the very bytes, or it has signed what it wants and the engine has filled in nonce,
 * gas and prices; then everything that the caller said must be in the bytes, and nothing else.
 */
function transactionBytes({ wallet, body, forwarded }: PayloadParts): Uint8Array {
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
  if (body.transaction === undefined) throw wrongForm(wallet, body, 'unsignedTransaction')
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

/** Where the caller does not say what its account recovers: what the reference accounts of the version do. */
function userOperationOf({
  entryPoint,
  chainId,
  userOperation,
  signatureForm,
}: SignBody): UserOperationRequest {
  const version = entryPoints.get(entryPoint?.toLowerCase() as Address)
  return {
    entryPoint: entryPoint as Hex,
    chainId: chainId as number,
    userOperation: userOperation as UserOperationInput,
    signatureForm: signatureForm ?? (version === '0.8' ? 'typed-data' : 'eip191'),
  }
}

/** What the caller gets beside the receipt. */
export type SignAnswer = EvmAnswer | SolanaAnswer | BitcoinAnswer

export interface EvmAnswer {
  readonly signature: Hex
  readonly r?: Hex
  readonly s?: Hex
  readonly yParity?: 0 | 1
  readonly signedTransaction?: Hex
  readonly hash?: Hex
  readonly userOpHash?: Hex
}

/** What the journal's entry says of the outcome beside the digest of the signature, so that it can be found by it. */
export interface OutcomeFacts {
  readonly transactionHash?: string
  readonly userOpHash?: Hex
}

export interface Assembled {
  readonly answer: SignAnswer
  readonly facts: OutcomeFacts
}

/** @param made The signatures, in the order in which the intent asks for them. */
export function assembleAnswer(
  parts: Pick<PayloadParts, 'wallet' | 'body'>,
  intent: Intent,
  made: readonly Made[],
): Assembled {
  if (intent.bitcoin !== undefined) {
    const answer = bitcoinAnswer(
      parts,
      intent,
      made.map(({ bytes }) => bytes),
    )
    return { answer, facts: answer.txid === undefined ? {} : { transactionHash: answer.txid } }
  }
  const [one] = made
  if (one === undefined) throw new Error('bug: an answer without a signature')
  if (intent.solana !== undefined) {
    const answer = solanaAnswer(intent, one.bytes)
    // A transaction's id is its first signature: that of who pays the fee.
    return { answer, facts: intent.solana.walletIndex === 0 ? { transactionHash: answer.signature } : {} }
  }
  const answer = evmAnswer(intent, one)
  const { hash, userOpHash } = answer
  return {
    answer,
    facts: {
      ...(hash === undefined ? {} : { transactionHash: hash }),
      ...(userOpHash === undefined ? {} : { userOpHash }),
    },
  }
}

/** Signatures over secp256k1 are r||s||v with v 27 or 28, as wallets give them. */
function evmAnswer(intent: Intent, { bytes, recovery }: Made): EvmAnswer {
  // Messages and raw bytes of an Ed25519 key.
  if (recovery === undefined) return { signature: encodeHex(bytes) }
  const signature: Hex = `${encodeHex(bytes)}${recovery === 0 ? '1b' : '1c'}`
  const [r, s] = [bytes.subarray(0, 32), bytes.subarray(32)]
  if (intent.operation === 'sign-authorization') {
    return { signature, r: encodeHex(r), s: encodeHex(s), yParity: recovery }
  }
  if (intent.operation === 'sign-user-operation') return { signature, userOpHash: userOpHashOf(intent) }
  if (intent.transaction === undefined) return { signature }
  const signed = serializeSignedEvmTransaction(intent.transaction, { r, s, yParity: recovery })
  return { signature, signedTransaction: encodeHex(signed), hash: evmTransactionHash(signed) }
}

function userOpHashOf({ effects }: Intent): Hex {
  // The envelope is the first effect; operations inside of its calls follow.
  const [envelope] = effects
  if (envelope?.kind !== 'user-operation' || envelope.userOpHash === undefined)
    throw new Error('bug: a user operation without its hash')
  return envelope.userOpHash
}
