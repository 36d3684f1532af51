import { decodeBase58, decodeHex, encodeHex } from '@countersign/bytes'
import type { CallOptions, CountersignClient } from './client.ts'
import {
  checkSolanaSignature,
  type SolanaMessageFacts,
  type SolanaWallet,
  signSolanaTransaction,
  solanaPublicKey,
} from './sign-solana-transaction.ts'

// The marks that @solana/kit puts on its types, spelled out: the SDK fits kit without depending on it.
type KitMark<Key extends string, Mark extends string> = {
  readonly [K in `__${Key}:@solana/kit`]: Mark
}
export type KitAddress = string & KitMark<'brand', 'Address'> & KitMark<'stringEncoding', 'base58'>
export type KitSignatures = Readonly<Record<KitAddress, Uint8Array & KitMark<'brand', 'SignatureBytes'>>>

interface SigningOptions {
  readonly abortSignal?: AbortSignal
}

/** A `TransactionPartialSigner` and `MessagePartialSigner` of @solana/kit. */
export interface CountersignSolanaSigner {
  readonly address: KitAddress
  signTransactions(
    transactions: readonly { readonly messageBytes: ArrayLike<number> }[],
    options?: SigningOptions,
  ): Promise<readonly KitSignatures[]>
  signMessages(
    messages: readonly { readonly content: Uint8Array }[],
    options?: SigningOptions,
  ): Promise<readonly KitSignatures[]>
}

/**
 * A signer for @solana/kit whose key is in the signer process. Every signature is verified over what was asked, by the
 * wallet's key, before it is returned.
 * @throws {CountersignError} SDK_ANSWER_INVALID; its functions SDK_SIGNATURE_MISMATCH */
export function createCountersignSolanaSigner(
  countersign: { readonly client: CountersignClient; readonly wallet: SolanaWallet },
  facts: SolanaMessageFacts = {},
): CountersignSolanaSigner {
  const { client, wallet } = countersign
  solanaPublicKey(wallet)
  const { attribution, grant } = facts
  const signaturesOf = (signature: Uint8Array) => ({ [wallet.address]: signature }) as KitSignatures
  return {
    address: wallet.address as KitAddress,
    signTransactions: (transactions, config) =>
      Promise.all(
        transactions.map(async ({ messageBytes }) => {
          const message = Uint8Array.from(messageBytes)
          const answer = await signSolanaTransaction(countersign, { ...facts, message }, callOptions(config))
          return signaturesOf(decodeBase58(answer.signature))
        }),
      ),
    signMessages: (messages, config) =>
      Promise.all(
        messages.map(async ({ content }) => {
          const bytes = Uint8Array.from(content)
          const { signature } = await client.signMessage(
            {
              walletId: wallet.id,
              message: { raw: encodeHex(bytes) },
              ...(grant === undefined ? {} : { grant }),
              ...(attribution === undefined ? {} : { attribution }),
            },
            callOptions(config),
          )
          return signaturesOf(checkSolanaSignature(wallet, bytes, decodeHex(signature)))
        }),
      ),
  }
}

function callOptions(config: SigningOptions | undefined): CallOptions {
  return config?.abortSignal === undefined ? {} : { signal: config.abortSignal }
}
