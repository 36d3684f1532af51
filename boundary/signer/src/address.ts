import { type Address, checksumAddress, encodeBase58, encodeHex, keccak256 } from '@countersign/bytes'
import { bitcoinWalletAddress } from '@countersign/intent'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { chainOfWallet, type WalletKind } from './wallet-chain.ts'

/**
 * EVM: EIP-55 address (last 20 bytes of keccak-256 over x||y). Solana: base58 of the key. Bitcoin: that of the key's
 * script on the wallet's network.
 * @param publicKey Compressed point, or Ed25519 key. */
export function addressOf(kind: WalletKind, publicKey: Uint8Array): string {
  if (kind.type === 'SOLANA') return encodeBase58(publicKey)
  if (kind.type === 'BITCOIN') {
    if (kind.form === undefined) throw new Error('bug: a BITCOIN wallet without its form')
    return bitcoinWalletAddress(publicKey, kind.form, chainOfWallet(kind))
  }
  const point = secp256k1.Point.fromBytes(publicKey).toBytes(false)
  return checksumAddress(encodeHex(keccak256(point.subarray(1)).subarray(12)) as Address)
}
