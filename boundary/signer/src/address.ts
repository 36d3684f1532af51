import { type Address, checksumAddress, encodeBase58, encodeHex, keccak256 } from '@countersign/bytes'
import type { PublicKey } from '@countersign/keys'
import { secp256k1 } from '@noble/curves/secp256k1.js'

/** EVM: EIP-55 address (last 20 bytes of keccak-256 over x||y). Ed25519: base58 of the key, as Solana writes it. */
export function addressOf({ algorithm, bytes }: PublicKey): string {
  if (algorithm === 'ed25519') return encodeBase58(bytes)
  const point = secp256k1.Point.fromBytes(bytes).toBytes(false)
  return checksumAddress(encodeHex(keccak256(point.subarray(1)).subarray(12)) as Address)
}
