import { generateKeyPairSync, randomBytes, sign as signWithNode } from 'node:crypto'
import { encodeHex, sha256 } from '@countersign/bytes'
import { secp256k1, TaskThread } from '@countersign/keys'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTestKey } from '../../../test/signer/test-signer.ts'
import { verifierWork, verifyMade, verifyOn, verifyRequest } from './verifier.ts'
import { startWorkThread } from './work-thread.ts'

const base = new TextEncoder().encode('"@method": POST')

function requestBy(algorithm: 'p256' | 'ed25519' | 'secp256k1') {
  if (algorithm === 'p256') {
    const { key, publicKey } = createTestKey('p256')
    const signature = new Uint8Array(signWithNode('sha256', base, { key, dsaEncoding: 'ieee-p1363' }))
    return { algorithm, publicKey, base, signature }
  }
  if (algorithm === 'ed25519') {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const spki = publicKey.export({ format: 'der', type: 'spki' })
    const signature = new Uint8Array(signWithNode(null, base, privateKey))
    return { algorithm, publicKey: encodeHex(new Uint8Array(spki.subarray(-32))), base, signature }
  }
  const secret = new Uint8Array(randomBytes(32))
  const signature = secp256k1.sign(sha256(base), secret).bytes
  return { algorithm, publicKey: encodeHex(secp256k1.publicKey(secret)), base, signature }
}

/** The same signature with the other s, which ECDSA accepts too. */
function otherS(signature: Uint8Array): Uint8Array {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const s = order - BigInt(encodeHex(signature.subarray(32)))
  return new Uint8Array(
    Buffer.concat([signature.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]),
  )
}

function madeSignature() {
  const secret = new Uint8Array(randomBytes(32))
  const payload = new Uint8Array(randomBytes(32))
  const { bytes, recovery } = secp256k1.sign(payload, secret)
  const publicKey = encodeHex(secp256k1.publicKey(secret))
  return { algorithm: 'secp256k1' as const, publicKey, payload, bytes, recovery: recovery as 0 | 1 }
}

