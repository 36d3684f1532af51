import {
  type AccountAddress,
  type Address,
  type BitcoinAddress,
  bitcoinMainnet,
  type ChainId,
  isCountersignError,
  parseChainId,
  type SolanaAddress,
} from '@countersign/bytes'
import { bitcoinNetwork } from '@countersign/intent'
import { type Algorithm, isSchnorrSigner, type KeyBackend } from '@countersign/keys'
import type { BitcoinForm, WalletType } from '@countersign/wire'
import { signerError } from './catalogue.ts'
import type { WalletRecord } from './records.ts'

/** CAIP-2: the first 32 characters of the genesis hash. */
export const solanaMainnet = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' as ChainId

export interface WalletKind {
  readonly type: WalletType
  /** Absent: EVM, whose transactions name their chain themselves. */
  readonly chain?: ChainId
  /** BITCOIN only. */
  readonly form?: BitcoinForm
}

export interface WantedKind {
  readonly type: WalletType
  readonly chain?: string
  readonly form?: BitcoinForm
}

/**
 * What a new wallet is. Messages of Solana and transactions of Bitcoin name no network, and a key is good on every
 * one: with the network from the request to sign, a rule for a test network would cover money of the main one. So it
 * is fixed here, once, and stands in the wallet's record.
 * @throws {CountersignError} SIGNER_WALLET_CHAIN, SIGNER_BACKEND_UNFIT */
export function kindOfNewWallet({ type, chain, form }: WantedKind, backend: KeyBackend): WalletKind {
  if (form !== undefined && type !== 'BITCOIN') throw unfit(`a ${type} wallet has no form`)
  if (type === 'EVM') {
    if (chain !== undefined) throw unfit('an EVM wallet has no chain of its own; its policy lists chains')
    return { type }
  }
  if (type === 'SOLANA') return { type, chain: parsedChain(chain ?? solanaMainnet, 'solana:') }
  const network = parsedChain(chain ?? bitcoinMainnet, 'bip122:')
  checkKnownBitcoin(network)
  if (form === 'p2tr' && !isSchnorrSigner(backend)) {
    throw signerError(
      'SIGNER_BACKEND_UNFIT',
      `The ${backend.custody.backend} backend makes no Schnorr signatures, which p2tr wallets need.`,
    )
  }
  return { type, chain: network, form: form ?? 'p2wpkh' }
}

export function algorithmOf({ type }: WalletKind): Algorithm {
  return type === 'SOLANA' ? 'ed25519' : 'secp256k1'
}

/** The network of a wallet that has one. Records from before wallets had networks are of Solana's main one. */
export function chainOfWallet({ type, chain }: WalletKind): ChainId {
  if (chain !== undefined) return chain
  if (type === 'SOLANA') return solanaMainnet
  throw new Error(`bug: a ${type} wallet without its network`)
}

/** The wallet's own address in the spelling that effects have. */
export function accountOf({ type, address }: Pick<WalletRecord, 'type' | 'address'>): AccountAddress {
  if (type === 'EVM') return address.toLowerCase() as Address
  return address as SolanaAddress | BitcoinAddress
}

function parsedChain(chain: string, prefix: 'solana:' | 'bip122:'): ChainId {
  if (!chain.startsWith(prefix)) throw unfit(`${chain} is not one of ${prefix}…`)
  return parseChainId(chain)
}

function checkKnownBitcoin(chain: ChainId): void {
  try {
    bitcoinNetwork(chain)
  } catch (cause) {
    if (!isCountersignError(cause)) throw cause
    throw unfit(`${chain} is no network of Bitcoin that is known here`)
  }
}

function unfit(what: string) {
  return signerError('SIGNER_WALLET_CHAIN', `No such wallet can be made: ${what}.`)
}
