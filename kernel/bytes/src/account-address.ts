import { base58, bech32, bech32m, createBase58check } from '@scure/base'
import { bytesError } from './catalogue.ts'
import { sha256 } from './digest.ts'
import { type AccountAddress, type BitcoinAddress, parseAddress, type SolanaAddress } from './ids.ts'

const base58check = createBase58check(sha256)
const addressCharsMax = 100

/** @throws {CountersignError} BYTES_NOT_AN_ADDRESS */
export function parseSolanaAddress(value: unknown, name = 'address'): SolanaAddress {
  if (!isSolanaAddress(value)) {
    throw bytesError('BYTES_NOT_AN_ADDRESS', `${name} is not a Solana address (32 bytes in base58).`)
  }
  return value
}

export function isSolanaAddress(value: unknown): value is SolanaAddress {
  if (typeof value !== 'string' || value.length < 32 || value.length > 44) return false
  try {
    const bytes = base58.decode(value)
    return bytes.length === 32
  } catch {
    return false
  }
}

export function encodeSolanaAddress(bytes: Uint8Array): SolanaAddress {
  if (bytes.length !== 32) throw new Error('bug: a Solana address has 32 bytes')
  return base58.encode(bytes) as SolanaAddress
}

/** @returns the 32 bytes, a copy. */
export function decodeSolanaAddress(address: SolanaAddress): Uint8Array {
  return base58.decode(address)
}

/**
 * P2PKH, P2SH (base58check) and segwit (BIP-173, BIP-350) addresses of the main and the test networks.
 * Segwit addresses are taken in lower or in upper case, and given in lower case.
 * @throws {CountersignError} BYTES_NOT_AN_ADDRESS */
export function parseBitcoinAddress(value: unknown, name = 'address'): BitcoinAddress {
  const address =
    typeof value === 'string' && value.length <= addressCharsMax ? segwitOrLegacy(value) : undefined
  if (address === undefined) throw bytesError('BYTES_NOT_AN_ADDRESS', `${name} is not a Bitcoin address.`)
  return address
}

/** An address of whatever family its form is of.
 * @throws {CountersignError} BYTES_NOT_AN_ADDRESS */
export function parseAccountAddress(value: unknown, name = 'address'): AccountAddress {
  if (typeof value === 'string') {
    if (/^0x/i.test(value)) return parseAddress(value, name)
    if (isSolanaAddress(value)) return value
    const bitcoin = value.length <= addressCharsMax ? segwitOrLegacy(value) : undefined
    if (bitcoin !== undefined) return bitcoin
  }
  throw bytesError('BYTES_NOT_AN_ADDRESS', `${name} is not an address of EVM, Solana or Bitcoin.`)
}

function segwitOrLegacy(value: string): BitcoinAddress | undefined {
  const text = value === value.toUpperCase() ? value.toLowerCase() : value
  return /^(?:bc|tb|bcrt)1/.test(text) ? segwit(text) : legacy(value)
}

/** Where an address is valid: the main network, the public test networks (test, signet), or a local one. */
export type BitcoinNetwork = 'main' | 'test' | 'regtest'
const segwitPrefixes = { main: 'bc', test: 'tb', regtest: 'bcrt' } as const
const segwitPrefixNames: readonly string[] = Object.values(segwitPrefixes)

/** BIP-173 and BIP-350.
 * @param version 0 to 16. @param program 2 to 40 bytes; 20 or 32 for version 0. */
export function encodeSegwitAddress(
  network: BitcoinNetwork,
  version: number,
  program: Uint8Array,
): BitcoinAddress {
  const codec = version === 0 ? bech32 : bech32m
  const words = [version, ...codec.toWords(program)]
  return parseBitcoinAddress(codec.encode(segwitPrefixes[network], words))
}

/** @param hash HASH160 of the public key or of the script, 20 bytes. */
export function encodeLegacyAddress(
  network: BitcoinNetwork,
  kind: 'p2pkh' | 'p2sh',
  hash: Uint8Array,
): BitcoinAddress {
  const [main, other] = kind === 'p2pkh' ? [0, 111] : [5, 196]
  const version = network === 'main' ? main : other
  return parseBitcoinAddress(base58check.encode(Uint8Array.of(version, ...hash)))
}

function segwit(text: string): BitcoinAddress | undefined {
  for (const codec of [bech32, bech32m]) {
    const decoded = codec.decodeUnsafe(text, addressCharsMax)
    if (decoded === undefined) continue
    // What stands before the last 1; /^bc1/ alone would let bc1x1… pass.
    if (!segwitPrefixNames.includes(decoded.prefix)) return undefined
    const version = decoded.words[0]
    // BIP-350: version 0 in bech32, every later one in bech32m.
    if (version === undefined || version > 16 || (version === 0) !== (codec === bech32)) return undefined
    const program = codec.fromWordsUnsafe(decoded.words.slice(1))
    if (!program || program.length < 2 || program.length > 40) return undefined
    if (version === 0 && program.length !== 20 && program.length !== 32) return undefined
    return text as BitcoinAddress
  }
  return undefined
}

/** Version bytes: 0 and 5 on the main network, 111 and 196 on test networks. */
const legacyVersions = [0, 5, 111, 196]

function legacy(text: string): BitcoinAddress | undefined {
  try {
    const bytes = base58check.decode(text)
    return bytes.length === 21 && legacyVersions.includes(bytes[0] as number)
      ? (text as BitcoinAddress)
      : undefined
  } catch {
    return undefined
  }
}
