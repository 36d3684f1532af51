import { decodeBase64, decodeHex, encodeBase58, encodeBase64, type SolanaAddress } from '@countersign/bytes'
import {
  type Intent,
  type LookupTable,
  type Operation,
  type SolanaTransactionInput,
  serializeSolanaTransaction,
  solanaRawIntent,
  solanaTextIntent,
  solanaTransactionIntent,
  type TokenAccountHint,
} from '@countersign/intent'
import { signerError } from './catalogue.ts'
import type { WalletRecord } from './records.ts'
import { messageBytes, type PayloadParts, type SignBody, wrongForm } from './sign-body.ts'
import { chainOfWallet } from './wallet-chain.ts'

/** @throws {CountersignError} INTENT_*, SIGNER_WALLET_KIND */
export function solanaIntent({ operation, wallet, body }: PayloadParts): Intent {
  switch (operation) {
    case 'sign-transaction':
      return solanaTransactionIntent(transactionInput(wallet, body))
    case 'sign-message':
      return solanaTextIntent(messageBytes(body))
    case 'sign-raw':
      if (body.data === undefined) throw wrongForm(wallet, body, 'data')
      return solanaRawIntent(decodeHex(body.data, 'data'))
    default:
      throw notForSolana(operation)
  }
}

function transactionInput(wallet: WalletRecord, body: SignBody): SolanaTransactionInput {
  if (typeof body.message !== 'string') throw wrongForm(wallet, body, 'message')
  const { lookupTables, tokenAccounts } = body
  return {
    message: decodeBase64(body.message, 'message'),
    // The network is the wallet's own; a message names none.
    chain: chainOfWallet(wallet),
    wallet: wallet.address as SolanaAddress,
    ...(lookupTables === undefined ? {} : { lookupTables: lookupTables as readonly LookupTable[] }),
    ...(tokenAccounts === undefined ? {} : { tokenAccounts: tokenAccounts as readonly TokenAccountHint[] }),
  }
}

export interface SolanaAnswer {
  readonly signature: string
  readonly signedTransaction: string
}

export function solanaAnswer(intent: Intent, signature: Uint8Array): SolanaAnswer {
  const { solana, toSign } = intent
  const signer = solana?.signers[solana.walletIndex]
  if (signer === undefined) throw new Error('bug: a transaction of Solana that its wallet does not sign')
  return {
    signature: encodeBase58(signature),
    signedTransaction: encodeBase64(serializeSolanaTransaction(toSign, [{ signer, signature }])),
  }
}

function notForSolana(operation: Operation) {
  return signerError('SIGNER_WALLET_KIND', `A SOLANA wallet has no ${operation}.`)
}
