import { isSolanaAddress } from './account-address.ts'
import { bytesError } from './catalogue.ts'
import { keccak256 } from './digest.ts'
import { encodeUtf8, type Hex, isHex } from './hex.ts'

declare const brand: unique symbol
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** CAIP-2, for example `eip155:8453`. */
export type ChainId = Brand<string, 'ChainId'>
/** CAIP-19, for example `eip155:8453/slip44:60`, `eip155:1/erc20:0x…` (lower case), `eip155:1/erc721:0x…/7`. */
export type AssetId = Brand<string, 'AssetId'>
/** EVM address in lower case. Shown to people in EIP-55 by `checksumAddress`. */
export type Address = Brand<Hex, 'Address'>

/** Base58 of 32 bytes. */
export type SolanaAddress = Brand<string, 'SolanaAddress'>
/** Base58check, bech32 or bech32m (lower case), as `parseBitcoinAddress` gives it. */
export type BitcoinAddress = Brand<string, 'BitcoinAddress'>
/** An address of any family that this version knows; each family's text forms are disjoint from the others'. */
export type AccountAddress = Address | SolanaAddress | BitcoinAddress

const addressForm = /^0x[0-9a-fA-F]{40}$/
const decimalForm = /^(?:0|[1-9][0-9]{0,77})$/
const uint256Max = (1n << 256n) - 1n

/** Accepts lower case, or mixed case with a correct EIP-55 checksum.
 * @throws {CountersignError} BYTES_NOT_AN_ADDRESS */
export function parseAddress(value: unknown, name = 'address'): Address {
  if (typeof value !== 'string' || !addressForm.test(value)) {
    throw bytesError('BYTES_NOT_AN_ADDRESS', `${name} is not an EVM address.`)
  }
  const lower = value.toLowerCase() as Address
  if (value !== lower && value !== checksumAddress(lower)) {
    throw bytesError(
      'BYTES_NOT_AN_ADDRESS',
      `${name} has a wrong EIP-55 checksum; a character may be mistyped.`,
    )
  }
  return lower
}

/** EIP-55. */
export function checksumAddress(address: Address): Hex {
  const digits = address.slice(2)
  const hash = keccak256(encodeUtf8(digits))
  let out = ''
  for (let i = 0; i < 40; i++) {
    const nibble = ((hash[i >> 1] as number) >> (i % 2 === 0 ? 4 : 0)) & 15
    const digit = digits[i] as string
    out += nibble >= 8 ? digit.toUpperCase() : digit
  }
  return `0x${out}`
}

/** Decimal string in smallest units, 0 to 2^256 - 1.
 * @throws {CountersignError} BYTES_NOT_AN_AMOUNT */
export function parseAmountMinor(value: unknown, name = 'amount'): bigint {
  if (typeof value !== 'string' || !decimalForm.test(value)) {
    throw bytesError('BYTES_NOT_AN_AMOUNT', `${name} is not a decimal string of smallest units.`)
  }
  const amountMinor = BigInt(value)
  if (amountMinor > uint256Max) throw bytesError('BYTES_NOT_AN_AMOUNT', `${name} is over 2^256 - 1.`)
  return amountMinor
}

/** The form in which wallets write quantities too: decimal string, 0x-prefixed hexadecimal, or a safe integer.
 * @throws {CountersignError} BYTES_NOT_AN_AMOUNT */
export function parseQuantity(value: unknown, name = 'quantity'): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{1,64}$/.test(value)) return BigInt(value)
  return parseAmountMinor(value, name)
}

const evmChainForm = /^eip155:([1-9][0-9]{0,15})$/

// CAIP-2 profiles: the first 32 characters of the genesis hash, in base58 and in hexadecimal.
const solanaChainForm = /^solana:[1-9A-HJ-NP-Za-km-z]{1,32}$/
const bitcoinChainForm = /^bip122:[0-9a-f]{32}$/

/** @throws {CountersignError} BYTES_NOT_A_CHAIN */
export function parseChainId(value: unknown, name = 'chain'): ChainId {
  if (
    typeof value !== 'string' ||
    !(evmChainForm.test(value) || solanaChainForm.test(value) || bitcoinChainForm.test(value))
  ) {
    throw bytesError('BYTES_NOT_A_CHAIN', `${name} is not a CAIP-2 chain id that this version knows.`)
  }
  return value as ChainId
}

export function evmChainId(chainNumber: bigint | number): ChainId {
  return `eip155:${chainNumber}` as ChainId
}

/** @returns the number after `eip155:`, or undefined for other families. */
export function evmChainNumber(chain: ChainId): bigint | undefined {
  const match = evmChainForm.exec(chain)
  return match === null ? undefined : BigInt(match[1] as string)
}

const assetForm =
  /^(eip155:[1-9][0-9]{0,15})\/(?:slip44:(\d{1,10})|erc20:(0x[0-9a-fA-F]{40})|erc(?:721|1155):(0x[0-9a-fA-F]{40})(?:\/\d{1,78})?)$/

// The coin of Solana and of Bitcoin, and SPL tokens by their mint (CASA's CAIP-19 profiles).
const otherAssetForm =
  /^(?:solana:[1-9A-HJ-NP-Za-km-z]{1,32}\/(?:slip44:501|token:([1-9A-HJ-NP-Za-km-z]{32,44}))|bip122:[0-9a-f]{32}\/slip44:[01])$/

/** Normalises contract addresses to lower case. An erc721 or erc1155 asset without token id means all of its tokens.
 * @throws {CountersignError} BYTES_NOT_AN_ASSET */
export function parseAssetId(value: unknown, name = 'asset'): AssetId {
  const other = typeof value === 'string' ? otherAssetForm.exec(value) : null
  if (other !== null && (other[1] === undefined || isSolanaAddress(other[1]))) return value as AssetId
  if (typeof value !== 'string' || !assetForm.test(value)) {
    throw bytesError('BYTES_NOT_AN_ASSET', `${name} is not a CAIP-19 asset id that this version knows.`)
  }
  return value.toLowerCase() as AssetId
}

/**
 * Every EVM chain's own coin is written with coin type 60: the chain id already says which it is. Solana's is 501,
 * Bitcoin's 0 and 1 on its test networks (SLIP-44). */
export function nativeAsset(chain: ChainId): AssetId {
  if (chain.startsWith('solana:')) return `${chain}/slip44:501` as AssetId
  if (chain.startsWith('bip122:')) return `${chain}/slip44:${chain === bitcoinMainnet ? 0 : 1}` as AssetId
  return `${chain}/slip44:60` as AssetId
}

/** Bitcoin's main network by its CAIP-2 profile: the first 32 digits of the genesis block's hash. */
export const bitcoinMainnet = 'bip122:000000000019d6689c085ae165831e93' as ChainId

export type TokenStandard = 'erc20' | 'erc721' | 'erc1155'

export function tokenAsset(
  chain: ChainId,
  standard: TokenStandard,
  contract: Address,
  tokenId?: bigint,
): AssetId {
  const base = `${chain}/${standard}:${contract}`
  return (tokenId === undefined ? base : `${base}/${tokenId}`) as AssetId
}

export function isHexOfBytes(value: unknown, bytes: number): value is Hex {
  return isHex(value) && value.length === 2 + 2 * bytes
}
