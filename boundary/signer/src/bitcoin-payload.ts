import { decodeBase64, decodeHex, encodeBase64, encodeHex, type Hex, isEqual } from '@countersign/bytes'
import {
  type BitcoinTransactionInput,
  bitcoinTransactionIntent,
  finalizePsbt,
  type Intent,
  intentError,
} from '@countersign/intent'
import { signerError } from './catalogue.ts'
import type { WalletRecord } from './records.ts'
import { type PayloadParts, type SignBody, wrongForm } from './sign-body.ts'
import { chainOfWallet } from './wallet-chain.ts'

/** Each takes two or three milliseconds of the only thread, signing and checking. */
export const ownInputsMax = 128

/** @throws {CountersignError} INTENT_*, SIGNER_WALLET_KIND */
export function bitcoinIntent({ operation, wallet, body }: PayloadParts): Intent {
  if (operation !== 'sign-transaction') {
    throw signerError(
      'SIGNER_WALLET_KIND',
      `A BITCOIN wallet signs transactions only; it has no ${operation}.`,
    )
  }
  const intent = bitcoinTransactionIntent(transactionInput(wallet, body))
  const inputs = intent.bitcoin?.inputs ?? []
  if (inputs.length > ownInputsMax) {
    throw intentError(
      'INTENT_TOO_LARGE',
      `The PSBT spends ${inputs.length} coins of the wallet; ${ownInputsMax} are allowed.`,
    )
  }
  const publicKey = decodeHex(wallet.publicKey)
  if (!inputs.every((input) => isEqual(input.publicKey, publicKey) && input.path.length === 0)) {
    throw new Error('bug: an input of the wallet under another key than its own')
  }
  return intent
}

function transactionInput(wallet: WalletRecord, body: SignBody): BitcoinTransactionInput {
  if (body.psbt === undefined) throw wrongForm(wallet, body, 'psbt')
  if (wallet.form === undefined) throw new Error('bug: a BITCOIN wallet without its form')
  return {
    psbt: decodeBase64(body.psbt, 'psbt'),
    // The network is the wallet's own; a transaction names none.
    chain: chainOfWallet(wallet),
    keys: { publicKey: decodeHex(wallet.publicKey), forms: [wallet.form] },
  }
}

export interface BitcoinAnswer {
  readonly psbt: string
  readonly signatures: readonly { readonly index: number; readonly signature: Hex }[]
  readonly transaction?: Hex
  readonly txid?: string
}

/** @param made One for each input of the wallet, in their order. */
export function bitcoinAnswer(
  { wallet, body }: Pick<PayloadParts, 'wallet' | 'body'>,
  intent: Intent,
  made: readonly Uint8Array[],
): BitcoinAnswer {
  const { bitcoin } = intent
  if (bitcoin === undefined) throw new Error('bug: an intent of Bitcoin without its inputs')
  const signatures = bitcoin.inputs.map(({ index }, i) => ({ index, signature: made[i] as Uint8Array }))
  const { psbt, transaction } = finalizePsbt(transactionInput(wallet, body), signatures)
  return {
    psbt: encodeBase64(psbt),
    signatures: signatures.map(({ index, signature }) => ({ index, signature: encodeHex(signature) })),
    // Inputs of others that are not segwit would still change the id.
    ...(transaction === undefined
      ? {}
      : { transaction: encodeHex(transaction), txid: bitcoin.transactionId }),
  }
}
