import {
  decodeBase58,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeSolanaAddress,
  type SolanaAddress,
} from '@countersign/bytes'
import { decodeSolanaMessage, serializeSolanaTransaction } from '@countersign/intent'
import { verifySignature } from '@countersign/wire'
import type { Attribution, Wallet } from './answers.ts'
import { sdkError } from './catalogue.ts'
import type { LookupTable, SignedSolanaTransaction, TokenAccountHint } from './chain-calls.ts'
import type { CallOptions, CountersignClient } from './client.ts'

/** What is needed of a wallet of Solana. */
export type SolanaWallet = Pick<Wallet, 'id' | 'address' | 'publicKey'>

export interface SolanaMessageFacts {
  /** By table: the addresses that it holds, in their order on chain, as kit's `fetchAddressesForLookupTables` gives them. */
  readonly lookupTables?: Readonly<Record<string, readonly string[]>>
  /** Whose the associated token accounts are that tokens are sent to. */
  readonly tokenAccounts?: readonly TokenAccountHint[]
  /** Under which it is asked for. */
  readonly grant?: string
  readonly attribution?: Attribution
}

/**
 * Asks for the wallet's signature of a compiled message. It is verified over the message, by the wallet's key, and the
 * transaction is made here again.
 * @param input.message Bytes, or base64.
 * @throws {CountersignError} SDK_SIGNATURE_MISMATCH, SDK_ANSWER_INVALID */
export async function signSolanaTransaction(
  { client, wallet }: { readonly client: CountersignClient; readonly wallet: SolanaWallet },
  input: SolanaMessageFacts & { readonly message: Uint8Array | string },
  options?: CallOptions,
): Promise<SignedSolanaTransaction> {
  const { message, lookupTables = {}, ...rest } = input
  const bytes = typeof message === 'string' ? decodeBase64(message, 'message') : message
  const tables = tablesOf(bytes, lookupTables)
  const answer = await client.signSolanaTransaction(
    {
      walletId: wallet.id,
      message: encodeBase64(bytes),
      ...(tables.length === 0 ? {} : { lookupTables: tables }),
      ...rest,
    },
    options,
  )
  const signature = checkSolanaSignature(wallet, bytes, decodedBase58(answer.signature))
  const signer = wallet.address as SolanaAddress
  if (encodeBase64(serializeSolanaTransaction(bytes, [{ signer, signature }])) !== answer.signedTransaction) {
    throw sdkError('SDK_SIGNATURE_MISMATCH', 'The signed transaction holds other bytes than were asked for.')
  }
  return answer
}

/** @throws {CountersignError} SDK_ANSWER_INVALID where key and address do not belong together */
export function solanaPublicKey(wallet: SolanaWallet): Uint8Array {
  const publicKey = decodeHex(wallet.publicKey, 'publicKey')
  if (publicKey.length === 32 && encodeSolanaAddress(publicKey) === wallet.address) return publicKey
  throw sdkError(
    'SDK_ANSWER_INVALID',
    `The public key of wallet ${wallet.address} does not belong to its address.`,
  )
}

/** @returns the signature. @throws {CountersignError} SDK_SIGNATURE_MISMATCH */
export function checkSolanaSignature(
  wallet: SolanaWallet,
  bytes: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  const publicKey = solanaPublicKey(wallet)
  if (verifySignature({ algorithm: 'ed25519', publicKey }, bytes, signature)) return signature
  throw sdkError(
    'SDK_SIGNATURE_MISMATCH',
    `The returned signature is not by ${wallet.address} over what was asked.`,
  )
}

/** Those that the message uses; for one that is not given, the signer says so. */
function tablesOf(message: Uint8Array, given: Readonly<Record<string, readonly string[]>>): LookupTable[] {
  return decodeSolanaMessage(message).lookups.flatMap((lookup) => {
    const table = encodeSolanaAddress(lookup.table)
    const addresses = Object.hasOwn(given, table) ? given[table] : undefined
    return addresses === undefined ? [] : [{ table, addresses: [...addresses] }]
  })
}

/** What is no base58 is nobody's signature. */
function decodedBase58(text: string): Uint8Array {
  try {
    return decodeBase58(text)
  } catch {
    return new Uint8Array(0)
  }
}
