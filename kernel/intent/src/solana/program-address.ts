import {
  concatBytes,
  decodeSolanaAddress,
  encodeSolanaAddress,
  encodeUtf8,
  type SolanaAddress,
  sha256,
} from '@countersign/bytes'
import { ed25519 } from '@noble/curves/ed25519.js'
import { associatedTokenProgram } from './programs.ts'

const programAddressMarker = encodeUtf8('ProgramDerivedAddress')
const seedBytesMax = 32

/**
 * The address that the Associated Token Account program gives an owner's tokens of a mint: the first one, from bump
 * 255 down, that is no point of the curve, so that no key exists for it.
 * @see solana-address, find_program_address */
export function associatedTokenAddress(
  owner: SolanaAddress,
  mint: SolanaAddress,
  tokenProgram: SolanaAddress,
): SolanaAddress {
  const seeds = [owner, tokenProgram, mint].map(decodeSolanaAddress)
  const program = decodeSolanaAddress(associatedTokenProgram)
  for (let bump = 255; bump >= 0; bump--) {
    const address = sha256(concatBytes(...seeds, Uint8Array.of(bump), program, programAddressMarker))
    if (!isOnCurve(address)) return encodeSolanaAddress(address)
  }
  throw new Error('bug: 256 hashes in a row are points of the curve')
}

/** @returns undefined where the seed is too long, or the address would pass for a program's own (create_with_seed). */
export function addressWithSeed(
  base: SolanaAddress,
  seed: string,
  program: SolanaAddress,
): SolanaAddress | undefined {
  const seedBytes = encodeUtf8(seed)
  const programBytes = decodeSolanaAddress(program)
  const endsLikeMarker = programAddressMarker.every((byte, i) => programBytes[32 - 21 + i] === byte)
  if (seedBytes.length > seedBytesMax || endsLikeMarker) return undefined
  return encodeSolanaAddress(sha256(concatBytes(decodeSolanaAddress(base), seedBytes, programBytes)))
}

/** Decompression as validators do it: y is taken modulo p, and a sign on x = 0 is let pass (the rules of ZIP 215). */
export function isOnCurve(bytes: Uint8Array): boolean {
  try {
    ed25519.Point.fromBytes(bytes, true)
    return true
  } catch {
    return false
  }
}
