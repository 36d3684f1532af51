import { isEqual } from '@countersign/bytes'
import { loadNativeSecp256k1 } from './native-secp256k1.ts'
import { nobleSecp256k1 } from './noble-secp256k1.ts'
import type { Secp256k1 } from './secp256k1-interface.ts'

export { isSecp256k1SecretKey, type Secp256k1 } from './secp256k1-interface.ts'

// The RFC 6979 vector for secp256k1 in wide use: secret key 1, SHA-256 of "Satoshi Nakamoto".
const vector = {
  secretKey: bytes('0000000000000000000000000000000000000000000000000000000000000001'),
  digest: bytes('a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e'),
  signature: bytes(
    '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8' +
      '2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
  ),
  publicKey: bytes('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'),
}

/** The curve that this process signs with: native where it loads and passes its self-check, otherwise noble. */
export const secp256k1: Secp256k1 = chooseSecp256k1(loadNativeSecp256k1)

/** Exported for the test of the fallback. */
export function chooseSecp256k1(loadNative: () => Secp256k1 | undefined): Secp256k1 {
  const native = loadNative()
  if (native !== undefined && passesSelfCheck(native)) return native
  if (!passesSelfCheck(nobleSecp256k1))
    throw new Error('bug: no secp256k1 implementation passes its self-check')
  return nobleSecp256k1
}

function passesSelfCheck(curve: Secp256k1): boolean {
  try {
    const { secretKey, digest, signature, publicKey } = vector
    const made = curve.sign(digest, secretKey)
    if (made.recovery !== 0 && made.recovery !== 1) return false
    const recovered = curve.recover(digest, made.bytes, made.recovery)
    const otherDigest = Uint8Array.from(digest)
    otherDigest[0] = 0
    return (
      isEqual(made.bytes, signature) &&
      isEqual(curve.publicKey(secretKey), publicKey) &&
      recovered !== undefined &&
      isEqual(recovered, publicKey) &&
      curve.verify(digest, signature, publicKey) &&
      !curve.verify(otherDigest, signature, publicKey)
    )
  } catch {
    return false
  }
}

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}
