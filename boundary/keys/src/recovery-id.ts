import { isEqual } from '@countersign/bytes'
import { secp256k1 } from './curve.ts'

// Half of the order of secp256k1, rounded down (SEC 2 section 2.4.1); EIP-2 asks for s not above it.
const halfOrder = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex')

export function isHighS(signature: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) {
    const difference = (signature[32 + i] as number) - (halfOrder[i] as number)
    if (difference !== 0) return difference > 0
  }
  return false
}

/**
 * Checks a signature by recovering its key, which also tells the recovery id that wire formats need.
 * @param publicKey Compressed. @param digest 32 bytes. @param hint What to try first.
 * @returns undefined where the signature is not this key's, or has the higher s. */
export function recoveryIdOf(
  publicKey: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
  hint: number | undefined,
): 0 | 1 | undefined {
  if (digest.length !== 32 || signature.length !== 64 || isHighS(signature)) return undefined
  for (const candidate of hint === 1 ? ([1, 0] as const) : ([0, 1] as const)) {
    const recovered = secp256k1.recover(digest, signature, candidate)
    if (recovered !== undefined && isEqual(recovered, publicKey)) return candidate
  }
  return undefined
}
