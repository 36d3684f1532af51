import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { p2tr } from '@scure/btc-signer'
import { describe, expect, it } from 'vitest'
import { isSchnorrSigner, signTaproot, taprootTweak } from './taproot.ts'
import { codeOf } from './testing.ts'

const { Fn } = secp256k1.Point
const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

describe('signatures for Taproot', () => {
  // BIP-86, test vectors: the first receiving address.
  it('are by the output key of BIP-86', () => {
    const internal = hex('cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115')
    const output = hex('a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c')
    const { Point } = secp256k1
    const even = Point.fromBytes(Uint8Array.of(2, ...internal))
    const tweaked = even.add(Point.BASE.multiply(taprootTweak(internal)))
    expect(tweaked.toBytes(true).slice(1)).toEqual(output)
  })

  it('verify under the output key that another library makes, for keys of either parity', () => {
    const parities = new Set<number>()
    for (let i = 1; i <= 24; i++) {
      const secret = Fn.toBytes(BigInt(i) * 0x1234567890abcdefn)
      const point = secp256k1.getPublicKey(secret, true)
      parities.add(point[0] as number)
      const digest = new Uint8Array(32).fill(i)
      const { tweakedPubkey } = p2tr(point.slice(1))
      const signature = signTaproot(digest, secret)
      expect(schnorr.verify(signature, digest, tweakedPubkey)).toBe(true)
    }
    expect(parities).toEqual(new Set([2, 3]))
  })

  it('never repeat a nonce', () => {
    const secret = Fn.toBytes(5n)
    const nonces = Array.from({ length: 8 }, () =>
      Buffer.from(signTaproot(new Uint8Array(32), secret).subarray(0, 32)).toString('hex'),
    )
    expect(new Set(nonces).size).toBe(8)
  })

  it('leave the secret key as it is, and take no other', async () => {
    const secret = Fn.toBytes(5n)
    signTaproot(new Uint8Array(32), secret)
    expect(secret).toEqual(Fn.toBytes(5n))
    for (const bad of [new Uint8Array(32), new Uint8Array(31).fill(1), new Uint8Array(32).fill(0xff)]) {
      expect(await codeOf(() => signTaproot(new Uint8Array(32), bad))).toBe('KEYS_SECRET_KEY_INVALID')
    }
  })

  it('are a power that a backend has or has not', () => {
    expect(isSchnorrSigner({} as never)).toBe(false)
    expect(isSchnorrSigner({ signTaproot: 1 } as never)).toBe(false)
    expect(isSchnorrSigner({ signTaproot: async () => new Uint8Array(64) } as never)).toBe(true)
  })
})
