import { type ChainId, decodeBase64, decodeHex, encodeBase64, encodeHex, type Hex } from '@countersign/bytes'
import { bitcoinTransactionIntent, bitcoinWalletAddress, finalizePsbt } from '@countersign/intent'
import type { Attribution, Receipt, Wallet } from './answers.ts'
import { sdkError } from './catalogue.ts'
import type { CallOptions, CountersignClient } from './client.ts'

/** What is needed of a wallet of Bitcoin. */
export type BitcoinWallet = Pick<Wallet, 'id' | 'address' | 'publicKey' | 'chains' | 'form'>

export interface CheckedPsbt {
  /** The wallet's inputs are finalized. */
  readonly psbt: Uint8Array
  /** For the network; undefined while inputs of others are not finalized. */
  readonly transaction: Hex | undefined
  readonly txid: string | undefined
  readonly receipt: Receipt
}

/**
 * Asks for a signature for each of the wallet's inputs. What comes back is made here, from the PSBT that was sent and
 * the signatures: each is verified over its input, by the wallet's key, and nothing else of the answer is used.
 * @param input.psbt Binary, or base64.
 * @throws {CountersignError} SDK_SIGNATURE_MISMATCH */
export async function signPsbt(
  { client, wallet }: { readonly client: CountersignClient; readonly wallet: BitcoinWallet },
  input: { readonly psbt: Uint8Array | string; readonly grant?: string; readonly attribution?: Attribution },
  options?: CallOptions,
): Promise<CheckedPsbt> {
  const { psbt, ...rest } = input
  const bytes = typeof psbt === 'string' ? decodeBase64(psbt, 'psbt') : psbt
  const request = requestOf(wallet, bytes)
  const answer = await client.signPsbt({ walletId: wallet.id, psbt: encodeBase64(bytes), ...rest }, options)
  try {
    const signatures = answer.signatures.map(({ index, signature }) => ({
      index,
      signature: decodeHex(signature, 'signature', 64),
    }))
    const signed = finalizePsbt(request, signatures)
    const transaction = signed.transaction === undefined ? undefined : encodeHex(signed.transaction)
    const txid =
      transaction === undefined ? undefined : bitcoinTransactionIntent(request).bitcoin?.transactionId
    if (
      encodeBase64(signed.psbt) === answer.psbt &&
      transaction === answer.transaction &&
      txid === answer.txid
    )
      return { psbt: signed.psbt, transaction, txid, receipt: answer.receipt }
  } catch (cause) {
    throw mismatch({ cause })
  }
  throw mismatch({})
}

function requestOf({ address, publicKey: key, chains, form }: BitcoinWallet, psbt: Uint8Array) {
  const [chain] = chains
  const publicKey = decodeHex(key, 'publicKey', 33)
  if (form === undefined || bitcoinWalletAddress(publicKey, form, chain as ChainId) !== address) {
    throw sdkError(
      'SDK_ANSWER_INVALID',
      `The public key of wallet ${address} does not belong to its address.`,
    )
  }
  return { psbt, chain: chain as ChainId, keys: { publicKey, forms: [form] } }
}

function mismatch(options: { readonly cause?: unknown }) {
  return sdkError(
    'SDK_SIGNATURE_MISMATCH',
    'The returned PSBT is not the one that was sent with the wallet’s signatures.',
    options,
  )
}
