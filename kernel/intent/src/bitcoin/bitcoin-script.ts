import {
  type BitcoinAddress,
  type BitcoinNetwork,
  bitcoinMainnet,
  type ChainId,
  concatBytes,
  encodeLegacyAddress,
  encodeSegwitAddress,
  encodeUtf8,
  sha256,
} from '@countersign/bytes'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { hash160, psbtInvalid } from './bitcoin-bytes.ts'

/** CAIP-2, bip122: the first 32 digits of the genesis block's hash. */
const networks: Readonly<Record<string, BitcoinNetwork>> = {
  [bitcoinMainnet]: 'main',
  'bip122:000000000933ea01ad0ee984209779ba': 'test', // testnet3
  'bip122:00000000da84f2bafbbc53dee25a72ae': 'test', // testnet4
  'bip122:00000008819873e925422c1ff0f99f7c': 'test', // signet
  'bip122:0f9188f13cb7b2c71f2a335e3a4fc328': 'regtest',
}

/** @throws {CountersignError} INTENT_PSBT_INVALID */
export function bitcoinNetwork(chain: ChainId): BitcoinNetwork {
  const network = networks[chain]
  if (network === undefined) throw psbtInvalid(`${chain} is no network of Bitcoin that is known here`)
  return network
}

/** The wallet's own address. @param publicKey 33 bytes. */
export function bitcoinWalletAddress(
  publicKey: Uint8Array,
  form: 'p2wpkh' | 'p2tr',
  chain: ChainId,
): BitcoinAddress {
  const script = form === 'p2tr' ? p2trScript(publicKey) : p2wpkhScript(publicKey)
  const address = addressOfScript(script, bitcoinNetwork(chain))
  if (address === undefined) throw new Error('bug: a script of the wallet without an address')
  return address
}

const opReturn = 0x6a
const opPushData1 = 0x4c

/** The address of an output script, or undefined where it has none. */
export function addressOfScript(script: Uint8Array, network: BitcoinNetwork): BitcoinAddress | undefined {
  if (matches(script, [0x76, 0xa9, 0x14], 20, [0x88, 0xac])) {
    return encodeLegacyAddress(network, 'p2pkh', script.subarray(3, 23))
  }
  if (matches(script, [0xa9, 0x14], 20, [0x87])) {
    return encodeLegacyAddress(network, 'p2sh', script.subarray(2, 22))
  }
  // BIP-141: OP_0 or OP_1 to OP_16, then one push of 2 to 40 bytes.
  const [first, length] = script
  if (first === undefined || length === undefined || length < 2 || length > 40) return undefined
  if (script.length !== 2 + length) return undefined
  const version = first === 0 ? 0 : first - 0x50
  if (version < 0 || version > 16 || (version === 0 && length !== 20 && length !== 32)) return undefined
  return encodeSegwitAddress(network, version, script.subarray(2))
}

/** What an OP_RETURN output carries: the bytes of its one push, or else all that follows; undefined for other scripts. */
export function dataOfScript(script: Uint8Array): Uint8Array | undefined {
  if (script[0] !== opReturn) return undefined
  const length = script[1]
  if (length === undefined) return new Uint8Array(0)
  if (length < opPushData1 && script.length === 2 + length) return script.slice(2)
  if (length === opPushData1 && script.length === 3 + (script[2] ?? 0)) return script.slice(3)
  return script.slice(1)
}

/** BIP-141. @param publicKey 33 bytes. */
export function p2wpkhScript(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(0, 20, ...hash160(publicKey))
}

/** BIP-86: the key path, and no script. @param publicKey 33 bytes. */
export function p2trScript(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(0x51, 32, ...taprootOutputKey(publicKey.subarray(1)))
}

/** BIP-341, taproot_tweak_pubkey without scripts. @param internalKey 32 bytes. @returns 32 bytes. */
export function taprootOutputKey(internalKey: Uint8Array): Uint8Array {
  const { Point } = secp256k1
  const internal = schnorr.utils.lift_x(uintOf(internalKey))
  const tweak = uintOf(taggedHash('TapTweak', internalKey))
  if (tweak >= Point.Fn.ORDER) throw new Error('bug: a hash over the order of the curve')
  const tweaked = tweak === 0n ? internal : internal.add(Point.BASE.multiply(tweak))
  return tweaked.toBytes(true).slice(1)
}

/** BIP-340. */
export function taggedHash(tag: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const tagHash = sha256(encodeUtf8(tag))
  return sha256(concatBytes(tagHash, tagHash, ...parts))
}

function uintOf(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

function matches(
  script: Uint8Array,
  start: readonly number[],
  between: number,
  end: readonly number[],
): boolean {
  return (
    script.length === start.length + between + end.length &&
    start.every((byte, i) => script[i] === byte) &&
    end.every((byte, i) => script[start.length + between + i] === byte)
  )
}