for (const where of ['here', 'on its thread'] as const) {
  describe(`verification ${where}`, () => {
    const deaths: unknown[] = []
    if (where === 'on its thread') {
      let thread: TaskThread
      beforeAll(() => {
        thread = startWorkThread((error) => deaths.push(error))
        verifyOn(thread)
      })
      afterAll(async () => {
        verifyOn(undefined)
        await thread.stop()
        expect(deaths).toEqual([])
      })
    }

    it('accepts requests by each algorithm, and none with a changed bit', async () => {
      for (const algorithm of ['p256', 'ed25519', 'secp256k1'] as const) {
        // Often enough to meet r and s with leading zeros and leading ones.
        for (let i = 0; i < 40; i++) {
          const request = requestBy(algorithm)
          expect(await verifyRequest(request), algorithm).toBe(true)
          const at = i % request.signature.length
          const signature = request.signature.map((byte, j) => (j === at ? byte ^ 1 : byte))
          expect(await verifyRequest({ ...request, signature }), algorithm).toBe(false)
          expect(await verifyRequest({ ...request, base: base.slice(1) }), algorithm).toBe(false)
        }
      }
    })

    it('takes both forms of s from callers, and only the low one from key stores', async () => {
      const request = requestBy('secp256k1')
      expect(await verifyRequest({ ...request, signature: otherS(request.signature) })).toBe(true)
      const made = madeSignature()
      expect(await verifyMade({ ...made, bytes: otherS(made.bytes) })).toBeUndefined()
    })

    it('tells the recovery id, whatever the hint', async () => {
      for (let i = 0; i < 20; i++) {
        const made = madeSignature()
        for (const recovery of [0, 1, undefined] as const) {
          expect(await verifyMade({ ...made, recovery })).toBe(made.recovery)
        }
        expect(await verifyMade({ ...made, publicKey: madeSignature().publicKey })).toBeUndefined()
        expect(await verifyMade({ ...made, payload: made.payload.slice(1) })).toBeUndefined()
        expect(await verifyMade({ ...made, bytes: made.bytes.slice(1) })).toBeUndefined()
      }
    })

    it('is where it says', async () => {
      const runs = vi.spyOn(TaskThread.prototype, 'run')
      await verifyRequest(requestBy('p256'))
      await verifyMade(madeSignature())
      expect(runs.mock.calls.map(([work]) => work)).toEqual(
        where === 'here' ? [] : [verifierWork, verifierWork],
      )
      runs.mockRestore()
    })

    it('answers each of many in its own place', async () => {
      const many = Array.from({ length: 600 }, (_, i) => ({
        good: i % 3 !== 0,
        request: requestBy('secp256k1'),
      }))
      const answers = await Promise.all(
        many.map(({ good, request }) => verifyRequest(good ? request : { ...request, base: base.slice(2) })),
      )
      expect(answers).toEqual(many.map(({ good }) => good))
    })

    it('lets neither a hint nor a key say what is checked', async () => {
      const [made, other] = [madeSignature(), madeSignature()]
      const forged = { ...made, bytes: other.bytes, payload: other.payload }
      expect(await verifyMade({ ...other, recovery: undefined })).toBe(other.recovery)
      for (const recovery of [
        `0 32 secp256k1 ${other.publicKey}`,
        other.publicKey,
        300,
        -1,
        {},
        Number.NaN,
      ]) {
        expect(await verifyMade({ ...forged, recovery: recovery as never })).toBeUndefined()
        expect(await verifyMade({ ...made, recovery: recovery as never })).toBe(made.recovery)
      }
      const shifted = `${made.publicKey.slice(0, -1)}${String.fromCharCode(made.publicKey.charCodeAt(67) + 256)}`
      for (const publicKey of [
        shifted,
        `${made.publicKey} junk`,
        `${made.publicKey}00`,
        made.publicKey.slice(2),
      ]) {
        expect(await verifyMade({ ...made, publicKey: publicKey as never })).toBeUndefined()
      }
    })

    it('checks what is too long for the ring, too', async () => {
      const { key, publicKey } = createTestKey('p256')
      const long = new Uint8Array(randomBytes(10_000))
      const signature = new Uint8Array(signWithNode('sha256', long, { key, dsaEncoding: 'ieee-p1363' }))
      const request = { algorithm: 'p256' as const, publicKey, base: long, signature }
      expect(await verifyRequest(request)).toBe(true)
      expect(await verifyRequest({ ...request, base: long.slice(1) })).toBe(false)
    })

    it('takes what cannot be checked for a no, and goes on', async () => {
      const good = requestBy('p256')
      const answers = await Promise.all([
        verifyRequest({ ...good, publicKey: '0x00' }),
        verifyRequest({ ...good, signature: new Uint8Array(0) }),
        verifyMade({ ...madeSignature(), publicKey: '0xnothex' as '0x' }),
        verifyMade({ ...madeSignature(), bytes: undefined as never }),
        verifyMade({ ...madeSignature(), bytes: 'signature' as never }),
        verifyRequest({ ...good, signature: [1, 2] as never }),
        verifyRequest(good),
      ])
      expect(answers).toEqual([false, false, undefined, undefined, undefined, false, true])
    })
  })
}

describe('verification on a thread', () => {
  afterAll(() => verifyOn(undefined))

  it('takes no code for a yes that is not one', async () => {
    const [request, made] = [requestBy('p256'), madeSignature()]
    for (const code of [-1, 0, 1, 3, 4, 5, 9, 2 ** 31, Number.NaN, undefined]) {
      verifyOn({ run: async () => ({ code, reply: new Uint8Array(96) }) } as never)
      expect(await verifyRequest(request), `${code}`).toBe(false)
      if (code !== 3 && code !== 4) expect(await verifyMade(made), `${code}`).toBeUndefined()
    }
  })

  it('that has ended is a refusal, and not done elsewhere', async () => {
    const thread = startWorkThread(() => undefined)
    verifyOn(thread)
    await thread.stop()
    await expect(verifyRequest(requestBy('p256'))).rejects.toMatchObject({ code: 'SIGNER_HALTED' })
    await expect(verifyMade(madeSignature())).rejects.toMatchObject({ code: 'SIGNER_HALTED' })
  })
})
